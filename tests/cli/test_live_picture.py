"""Does the picture say how far it is, and does it fit whatever terminal there is?"""

import pytest

from normzoo.experiment.planning.groups import expand
from normzoo.metric import ACCURACY
from normzoo.progress.live import cell_text
from normzoo.progress.live import picture as picture_of
from normzoo.progress.state import CellProgress, ProgressState

from .displays import FACTS, cells, epoch, matrix, picture, record, runs_of, state_of

MATRIX = matrix()
LINE = "\N{BOX DRAWINGS HEAVY HORIZONTAL}"
CAPTION = "mean test accuracy"


def shown(state: ProgressState, width: int = 80, height: int = 24) -> list[str]:
    """Return the lines of the picture, of which there are no more than the terminal has."""
    lines = picture(picture_of(state, width, height), width, height)
    assert 1 <= len(lines) <= height
    return lines


def table(state: ProgressState, width: int = 80, height: int = 24) -> list[str]:
    """Return the lines of the table: the caption, the header, the rows, and what there is no room for."""
    lines = shown(state, width, height)
    begin = next((index for index, line in enumerate(lines) if line.startswith(CAPTION[:width])), None)
    return lines[begin : lines.index("", begin)] if begin is not None and "" in lines else []


def bars(state: ProgressState, width: int = 100, height: int = 24) -> list[str]:
    """Return the lines below the table."""
    lines = shown(state, width, height)
    return lines[-lines[::-1].index("") :] if "" in lines else lines


def under_way() -> ProgressState:
    """Return a comparison with a cell of every kind, in which two groups are running."""
    state = state_of(MATRIX, stored=[record(run, 0.95) for run in runs_of(MATRIX, norm="none", size=16)])
    for run, accuracy in zip(runs_of(MATRIX), (0.971, 0.969), strict=False):
        state.finished(record(run, accuracy))
    for run, loss in zip(runs_of(MATRIX, norm="layer"), (0.2, 0.4, 0.6), strict=True):
        state.started(run)
        state.epoch(run, epoch(2, 0.8, loss))
    first, second, third = runs_of(MATRIX, norm="none")
    state.finished(record(first, "diverged", "the loss is no longer\nfinite"))
    state.finished(record(second, "failed"))
    state.finished(record(third, 0.5))
    state.started(runs_of(MATRIX, "lstm")[1])
    return state


@pytest.mark.parametrize(
    ("cell", "running", "text", "style"),
    [
        (CellProgress(), None, "-", "dim"),
        (CellProgress(), [], "~ (0/5)", "dim"),
        (CellProgress(), [0.9, 0.8], "~85.0 (0/5)", "dim"),
        (CellProgress(n_ok=2, score_sum=1.9), None, "95.0 (2/5)", ""),
        (CellProgress(n_ok=2, score_sum=1.9), [0.1], "95.0 (2/5)", ""),
        (CellProgress(n_ok=5, score_sum=5.0), None, "100.0 (5/5)", ""),
        (CellProgress(n_ok=2, score_sum=1.9, n_failed=1), None, "95.0 (2/5, 1!)", "yellow"),
        (CellProgress(n_failed=2), None, "- (0/5, 2!)", "yellow"),
        (CellProgress(n_failed=2), [0.5], "~50.0 (0/5, 2!)", "dim"),
    ],
)
def test_a_cell_shows_its_finished_runs_or_else_the_running_ones(
    cell: CellProgress, running: list[float] | None, text: str, style: str
) -> None:
    """The mean in percent, how many runs of five, how many failed; what is not final is dimmed."""
    found = cell_text(cell, 5, running, ACCURACY)
    assert (found.plain, found.style) == (text, style)


def test_the_whole_table_is_shown_where_there_is_room() -> None:
    """At 80 x 24: both templates, all norms, both batch sizes."""
    caption, *rows = table(under_way())
    assert caption == "mean test accuracy in % (finished/planned); ~ in training; ! failed or diverged"
    assert cells(rows) == [
        ["norm", "batch 4", "batch 16"],
        ["cnn", "batch", "97.0 (2/3)", "-"],
        ["layer", "~80.0 (0/3)", "-"],
        ["none", "50.0 (1/3, 2!)", "95.0 (3/3)"],
        ["lstm", "batch", "~ (0/3)", "-"],
        ["layer", "-", "-"],
        ["none", "-", "-"],
    ]


def test_with_several_learning_rates_the_caption_says_what_the_mean_is_over() -> None:
    """Over the runs at all of them."""
    assert table(state_of(matrix(lrs=(0.01, 0.1))))[0] == (
        "mean test accuracy in %, over all learning rates (finished/planned)"
    )


def test_columns_do_not_move_while_the_table_fills_in() -> None:
    """They are as wide in the beginning as in the end."""
    begun, ended = state_of(MATRIX), state_of(MATRIX)
    for run in expand(MATRIX, FACTS):
        ended.finished(record(run, 0.999))
    assert table(begun)[1] == table(ended)[1]


@pytest.mark.parametrize(("width", "columns"), [(200, 6), (80, 5), (60, 3), (50, 3), (30, 1), (18, 0), (1, 0)])
def test_a_narrower_terminal_has_fewer_batch_sizes(width: int, columns: int) -> None:
    """Whole columns, never parts of one; the number of those that are missing is shown."""
    lines = table(state_of(matrix(batch_sizes=(2, 4, 8, 16, 32, 64), templates=("cnn",))), width)
    assert bool(lines) == bool(columns)
    if lines:
        assert len(lines[1].split("batch")) - 1 == columns
        missing = f"no room for {6 - columns} of 6 batch sizes"
        assert columns == 6 or missing.startswith(lines[-1].rstrip("\N{HORIZONTAL ELLIPSIS}"))


