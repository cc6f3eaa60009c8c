"""Does the state know what is finished, running and failed, and the time left?"""

import time

import pytest

from normzoo.experiment.planning.groups import Group, expand
from normzoo.experiment.results.records import Status
from normzoo.metric import ACCURACY
from normzoo.progress.state import ProgressState

from .displays import FACTS, epoch, groups_of, matrix, record, runs_of, state_of

MATRIX = matrix()
CELL = ("cnn", "batch", 4)
RUNS = runs_of(MATRIX)


def test_a_cell_counts_its_finished_runs_and_has_their_mean() -> None:
    """Two of three seeds: 0.9 and 0.8; the others' cells stay empty."""
    state = state_of(MATRIX)
    for run, accuracy in zip(RUNS, (0.9, 0.8), strict=False):
        state.started(run)
        state.finished(record(run, accuracy))
    cell = state.cells[CELL]
    assert (cell.n_ok, cell.n_failed, state.n_planned) == (2, 0, 3)
    assert cell.mean == pytest.approx(0.85)
    assert sum(cell.n_ok for cell in state.cells.values()) == 2


@pytest.mark.parametrize("status", ["diverged", "failed", "out-of-memory", "timeout"])
def test_a_run_without_a_result_is_a_failure(status: Status) -> None:
    """It counts in its cell and over all."""
    state = state_of(MATRIX)
    state.started(RUNS[0])
    state.finished(record(RUNS[0], status, "no luck"))
    assert (state.cells[CELL].n_failed, state.cells[CELL].mean, state.n_failed) == (1, None, 1)
    (failure,) = state.failures
    assert failure.startswith(f"{status}: cnn, batch, batch size 4, seed 0")
    assert failure.endswith(": no luck")


def test_runs_that_are_tried_again_wait_once_more() -> None:
    """Their epochs count no more, and it is said how many they are and by what their worker was killed."""
    state = state_of(MATRIX)
    for run in RUNS[:2]:
        state.started(run)
        state.epoch(run, epoch(1))
    assert state.tried_again(RUNS[:1], "signal 9") == (
        "tried again: cnn, batch, batch size 4, seed 0: its worker was killed (signal 9)"
    )
    assert len(state.running) == 1
    state.tried_again(RUNS[1:2], "signal 9")
    state.started(RUNS[0])
    message = state.tried_again(RUNS[:2], "signal 11")
    assert message == "tried again: cnn, batch, batch size 4, 2 runs: their worker was killed (signal 11)"
    assert (state.running, state.eta.done, state.n_failed, len(state.failures)) == ([], 0, 0, 3)


def test_an_interrupted_run_is_neither_a_result_nor_a_failure() -> None:
    """The user knows about it."""
    state = state_of(MATRIX)
    state.started(RUNS[0])
    state.finished(record(RUNS[0], "interrupted"))
    assert (state.cells[CELL].n_ok, state.cells[CELL].n_failed, state.failures) == (0, 0, [])
    assert state.running == []


def test_stored_runs_are_finished_from_the_start() -> None:
    """Without the messages of an earlier comparison's failures."""
    state = state_of(MATRIX, stored=[record(RUNS[0], 0.9), record(RUNS[1], "diverged")])
    assert (state.cells[CELL].n_ok, state.cells[CELL].n_failed, state.n_failed) == (1, 1, 1)
    assert state.failures == []
    assert state.n_runs == 34


def test_a_run_that_is_trained_again_does_not_count_twice() -> None:
    """As with --rerun all: the old result does not count, the new one will."""
    state = ProgressState(MATRIX, ACCURACY, groups_of(MATRIX), 1, [record(RUNS[0], 0.1)])
    assert state.cells[CELL].n_ok == 0
    state.finished(record(RUNS[0], 0.9))
    assert state.cells[CELL].mean == pytest.approx(0.9)


