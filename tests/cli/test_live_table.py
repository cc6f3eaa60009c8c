"""Does the table fill in, and does it stay readable in whatever room there is?"""

import pytest

from normzoo.cli._live_table import accuracy_table, caption, cell_text, shortened
from normzoo.cli._standing import Cell, Standing
from normzoo.experiment.planning.groups import expand

from .displays import FACTS, cells, epoch, matrix, picture, record, runs_of, standing_of

MATRIX = matrix()


def table(standing: Standing, width: int = 80, height: int = 24) -> list[str]:
    """Return the table's lines; there are as many as it says."""
    part = accuracy_table(standing, width, height)
    if part is None:
        return []
    lines = picture(part.renderable, width, height)
    assert len(lines) == part.height <= height
    return lines


def under_way() -> Standing:
    """Return a comparison with a cell of every kind."""
    standing = standing_of(MATRIX, stored=[record(run, 0.95) for run in runs_of(MATRIX, norm="none", size=16)])
    for run, accuracy in zip(runs_of(MATRIX), (0.971, 0.969), strict=False):
        standing.finished(record(run, accuracy))
    for run in runs_of(MATRIX, norm="layer"):
        standing.started(run)
        standing.epoch(run, epoch(2, 0.8))
    first, second, third = runs_of(MATRIX, norm="none")
    standing.finished(record(first, "diverged"))
    standing.finished(record(second, "failed"))
    standing.finished(record(third, 0.5))
    standing.started(runs_of(MATRIX, "lstm")[0])
    return standing


@pytest.mark.parametrize(
    ("cell", "flying", "text", "style"),
    [
        (Cell(), None, "-", "dim"),
        (Cell(), [], "~ (0/5)", "dim"),
        (Cell(), [0.9, 0.8], "~85.0 (0/5)", "dim"),
        (Cell(ok=2, total=1.9), None, "95.0 (2/5)", ""),
        (Cell(ok=2, total=1.9), [0.1], "95.0 (2/5)", ""),
        (Cell(ok=5, total=5.0), None, "100.0 (5/5)", ""),
        (Cell(ok=2, total=1.9, lost=1), None, "95.0 (2/5, 1!)", "yellow"),
        (Cell(lost=2), None, "- (0/5, 2!)", "yellow"),
        (Cell(lost=2), [0.5], "~50.0 (0/5, 2!)", "dim"),
    ],
)
def test_a_cell_says_what_is_in_or_else_in_flight(
    cell: Cell, flying: list[float] | None, text: str, style: str
) -> None:
    """The mean in percent, how many runs of five, how many are lost; what is not final is dimmed."""
    shown = cell_text(cell, 5, flying)
    assert (shown.plain, shown.style) == (text, style)


def test_everything_is_there_where_there_is_room() -> None:
    """At 80 x 24: both templates, all norms, both batch sizes."""
    what, *lines = table(under_way())
    assert what == "mean test accuracy in % (runs in/planned); ~ in flight; ! diverged or failed"
    assert cells(lines) == [
        ["cnn", "batch 4", "batch 16"],
        ["batch", "97.0 (2/3)", "-"],
        ["layer", "~80.0 (0/3)", "-"],
        ["none", "50.0 (1/3, 2!)", "95.0 (3/3)"],
        ["lstm", "batch 4", "batch 16"],
        ["batch", "~ (0/3)", "-"],
        ["layer", "-", "-"],
        ["none", "-", "-"],
    ]


def test_columns_do_not_move_while_it_fills_in() -> None:
    """They are as wide in the beginning as in the end."""
    begun, ended = standing_of(MATRIX), standing_of(MATRIX)
    for run in expand(MATRIX, FACTS, {}):
        ended.finished(record(run, 0.999))
    assert table(begun)[1] == table(ended)[1]


