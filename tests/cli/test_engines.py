"""Does the engine change how runs are trained, and nothing of what comes of them?"""

import re

import pytest

from normzoo.experiment.results.records import RunRecord

from .engines import Engines
from .growth import Step


def by_place(records: dict[str, RunRecord]) -> dict[tuple[str, int], RunRecord]:
    return {(record.spec.norm.rpartition(":")[2], record.spec.seed): record for record in records.values()}


def test_what_was_trained_beside_others_is_marked_and_has_a_time_from_before(engines: Engines) -> None:
    """Two groups in two workers: the times of their epochs compare with nothing."""
    records = engines.loop.records.values()
    assert {(record.engine, record.members, record.contended) for record in records} == {("loop", 1, True)}
    assert all(record.epoch_seconds_alone and record.epoch_seconds_alone > 0 for record in records)


def test_the_speed_column_shows_that_time(engines: Engines) -> None:
    """And not what was measured while the other worker was at work."""
    shown = engines.loop.outcome.stdout
    assert re.search(r"^batch .* \d\.\d+$|^batch .* <0\.01$", shown, re.MULTILINE)
    assert "timed while nothing else was trained" in " ".join(shown.split())


def test_auto_goes_on_with_the_engine_of_what_is_stored(engines: Engines) -> None:
    """Another norm and seed are trained in the loop, too, and nothing is trained again."""
    assert engines.loop.records.items() <= engines.wider.records.items()
    assert len(engines.wider.records) == 9
    assert {record.engine for record in engines.wider.records.values()} == {"loop"}
    assert "one seed after the other (engine loop)" in engines.wider.outcome.stderr


def test_alone_nothing_is_contended(engines: Engines) -> None:
    """With one worker, the times of the epochs themselves count."""
    new = [record for key, record in engines.wider.records.items() if key not in engines.loop.records]
    assert {(record.contended, record.epoch_seconds_alone) for record in new} == {(False, None)}


def test_a_preview_says_what_the_other_engine_would_cost(engines: Engines) -> None:
    """All nine runs again, and about how long that takes."""
    shown = engines.preview.stdout
    assert engines.preview.code == 0
    assert "9 of 9 runs to train" in shown
    assert "9 runs were trained on the other engine, and are trained again" in shown
    assert "all seeds side by side (engine stacked)" in shown
    assert re.search(r"Expected to take about \d+ s, by steps that were timed", shown)


def test_the_other_engine_trains_all_again(engines: Engines) -> None:
    """A comparison never mixes engines."""
    assert set(engines.stacked.records) == set(engines.wider.records)
    assert {(record.engine, record.members) for record in engines.stacked.records.values()} == {("stacked", 3)}


def close(record: RunRecord, other: RunRecord) -> bool:
    """Whether two runs of an epoch came to the same but for rounding."""
    last, theirs = record.epochs[-1], other.epochs[-1]
    return last.train_loss == pytest.approx(theirs.train_loss, rel=1e-3) and last.val_loss == pytest.approx(
        theirs.val_loss, rel=1e-2
    )


def test_both_engines_come_to_the_same_but_for_rounding(engines: Engines) -> None:
    """Run by run: the same initial weights and the same order of the data."""
    for key, record in engines.stacked.records.items():
        assert close(record, engines.wider.records[key]), record.spec.label


def test_a_result_does_not_depend_on_workers_their_order_or_the_rest_of_the_matrix(engines: Engines) -> None:
    """Other norms, in another order, fewer seeds, two workers: the four runs in common come to the same."""
    common = engines.elsewhere.records.keys() & engines.stacked.records.keys()
    assert len(common) == 4
    for key in common:
        assert close(engines.elsewhere.records[key], engines.stacked.records[key])


@pytest.mark.parametrize(
    ("norm", "statuses"),
    [
        ("none", ("ok", "ok")),
        ("Raising", ("failed", "failed")),
        ("Killed", ("ok", "ok")),
        ("Sleeping", ("timeout", "timeout")),
    ],
)
def test_a_stack_in_trouble_is_taken_apart(norm: str, statuses: tuple[str, str], engines: Engines) -> None:
    """Each run of one that raised or died is tried again by itself; one that takes too long is given up whole."""
    records = by_place(engines.trouble.records)
    assert (records[norm, 0].status, records[norm, 1].status) == statuses


def test_the_time_limit_of_a_stack_is_that_of_its_runs_together(engines: Engines) -> None:
    """Two runs of 5 s each: 10 s."""
    record = by_place(engines.trouble.records)["Sleeping", 0]
    assert record.error == "each of 2 stacked runs took longer than 5 s"
    assert 5 <= record.seconds < 30


def test_what_failed_alone_says_why(engines: Engines) -> None:
    """With its own traceback."""
    for seed in (0, 1):
        record = by_place(engines.trouble.records)["Raising", seed]
        assert record.error is not None
        assert record.error.startswith("RuntimeError: no good, said the norm")
        assert record.members == 1
        assert "troubled.py" in (record.traceback or "")


def test_a_sweep_chooses_the_learning_rate_on_validation(engines: Engines) -> None:
    """The rate at which all diverges is tried, shown, and no reason for another exit code."""
    outcome = engines.sweep.outcome
    assert outcome.code == 0
    assert sorted((record.spec.lr, record.status) for record in engines.sweep.records.values()) == [
        *((0.1, "ok"), (0.1, "ok")),
        *((2e9, "diverged"), (2e9, "diverged")),
    ]
    assert re.search(r"^none +64 +\d+\.\d ◀ +2 lost$", outcome.stdout, re.MULTILINE)
    assert "the lowest learning rate tried, 0.05, was chosen for none at 64" in outcome.stdout
    assert re.search(r"\| `none` \| 64 \| \d+\.\d ◀ \| 2 lost \|", engines.report)
    assert "Selection: the learning rate, per norm and batch size" in engines.report


@pytest.mark.parametrize("place", ["own", "beside"])
def test_a_norm_that_cannot_be_stacked_decides_for_all(place: str, engines: Engines) -> None:
    """It branches on a value; then its rivals are trained in the loop as well, also where they had been stacked."""
    step: Step = getattr(engines, place)
    assert step.outcome.code == 0
    assert len(step.records) == 4
    assert {record.engine for record in step.records.values()} == {"loop"}
    assert {record.status for record in step.records.values()} == {"ok"}
    assert "not side by side: unstackable:Deciding in cnn: RuntimeError: vmap" in " ".join(step.outcome.stderr.split())
