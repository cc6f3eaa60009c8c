"""Does the strategy change how runs are trained, and nothing of what comes of them?"""

import re

import pytest

from normzoo.experiment.results.records import RunRecord

from .growth import Step
from .strategies import Strategies


def by_place(records: dict[str, RunRecord]) -> dict[tuple[str, int], RunRecord]:
    return {(record.spec.norm.rpartition(":")[2], record.spec.seed): record for record in records.values()}


def test_what_was_trained_beside_others_is_marked_and_has_a_time_from_before(strategies: Strategies) -> None:
    """Two groups in two workers: the times of their epochs compare with nothing."""
    records = strategies.sequential.records.values()
    found = {(record.spec.strategy, record.members, record.contended) for record in records}
    assert found == {("sequential", 1, True)}
    assert all(record.epoch_seconds_alone and record.epoch_seconds_alone > 0 for record in records)


def test_the_speed_column_shows_that_time(strategies: Strategies) -> None:
    """And not what was measured while the other worker was at work."""
    shown = strategies.sequential.outcome.stdout
    assert re.search(r"^batch .* \d\.\d+$|^batch .* <0\.01$", shown, re.MULTILINE)


def test_small_networks_are_stacked_and_that_is_another_run(strategies: Strategies) -> None:
    """The strategy is part of what a run is: nothing stored by the other counts, and all of that stays."""
    assert "4 of 4 runs to train" in strategies.preview.stdout
    assert "all seeds side by side (stacked)" in strategies.preview.stdout
    assert re.search(r"Expected to take about \d+ s, by steps that were timed", strategies.preview.stdout)
    assert strategies.sequential.records.items() <= strategies.stacked.records.items()
    new = new_of(strategies.stacked, strategies.sequential)
    assert {(record.spec.strategy, record.members) for record in new.values()} == {("stacked", 2)}


def test_another_norm_and_seed_train_nothing_again(strategies: Strategies) -> None:
    """Nor do they change how the others were trained."""
    assert strategies.stacked.records.items() <= strategies.more.records.items()
    new = new_of(strategies.more, strategies.stacked)
    assert len(new) == 5
    assert {record.spec.strategy for record in new.values()} == {"stacked"}


def test_alone_nothing_is_contended(strategies: Strategies) -> None:
    """With one worker, the times of the epochs themselves count."""
    new = new_of(strategies.stacked, strategies.sequential)
    assert {(record.contended, record.epoch_seconds_alone) for record in new.values()} == {(False, None)}


def new_of(step: Step, before: Step) -> dict[str, RunRecord]:
    return {key: record for key, record in step.records.items() if key not in before.records}


def close(record: RunRecord, other: RunRecord) -> bool:
    """Whether two runs of an epoch came to the same but for rounding."""
    last, theirs = record.epochs[-1], other.epochs[-1]
    return last.train_loss == pytest.approx(theirs.train_loss, rel=1e-3) and last.validation["loss"] == pytest.approx(
        theirs.validation["loss"], rel=1e-2
    )


def test_both_strategies_come_to_the_same_but_for_rounding(strategies: Strategies) -> None:
    """Run by run: the same initial weights and the same order of the data."""
    sequential = by_place(strategies.sequential.records)
    stacked = by_place(new_of(strategies.stacked, strategies.sequential))
    assert sequential.keys() == stacked.keys()
    for place, record in stacked.items():
        assert close(record, sequential[place]), record.spec.label


def test_a_result_does_not_depend_on_workers_their_order_or_the_rest_of_the_matrix(strategies: Strategies) -> None:
    """Other norms, in another order, two workers: the two runs in common come to the same."""
    elsewhere = strategies.elsewhere.records
    common = elsewhere.keys() & strategies.stacked.records.keys()
    assert len(common) == 2
    for key in common:
        assert close(elsewhere[key], strategies.stacked.records[key])


@pytest.mark.parametrize(
    ("norm", "statuses"),
    [
        ("none", ("ok", "ok")),
        ("Raising", ("failed", "failed")),
        ("Killed", ("ok", "ok")),
    ],
)
def test_a_stack_in_trouble_is_taken_apart(norm: str, statuses: tuple[str, str], strategies: Strategies) -> None:
    """Each run of one that raised or died is tried again by itself."""
    records = by_place(strategies.trouble.records)
    assert (records[norm, 0].status, records[norm, 1].status) == statuses


def test_what_failed_alone_says_why(strategies: Strategies) -> None:
    """With its own traceback."""
    for seed in (0, 1):
        record = by_place(strategies.trouble.records)["Raising", seed]
        assert record.error is not None
        assert record.error.startswith("RuntimeError: no good, said the norm")
        assert record.members == 1
        assert "troubled.py" in (record.traceback or "")


def test_a_sweep_chooses_the_learning_rate_on_validation(strategies: Strategies) -> None:
    """The rate at which all diverges is tried, shown, and no reason for another exit code."""
    outcome = strategies.sweep.outcome
    assert outcome.code == 0
    assert sorted((record.spec.lr, record.status) for record in strategies.sweep.records.values()) == [
        *((0.1, "ok"), (0.1, "ok")),
        *((2e9, "diverged"), (2e9, "diverged")),
    ]
    assert re.search(r"^none +64 +\d+\.\d ◀ +0/2$", outcome.stdout, re.MULTILINE)
    assert "the lowest learning rate tried, 0.05, was chosen for none at 64" in outcome.stdout
    assert re.search(r"\| `none` \| 64 \| \d+\.\d ◀ \| 0/2 \|", strategies.report)
    assert "Selection: the learning rate, per norm and batch size" in strategies.report


@pytest.mark.parametrize("place", ["own", "beside"])
def test_a_norm_that_cannot_be_stacked_is_trained_one_by_one_alone(place: str, strategies: Strategies) -> None:
    """It branches on a value; its rivals are stacked all the same, and those that are stored stay."""
    step: Step = getattr(strategies, place)
    assert step.outcome.code == 0
    assert {(record.spec.norm, record.spec.strategy, record.status) for record in step.records.values()} == {
        ("none", "stacked", "ok"),
        ("unstackable:Deciding", "sequential", "ok"),
    }
    assert len(step.records) == 4
    said = " ".join(step.outcome.stderr.split())
    assert "not side by side: unstackable:Deciding in the cnn:hidden=8,widths=4: RuntimeError: vmap" in said
