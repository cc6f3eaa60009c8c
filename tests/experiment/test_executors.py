"""Do all executors keep to one contract, so that whoever uses one need not know which?"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.executor.in_process import InProcessExecutor
from normzoo.experiment.executor.local import LocalExecutor
from normzoo.experiment.executor.protocol import Executor
from normzoo.experiment.planning.facts import Prepared
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.worker.messages import (
    Checked,
    EpochDone,
    Message,
    Prepare,
    Rejected,
    RunDone,
    Started,
    Task,
    TaskDone,
    Timed,
    TimeSteps,
    Train,
    Trying,
    WorkerDied,
)
from normzoo.metric import ACCURACY

from . import troubled_norms
from .conftest import tiny_spec
from .synthetic import FACTS

CPU = Execution(device="cpu", jobs=2)
MATRIX = MatrixSpec(norms=("none",), templates=("cnn:hidden=8,widths=4",), seeds=1)
TROUBLED = troubled_norms.__name__
PATIENCE = 300.0
"""Seconds until a test gives up; none of them waits that long unless something is broken."""

EXECUTORS: dict[str, Callable[[], Executor]] = {
    "local": lambda: LocalExecutor(CPU),
    "in process": InProcessExecutor,
}
OF_PROCESSES = ("local",)
"""Those that carry tasks out in processes of their own: they take longer to start, and hear of a process's death."""

each_executor = pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, id=name, marks=[pytest.mark.slow] if name in OF_PROCESSES else ())
        for name, make in EXECUTORS.items()
    ],
)

SAID = {
    ("in process", "Leaving"): ("End: 3", None),
    ("local", "Leaving"): ("the worker process ended with exit code 1", None),
    ("local", "Vanishing"): ("the worker process ended with exit code 4", None),
    ("local", "Killed"): (
        "the worker process was killed by SIGKILL; perhaps the system ran out of memory",
        "signal 9",
    ),
}
"""Why, and by what, executors say that a task died of a troubled norm."""


def on_device(**changes: Any) -> dict[str, Any]:
    return {"dataset": "digits", "task": "classification", "execution": CPU, "device": "cpu", "threads": 1, **changes}


def training(*runs: RunSpec) -> Train:
    return Train(runs=runs, **on_device())


def told_of(executor: Executor, *handles: object) -> list[list[Message]]:
    """Return all that is told of some tasks, up to the last message of each, but for their steps."""
    told: dict[object, list[Message]] = {handle: [] for handle in handles}
    end, left = time.monotonic() + PATIENCE, set(handles)
    while left:
        assert time.monotonic() < end, f"only {told.values()} were told"
        executor.wait(1.0)
        for handle, message in executor.events():
            assert handle in left, f"{message} was told of a task that is over or that nobody wants"
            if not isinstance(message, Trying):
                told[handle].append(message)
            if isinstance(message, TaskDone | WorkerDied):
                left.remove(handle)
    return list(told.values())


def carried_out(executor: Executor, task: Task) -> list[Message]:
    """Have one task carried out, and return all that is told of it."""
    (told,) = told_of(executor, executor.start(task))
    return told


def shapes(messages: Sequence[Message]) -> list[Any]:
    """Return messages by their kind and the seed and epoch of which they are."""
    found: list[Any] = []
    for message in messages:
        match message:
            case Started(spec):
                found.append(("started", spec.seed))
            case EpochDone(spec, epoch):
                found.append((epoch.epoch, spec.seed))
            case RunDone(record):
                found.append((str(record.status), record.spec.seed))
            case _:
                found.append(type(message))
    return found


@pytest.mark.slow
@each_executor
def test_a_preparation_is_answered_once_and_then_over(make: Callable[[], Executor]) -> None:
    """By what was found out, or by why the matrix cannot be carried out; the one does not spoil the other."""
    with make() as executor:
        for _ in range(2):
            refused = carried_out(executor, Prepare(MatrixSpec(norms=("no_such_module:Norm",)), CPU))
            assert [type(message) for message in refused] == [Rejected, TaskDone]
            assert "cannot import 'no_such_module'" in str(refused[0])
            checked = carried_out(executor, Prepare(MATRIX, CPU))
            assert [type(message) for message in checked] == [Checked, TaskDone]
        assert isinstance(checked[0], Checked)
        assert (checked[0].prepared.dataset.train, checked[0].prepared.device) == (1078, "cpu")


