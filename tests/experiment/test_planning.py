"""Does the plan follow from what is stored and what is timed, engine by engine?"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from normzoo.experiment import planning
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.executor.local import WorkerPool
from normzoo.experiment.planning.facts import Prepared
from normzoo.experiment.planning.groups import Group, Plan, Stored, expand, make_plan
from normzoo.experiment.planning.timing import Timing, TrainingEngine, timing_key

from .synthetic import FACTS

MATRIX = MatrixSpec(norms=("none", "batch"), templates=("cnn",), batch_sizes=(4,), seeds=2, epochs=2)
RUNS = expand(MATRIX, FACTS, {})
NONE, BATCH = ([run for run in RUNS if run.norm == norm] for norm in ("none", "batch"))
Seconds = Mapping[tuple[str, TrainingEngine], float | None]


def planned(
    monkeypatch: pytest.MonkeyPatch,
    seconds: Seconds,
    stored: Stored | None = None,
    *,
    with_estimate: bool = False,
    **execution: Any,
) -> tuple[Plan, list[tuple[str, TrainingEngine]]]:
    """Plan the matrix with a worker that takes these seconds for a step; return what it was asked to time, too."""
    asked: list[tuple[str, TrainingEngine]] = []

    def calibrate(
        wanted: Sequence[tuple[Group, TrainingEngine]], _: object, prepared: Prepared, __: object, threads: int
    ) -> list[Timing]:
        timings = []
        for group, engine in wanted:
            norm = group.runs[0].norm
            asked.append((norm, engine))
            key = timing_key(group.runs, {**prepared.environment, "threads": threads})
            value = seconds[norm, engine]
            reason = None if value is not None else f"{norm} will not"
            timings.append(
                Timing(key=key, engine=engine, members=len(group.runs), seconds_per_step=value, reason=reason)
            )
        return timings

    monkeypatch.setattr(planning, "prepare_matrix", lambda *_, **__: Prepared(FACTS, {}, "cpu", {}))
    monkeypatch.setattr(planning, "calibrate_groups", calibrate)
    configuration = Configuration(MATRIX, Execution(**{"jobs": 1, **execution}))
    plan = make_plan(
        configuration, stored or Stored(set(), {}, {}), cast("WorkerPool", None), with_estimate=with_estimate
    )
    return plan, asked


def trained(plan: Plan) -> dict[str, set[str]]:
    """Return the engines that each norm is trained on."""
    found: dict[str, set[str]] = {}
    for group in plan.groups:
        found.setdefault(group.runs[0].norm, set()).add(group.how.engine)
    return found


def on(engine: str, runs: Sequence[RunSpec]) -> dict[str, str]:
    return {run.key: engine for run in runs}


FASTER_STACK: Seconds = {("none", "stacked"): 1.0, ("batch", "stacked"): 1.0, ("none", "loop"): 2.0}
FASTER_LOOP: Seconds = {**FASTER_STACK, ("none", "loop"): 0.5, ("batch", "loop"): 0.25}
NOT_A_STACK: Seconds = {**FASTER_LOOP, ("batch", "stacked"): None}


def test_at_first_stacks_are_held_against_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """All as stacks, one in the loop."""
    plan, asked = planned(monkeypatch, FASTER_STACK)
    assert asked == [("none", "stacked"), ("none", "loop"), ("batch", "stacked")]
    assert trained(plan) == {"none": {"stacked"}, "batch": {"stacked"}}
    assert len(plan.new_timings) == 3


def test_where_the_loop_wins_all_are_timed_in_it_if_times_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that every norm has a time, and the estimate is none of guesses."""
    plan, asked = planned(monkeypatch, FASTER_LOOP)
    assert trained(plan) == {"none": {"loop"}, "batch": {"loop"}}
    assert ("batch", "loop") not in asked
    plan, asked = planned(monkeypatch, FASTER_LOOP, with_estimate=True)
    assert asked[3:] == [("batch", "loop")]
    steps = plan.groups[0].steps
    assert plan.seconds == pytest.approx(steps * 0.75)


def test_a_new_norm_that_cannot_be_stacked_takes_stored_ones_into_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are trained again, and it is said why."""
    stored = Stored({run.key for run in NONE}, on("stacked", NONE), {})
    plan, asked = planned(monkeypatch, NOT_A_STACK, stored)
    assert asked == [("batch", "stacked"), ("batch", "loop")]
    assert trained(plan) == {"none": {"loop"}, "batch": {"loop"}}
    assert (plan.other_engine, plan.unstacked) == (2, ["batch will not"])


def test_a_new_norm_that_fails_on_either_engine_leaves_stored_ones_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is broken, and that is no reason to train the others again and to replace their results."""
    stored = Stored({run.key for run in NONE}, on("stacked", NONE), {})
    plan, asked = planned(monkeypatch, {**NOT_A_STACK, ("batch", "loop"): None}, stored)
    assert asked == [("batch", "stacked"), ("batch", "loop")]
    assert trained(plan) == {"batch": {"stacked"}}
    assert (plan.other_engine, plan.unstacked) == (0, [])


def test_a_broken_norm_does_not_decide_for_a_new_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others take what is faster for them."""
    plan, _ = planned(monkeypatch, {**FASTER_STACK, ("batch", "stacked"): None, ("batch", "loop"): None})
    assert trained(plan) == {"none": {"stacked"}, "batch": {"stacked"}}


def test_a_new_norm_is_stacked_like_the_stored_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is known that it can be, which takes a few steps."""
    stored = Stored({run.key for run in NONE}, on("stacked", NONE), {})
    plan, asked = planned(monkeypatch, FASTER_LOOP, stored)
    assert asked == [("batch", "stacked")]
    assert trained(plan) == {"batch": {"stacked"}}


@pytest.mark.parametrize("engine", ["stacked", "loop"])
def test_an_engine_that_is_asked_for_needs_no_timing(engine: TrainingEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where a norm cannot be stacked: its failure is then the answer."""
    plan, asked = planned(monkeypatch, NOT_A_STACK, engine=engine)
    assert asked == []
    assert trained(plan) == {"none": {engine}, "batch": {engine}}


def test_what_failed_on_one_engine_is_tried_on_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure counts as done only for the engine that it came from."""
    stored = Stored({run.key for run in RUNS}, on("loop", NONE), {}, lost=on("stacked", BATCH))
    plan, _ = planned(monkeypatch, FASTER_LOOP, stored, engine="loop")
    assert trained(plan) == {"batch": {"loop"}}
    stored = Stored({run.key for run in RUNS}, on("loop", NONE), {}, lost=on("loop", BATCH))
    plan, _ = planned(monkeypatch, FASTER_LOOP, stored, engine="loop")
    assert trained(plan) == {}
