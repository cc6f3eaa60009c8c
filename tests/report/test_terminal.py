"""The tables as a terminal of 80 columns shows them, cell by cell."""

import re
from typing import Any

import pytest
from rich.table import Table
from rich.text import Text

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.report import Depth, Summary, sections, summarize, to_rich

from .synthetic import Outcome, filled, terminal

WIDE: dict[int, tuple[float, ...]] = {2: (0.10, 0.90, 0.99), 8: (0.91, 0.93, 0.95), 32: (0.97, 0.98, 0.99)}


def screen(summary: Summary, width: int = 80) -> list[list[str]]:
    """Return the lines of the screen, each split into what stands two or more blanks apart."""
    return [re.split(r"\s{2,}", line.strip()) for line in lines_of(summary, width)]


def default() -> Summary:
    """Summarize the default matrix with intervals as wide as they get."""
    matrix = MatrixSpec(seeds=10)
    return summarize(matrix, filled(matrix, lambda _, size, seed: WIDE[size][seed % 3], seconds=(0.1, 0.1)))


def test_the_default_matrix_fits_80_columns_cell_by_cell() -> None:
    lines = screen(default())
    assert lines.count(["norm", "batch 2", "batch 8", "batch 32", "32 → 2", "s/epoch"]) == 2
    batch = ["batch", "61 ±31 ●", "92.8 ±1.3 ●", "97.9 ±0.6 ●", "-37 ±31", "0.1"]
    layer = ["layer", "61 ±31 ○", "92.8 ±1.3 ○", "97.9 ±0.6 ○", "-37 ±31", "0.1"]
    assert lines.count(batch) == 2
    assert lines.count(layer) == 2


def rows_of(norm: str, lines: list[list[str]], cells: int) -> list[list[str]]:
    """Return the rows of a norm that have so many cells next to its name."""
    return [line[1:] for line in lines if line[0] == norm and len(line) == cells + 1]


def test_every_norm_takes_one_line_where_every_column_is_wide() -> None:
    matrix = MatrixSpec(seeds=3)
    summary = summarize(matrix, filled(matrix, lambda *place: WIDE[2][place[2]]))
    lines = screen(summary)
    for norm in matrix.norms:
        assert sum(row[-1] == "1.0" for row in rows_of(norm, lines, 5)) == 2


def lost(norm: str, size: int, seed: int) -> Outcome:
    if norm == "none" and size == 32:
        return "diverged" if seed == 0 else 0.8
    return "failed" if norm == "instance" and size == 2 else 0.9


def test_lost_runs_stand_below_the_number() -> None:
    matrix = MatrixSpec(templates="cnn", seeds=3)
    lines = screen(summarize(matrix, filled(matrix, lost)), width=100)
    assert ["none", "90.0 ±0.0", "90.0 ±0.0", "80.0 ±0.0 †", "+10.0 ±0.0 †", "1.0"] in lines
    assert ["(2/3, 1 diverged)", "(n=2)"] in lines
    assert ["instance", "failed 3/3", "90.0 ±0.0", "90.0 ±0.0", "–", "1.0"] in lines  # noqa: RUF001


def test_counts_wrap_before_a_number_or_a_name_does() -> None:
    def outcome(_: str, size: int, seed: int) -> Outcome:
        lost: tuple[Outcome, ...] = (0.9, 0.9, "diverged", "diverged", "failed")
        return (0.1, 0.9, 0.1, 0.9, 0.9)[seed] if size == 2 else lost[seed]

    matrix = MatrixSpec(norms="group:groups=4,batch", templates="cnn", seeds=5)
    lines = screen(summarize(matrix, filled(matrix, outcome)))
    assert ["group:groups=4", "58 ±>50", "90.0 ±0.0 †", "90.0 ±0.0 †", "-40 ±>50 †", "1.0"] in lines
    assert ["(2/5, 2", "(2/5, 2", "(n=2)"] in lines
    assert lines.count(["diverged, 1", "diverged, 1"]) == 2


@pytest.mark.slow_but_one
@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_what_does_not_fit_is_continued_below_and_nothing_is_cut(width: int) -> None:
    matrix = MatrixSpec(batch_sizes="1,2,4,8,16,32,64", norms="batch,layer", templates="cnn", seeds=2)
    summary = summarize(matrix, filled(matrix, lambda _, size, seed: 0.01 * size + 0.1 * seed))
    lines = screen(summary, width)
    headers = [cell for line in lines if line[0] == "norm" for cell in line[1:]]
    main = [*(f"batch {size}" for size in matrix.batch_sizes), "64 → 1", "s/epoch"]
    assert headers == [*main, "n", "median", "range", "vs batch", "p", "beats", "rank", "r", "slope", "minus layer"]
    cells = [cell for line in lines if line[0] == "batch" for cell in line[1:]]
    shown = [
        *(f"{size + 5} ±>50" for size in matrix.batch_sizes),
        "-63.0 ±0.0",
        "1.0",
    ]
    assert cells[: len(shown)] == shown
    assert max(map(len, lines_of(summary, width))) <= width


def lines_of(summary: Summary, width: int) -> list[str]:
    return [line.rstrip() for line in terminal(summary, width=width).splitlines()]


def ten() -> Summary:
    """Summarize ten seeds of two norms: layer two points ahead of none at 2, and as good at 32."""
    matrix = MatrixSpec(norms="layer,none", templates="cnn", batch_sizes="2,32", seeds=10)

    def outcome(norm: str, size: int, seed: int) -> Outcome:
        if (norm, size, seed) == ("none", 32, 9):
            return "diverged"
        ahead = 0.02 + 0.001 * (seed % 3) if (norm, size) == ("layer", 2) else 0.001 * (-1) ** seed
        return 0.9 + 0.002 * seed + (ahead if norm == "layer" else 0.0)

    return summarize(matrix, filled(matrix, outcome, test_samples=360, train_samples=1296))


