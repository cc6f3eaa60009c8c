"""Does evaluation by a batch's own statistics do that alone, and leave everything as it was?"""

import copy
from typing import Any, Literal

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from normzoo.errors import UsageError
from normzoo.surgery import eval_statistics, freeze, recalibrate, restoring_statistics

from .test_statistics import each_library, everything, images, network


@each_library
def test_one_batch_by_its_recalibrated_statistics_is_normalized_by_its_own(library: Any) -> None:
    """The two evaluations are one, since variances are biased in both."""
    model = network(library)
    del model[4]  # which sees other values than the first call
    model[5] = nn.Identity()  # nor is a mean over samples a sample's own
    x = images(6)
    with eval_statistics(model, "batch"):
        by_batch = model(x)
    recalibrate(model, [x])
    with eval_statistics(model, "running"):
        assert_close(model(x), by_batch)


@each_library
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("statistics", ["running", "batch"])
@pytest.mark.parametrize("failing", [False, True])
def test_afterwards_all_is_as_it_was(
    library: Any, training: bool, statistics: Literal["running", "batch"], failing: bool
) -> None:
    """Also where it ends with an error, for frozen norms, and where values are not finite."""
    model = freeze(network(library), affine=False).train(training)
    before = list(everything(model))
    try:
        with eval_statistics(model, statistics):
            model(torch.full((3, 3, 4, 4), torch.inf, dtype=torch.float64))
            model.eval()
            if failing:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert list(everything(model)) == before


@each_library
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("evaluating", [False, True])
def test_by_batch_norms_normalize_as_in_training(library: Any, frozen: bool, evaluating: bool) -> None:
    """And nothing else is in training; also after ``eval()``, as a validation loop calls it. Gradients are there."""
    model, x = network(library).train(), images(6)
    expected = copy.deepcopy(model)
    expected[2] = nn.Identity()
    if frozen:
        freeze(model, affine=False)
    with eval_statistics(model, "batch"):
        if evaluating:
            model.eval()
        y = model(x)
        assert set(model.state_dict()) == set(expected.state_dict())
        by_running = model.eval()
    assert_close(y, expected(x))
    assert y.requires_grad
    assert not torch.allclose(by_running.eval()(x), y, rtol=1e-3)


@each_library
def test_by_running_statistics_a_network_is_evaluated(library: Any) -> None:
    """As ``eval()`` would."""
    model, x = network(library).train(), images(6)
    with eval_statistics(model, "running"):
        y = model(x)
    assert_close(y, copy.deepcopy(model).eval()(x))


def test_other_statistics_are_refused() -> None:
    """With those that there are."""
    with pytest.raises(UsageError) as caught, eval_statistics(nn.BatchNorm1d(2), "bach"):  # type: ignore[arg-type]
        pass
    assert str(caught.value) == "eval_statistics: unknown statistics 'bach' (known: running, batch)"


def test_statistics_come_back_in_place() -> None:
    """Those that a recalibration has replaced, and the count."""
    model = network()
    before = list(everything(model))
    with restoring_statistics(model):
        model.train()(images(3))
        recalibrate(model, [images(4)])
        assert list(everything(model)) != before
    assert list(everything(model)) == before
