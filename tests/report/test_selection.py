"""Does each norm get the learning rate that validation speaks for, and no other reason?"""

import pytest

from normzoo.experiment.results.records import RunRecord
from normzoo.report.analysis.selection import select_lr

from .synthetic import epoch, run


def trained(*validations: float, loss: float = 1.0, test: float = 0.5) -> list[RunRecord]:
    """Return runs with these validation accuracies after their last epoch, one for each seed."""
    records = []
    for seed, validation in enumerate(validations):
        last = epoch(1, test, validation=validation, validation_loss=loss)
        records.append(run(test, seed=seed).model_copy(update={"epochs": (last,)}))
    return records


def lost(status: str) -> RunRecord:
    return run(status, seed=9)


def test_the_highest_mean_validation_accuracy_decides() -> None:
    """Whatever the test set says."""
    chosen = select_lr({0.1: trained(0.8, 0.9, test=0.9), 0.2: trained(0.95, 0.8, test=0.1)})
    assert chosen.rate == 0.2
    assert [record.test_value for record in chosen.runs] == [0.1, 0.1]
    assert [tried.rate for tried in chosen.tried] == [0.1, 0.2]
    assert [tried.validation for tried in chosen.tried] == pytest.approx([0.85, 0.875])


@pytest.mark.parametrize("status", ["diverged", "failed", "out-of-memory", "timeout"])
def test_a_rate_that_lost_a_run_comes_after_those_that_did_not(status: str) -> None:
    """Unless all did."""
    assert select_lr({0.1: trained(0.6, 0.6), 0.2: [*trained(0.9), lost(status)]}).rate == 0.1
    assert select_lr({0.1: [*trained(0.6), lost(status)], 0.2: [*trained(0.9), lost(status)]}).rate == 0.2


def test_a_rate_with_fewer_results_comes_after() -> None:
    """As after Ctrl-C, when one lucky seed must not choose."""
    assert select_lr({0.1: trained(0.6, 0.6), 0.2: trained(0.9)}).rate == 0.1


def test_among_equals_the_lower_loss_and_then_the_smaller_rate() -> None:
    """So that the choice depends on no order."""
    assert select_lr({0.1: trained(0.8, loss=2.0), 0.2: trained(0.8, loss=1.0)}).rate == 0.2
    assert select_lr({0.2: trained(0.8), 0.1: trained(0.8)}).rate == 0.1


def test_means_that_differ_by_rounding_alone_are_equal() -> None:
    """As of the same values in another order."""
    one, other = (0.1, 0.2, 0.3), (0.3, 0.2, 0.1)
    assert sum(one) != sum(other)
    for first, second in ((one, other), (other, one)):
        assert select_lr({0.1: trained(*first, loss=2.0), 0.2: trained(*second, loss=1.0)}).rate == 0.2


def test_without_any_result_there_is_still_a_pick() -> None:
    """So that its failures are counted in the table."""
    chosen = select_lr({0.1: [lost("failed")], 0.2: []})
    assert [(tried.validation, tried.ok, tried.n_failed) for tried in chosen.tried] == [(None, 0, 1), (None, 0, 0)]
    assert chosen.rate == 0.2