def test_the_batch_size_in_training_stays() -> None:
    """Before those that wait or are finished."""
    asked = matrix(batch_sizes=(2, 4, 8, 16, 32, 64), templates=("cnn",))
    state = state_of(asked)
    state.started(runs_of(asked, size=32)[0])
    assert cells(table(state, 40))[1] == ["norm", "batch 2", "batch 32"]


@pytest.mark.parametrize(
    ("height", "rows"),
    [
        (11, [["cnn", "batch"], ["layer"], ["none"], ["lstm", "batch"], ["layer"], ["none"]]),
        (10, [["cnn", "batch"], ["layer"], ["none"], ["lstm", "none"]]),
        (8, [["cnn", "batch"], ["lstm", "none"]]),
        (7, [["lstm", "none"]]),
        (6, []),
    ],
)
def test_a_lower_terminal_has_fewer_rows(height: int, rows: list[list[str]]) -> None:
    """The row in training stays the longest; the number of those that are missing is shown."""
    state = state_of(MATRIX)
    state.started(runs_of(MATRIX, "lstm", "none")[0])
    lines = table(state, height=height)
    body = lines[2:] if len(rows) == 6 else lines[2:-1]
    assert [[cell for cell in line.split() if cell.isalpha()] for line in body] == rows
    if rows and len(rows) < 6:
        assert lines[-1] == f"no room for {6 - len(rows)} of 6 rows"


def test_the_overall_bar_counts_runs_and_shows_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many of how many, how long still, how long so far."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    state = state_of(MATRIX)
    for run in runs_of(MATRIX):
        state.finished(record(run, 0.9))
    now[0] = 65
    (line,) = bars(state)
    assert line.startswith("runs ")
    assert line.endswith(f"3/36, {state.time_left} 0:01:05")
    assert line.count(LINE) == pytest.approx(30, abs=1)


def test_each_running_group_has_its_epoch_and_loss() -> None:
    """A stack shows how many runs it holds, and their mean loss; a single run its seed."""
    _, stack, single = (" ".join(line.replace(LINE, "").split()) for line in bars(under_way()))
    assert stack.startswith("cnn, layer, batch size 4, 3 runs")
    assert stack.endswith("epoch 2/4 loss 0.40 0:00:00")
    assert single.startswith("lstm, batch, batch size 4, seed 1")
    assert single.endswith("epoch 0/4 0:00:00")


@pytest.mark.parametrize(("width", "has_label", "has_bar"), [(100, True, True), (80, True, True), (55, True, False)])
def test_a_narrower_terminal_has_no_bars_for_groups(width: int, has_label: bool, has_bar: bool) -> None:
    """Every group keeps its line, its epoch and its loss."""
    _, stack, _ = bars(under_way(), width)
    assert stack.startswith("cnn, layer, batch size 4, 3 runs") == has_label
    assert (LINE in stack) == has_bar
    assert "epoch 2/4 loss 0.40" in stack


@pytest.mark.parametrize(("height", "last"), [(3, "lstm, batch"), (2, "and 2 more groups"), (1, "runs")])
def test_a_lower_terminal_counts_the_groups_it_has_no_line_for(height: int, last: str) -> None:
    """The overall bar comes first."""
    lines = shown(under_way(), 100, height)
    assert len(lines) == height
    assert lines[0].startswith("runs ")
    assert lines[-1].startswith(last)


def test_failures_stand_above_the_table() -> None:
    """Each in one line, however long its message is; in a low terminal only the latest ones."""
    lines = shown(under_way(), 100)
    assert lines[0].startswith("diverged: cnn, none, batch size 4, seed 0, learning rate 0.00625: the loss is")
    assert lines[1].startswith("failed: cnn, none, batch size 4, seed 1")
    assert lines[2] == ""
    assert lines[3].startswith(CAPTION)
    low = shown(under_way(), 40, 10)
    assert [line.partition(":")[0] for line in low[:2]] == ["failed", ""]


@pytest.mark.slow_but_one
@pytest.mark.parametrize("n_failed", [0, 1, 9])
def test_the_picture_fits_any_terminal(n_failed: int) -> None:
    """From one character up: never more lines than there are, never one that wraps."""
    state = under_way()
    for run in [*runs_of(MATRIX, size=16), *runs_of(MATRIX, "lstm", size=16), *runs_of(MATRIX, "lstm", "none")][
        :n_failed
    ]:
        state.finished(record(run, "failed", "no good"))
    for width in (1, 2, 7, 20, 33, 50, 79, 80, 132, 400):
        for height in (1, 2, 3, 4, 5, 8, 12, 24, 50):
            shown(state, width, height)


@pytest.mark.slow
def test_a_matrix_far_larger_than_the_terminal_is_cut_to_it() -> None:
    """50 norms x 20 batch sizes x 2 templates at every size of terminal."""
    asked = matrix(norms=tuple(f"group:groups={number}" for number in range(1, 51)), batch_sizes=range(2, 22), seeds=2)
    state = state_of(asked)
    for width in (1, 40, 300):
        for height in (1, 10, 200):
            shown(state, width, height)
    lines = table(state, 80, 24)
    assert len(shown(state, 80, 24)) == 24
    assert lines[-1] == "no room for 16 of 20 batch sizes and 81 of 100 rows"
