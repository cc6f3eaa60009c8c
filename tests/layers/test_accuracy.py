"""How far is float32 from float64, where statistics are over very many values or these are very large or small?"""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from normzoo import layers
from normzoo.layers import backend
from normzoo.registry.backends import Backend

Build = Callable[[], nn.Module]

MANY: dict[str, tuple[Build, tuple[int, ...], torch.memory_format]] = {
    "instance": (lambda: layers.InstanceNorm2d(2, affine=True), (1, 2, 1024, 1024), torch.contiguous_format),
    "instance-last": (lambda: layers.InstanceNorm2d(2, affine=True), (1, 2, 1024, 1024), torch.channels_last),
    "batch": (lambda: layers.BatchNorm2d(2, momentum=1.0), (2, 2, 1024, 1024), torch.contiguous_format),
    "batch-last": (lambda: layers.BatchNorm2d(2, momentum=1.0), (2, 2, 1024, 1024), torch.channels_last),
    "batch-odd": (lambda: layers.BatchNorm2d(2, momentum=1.0), (1, 2, 1009, 1013), torch.contiguous_format),
    "batch-vectors": (lambda: layers.BatchNorm1d(2, momentum=1.0), (2**20, 2), torch.contiguous_format),
    "batch-2-to-24": (lambda: layers.BatchNorm1d(1, momentum=1.0), (1, 1, 2**24), torch.contiguous_format),
    "batch-volume": (lambda: layers.BatchNorm3d(1, momentum=1.0), (1, 1, 96, 104, 112), torch.contiguous_format),
    "group": (lambda: layers.GroupNorm(1, 8), (1, 8, 128, 128, 8), torch.contiguous_format),
    "group-last": (lambda: layers.GroupNorm(2, 4), (1, 4, 1024, 512), torch.channels_last),
    "layer": (lambda: layers.LayerNorm(2**20), (2, 2**20), torch.contiguous_format),
    "rms": (lambda: layers.RMSNorm(2**20), (2, 2**20), torch.contiguous_format),
}
"""Norms over 1e6 to 1.7e7 values per statistic: power of two, odd, and with the channels last in memory."""

COMPILED = ("batch-last", "rms")
"""Sums along memory and across, of means and variances and of squares alone."""


def step(layer: nn.Module, x: Tensor, cotangent: Tensor) -> dict[str, Tensor]:
    """Return the output, all gradients, and the running variance."""
    x = x.clone().requires_grad_()
    y = layer(x)
    y.backward(cotangent)
    found = {"y": y.detach(), **{name: parameter.grad for name, parameter in layer.named_parameters()}, "x": x.grad}
    return {name: value.double() for name, value in found.items() if value is not None}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("which", "name"),
    [*((which, "eager") for which in MANY), *((which, "compiled") for which in COMPILED)],
)
def test_many_values_per_statistic(which: str, name: Backend) -> None:
    """Outputs and gradients are off by 1e-5 at most, running variances by a millionth, on each backend."""
    build, shape, layout = MANY[which]
    layer = build()
    wide = copy.deepcopy(layer).double()
    x = (0.5 + 1.3 * torch.randn(shape)).contiguous(memory_format=layout)
    # A gradient that correlates with the input: sums that cancel would say nothing of how they are summed.
    cotangent = 0.3 + torch.randn(shape) + 0.2 * x
    with backend(name):
        found = step(layer, x, cotangent)
    with backend("eager"):
        exact = step(wide, x.double(), cotangent.double())
    for key, value in found.items():
        scale = exact[key].abs().max().clamp(min=1)
        assert float((value - exact[key]).abs().max() / scale) <= 1e-5, key
    if hasattr(layer, "running_var") and isinstance(layer.running_var, Tensor):
        variance, wanted = layer.running_var.double(), wide.get_buffer("running_var")
        assert float(((variance - wanted) / wanted).abs().max()) <= 1e-6


@pytest.mark.parametrize(
    ("dtype", "size"),
    [
        (torch.float32, 1e18),
        (torch.float32, 1e-30),
        (torch.float16, 6e4),
        (torch.float16, 1e-7),
        (torch.bfloat16, 1e18),
        (torch.bfloat16, 1e-30),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (layers.BatchNorm2d(8), nn.BatchNorm2d(8)),
        (layers.GroupNorm(2, 8), nn.GroupNorm(2, 8)),
        (layers.InstanceNorm2d(8), nn.InstanceNorm2d(8)),
        (layers.LayerNorm(5), nn.LayerNorm(5)),
        (layers.RMSNorm(5, eps=1e-5), nn.RMSNorm(5, eps=1e-5)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_near_the_limits_of_a_type(ours: nn.Module, theirs: nn.Module, dtype: torch.dtype, size: float) -> None:
    """Very large and very small values are normalized no worse than torch.nn normalizes them."""
    x = ((2 * torch.rand(4, 8, 5, 5) - 1) * size).to(dtype)
    with torch.no_grad():
        found, peer = (copy.deepcopy(layer).to(dtype)(x).double() for layer in (ours, theirs))
        exact = copy.deepcopy(theirs).double()(x.double())
    error, of_peer = (float((y - exact).abs().max()) for y in (found, peer))
    assert error <= max(2 * of_peer, 8 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("layer", [layers.BatchNorm1d(4), layers.GroupNorm(1, 4), layers.LayerNorm(6)], ids=repr)
def test_sums_beyond_the_limit(layer: nn.Module) -> None:
    """Values whose sum no float32 holds come out as NaN, rather than as numbers that look right."""
    assert layer(1e38 * (1 + torch.rand(5, 4, 6))).isnan().all()
