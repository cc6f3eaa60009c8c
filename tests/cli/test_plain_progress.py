"""Is little said, and enough, where there is no terminal?"""

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from normzoo.progress.plain import MAX_SILENT_SECONDS, PlainProgress

from .displays import epoch, matrix, record, runs_of, state_of

MATRIX = matrix(templates=("cnn",), batch_sizes=(4,), norms=("batch", "none"))
BATCH, NONE = runs_of(MATRIX), runs_of(MATRIX, norm="none")


class Said:
    """What was said so far, and a clock that stands still."""

    def __init__(self) -> None:
        self._file = io.StringIO()
        self.now = 0.0
        self.progress = PlainProgress(state_of(MATRIX, jobs=1), Console(file=self._file, width=40))

    @property
    def lines(self) -> list[str]:
        """The lines, without the time left."""
        return [line.rpartition(", about")[0] or line for line in self._file.getvalue().splitlines()]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    said = Said()
    monkeypatch.setattr("time.monotonic", lambda: said.now)
    with said.progress:
        yield said


def test_a_group_is_told_once_its_last_run_is_over(said: Said) -> None:
    """With the mean of those that have a result; in one line, however narrow it is."""
    for run, accuracy in zip(BATCH, (0.8, 0.9, 1.0), strict=True):
        assert said.lines == ["6 runs to train"]
        said.progress.started(run)
        said.progress.epoch(run, epoch(1))
        said.progress.finished(record(run, accuracy))
    assert said.lines[1:] == ["3/6 runs: cnn, batch, batch size 4: test accuracy 90.0 %"]


def test_what_goes_wrong_is_told_at_once(said: Said) -> None:
    """And counts as over."""
    for run in NONE:
        said.progress.finished(record(run, "failed", "no good"))
    assert said.lines[1:] == [
        *(f"failed: cnn, none, batch size 4, seed {seed}: no good" for seed in range(3)),
        "3/6 runs: cnn, none, batch size 4: no result",
    ]


def test_what_is_interrupted_is_not_told_as_over(said: Said) -> None:
    for run in NONE:
        said.progress.finished(record(run, "interrupted", "interrupted by the user"))
    assert not any("no result" in line for line in said.lines)


def test_long_silence_is_broken(said: Said) -> None:
    """By how far it is, at the next epoch."""
    said.progress.started(BATCH[0])
    said.now = MAX_SILENT_SECONDS
    said.progress.epoch(BATCH[0], epoch(1))
    assert said.lines[1:] == []
    said.now += 1
    said.progress.epoch(BATCH[0], epoch(2))
    said.progress.epoch(BATCH[0], epoch(3))
    assert said.lines[1:] == ["0/6 runs"]
