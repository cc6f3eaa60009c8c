"""Is a matrix of ten thousand runs no burden to the parent?"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.planning.facts import Timing, timing_key
from normzoo.experiment.planning.groups import balance, expand, group, with_timings
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.store import Store
from normzoo.report import Depth, failure_lines, sections, summarize, to_rich

from .synthetic import FACTS, run_record

pytestmark = pytest.mark.slow
MATRIX = MatrixSpec(seeds=167, batch_sizes=(2, 4, 8, 10, 16, 32))
ENVIRONMENT = {"torch": "2.15.0", "cpu": "some processor", **{f"package {number}": "1.0" for number in range(12)}}


@pytest.fixture(scope="module")
def runs() -> list[RunSpec]:
    return expand(MATRIX, FACTS)


@pytest.fixture(scope="module")
def records(runs: list[RunSpec]) -> list[RunRecord]:
    losses = [2.0, 1.5, 1.25, 1.125]
    return [
        run_record(run, losses=[loss + 0.001 * run.seed for loss in losses], environment=ENVIRONMENT) for run in runs
    ]


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail if it takes longer, by this process's own time: others may be at work."""
    start = time.process_time()
    yield
    taken = time.process_time() - start
    assert taken < seconds, f"took {taken:.2f} s, not {seconds:g}"


def test_planning_takes_little_of_five_milliseconds_a_run(runs: list[RunSpec]) -> None:
    """From the matrix to balanced groups; 5 ms a run are 50 s."""
    assert len(runs) == 10_020
    with at_most(5):
        planned = expand(MATRIX, FACTS)
        groups = group(planned, set(), FACTS.train)
        timings = {}
        for number, each in enumerate(groups):
            key = timing_key(each.runs, ENVIRONMENT)
            timings[key] = Timing(key=key, members=len(each.runs), seconds_per_step=1e-3 * (1 + number % 7))
        balanced = balance(with_timings(groups, timings, ENVIRONMENT), 8)
    assert sum(len(each.runs) for each in balanced) == len(runs)


@pytest.mark.slow
def test_keeping_and_showing_ten_thousand_records(records: list[RunRecord], tmp_path: Path) -> None:
    """To keep one takes under a millisecond of the parent, all tables take a second or two."""
    with Store(tmp_path / "store") as store:
        with at_most(10):
            for record in records:
                store.add(record)
        store.add_comparison(
            "normzoo compare", Configuration(MATRIX, Execution()), [record.spec.key for record in records]
        )
    with at_most(5), Store(tmp_path / "store", writable=False) as store:
        (comparison,) = store.comparisons()
        kept = store.records(comparison.keys)
        summary = summarize(comparison.matrix, kept)
        shown = to_rich(sections(summary, failures=failure_lines(kept)), depth=Depth.DETAILS)
    assert len(kept) == len(records)
    assert len(shown) > 10