@pytest.mark.slow
@each_executor
def test_training_is_told_in_the_order_in_which_it_happens(make: Callable[[], Executor]) -> None:
    """A start, its epochs, its record; of a stack, each for all before the next."""
    alone = [tiny_spec(seed=seed, epochs=2) for seed in range(2)]
    stacked = [tiny_spec(seed=seed, epochs=2, strategy="stacked") for seed in range(2)]
    with make() as executor:
        assert shapes(carried_out(executor, training(*alone))) == [
            *(("started", 0), (1, 0), (2, 0), ("ok", 0)),
            *(("started", 1), (1, 1), (2, 1), ("ok", 1)),
            TaskDone,
        ]
        assert shapes(carried_out(executor, training(*stacked))) == [
            *(("started", 0), ("started", 1), (1, 0), (1, 1), (2, 0), (2, 1), ("ok", 0), ("ok", 1)),
            TaskDone,
        ]


@each_executor
def test_steps_are_timed_group_by_group(make: Callable[[], Executor]) -> None:
    """With the key that each was given."""
    task = TimeSteps(groups=(((tiny_spec(),), "a"), ((tiny_spec(norm="batch"),), "b")), **on_device())
    with make() as executor:
        first, second, last = carried_out(executor, task)
    assert isinstance(first, Timed)
    assert isinstance(second, Timed)
    assert [first.timing.key, second.timing.key, last] == ["a", "b", TaskDone()]


@pytest.mark.slow
@each_executor
def test_each_message_is_told_once(make: Callable[[], Executor]) -> None:
    """Nothing is left over, and asking again makes nothing of nothing; waiting for nothing ends in time."""
    with make() as executor:
        carried_out(executor, training(tiny_spec()))
        assert executor.events() == []
        executor.wait(0.01)
        assert executor.events() == []


def wait_for_an_epoch(executor: Executor) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        executor.wait(1.0)
        if any(isinstance(message, EpochDone) for _, message in executor.events()):
            return
    raise AssertionError("no epoch was told of")


ENDLESS = tiny_spec(epochs=1_000_000)


@pytest.mark.slow
@each_executor
def test_a_cancelled_task_is_heard_of_no_more(make: Callable[[], Executor]) -> None:
    """Not even of what it had said and nobody had asked for; the next task is carried out as ever."""
    with make() as executor:
        endless = executor.start(training(ENDLESS))
        wait_for_an_epoch(executor)
        executor.wait(PATIENCE)
        executor.cancel(endless)
        for _ in range(2):
            assert shapes(carried_out(executor, training(tiny_spec(seed=1)))) == [
                *(("started", 1), (1, 1), ("ok", 1)),
                TaskDone,
            ]


@pytest.mark.slow
@each_executor
def test_a_task_that_is_cancelled_at_once_is_not_heard_of(make: Callable[[], Executor]) -> None:
    """Before anything began."""
    with make() as executor:
        executor.cancel(executor.start(training(ENDLESS)))
        assert shapes(carried_out(executor, training(tiny_spec())))[-1] is TaskDone


@pytest.mark.slow_but_one
@each_executor
def test_an_executor_is_used_again(make: Callable[[], Executor]) -> None:
    """Also where its first use was for nothing, or ended what was carried out."""
    executor = make()
    with executor:
        pass
    for _ in range(2):
        with executor:
            assert shapes(carried_out(executor, training(tiny_spec())))[-1] is TaskDone
            executor.start(training(ENDLESS))


@pytest.mark.slow
@each_executor
def test_two_tasks_are_kept_apart(make: Callable[[], Executor]) -> None:
    """What is told of each is told of no other, whether they are carried out at once or one after the other."""
    with make() as executor:
        handles = [executor.start(training(tiny_spec(seed=seed, epochs=2))) for seed in (3, 4)]
        assert handles[0] is not handles[1]
        for seed, told in zip((3, 4), told_of(executor, *handles), strict=True):
            assert shapes(told) == [("started", seed), (1, seed), (2, seed), ("ok", seed), TaskDone]


