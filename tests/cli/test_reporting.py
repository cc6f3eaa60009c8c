"""Does a report hold what the store holds?"""

import os
from pathlib import Path

import pytest

from .command import CNN, LSTM
from .growth import Growth
from .in_process import call, fill
from .synthetic import run_record, run_spec

PNG = b"\x89PNG\r\n\x1a\n"
PLOTS = ("forest", "gap")
"""Those of a report over several norms; after a single epoch there are no learning curves."""


def check_report(path: Path, *words: str, plots: tuple[str, ...] = PLOTS) -> str:
    """Return a report that has its plots beside it and holds these words."""
    text = path.read_text(encoding="utf-8")
    for name in plots:
        picture = path.with_name(f"{path.stem}-{name}.png")
        assert picture.read_bytes().startswith(PNG)
        assert picture.with_suffix(".svg").read_text(encoding="utf-8").startswith("<?xml")
        assert f"({picture.name})" in text
    assert text.count("![") == len(plots)
    for word in words:
        assert word in text, word
    return text


def test_compare_writes_a_report_with_its_plots_when_asked(growth: Growth) -> None:
    """In a folder that it makes, and it says where; without being asked it writes none."""
    path = Path("reports") / "digits.md"
    text = check_report(
        growth.folder / path,
        f"{CNN} on digits",
        f"{LSTM} on digits",
        f"normzoo compare --batch-sizes 64 --norms none,batch --templates {CNN},{LSTM} --seeds 2",
    )
    assert "360 test samples" in text
    said = f"written: {path}, and 2 plots beside it, each as SVG and PNG\n"
    assert growth.seeds.outcome.stdout.endswith(said)
    assert not (growth.folder / "reports" / "digits.html").exists()
    assert "written" not in growth.first.outcome.stdout


def test_report_writes_the_latest_comparison(growth: Growth) -> None:
    """From the store alone, after the fact."""
    assert growth.latest.code == 0
    assert growth.latest.stdout == "written: latest.md, and 1 plot beside it, each as SVG and PNG\n"
    assert growth.latest.stderr == ""
    text = check_report(growth.folder / "latest.md", f"{CNN} on digits", f"--templates {CNN}", plots=("gap",))
    assert "--rerun" not in text  # it is to be trained again anyway, by whoever reads it
    assert f"{LSTM} on digits" not in text


def test_report_writes_an_earlier_one_by_its_number_and_as_a_page(growth: Growth) -> None:
    """As it was asked for then; missing folders are made."""
    assert growth.earliest.code == 0
    path = growth.folder / "made" / "for" / "it" / "earliest.md"
    text = check_report(path, f"{CNN} on digits", f"{LSTM} on digits")
    assert "`layer`" not in text
    page = path.with_suffix(".html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert page.count("<svg") == 2
    assert "earliest.html, and 2 plots" in growth.earliest.stdout


def test_a_report_can_compare_the_norms_with_another_one(growth: Growth) -> None:
    """Without training anything; a norm that was not compared is refused."""
    assert growth.against.code == 0
    text = (growth.folder / "against.md").read_text(encoding="utf-8")
    assert "## Comparison with the reference norm, batch" in text
    assert "--baseline batch" in text
    assert growth.nowhere.code == 2
    message = "baseline 'layer' is not compared; name one of none, or add it to the norms"
    assert growth.nowhere.stderr == f"normzoo: error: {message}\n"


def test_a_comparison_that_is_not_there_is_refused(growth: Growth) -> None:
    """The message says which there are."""
    assert growth.absent.code == 2
    assert growth.absent.stdout == ""
    message = "normzoo: error: store: 'normzoo.sqlite' holds no comparison 99; it holds 1 to 5\n"
    assert growth.absent.stderr == message
    assert not (growth.folder / "absent.md").exists()


def test_all_comparisons_are_reported_as_one(growth: Growth) -> None:
    """With the norms, batch sizes and seeds of any of them; what no comparison trained is missing."""
    assert growth.whole.code == 0
    text = check_report(
        growth.folder / "whole.md",
        f"normzoo compare --batch-sizes 64,128 --norms none,batch,layer --templates {CNN},{LSTM} --seeds 2",
        plots=("accuracy", "error", *PLOTS),
    )
    assert "runs are missing" in text
    assert growth.ambiguous.code == 2
    assert growth.ambiguous.stderr == ("normzoo: error: --all: stands beside --comparison, which names some; use one\n")
    assert not (growth.folder / "ambiguous.md").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["run%20final", "50%41 ü", "with space", os.fsdecode(b"r\xff")])
def test_a_report_may_have_any_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """One that looks quoted, and one of bytes that are no text: the page shows the plots of the markdown."""
    monkeypatch.chdir(tmp_path)
    records = [
        run_record(run_spec(norm=norm, seed=seed), losses=(1.0 + 0.1 * seed, 0.5))
        for norm in ("batch", "none")
        for seed in range(2)
    ]
    store = fill(tmp_path / "s.sqlite", *records)
    outcome = call(capsys, "report", "--store", store, "-o", f"{name}.md", "--html")
    assert outcome.code == 0, outcome
    assert "<svg" in Path(f"{name}.html").read_text(encoding="utf-8")
    assert list(tmp_path.glob("*.png"))
