"""Does the parent keep account of what its workers are at, whatever they say and when they fall silent?"""

import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.executor.local import WorkerPool
from normzoo.experiment.planning.facts import Prepared
from normzoo.experiment.planning.groups import Group
from normzoo.experiment.planning.timing import How
from normzoo.experiment.results.records import RunRecord, Status
from normzoo.experiment.results.store import Store
from normzoo.experiment.runner import MatrixRunner
from normzoo.experiment.worker.messages import GroupDone, Message, RunDone, Started, Train, WorkerDied

from .synthetic import FACTS, run_record, run_spec

A, B, C = (run_spec(seed=seed) for seed in range(3))


class ScriptedWorker:
    """Says what it is told to, and remembers what it was sent; then it is silent."""

    def __init__(self, script: Sequence[Message]) -> None:
        self.script, self.tasks, self.is_ended = deque(script), list[Train](), False

    def send(self, task: Train) -> None:
        self.tasks.append(task)

    def hear(self) -> Message:
        return self.script.popleft()

    def has_message(self, seconds: float = 0.0) -> bool:  # noqa: ARG002
        return bool(self.script)


class ScriptedPool:
    """Starts workers with one script after the other."""

    def __init__(self, *scripts: Sequence[Message]) -> None:
        self.scripts = deque(scripts)
        self.workers: list[ScriptedWorker] = []
        self.ever: list[ScriptedWorker] = []

    def start(self) -> ScriptedWorker:
        worker = ScriptedWorker(self.scripts.popleft())
        self.workers.append(worker)
        self.ever.append(worker)
        return worker

    def end(self, worker: ScriptedWorker) -> None:
        self.workers.remove(worker)

    def wait(self, seconds: float | None) -> list[ScriptedWorker]:
        ready = [worker for worker in self.workers if worker.script]
        if not ready:
            assert seconds is not None, "all are silent, and nothing limits how long"
            time.sleep(seconds)
        return ready


class Deaf:
    """Hears, and does nothing about it."""

    def started(self, *_: object) -> None: ...
    def epoch(self, *_: object) -> None: ...
    def finished(self, *_: object) -> None: ...


def done(spec: RunSpec, status: Status = "ok") -> RunDone:
    return RunDone(run_record(spec, status, losses=(1.0,) if status == "ok" else ()))


def run(
    tmp_path: Path, pool: ScriptedPool, *specs: RunSpec, timeout: float | None = None, **group: Any
) -> dict[str, RunRecord]:
    """Train one stack of runs by scripted workers, and return what is stored of each."""
    configuration = Configuration(MatrixSpec(), Execution(timeout=timeout))
    prepared = Prepared(FACTS, {}, "cpu", {})
    with Store(tmp_path / "store") as store:
        runner = MatrixRunner(configuration, prepared, cast("WorkerPool", pool), store, Deaf())
        runner.run([Group(specs, steps=10, how=How("stacked"), **group)], jobs=1)
        return store.records([spec.key for spec in specs])


def statuses(records: dict[str, RunRecord], *specs: RunSpec) -> list[str]:
    return [records[spec.key].status for spec in specs]


def test_the_runs_of_a_stack_that_failed_are_tried_one_by_one(tmp_path: Path) -> None:
    """Each is started again, and has the outcome of that."""
    pool = ScriptedPool(
        [Started(A), Started(B), Started(A), done(A, "failed"), Started(B), done(B), GroupDone()],
    )
    assert statuses(run(tmp_path, pool, A, B), A, B) == ["failed", "ok"]


def test_of_a_stack_that_was_taken_apart_only_the_run_at_hand_is_given_up(tmp_path: Path) -> None:
    """Its time limit is that of one run, from when it was started again; the others are trained in a new worker."""
    pool = ScriptedPool(
        [Started(A), Started(B), Started(C), Started(A)],
        [Started(B), Started(C), done(B), done(C), GroupDone()],
    )
    records = run(tmp_path, pool, A, B, C, timeout=0.1)
    assert statuses(records, A, B, C) == ["timeout", "ok", "ok"]
    assert records[A.key].error == "the run took longer than 0.1 s"
    assert records[A.key].seconds < 5
    assert [[spec.seed for spec in worker.tasks[0].runs] for worker in pool.ever] == [[0, 1, 2], [1, 2]]


def test_a_worker_that_dies_over_one_run_of_a_stack_loses_that_run_alone(tmp_path: Path) -> None:
    """After the stack was taken apart it is known which."""
    pool = ScriptedPool(
        [Started(A), Started(B), Started(A), done(A), Started(B), WorkerDied("gone")],
    )
    records = run(tmp_path, pool, A, B)
    assert statuses(records, A, B) == ["ok", "failed"]
    assert records[B.key].error == "gone"


def test_a_worker_that_dies_over_a_whole_stack_leaves_each_run_to_be_tried_by_itself(tmp_path: Path) -> None:
    """Any of them may have been the cause."""
    pool = ScriptedPool(
        [Started(A), Started(B), WorkerDied("gone")],
        [Started(A), done(A), GroupDone(), Started(B), WorkerDied("gone again")],
    )
    records = run(tmp_path, pool, A, B)
    assert statuses(records, A, B) == ["ok", "failed"]
    assert [[spec.seed for spec in task.runs] for worker in pool.ever for task in worker.tasks] == [[0, 1], [0], [1]]


def test_the_whole_stack_has_the_time_of_all_its_runs(tmp_path: Path) -> None:
    """And is given up whole."""
    records = run(tmp_path, ScriptedPool([Started(A), Started(B)]), A, B, timeout=0.1)
    assert statuses(records, A, B) == ["timeout", "timeout"]
    assert records[A.key].error == "each of 2 stacked runs took longer than 0.1 s"
    assert 0.05 <= records[A.key].seconds < 5


@pytest.mark.parametrize(("compiled", "alone"), [(False, 0.5), (True, None)])
def test_the_time_from_before_is_a_runs_share_of_what_was_timed(
    compiled: bool, alone: float | None, tmp_path: Path
) -> None:
    """One step of two runs takes 0.1 s, and an epoch has ten; a compiled step was not timed."""
    record = run_record(A.model_copy(update={"epochs": 1}), losses=(1.0,), compiled=compiled)
    spec = record.spec
    pool = ScriptedPool([Started(spec), Started(B), RunDone(record), done(B), GroupDone()])
    records = run(tmp_path, pool, spec, B, seconds_per_step=0.1)
    assert records[spec.key].epoch_seconds_alone == alone