@each_executor
def test_there_is_always_a_slot_with_a_thread(make: Callable[[], Executor]) -> None:
    """Also where nothing is left to train."""
    with make() as executor:
        slots = executor.slots(Prepared(FACTS, {}, {}, (ACCURACY,), "cpu", {}), [])
    assert slots.count >= 1
    assert slots.threads >= 1


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("where", "norm"),
    [
        ("in process", "Leaving"),
        *((where, norm) for where in OF_PROCESSES for norm in ("Leaving", "Vanishing", "Killed")),
    ],
)
def test_a_death_is_the_last_that_is_told(where: str, norm: str) -> None:
    """Of the run that it died over and of those behind it; what was told before is heard, and the next task works."""
    runs = [tiny_spec(), tiny_spec(seed=1, norm=f"{TROUBLED}:{norm}"), tiny_spec(seed=2)]
    with EXECUTORS[where]() as executor:
        told = carried_out(executor, training(*runs))
        assert shapes(told) == [("started", 0), (1, 0), ("ok", 0), ("started", 1), WorkerDied]
        died = told[-1]
        assert isinstance(died, WorkerDied)
        assert died.reason
        assert bool(died.killed_by) == (norm == "Killed")
        assert (died.reason, died.killed_by) == SAID.get((where, norm), (died.reason, died.killed_by))
        assert shapes(carried_out(executor, training(runs[2]))) == [("started", 2), (1, 2), ("ok", 2), TaskDone]


@pytest.mark.slow
@each_executor
def test_leaving_the_context_ends_what_is_carried_out(make: Callable[[], Executor]) -> None:
    """And what waits behind it; the one that is there afterwards is not disturbed."""
    with make() as left:
        left.start(training(ENDLESS))
        left.start(training(ENDLESS))
        wait_for_an_epoch(left)
        thread = left._thread if isinstance(left, InProcessExecutor) else None
    with make() as executor:
        assert shapes(carried_out(executor, training(tiny_spec())))[-1] is TaskDone
    if thread is not None:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    elif isinstance(left, LocalExecutor):
        assert left._workers == []


def results(records: Sequence[RunRecord]) -> list[Any]:
    """Return what is the same wherever a run is trained."""
    return [
        (record.spec, record.status, [epoch.model_dump(exclude={"seconds"}) for epoch in record.epochs])
        for record in records
    ]


@pytest.mark.slow
def test_a_run_has_the_same_record_on_every_executor() -> None:
    """To the last digit, stacked and one by one, whatever was trained there before."""
    groups = [
        [tiny_spec(seed=seed, epochs=2, norm=norm, strategy=strategy) for seed in range(2)]
        for norm, strategy in (("batch", "stacked"), ("none", "sequential"))
    ]
    found = []
    for order, make in zip(cycle((1, -1)), EXECUTORS.values(), strict=False):
        told: list[Message] = []
        with make() as executor:
            for group in groups[::order]:
                told += carried_out(executor, training(*group))
        records = [message.record for message in told if isinstance(message, RunDone)]
        found.append(results(sorted(records, key=lambda record: record.spec.key)))
    assert len(found[0]) == 4
    assert all(each == found[0] for each in found)


@pytest.mark.slow
@each_executor
def test_tasks_that_are_started_together_have_the_records_of_each_alone(make: Callable[[], Executor]) -> None:
    """Random numbers, threads and backends are a process's, so that two at a time in one would share them."""
    tasks = [training(tiny_spec(seed=seed, norm=norm, epochs=4)) for seed, norm in ((0, "batch"), (1, "none"))]
    with make() as executor:
        alone = [carried_out(executor, task) for task in tasks]
        together = told_of(executor, *(executor.start(task) for task in tasks))
    of_each, of_all = (
        [results([message.record for message in told if isinstance(message, RunDone)]) for told in each]
        for each in (alone, together)
    )
    assert [len(each) for each in of_each] == [1, 1]
    assert of_all == of_each


LEAVING = """
import os
import sys

import normzoo.experiment.worker.serve  # what takes long to load, once for all of them
import sklearn.datasets
from normzoo.experiment.executor.in_process import InProcessExecutor
from normzoo.experiment.worker.messages import EpochDone
from tests.experiment.test_executors import ENDLESS, training

for how in sys.argv[1:]:
    child = os.fork()
    if not child:
        break
    assert os.waitpid(child, 0)[1] == 0, how
else:
    sys.exit()
executor = InProcessExecutor()
if how == "in a context":
    executor.__enter__()
executor.start(training(ENDLESS))
while not any(isinstance(message, EpochDone) for _, message in executor.events()):
    executor.wait(60)
if how == "in a context":
    executor.__exit__(None, None, None)
print("left", how)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_a_process_that_ends_while_it_trains_ends_in_peace() -> None:
    """It waits for the epoch, as torch would else go down with it."""
    done = subprocess.run(
        [sys.executable, "-c", LEAVING, "in a context", "without one"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (0, "left in a context\nleft without one\n"), done.stderr
