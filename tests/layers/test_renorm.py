"""Is batch renormalization corrected as the paper has it, on schedule and without a gradient?"""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from normzoo.layers import BatchNorm, BatchRenorm
from normzoo.surgery import recalibrate

STEPS: dict[str, Any] = {"begin": 2, "d_end": 4, "r_end": 6}
AT_ONCE: dict[str, Any] = {"begin": 0, "d_end": 0, "r_end": 0}


def batches(count: int) -> list[Tensor]:
    """Draw batches that drift, so that running statistics trail behind."""
    return [(1 + 0.3 * step) * torch.randn(5, 3, 2, dtype=torch.float64) + 0.2 * step for step in range(count)]


def test_first_batches_are_batch_norm() -> None:
    """Output, gradient and running statistics, until the limits begin to grow."""
    renorm, norm = BatchRenorm(3, **STEPS).double(), BatchNorm(3).double()
    for number, x in enumerate(batches(5), 1):
        y, expected = (layer(x.requires_grad_()) for layer in (renorm, norm))
        assert torch.allclose(y, expected) == (number <= STEPS["begin"])
        if number <= STEPS["begin"]:
            gradient, expected_gradient = (torch.autograd.grad(each.pow(3).sum(), x)[0] for each in (y, expected))
            assert_close(gradient, expected_gradient)
        assert_close(dict(renorm.named_buffers()), dict(norm.named_buffers()))


def test_limits_without_growth_are_those_after_the_first_batches() -> None:
    """Batch norm for as many as ``begin`` says, then the whole correction."""
    renorm, norm = (each.double() for each in (BatchRenorm(3, begin=2, d_end=2, r_end=2), BatchNorm(3)))
    agree = [torch.allclose(renorm(x), norm(x)) for x in batches(4)]
    assert agree == [True, True, False, False]


def test_limits_grow_by_the_count_of_batches() -> None:
    """Over several steps, as a loop over channels has it; some of r and d are clipped, and some are not."""
    norm = BatchRenorm(3, r_max=2.0, d_max=1.0, **STEPS).double()
    mean, var = torch.zeros(3).double(), torch.ones(3).double()
    clipped = set()
    for number, x in enumerate(batches(9), 1):
        most_r = 1 + min(max((number - 2) / 4, 0), 1)
        most_d = min(max((number - 2) / 2, 0), 1)
        y = norm(x)
        for channel in range(3):
            values = x[:, channel]
            std, running_std = (values.var(correction=0) + 1e-5).sqrt(), (var[channel] + 1e-5).sqrt()
            r, d = float(std / running_std), float((values.mean() - mean[channel]) / running_std)
            clipped |= {("r", r > most_r), ("d", abs(d) > most_d)}
            r, d = min(max(r, 1 / most_r), most_r), min(max(d, -most_d), most_d)
            assert_close(y[:, channel], (values - values.mean()) / std * r + d)
        mean += 0.1 * (x.mean((0, 2)) - mean)
        var += 0.1 * (x.transpose(0, 1).flatten(1).var(1) - var)
        assert_close((norm.running_mean, norm.running_var), (mean, var))
    assert clipped == set(product("rd", (True, False)))


def test_no_gradient_goes_through_the_corrections() -> None:
    """It is that of batch norm's output, times r."""
    norm = BatchRenorm(3, r_max=100.0, d_max=100.0, **AT_ONCE).double()
    x = batches(3)[2].requires_grad_()
    cotangent = torch.randn_like(x)
    std = (x.detach().var((0, 2), correction=0, keepdim=True) + 1e-5).sqrt()
    r = std / (1 + 1e-5) ** 0.5
    (gradient,) = torch.autograd.grad((norm(x) * cotangent).sum(), x)
    (expected,) = torch.autograd.grad((BatchNorm(3).double()(x) * r * cotangent).sum(), x)
    assert_close(gradient, expected)


def test_without_limits_training_is_evaluation() -> None:
    """By the statistics before the batch."""
    norm, x = BatchRenorm(3, r_max=1e6, d_max=1e6, **AT_ONCE).double(), batches(3)[2]
    expected = norm.eval()(x)
    assert_close(norm.train()(x), expected)


def test_recalibrated_statistics_are_those_of_batch_norm() -> None:
    """Of the second norm, too: while they are gathered, nothing is corrected towards those that they replace."""
    x = batches(3)[2]
    renorm, norm = (
        nn.Sequential(make(), nn.ReLU(), make()).double()
        for make in (lambda: BatchRenorm(3, **AT_ONCE), lambda: BatchNorm(3))
    )
    assert_close(recalibrate(renorm, [x]).eval()(x), recalibrate(norm, [x]).eval()(x))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"r_max": 0.5}, "r_max must be at least 1 and d_max at least 0, got r_max=0.5 and d_max=5.0"),
        ({"d_max": -1.0}, "r_max must be at least 1 and d_max at least 0, got r_max=3.0 and d_max=-1.0"),
        ({"begin": 120}, "begin must lie between 0 and both r_end and d_end, got begin=120, r_end=160 and d_end=100"),
        ({"begin": -1}, "begin must lie between 0 and both r_end and d_end, got begin=-1"),
    ],
)
def test_unfitting_limits_are_refused(options: dict[str, Any], message: str) -> None:
    """By name, with the values."""
    with pytest.raises(ValueError, match=f"^BatchRenorm: {message}"):
        BatchRenorm(3, **options)
