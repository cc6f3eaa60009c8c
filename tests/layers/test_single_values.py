"""Does one value per statistic, which has no variance, end as it should?"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from normzoo import layers

from .cases import NORMS, Case
from .references import pair

SINGLE = "a mean and variance need more than one value, got one value per statistic from shape"
SINGLES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], str]] = {
    "batch": (
        lambda: layers.BatchNorm1d(4),
        (1, 4),
        f"BatchNorm1d: {SINGLE} (1, 4); use a larger batch or more positions, or small_batch='running', "
        "or call .eval()",
    ),
    "ghost": (
        lambda: layers.GhostBatchNorm(4, size=2),
        (5, 4),
        f"GhostBatchNorm: {SINGLE} (5, 4); use a larger batch or size, or more positions, "
        "or small_batch='running', or call .eval()",
    ),
    "instance": (
        lambda: layers.InstanceNorm2d(4),
        (3, 4, 1, 1),
        f"InstanceNorm2d: {SINGLE} (3, 4, 1, 1); use more positions",
    ),
    "group": (
        lambda: layers.GroupNorm(4, 4),
        (3, 4),
        f"GroupNorm: {SINGLE} (3, 4); use fewer groups or more positions, or call .eval()",
    ),
    "layer": (
        lambda: layers.LayerNorm(1),
        (3, 1),
        f"LayerNorm: {SINGLE} (3, 1); use a larger normalized_shape, or call .eval()",
    ),
}


@pytest.mark.parametrize(("build", "shape", "message"), SINGLES.values(), ids=SINGLES)
def test_one_value_per_statistic_in_training(
    build: Callable[[], nn.Module], shape: tuple[int, ...], message: str
) -> None:
    """A single value has no variance to learn from, and leaves no trace in the running statistics."""
    layer = build()
    before = {name: buffer.clone() for name, buffer in layer.named_buffers()}
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        layer(torch.randn(shape))
    assert str(refusal.value) == message
    assert_close(dict(layer.named_buffers()), before, rtol=0, atol=0)


def single_values(case: Case) -> Tensor:
    """Draw an input with one value per statistic, for layers over channels."""
    samples = 1 if case.couples_samples else 3
    return torch.randn(samples, case.shape[1], *(1 for _ in case.shape[2:]), dtype=torch.float64)


@pytest.mark.parametrize(
    "case", [case for case in NORMS if case.peer and hasattr(case.ours(), "track_running_stats")], ids=lambda c: c.id
)
def test_one_value_per_statistic_in_evaluation(case: Case) -> None:
    """Batch and instance norm take it by their running statistics, and refuse it without, as torch.nn's do."""
    ours, theirs = (layer.eval() for layer in pair(case))
    x = single_values(case)
    if case.tracked:
        assert_close(ours(x), theirs(x), rtol=1e-9, atol=1e-9)
        return
    with pytest.raises(ValueError, match=f"^{case.layer.__name__}: {SINGLE} .*; use [a-z ]+$"):
        ours(x)
    with pytest.raises(ValueError, match="Expected more than 1"):
        theirs(x)


@pytest.mark.parametrize(
    ("name", "arguments", "shape"), [("GroupNorm", (4, 4), (3, 4)), ("LayerNorm", (1,), (3, 1))], ids=["group", "layer"]
)
def test_one_value_per_statistic_of_a_sample_in_evaluation(
    name: str, arguments: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    """Group and layer norm give their bias, as torch.nn's do."""
    built: list[Any] = [getattr(module, name)(*arguments).double().eval() for module in (layers, nn)]
    x = torch.randn(shape, dtype=torch.float64)
    for layer in built:
        nn.init.constant_(layer.bias, 0.5)
    assert_close(built[0](x), built[1](x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("build", [lambda: layers.RMSNorm(1), lambda: layers.SampleRMSNorm(1)], ids=["rms", "sample"])
def test_one_value_has_a_root_mean_square(build: Callable[[], nn.Module]) -> None:
    """Norms that subtract no mean take one value per statistic: what is left is its sign."""
    x = 10 * torch.randn(5, 1)
    assert_close(build()(x), x.sign(), rtol=1e-3, atol=1e-3)
