"""What becomes of a run that is in two stores?"""

import math

import pytest

from normzoo.experiment.results.difference import Conflict, MergePlan, plan_merge
from normzoo.experiment.results.records import RunRecord, Status

from .synthetic import run_record

RESULTS = [Status.OK, Status.DIVERGED]
FAILURES = [Status.FAILED, Status.OUT_OF_MEMORY, Status.TIMEOUT]
STATUSES = list(Status)
NOTHING = MergePlan(added=(), settled=(), there=0, conflicts=())


def plan_of(ours: RunRecord, theirs: RunRecord) -> MergePlan:
    return plan_merge({"a": ours}, {"a": theirs})


def test_runs_that_only_the_other_store_has_are_added() -> None:
    """In its order; what only ours has is not spoken of."""
    record = run_record()
    plan = plan_merge({"a": record, "b": record}, {"d": record, "b": record, "c": record})
    assert plan == MergePlan(added=("d", "c"), settled=(), there=1, conflicts=())
    assert plan_merge({"a": record}, {}) == NOTHING


@pytest.mark.parametrize("theirs", STATUSES)
@pytest.mark.parametrize("ours", STATUSES)
def test_more_is_known_of_a_result_than_of_a_failure_and_of_that_than_of_an_interruption(
    ours: Status, theirs: Status
) -> None:
    """Only where more is known in the other store does its record take the place of ours."""
    known = {status: 2 if status in RESULTS else 1 if status in FAILURES else 0 for status in STATUSES}
    plan = plan_of(run_record(status=ours), run_record(status=theirs))
    is_conflict = ours in RESULTS and theirs in RESULTS and ours != theirs
    assert (plan.settled == ("a",)) == (known[theirs] > known[ours])
    assert bool(plan.conflicts) == is_conflict
    assert plan.there == (known[theirs] <= known[ours] and not is_conflict)
    assert not plan.added


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [((2.0, 1.0), (2.0, 1.0 + 1e-15)), ((2.0,), (2.0, 1.0)), ((2.0,), (math.nan,)), ((math.inf,), (-math.inf,))],
)
def test_results_that_differ_in_a_digit_are_a_conflict(ours: tuple[float, ...], theirs: tuple[float, ...]) -> None:
    """It holds both records."""
    one, other = run_record(losses=ours), run_record(losses=theirs)
    assert plan_of(one, other) == MergePlan((), (), 0, (Conflict("a", one, other),))


@pytest.mark.parametrize("losses", [(2.0, 1.0), (2.0, math.nan), (math.inf,), ()])
def test_results_that_are_the_same_are_none(losses: tuple[float, ...]) -> None:
    """Whatever their times and machines."""
    one = run_record(losses=losses)
    epochs = tuple(epoch.model_copy(update={"seconds": 7.0}) for epoch in one.epochs)
    changes = {
        "epochs": epochs,
        "seconds": 9.0,
        "environment": {"cpu": "another"},
        "members": 5,
        "notes": ("x",),
    }
    assert plan_of(one, one.model_copy(update=changes)) == MergePlan((), (), 1, ())


def test_merging_is_settled_after_one_time() -> None:
    """What the plan says, done, leaves nothing to do but the conflicts."""
    theirs: dict[str, RunRecord] = {status: run_record(status=status) for status in STATUSES}
    ours: dict[str, RunRecord] = {status: run_record(status="interrupted") for status in STATUSES[:3]}
    plan = plan_merge(ours, theirs)
    ours |= {key: theirs[key] for key in (*plan.added, *plan.settled)}
    assert plan_merge(ours, theirs) == MergePlan((), (), len(theirs), ())