@pytest.mark.parametrize(("width", "columns"), [(200, 6), (80, 5), (60, 4), (50, 3), (34, 2), (18, 1), (17, 0), (1, 0)])
def test_a_narrower_terminal_has_fewer_batch_sizes(width: int, columns: int) -> None:
    """Whole columns, never parts of one; the number of those that are missing is said."""
    asked = matrix(batch_sizes=(2, 4, 8, 16, 32, 64), templates=("cnn",))
    lines = table(standing_of(asked), width)
    assert bool(lines) == bool(columns)
    if lines:
        assert len(lines[1].split("batch")) - 1 == columns
        assert len(lines) == (5 if columns == 6 else 6)
        missing = f"no room for {6 - columns} batch size{'s' if columns < 5 else ''}"
        assert columns == 6 or missing.startswith(lines[-1].rstrip("\N{HORIZONTAL ELLIPSIS}"))


def test_the_batch_size_in_flight_stays() -> None:
    """Before those that wait or are over."""
    asked = matrix(batch_sizes=(2, 4, 8, 16, 32, 64), templates=("cnn",))
    standing = standing_of(asked)
    standing.started(runs_of(asked, size=32)[0])
    assert cells(table(standing, 34))[1] == ["cnn", "batch 2", "batch 32"]


@pytest.mark.parametrize(
    ("height", "first_cells"),
    [
        (9, ["cnn", "batch", "layer", "none", "lstm", "batch", "layer", "none"]),
        (8, ["cnn", "batch", "lstm", "batch", "layer", "none"]),
        (7, ["lstm", "batch", "layer", "none"]),
        (6, ["lstm", "batch", "layer", "none"]),
        (5, ["lstm", "batch", "none"]),
        (4, ["lstm", "none"]),
        (3, []),
        (0, []),
        (-5, []),
    ],
)
def test_a_lower_terminal_has_fewer_rows(height: int, first_cells: list[str]) -> None:
    """The template and the norm in flight stay the longest."""
    standing = standing_of(MATRIX)
    standing.started(runs_of(MATRIX, "lstm", "none")[0])
    lines = table(standing, height=height)
    body = lines[1:] if height == 9 else lines[1:-1]
    assert [line.split()[0] for line in body] == first_cells


def test_what_was_left_out_is_said_last() -> None:
    """So that nobody takes it for the whole."""
    assert table(standing_of(MATRIX), height=8)[-1] == "no room for 2 of lstm's norms"


def test_with_several_learning_rates_it_says_what_the_mean_is_over() -> None:
    """Over the runs at all of them."""
    standing = standing_of(matrix(lrs=(0.01, 0.1)))
    assert caption(standing, 80) == "mean test accuracy in %, over all learning rates (runs in/planned)"


def test_the_meaning_of_signs_goes_where_it_does_not_fit() -> None:
    """The signs that are in use, one after the other."""
    standing = under_way()
    assert caption(standing, 58).endswith("(runs in/planned); ~ in flight")
    assert caption(standing, 40).endswith("(runs in/planned)")


@pytest.mark.parametrize(("width", "short"), [(30, "my_package.my_module:MyNorm"), (13, "my_pac…MyNorm"), (2, "…m")])
def test_a_long_norm_keeps_both_its_ends(width: int, short: str) -> None:
    """Its name is behind, its folder in front."""
    assert shortened("my_package.my_module:MyNorm", width) == short


def test_a_matrix_far_larger_than_the_screen_is_cut_to_it() -> None:
    """50 norms x 20 batch sizes x 2 templates at every size of terminal."""
    asked = matrix(norms=tuple(f"group:groups={number}" for number in range(1, 51)), batch_sizes=range(2, 22), seeds=2)
    standing = standing_of(asked)
    for width in (1, 20, 40, 80, 300):
        for height in (1, 4, 10, 24, 60, 200):
            table(standing, width, height)
    lines = table(standing, 80, 24)
    assert len(lines) == 24
    assert lines[-1] == "no room for 15 batch sizes, 1 template, 29 of cnn's norms"
