"""Does the plan follow from what is stored, what a worker finds out and what is timed?"""

from collections.abc import Mapping, Sequence

import pytest

from normzoo.errors import NormzooError, UsageError
from normzoo.experiment import plan as plan_module
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.executor.protocol import Slots
from normzoo.experiment.plan import Plan, Stored, make_plan
from normzoo.experiment.planning.facts import NetworkFacts, Prepared, Timing, timing_key
from normzoo.experiment.planning.groups import expand
from normzoo.experiment.worker.messages import (
    Checked,
    Loading,
    Message,
    Prepare,
    Rejected,
    TaskDone,
    Timed,
    TimeSteps,
    WorkerDied,
)
from normzoo.metric import ACCURACY

from .scripted import ScriptedExecutor
from .synthetic import FACTS

MATRIX = MatrixSpec(norms=("none", "batch"), templates=("cnn",), batch_sizes=(4,), seeds=2, epochs=2)
PREPARED = Prepared(FACTS, {}, {}, (ACCURACY,), "cpu", {})
CHECKED: Sequence[Message] = [Checked(PREPARED), TaskDone()]
NONE, BATCH = ([run for run in expand(MATRIX, FACTS) if run.norm == norm] for norm in ("none", "batch"))
NOTHING = Stored(set(), {})


def timing(runs: Sequence[RunSpec], seconds: float | None, threads: int = 1) -> Timing:
    key = timing_key(runs, {"threads": threads})
    return Timing(key=key, members=len(runs), seconds_per_step=seconds)


def planned(
    executor: ScriptedExecutor, stored: Stored = NOTHING, matrix: MatrixSpec = MATRIX, *, with_estimate: bool = False
) -> Plan:
    return make_plan(Configuration(matrix, Execution()), stored, executor, with_estimate=with_estimate)


def asked(executor: ScriptedExecutor) -> list[list[str]]:
    """Return the norms of the groups that each task was to time."""
    return [[runs[0].norm for runs, _ in task.groups] for task in executor.tasks if isinstance(task, TimeSteps)]


def test_alone_nothing_is_timed_unless_that_is_asked_for() -> None:
    """One worker has no one to be disturbed by, and all that a time is for is the estimate."""
    executor = ScriptedExecutor(CHECKED)
    plan = planned(executor)
    assert executor.tasks == [Prepare(MATRIX, Execution())]
    assert (plan.new_timings, plan.slots) == ([], Slots(1, 1))
    assert [group.runs for group in plan.groups] == [tuple(NONE), tuple(BATCH)]
    assert plan.runs == [*NONE, *BATCH]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_was_not_timed_is_guessed_by_the_device(device: str) -> None:
    """A GPU starts the operations of a stack as fast as those of one network."""
    checked = Checked(Prepared(FACTS, {}, {}, (ACCURACY,), device, {}))
    plan = planned(ScriptedExecutor([checked, TaskDone()]))
    assert [each.on_gpu for each in plan.groups] == [device == "cuda"] * 2


def test_an_estimate_is_of_what_was_timed() -> None:
    """Fifty steps of either group, at the seconds of a step."""
    found = [timing(NONE, 0.5), timing(BATCH, 0.25)]
    executor = ScriptedExecutor(CHECKED, [Timed(found[0]), Timed(found[1]), TaskDone()])
    plan = planned(executor, with_estimate=True)
    assert asked(executor) == [["none", "batch"]]
    assert plan.new_timings == found
    assert plan.seconds == pytest.approx(50 * 0.75)


def test_where_workers_disturb_one_another_all_is_timed_before() -> None:
    """With the threads that each of them has, and only what never was."""
    stored = Stored(set(), {timing(NONE, 0.5).key: timing(NONE, 0.5)})
    executor = ScriptedExecutor(CHECKED, [Timed(timing(BATCH, 9.0)), TaskDone()], slots=Slots(2, 1))
    plan = planned(executor, stored)
    assert asked(executor) == [["batch"]]
    assert [(group.runs[0].norm, group.seconds_per_step) for group in plan.groups] == [("batch", 9.0), ("none", 0.5)]


