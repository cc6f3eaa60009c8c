"""Do the bars say how far it is, in whatever width there is?"""

import pytest

from normzoo.cli._live_bars import bars
from normzoo.cli._standing import Standing

from .displays import epoch, matrix, picture, record, runs_of, standing_of

MATRIX = matrix()
LINE = "\N{BOX DRAWINGS HEAVY HORIZONTAL}"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def under_way() -> Standing:
    """Return a comparison with a stack and a single run in flight."""
    standing = standing_of(MATRIX)
    for run, loss in zip(runs_of(MATRIX), (0.2, 0.4, 0.6), strict=True):
        standing.started(run)
        standing.epoch(run, epoch(1, loss=loss))
    standing.started(runs_of(MATRIX, "lstm", "none", 16)[1])
    return standing


def shown(standing: Standing, width: int = 100, height: int = 24) -> list[str]:
    """Return the lines; there are as many as it says."""
    part = bars(standing, width, height)
    lines = picture(part.renderable, width, height)
    assert len(lines) == part.height <= height
    return lines


def test_the_overall_bar_counts_runs_and_tells_the_time(clock: list[float]) -> None:
    """How many of how many, how long still, how long so far."""
    standing = standing_of(MATRIX)
    for run in runs_of(MATRIX):
        standing.finished(record(run, 0.9))
    done, total = standing.account.done, standing.account.total
    clock[0] += 65
    (line,) = shown(standing)
    assert line.startswith("runs ")
    assert line.endswith(f"3/36, {standing.account.left} 0:01:05")
    assert line.count(LINE) == pytest.approx(30, abs=1)
    assert 0 < done < total


def test_each_group_in_flight_has_its_epoch_and_loss(clock: list[float]) -> None:
    """A stack says how many runs it holds, and their mean loss; a run by itself its seed."""
    standing = under_way()
    clock[0] += 7
    _, stack, single = (" ".join(line.replace(LINE, "").split()) for line in shown(standing))
    assert stack.startswith("cnn, batch, batch size 4, 3 runs")
    assert stack.endswith("epoch 1/4 loss 0.40 0:00:07")
    assert single.startswith("lstm, none, batch size 16, seed 1")
    assert single.endswith("epoch 0/4 0:00:07")


@pytest.mark.parametrize(
    ("width", "has_label", "has_bar", "has_time"),
    [
        (100, "whole", True, True),
        (74, "part", True, True),
        (70, "whole", True, False),
        (55, "whole", False, False),
        (40, "part", False, False),
        (21, "", False, False),
        (10, "", False, False),
    ],
)
def test_a_narrower_terminal_loses_times_then_bars_then_names(
    width: int, has_label: str, has_bar: bool, has_time: bool
) -> None:
    """Epoch and loss stay; every group keeps its line."""
    lines = shown(under_way(), width)
    stack = lines[1]
    assert len(lines) == 3
    assert ("3 runs" in stack) == (has_label == "whole")
    assert stack.startswith("cnn, batc") == bool(has_label)
    assert (LINE in stack) == has_bar
    assert ("0:00:0" in stack) == has_time
    assert ("epoch 1/4 loss 0.40" if width > 19 else "epoch 1/4") in stack


@pytest.mark.parametrize(
    ("height", "last"), [(4, "lstm, none"), (3, "and 2 more in flight"), (2, "and 3 more in flight")]
)
def test_a_lower_terminal_counts_the_groups_it_has_no_line_for(height: int, last: str) -> None:
    """The overall bar comes first."""
    standing = under_way()
    standing.started(runs_of(MATRIX, "cnn", "none", 16)[0])
    if height == 4:
        standing.finished(record(runs_of(MATRIX, "cnn", "none", 16)[0], 0.5))
    lines = shown(standing, height=height)
    assert lines[0].startswith("runs ")
    assert lines[-1].startswith(last)


def test_in_a_single_line_there_is_the_overall_bar() -> None:
    """And nothing else."""
    (line,) = shown(under_way(), height=1)
    assert line.startswith("runs ")
