"""Is the display never larger than the terminal, and is what matters most in it?"""

import pytest

from normzoo.cli._live_frame import frame
from normzoo.cli._standing import Standing

from .displays import epoch, matrix, picture, record, runs_of, standing_of

MATRIX = matrix()
WHAT = "mean test accuracy"


def in_trouble(troubles: int) -> Standing:
    """Return a comparison with two groups in flight and so many lost runs."""
    standing = standing_of(MATRIX)
    lost = [*runs_of(MATRIX), *runs_of(MATRIX, "lstm"), *runs_of(MATRIX, norm="none")][:troubles]
    for run in lost:
        standing.finished(record(run, "diverged", "the loss is no longer\nfinite"))
    for size in MATRIX.batch_sizes:
        for run in runs_of(MATRIX, norm="layer", size=size):
            standing.started(run)
            standing.epoch(run, epoch(1))
    return standing


def shown(standing: Standing, width: int = 80, height: int = 24) -> list[str]:
    lines = picture(frame(standing, width, height), width, height)
    assert len(lines) <= height
    return lines


def test_troubles_stand_above_the_table_and_bars_below() -> None:
    """Set apart by blank lines."""
    lines = shown(in_trouble(1), 100)
    assert lines[0].startswith("diverged: cnn, batch, batch size 4, seed 0, learning rate 0.00625: the loss is")
    assert lines[1] == ""
    assert lines[2].startswith(WHAT)
    assert lines[-4] == ""
    assert [line.split(",")[0].split()[0] for line in lines[-3:]] == ["runs", "cnn", "cnn"]
    assert len(lines) == 1 + 1 + 9 + 1 + 3


def test_the_latest_troubles_are_shown() -> None:
    """As many as leave the table its room, each in one line."""
    standing = in_trouble(9)
    heads = [line for line in shown(standing, 60, 40) if line.startswith("diverged")]
    assert [head[:40] for head in heads] == [trouble[:40] for trouble in standing.troubles[-5:]]
    assert all(head.endswith("\N{HORIZONTAL ELLIPSIS}") for head in heads)
    assert sum(line.startswith("diverged") for line in shown(standing, 60, 14)) == 2


@pytest.mark.parametrize(
    ("height", "has_table"), [(24, True), (12, True), (8, True), (7, False), (5, False), (3, False)]
)
def test_in_a_low_terminal_the_bars_stay(height: int, has_table: bool) -> None:
    """The table goes when not even a row of it fits."""
    standing = in_trouble(0)
    lines = shown(standing, height=height)
    assert any(line.startswith(WHAT) for line in lines) == has_table
    assert [line.split()[0] for line in lines[-3:]] == ["runs", "cnn,", "cnn,"]


@pytest.mark.parametrize("troubles", [0, 1, 9])
def test_it_fits_in_any_terminal(troubles: int) -> None:
    """From one character up: never a line more than there are, never one that wraps."""
    standing = in_trouble(troubles)
    for width in (1, 2, 7, 20, 33, 50, 79, 80, 132, 400):
        for height in (1, 2, 3, 4, 5, 8, 12, 24, 50):
            assert shown(standing, width, height)