def test_what_is_done_is_not_planned() -> None:
    """And not timed either."""
    executor = ScriptedExecutor(CHECKED, slots=Slots(2, 1))
    plan = planned(executor, Stored({run.key for run in (*NONE, *BATCH)}, {}))
    assert (plan.groups, plan.seconds, len(plan.runs), len(executor.tasks)) == ([], 0.0, 4, 1)


def test_how_much_of_the_data_was_read_is_told_on() -> None:
    """To whoever wants to hear it."""
    told: list[tuple[int, int]] = []
    script = [Loading(1, 2), Loading(2, 2), *CHECKED]
    configuration = Configuration(MATRIX, Execution())
    make_plan(configuration, NOTHING, ScriptedExecutor(script), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]
    assert planned(ScriptedExecutor(script)).runs == [*NONE, *BATCH]


@pytest.mark.parametrize(
    ("script", "error", "message"),
    [
        ([Rejected("no data"), TaskDone()], UsageError, "no data"),
        ([WorkerDied("out of memory")], NormzooError, "preparing the matrix failed: out of memory"),
    ],
)
def test_what_cannot_be_carried_out_is_an_error(script: list[Message], error: type[Exception], message: str) -> None:
    """In the words of whoever found out."""
    with pytest.raises(error, match=message):
        planned(ScriptedExecutor(script))


def test_data_that_changes_before_steps_are_timed_is_an_error() -> None:
    executor = ScriptedExecutor(CHECKED, [Rejected("other data"), TaskDone()])
    with pytest.raises(UsageError, match=r"^other data$"):
        planned(executor, with_estimate=True)


def test_what_a_worker_dies_over_is_left_without_a_time() -> None:
    """With its reason; another worker times the rest."""
    executor = ScriptedExecutor(CHECKED, [WorkerDied("gone")], [Timed(timing(BATCH, 0.25)), TaskDone()])
    plan = planned(executor, with_estimate=True)
    assert asked(executor) == [["none", "batch"], ["batch"]]
    assert [(each.seconds_per_step, each.reason) for each in plan.new_timings] == [(None, "gone"), (0.25, None)]


def test_what_takes_too_long_is_left_without_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its task is ended."""
    monkeypatch.setattr(plan_module, "TIMING_SECONDS", 0.01)
    executor = ScriptedExecutor(CHECKED, [], [Timed(timing(BATCH, 0.25)), TaskDone()])
    plan = planned(executor, with_estimate=True)
    assert [each.reason for each in plan.new_timings] == ["a few steps took longer than 0.01 s", None]
    assert len(executor.cancelled) == 1


class Waking(ScriptedExecutor):
    """Wakes up over nothing now and then, as an executor does whose idle worker ends."""

    def events(self) -> list[tuple[object, Message]]:
        return [] if len(self.waited) % 2 else super().events()


def test_waking_up_over_nothing_is_not_taking_too_long() -> None:
    """Only the time counts."""
    executor = Waking(CHECKED, [Timed(timing(NONE, 0.5)), Timed(timing(BATCH, 0.25)), TaskDone()])
    plan = planned(executor, with_estimate=True)
    assert [each.seconds_per_step for each in plan.new_timings] == [0.5, 0.25]


UNSTACKABLE: Mapping[tuple[str, str], NetworkFacts] = {
    ("cnn", "none"): NetworkFacts(flops=1000),
    ("cnn", "batch"): NetworkFacts(flops=1000, unstackable="it looks at its data"),
}


def test_it_is_said_why_a_norm_is_not_trained_side_by_side() -> None:
    """Once, and not of what is trained already."""
    script: Sequence[Message] = [Checked(Prepared(FACTS, {}, UNSTACKABLE, (ACCURACY,), "cpu", {})), TaskDone()]
    plan = planned(ScriptedExecutor(script))
    assert plan.unstacked == ["batch in the cnn: it looks at its data"]
    assert {run.norm: run.strategy for run in plan.runs} == {"none": "stacked", "batch": "sequential"}
    done = {run.key for run in plan.runs if run.norm == "batch"}
    assert planned(ScriptedExecutor(script), Stored(done, {})).unstacked == []