def test_every_norm_is_compared_with_the_baseline_cell_by_cell() -> None:
    lines = screen(ten())
    assert ["norm", "n", "median", "range", "vs none", "p", "beats", "rank", "r"] in lines
    assert ["layer", "10/10", "93.1", "92.0–93.8", "+2.1 ±0.1", "0.002 *", "100 %", "1.0", "+0.99"] in lines  # noqa: RUF001
    assert ["none", "10/10", "90.9", "90.0–91.8", "–", "–", "–", "2.0", "–"] in lines  # noqa: RUF001
    assert ["layer", "10/10", "90.9", "90.1–91.7", "0.0 ±0.1 †", "–", "60 %", "1.4", "+0.98"] in lines  # noqa: RUF001
    assert ["none", "9/10", "90.8", "90.0–91.6", "–", "–", "–", "1.6", "–"] in lines  # noqa: RUF001
    assert [line for line in lines if re.match(r"batch \d+$", line[0])] == [["batch 2"], ["batch 32"]]


def test_a_difference_over_fewer_seeds_says_so() -> None:
    lines = lines_of(ten(), 80)
    place = next(index for index, line in enumerate(lines) if "0.0 ±0.1 †" in line and "60 %" in line)
    assert lines[place + 1].split() == ["(n=9)"]
    assert "1 diverged" in lines[place + 3]


def test_the_effect_of_the_batch_size_has_its_own_table() -> None:
    lines = screen(ten())
    assert ["norm", "slope", "minus none"] in lines
    # Layer falls from 2 to 32 by 2.1 points, over four doublings.
    row = next(line for line in lines if line[0] == "layer" and len(line) == 3)
    assert row == ["layer", "-0.5 ±0.0", "-0.5 ±0.0 †"]


def test_a_contrast_that_is_significant_is_marked() -> None:
    matrix = MatrixSpec(norms="layer,none", templates="cnn", batch_sizes="2,32", seeds=7)
    summary = summarize(
        matrix, filled(matrix, lambda norm, size, _: 0.9 + (0.04 if (norm, size) == ("layer", 2) else 0))
    )
    rows = [line for line in screen(summary) if len(line) == 3 and line[0] == "layer"]
    assert rows == [["layer", "-1.0 ±0.0", "-1.0 ±0.0 *"]]


def test_a_single_batch_size_has_no_change() -> None:
    matrix = MatrixSpec(batch_sizes="8", templates="cnn", seeds=2)
    assert ["norm", "batch 8", "s/epoch"] in screen(summarize(matrix, {}))


def test_a_name_shorter_than_its_header_does_not_narrow_it() -> None:
    matrix = MatrixSpec(norms="rms", batch_sizes="8", templates="cnn", seeds=2)
    assert ["norm", "batch 8", "s/epoch"] in screen(summarize(matrix, {}))


def test_a_long_name_is_folded_not_cut() -> None:
    name = "normzoo.somewhere.deep_inside:MyNorm"
    matrix = MatrixSpec(norms=("batch", name), templates="cnn", seeds=1)
    lines = screen(summarize(matrix, {}))
    start = next(index for index, line in enumerate(lines) if line[0].startswith("normzoo."))
    assert lines[start][0] + lines[start + 1][0] == name


def test_the_best_are_coloured_in_addition_to_their_sign() -> None:
    matrix = MatrixSpec(norms="batch,layer,none", templates="cnn", batch_sizes="2", seeds=7)
    accuracies = {"batch": 0.9, "layer": 0.9, "none": 0.5}
    summary = summarize(matrix, filled(matrix, lambda norm, _, seed: accuracies[norm] + 0.01 * seed))
    (table,) = [
        shown for shown in to_rich(sections(summary)) if isinstance(shown, Table) and shown.columns[0].header == "norm"
    ]
    cells = list(table.columns[1].cells)
    styles = {cell.plain[-1]: cell.spans[0].style for cell in cells if isinstance(cell, Text) and cell.spans}
    assert styles == {"●": "bold green", "○": "green"}


@pytest.mark.slow
def test_the_notes_of_the_runs_are_shown_below_their_table() -> None:
    matrix = MatrixSpec(seeds=2)
    text = terminal(summarize(matrix, filled(matrix, lambda *_: 0.5, notes=("no norm [here]",))))
    assert text.count("- no norm [here]") == 2


def test_the_default_comparison_is_short_unless_details_are_asked_for() -> None:
    """With two of a norm's notes and as many sentences as there can be without trouble."""
    matrix = MatrixSpec()
    summary = summarize(matrix, filled(matrix, lambda _, size, seed: WIDE[size][seed % 3], notes=("a note", "another")))
    assert terminal(summary, depth=Depth.BRIEF).count("\n") <= 42
    assert terminal(summary, depth=Depth.DETAILS).count("\n") > 100


def drawn(summary: Summary, **options: Any) -> str:
    """Return what a terminal with colours gets, control sequences and all."""
    return terminal(summary, force_terminal=True, color_system="truecolor", **options)


@pytest.mark.slow
def test_without_colour_the_same_words_and_signs_are_there() -> None:
    """As under NO_COLOR, by which rich's console is made so."""
    colour = re.compile(r"\x1b\[(?:\d+;)*(?:3\d|9\d)[;m]")
    coloured, plain = drawn(default(), no_color=False), drawn(default(), no_color=True)
    assert colour.search(coloured)
    assert not colour.search(plain)
    words = [re.sub(r"\x1b\[[\d;]*m", "", text) for text in (coloured, plain)]
    assert words[0] == words[1]
    assert "●" in words[0]
    assert "○" in words[0]
