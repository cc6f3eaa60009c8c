"""The files of the plots: the same bytes every time, whatever is missing, and none but those announced."""

import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.report import planned_plots, summarize
from normzoo.report.plots import FIGURES
from normzoo.report.plots.style import GRID_COLOR, INK

from ..synthetic import epoch, filled, run
from .cases import CASES, learned, summary, write_plots

NAMES = {
    "whole": ["values", "error", "curves", "seconds", "forest", "gap"],
    "one norm": ["values", "error", "curves", "seconds", "gap"],
    "all diverged": [],
    "nothing": [],
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the plots of a small matrix that lacks nothing."""
    folder = tmp_path_factory.mktemp("plots")
    write_plots(CASES["small"], folder / "report")
    return folder


@pytest.mark.slow_but_one
@pytest.mark.parametrize("case", ["nothing", "all diverged", "one batch size", "missing cells", "perfect"])
def test_the_files_are_those_announced(case: str, tmp_path: Path) -> None:
    """Degenerate summaries are drawn, too, and nothing else is written."""
    made = write_plots(CASES[case], tmp_path / "the report.v2")
    assert made == planned_plots(CASES[case], tmp_path / "the report.v2")
    assert {path for plot in made for path in (plot.svg, plot.png)} == set(tmp_path.iterdir())


@pytest.mark.parametrize("case", NAMES)
def test_a_plot_with_nothing_to_show_is_not_announced(case: str) -> None:
    assert [plot.kind for plot in planned_plots(CASES[case], "report")] == NAMES[case]


def test_a_single_epoch_has_no_curves() -> None:
    made = learned(MatrixSpec(seeds=2), lambda *_: [epoch(1, 0.5)])
    assert [plot.kind for plot in planned_plots(made, "report")] == ["values", "error", "forest", "gap"]


def test_without_times_there_are_no_curves_against_seconds() -> None:
    made = learned(MatrixSpec(seeds=2), lambda *_: [epoch(1, 0.5), epoch(2, 0.6)], alone=None)
    assert "seconds" not in [plot.kind for plot in planned_plots(made, "report")]


def test_files_stand_next_to_the_report() -> None:
    plot = planned_plots(CASES["whole"], "reports/my digits.v2")[0]
    assert plot.svg == Path("reports/my digits.v2-accuracy.svg")
    assert plot.png == Path("reports/my digits.v2-accuracy.png")


def test_what_is_announced_can_be_drawn() -> None:
    assert [plot.kind for plot in planned_plots(CASES["whole"], "report")] == list(FIGURES)


def test_every_plot_has_a_title_and_says_what_it_shows() -> None:
    plots = planned_plots(CASES["whole"], "report")
    assert len({plot.title for plot in plots}) == len({plot.text for plot in plots}) == len(plots)
    assert plots[0].text == (
        "Test accuracy in % against batch size on digits, one panel per template (cnn and lstm), one line per norm: "
        "mean of 3 seeds with 95 % interval."
    )
    assert all(re.search(r"\bdigits\b", plot.text) and plot.text.endswith(".") for plot in plots)


def test_the_text_says_where_seeds_lack_and_batch_sizes_are_left_out() -> None:
    sizes = ",".join(str(2**power) for power in range(12))
    matrix = MatrixSpec(norms="batch", batch_sizes=sizes, seeds=2)
    made = summary(matrix, lambda _, size, seed: "diverged" if size == seed == 1 else 0.5)
    curves = next(plot for plot in planned_plots(made, "report") if plot.kind == "curves")
    assert "(1, 4, 8, 32, 64, 256, 512, 2048)" in curves.text
    assert "mean of up to 2 seeds with 95 % interval; 8 of 12 batch sizes are shown" in curves.text


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(written: Path, tmp_path: Path) -> None:
    """Whatever the order in which it hashes strings."""
    code = (
        "from pathlib import Path\nfrom tests.report.plots.cases import CASES, write_plots\n"
        f"write_plots(CASES['small'], Path({str(tmp_path / 'report')!r}))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "0"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=Path(__file__).parents[3])
    assert contents(tmp_path) == contents(written)


def test_a_dollar_begins_no_formula(tmp_path: Path) -> None:
    """In the names of norms, datasets and titles, where it may be the only one, or stand before what is no formula."""
    matrix = MatrixSpec(norms="batch,none", templates="cnn", batch_sizes="2,8", seeds=2)
    records = filled(matrix, lambda _, size, seed: 0.5 + 0.01 * size + 0.01 * seed)
    labels = {"batch": r"US$5_a, $\frac{1$", "none": "$", "cnn": r"$\no$"}
    assert write_plots(summarize(matrix, records, labels=labels), tmp_path / "report")


@pytest.mark.filterwarnings("error")
def test_signs_that_a_font_lacks_are_drawn_without_a_word(tmp_path: Path) -> None:
    matrix = MatrixSpec(norms="batch,none", templates="cnn", batch_sizes="2,8", seeds=2)
    records = filled(matrix, lambda _, size, seed: 0.5 + 0.01 * size + 0.01 * seed)
    assert write_plots(summarize(matrix, records, labels={"batch": "批归一化"}), tmp_path / "report")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_a_png_has_pixels_enough_and_names_no_program(written: Path) -> None:
    for path in written.glob("*.png"):
        data = path.read_bytes()
        width, height = struct.unpack(">II", data[16:24])
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        assert (width >= 1200, height >= 400) == (True, True), path.name
        assert b"Software" not in data


@pytest.mark.slow
def test_an_svg_is_light_and_takes_on_the_colours_of_a_page(written: Path) -> None:
    """No background, text as outlines, and the two colours that a page replaces."""
    for path in written.glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        root = ElementTree.fromstring(text)  # noqa: S314
        background = next(element for element in root.iter() if element.get("id") == "patch_1")
        assert [shape.get("style") for shape in background] == ["fill: none"]
        assert {INK, GRID_COLOR} <= set(re.findall(r"#[0-9a-f]{6}", text))
        assert "#000000" not in text
        assert not [element for element in root.iter() if element.tag.endswith("}text")]
        assert "<dc:date>" not in text
        assert len(text) < 80_000, path.name


@pytest.mark.slow
def test_the_users_own_settings_stay_and_change_nothing(written: Path, tmp_path: Path) -> None:
    with matplotlib.rc_context({"font.size": 30.0, "text.color": "red", "lines.linewidth": 9.0}):
        before = dict(matplotlib.rcParams)
        write_plots(CASES["small"], tmp_path / "report")
        assert dict(matplotlib.rcParams) == before
    assert contents(tmp_path) == contents(written)


@pytest.mark.slow
def test_a_template_without_results_says_so() -> None:
    """In every plot, next to one that has some."""
    matrix, alone = (MatrixSpec(norms="batch,none", templates=each, seeds=2) for each in ("cnn,lstm", "cnn"))
    records = filled(alone, lambda *_: 0.5, epoch_seconds_alone=0.5)
    lost = run("diverged", template="lstm")
    made = summarize(matrix, {**records, lost.spec.key: lost})
    for name, draw in FIGURES.items():
        found = [(axis.get_title(), [text.get_text() for text in axis.texts]) for axis in draw(made).axes]
        assert {"no results" in shown for title, shown in found if title.startswith("lstm")} == {True}, name
        assert {"no results" in shown for title, shown in found if title.startswith("cnn")} == {False}, name
    assert len(planned_plots(made, "report")) == len(FIGURES)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("case", ["all diverged", "nothing", "one norm"])
def test_even_what_is_not_announced_can_be_drawn(case: str, name: str) -> None:
    figure = FIGURES[name](CASES[case])
    figure.draw_without_rendering()
    assert figure.axes