def test_with_several_learning_rates_a_cell_holds_the_runs_of_all() -> None:
    """Three seeds at two rates are six runs."""
    asked = matrix(lrs=(0.01, 0.1))
    state = state_of(asked)
    for run, accuracy in zip(runs_of(asked), (0.9, 0.9, 0.9, 0.3, 0.3, 0.3), strict=True):
        state.finished(record(run, accuracy))
    assert (state.n_planned, state.cells[CELL].n_ok) == (6, 6)
    assert state.cells[CELL].mean == pytest.approx(0.6)


def test_a_group_holds_the_latest_epoch_of_each_running_run() -> None:
    """And stops running with its last run."""
    state = state_of(MATRIX)
    for run in RUNS:
        state.started(run)
    state.epoch(RUNS[0], epoch(1, 0.2))
    state.epoch(RUNS[0], epoch(2, 0.4))
    (group,) = state.running
    assert (group.cell, len(group.running), [each.epoch for each in group.epochs]) == (CELL, 3, [2])
    for run in RUNS:
        state.finished(record(run, 0.9))
    assert state.running == []


def test_when_a_stack_is_taken_apart_its_runs_wait_again() -> None:
    """The first one that starts over runs alone."""
    state = state_of(MATRIX)
    for run in RUNS:
        state.started(run)
    state.started(RUNS[0])
    (group,) = state.running
    assert len(group.running) == 1
    state.finished(record(RUNS[0], 0.9))
    state.started(RUNS[1])
    (group,) = state.running
    assert group.spec == RUNS[1]


def test_a_run_that_fails_before_it_starts_is_counted() -> None:
    """Its worker died at once."""
    state = state_of(MATRIX)
    state.finished(record(RUNS[0], "failed", "killed"))
    assert state.cells[CELL].n_failed == 1
    assert state.n_finished == 1


LONG = Group(tuple(RUNS[:2]), steps=100, seconds_per_step=1.0)
SHORT = Group((RUNS[2],), steps=50, seconds_per_step=1.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_at_first_the_time_left_is_the_expected_time_over_all_workers(clock: list[float]) -> None:
    """100 s and 50 s by two workers."""
    state = ProgressState(MATRIX, ACCURACY, [LONG, SHORT], 2)
    assert (state.eta.total, state.count, state.time_left) == (150.0, "0/3", "about 1 min 15 s left")
    assert clock == [0.0]


def test_later_the_time_left_follows_the_pace(clock: list[float]) -> None:
    """A third of the work took twice as long as expected, and so will the rest."""
    state = ProgressState(MATRIX, ACCURACY, [LONG, SHORT], 1)
    for run in LONG.runs:
        state.started(run)
        state.epoch(run, epoch(MATRIX.epochs // 2))
    assert state.eta.done == pytest.approx(50.0)
    clock[0] = 100.0
    assert state.time_left == "about 3 min 20 s left"


def test_a_run_that_ends_early_or_starts_over_counts_once(clock: list[float]) -> None:
    """As one that diverges, or one of a stack that is taken apart."""
    state = ProgressState(MATRIX, ACCURACY, [LONG], 1)
    first, second = LONG.runs
    state.started(first)
    state.epoch(first, epoch(1))
    state.started(first)
    assert state.eta.done == 0
    state.finished(record(first, "diverged"))
    state.finished(record(second, 0.9))
    assert (state.eta.done, state.count, state.time_left) == (100.0, "2/2", "about 0 s left")
    assert clock == [0.0]


@pytest.mark.slow
def test_ten_thousand_runs_are_counted_in_no_time() -> None:
    """All that happens to them, in under two seconds of the processor; it takes a tenth of one."""
    asked = matrix(norms=tuple(f"group:groups={number}" for number in range(1, 51)), batch_sizes=range(2, 22), seeds=5)
    state = state_of(asked)
    runs, epochs = expand(asked, FACTS), [epoch(number) for number in range(1, 5)]
    over = record(runs[0], 0.9)
    records = [over.model_copy(update={"spec": run}) for run in runs]
    begin = time.process_time()
    for each in records:
        state.started(each.spec)
        for reached in epochs:
            state.epoch(each.spec, reached)
        state.finished(each)
    assert time.process_time() - begin < 2
    assert state.count == "10000/10000"
    assert {cell.n_ok for cell in state.cells.values()} == {5}
