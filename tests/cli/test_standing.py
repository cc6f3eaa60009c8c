"""Does the live display know what is in, what is in flight, and what went wrong?"""

import time

import pytest

from normzoo.cli._standing import Standing
from normzoo.experiment.planning.groups import expand
from normzoo.experiment.results.records import Status

from .displays import FACTS, epoch, groups_of, matrix, record, runs_of, standing_of

MATRIX = matrix()
PLACE = ("cnn", "batch", 4)
RUNS = runs_of(MATRIX)


def test_a_cell_counts_what_is_in_and_its_mean() -> None:
    """Two of three seeds: 0.9 and 0.8; the others' cells stay empty."""
    standing = standing_of(MATRIX)
    for run, accuracy in zip(RUNS, (0.9, 0.8), strict=False):
        standing.started(run)
        standing.finished(record(run, accuracy))
    cell = standing.cells[PLACE]
    assert (cell.ok, cell.lost, standing.planned) == (2, 0, 3)
    assert cell.mean == pytest.approx(0.85)
    assert sum(cell.ok for cell in standing.cells.values()) == 2


@pytest.mark.parametrize("status", ["diverged", "failed", "out-of-memory", "timeout"])
def test_a_run_without_a_result_is_lost_and_told(status: Status) -> None:
    """It counts in its cell and over all."""
    standing = standing_of(MATRIX)
    standing.started(RUNS[0])
    standing.finished(record(RUNS[0], status, "no luck"))
    assert (standing.cells[PLACE].lost, standing.cells[PLACE].mean, standing.lost) == (1, None, 1)
    (trouble,) = standing.troubles
    assert trouble.startswith(f"{status}: cnn, batch, batch size 4, seed 0")
    assert trouble.endswith(": no luck")


def test_an_interrupted_run_is_neither_in_nor_lost() -> None:
    """The user knows."""
    standing = standing_of(MATRIX)
    standing.started(RUNS[0])
    standing.finished(record(RUNS[0], "interrupted"))
    assert (standing.cells[PLACE].ok, standing.cells[PLACE].lost, standing.troubles) == (0, 0, [])
    assert standing.flights == {}


def test_what_is_stored_is_in_from_the_start() -> None:
    """But without a word of what went wrong in an earlier comparison."""
    standing = standing_of(MATRIX, stored=[record(RUNS[0], 0.9), record(RUNS[1], "diverged")])
    assert (standing.cells[PLACE].ok, standing.cells[PLACE].lost, standing.lost) == (1, 1, 1)
    assert standing.troubles == []
    assert standing.account.runs == 34


def test_what_is_trained_again_does_not_count_twice() -> None:
    """As with --rerun all: its old result is not in, its new one will be."""
    standing = Standing(MATRIX, groups_of(MATRIX), 1, [record(RUNS[0], 0.1)])
    assert standing.cells[PLACE].ok == 0
    standing.finished(record(RUNS[0], 0.9))
    assert standing.cells[PLACE].mean == pytest.approx(0.9)


def test_with_several_learning_rates_a_cell_holds_the_runs_of_all() -> None:
    """Three seeds at two rates are six runs."""
    asked = matrix(lrs=(0.01, 0.1))
    standing = standing_of(asked)
    for run, accuracy in zip(runs_of(asked), (0.9, 0.9, 0.9, 0.3, 0.3, 0.3), strict=True):
        standing.finished(record(run, accuracy))
    assert (standing.planned, standing.cells[PLACE].ok) == (6, 6)
    assert standing.cells[PLACE].mean == pytest.approx(0.6)


def test_a_flight_holds_the_latest_epoch_of_each_of_its_runs() -> None:
    """And is over with its last run."""
    standing = standing_of(MATRIX)
    for run in RUNS:
        standing.started(run)
    standing.epoch(RUNS[0], epoch(1, 0.2))
    standing.epoch(RUNS[0], epoch(2, 0.4))
    (flight,) = standing.flights.values()
    assert (flight.place, len(flight.epochs), [each.epoch for each in flight.known]) == (PLACE, 3, [2])
    for run in RUNS:
        standing.finished(record(run, 0.9))
    assert standing.flights == {}


def test_when_a_stack_is_taken_apart_its_runs_wait_again() -> None:
    """The first one that starts anew is in flight by itself."""
    standing = standing_of(MATRIX)
    for run in RUNS:
        standing.started(run)
    standing.started(RUNS[0])
    (flight,) = standing.flights.values()
    assert len(flight.epochs) == 1
    standing.finished(record(RUNS[0], 0.9))
    standing.started(RUNS[1])
    (flight,) = standing.flights.values()
    assert flight.spec == RUNS[1]


def test_a_run_lost_before_it_began_is_counted() -> None:
    """Its worker died at once."""
    standing = standing_of(MATRIX)
    standing.finished(record(RUNS[0], "failed", "killed"))
    assert standing.cells[PLACE].lost == 1
    assert standing.account.finished == 1


def test_ten_thousand_runs_are_counted_in_no_time() -> None:
    """All that happens to them, in under two seconds of the processor; it takes a tenth of one."""
    asked = matrix(norms=tuple(f"group:groups={number}" for number in range(1, 51)), batch_sizes=range(2, 22), seeds=5)
    standing = standing_of(asked)
    runs, epochs = expand(asked, FACTS, {}), [epoch(number) for number in range(1, 5)]
    over = record(runs[0], 0.9)
    records = [over.model_copy(update={"spec": run}) for run in runs]
    begin = time.process_time()
    for each in records:
        standing.started(each.spec)
        for reached in epochs:
            standing.epoch(each.spec, reached)
        standing.finished(each)
    assert time.process_time() - begin < 2
    assert standing.account.count == "10000/10000"
    assert {cell.ok for cell in standing.cells.values()} == {5}
