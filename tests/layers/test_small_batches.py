"""Is a batch of too few values refused, or normalized by what ``small_batch`` says?"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from normzoo import layers
from normzoo.errors import InputError
from normzoo.layers import make_norm
from normzoo.templates import stack

Build = Callable[..., Any]
SMALL: dict[str, Build] = {
    "batch": lambda **options: layers.BatchNorm1d(3, **options).double(),
    "extended": lambda **options: layers.ExtendedBatchNorm(3, **options).double(),
    "ghost": lambda **options: layers.GhostBatchNorm(3, size=5, **options).double(),
}
every_small = pytest.mark.parametrize("build", SMALL.values(), ids=SMALL)


def trained(layer: Any) -> Any:
    """Return a layer whose running statistics and parameters are not those at the start."""
    layer(1 + 2 * torch.randn(6, 3, 5, dtype=torch.float64))
    nn.init.uniform_(layer.weight)
    return layer


@every_small
def test_a_small_batch_by_the_running_statistics(build: Build) -> None:
    """Output and gradients are those of evaluation, and nothing is remembered; a larger batch is as ever."""
    layer, plain = trained(build(small_batch="running")), build()
    plain.load_state_dict(layer.state_dict())
    before = copy.deepcopy(layer.state_dict())
    x = torch.randn(1, 3, dtype=torch.float64, requires_grad=True)
    outputs = [norm(x) for norm in (layer, copy.deepcopy(plain).eval())]
    assert_close(*outputs)
    assert_close(*(torch.autograd.grad(y.pow(3).sum(), x) for y in outputs))
    assert_close(layer.state_dict(), before, rtol=0, atol=0)
    with pytest.raises(InputError, match="more than one value"):
        plain(x)
    many = torch.randn(2, 3, dtype=torch.float64)
    assert_close(layer(many), plain(many))
    assert_close(layer.state_dict(), plain.state_dict())


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_a_small_batch_by_each_samples_own_statistics(training: bool) -> None:
    """As instance norm, with the same parameters; in evaluation where there are no running ones."""
    options: dict[str, Any] = {"track_running_stats": training}
    layer = trained(layers.BatchNorm1d(3, small_batch="instance", min_values=16, **options).double()).train(training)
    before = copy.deepcopy(layer.state_dict())
    instance = layers.InstanceNorm1d(3, affine=True).double()
    instance.load_state_dict(layer.state_dict(), strict=False)
    x = torch.randn(3, 3, 5, dtype=torch.float64)
    assert_close(layer(x), instance(x))
    assert_close(layer.state_dict(), before, rtol=0, atol=0)
    assert_close(layer(x[:1]), instance(x[:1]))
    plain = layers.BatchNorm1d(3, **options).double().train(training)
    plain.load_state_dict(layer.state_dict())
    many = torch.randn(4, 3, 4, dtype=torch.float64)
    assert_close(layer(many), plain(many))


def test_extended_batch_norm_by_each_samples_own_statistics() -> None:
    """Of a sample alone: its own means, and one variance of its own."""
    layer = trained(SMALL["extended"](small_batch="instance", min_values=16))
    before = copy.deepcopy(layer.state_dict())
    alone = layers.ExtendedBatchNorm(3).double()
    alone.load_state_dict(before)
    x = torch.randn(3, 3, 5, dtype=torch.float64)
    assert_close(layer(x), torch.cat([alone(sample) for sample in x[:, None]]))
    assert_close(layer.state_dict(), before, rtol=0, atol=0)


@every_small
def test_small_batches_under_a_mask(build: Build) -> None:
    """What counts is what the mask leaves; with one position in a sample, it has no statistics of its own."""
    x = torch.randn(2, 3, 5, dtype=torch.float64)
    mask = torch.zeros(2, 5, dtype=torch.bool)
    mask[0, 2] = True
    layer = trained(build(small_batch="running"))
    evaluated = copy.deepcopy(layer).eval()(x, mask)
    before = copy.deepcopy(layer.state_dict())
    assert_close(layer(x, mask), evaluated)
    assert_close(layer.state_dict(), before, rtol=0, atol=0)
    layer = trained(build(small_batch="instance", min_values=6))
    with pytest.raises(InputError, match="min_values=6 values, got fewer from shape"):
        layer(x, mask)
    mask[0, :3] = True
    expected = copy.deepcopy(layer)(x[:1, :, :3])
    assert_close(layer(x, mask)[:1, :, :3], expected)


@every_small
def test_too_small_batches_are_refused(build: Build) -> None:
    """By the number that is asked for; samples without positions have no statistics of their own."""
    layer, x = build(min_values=6), torch.randn(5, 3, dtype=torch.float64)
    with pytest.raises(
        InputError, match="a mean and variance are to be over min_values=6 values, got fewer from shape"
    ):
        layer(x)
    assert layer.num_batches_tracked == 0
    with pytest.raises(InputError, match="min_values=6"):
        build(min_values=6, small_batch="instance")(x)
    build(min_values=5)(x)


def test_a_stack_normalizes_small_batches_as_its_members() -> None:
    """By the running statistics of each."""
    members = [trained(SMALL["batch"](small_batch="running")) for _ in range(2)]
    stacked = stack(copy.deepcopy(members))
    x = torch.randn(1, 2, 3, dtype=torch.float64)
    assert_close(stacked(x), torch.stack([member(x[:, index]) for index, member in enumerate(members)], 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"small_batch": "skip"}, "small_batch is not known, got 'skip'; use one of error, running, instance"),
        (
            {"small_batch": "running", "track_running_stats": False},
            "small_batch='running' needs running statistics, got track_running_stats=False; keep them, or use "
            "small_batch='instance'",
        ),
        ({"min_values": 1}, "min_values must be a whole number of at least 2, got 1; use for example 16"),
        ({"min_values": 2.5}, "min_values must be a whole number of at least 2, got 2.5; use for example 16"),
    ],
)
@pytest.mark.parametrize("kind", [layers.BatchNorm2d, layers.ExtendedBatchNorm])
def test_policies_for_small_batches_that_make_no_sense(kind: Any, options: dict[str, Any], message: str) -> None:
    """Are refused when the layer is built."""
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        kind(3, **options)
    assert str(refusal.value) == f"{kind.__name__}: {message}"


def test_a_ghost_batch_of_small_parts() -> None:
    """Where a part has too few values, ``small_batch`` is of the whole batch: none of it is remembered."""
    x = torch.randn(5, 3, 2, dtype=torch.float64)  # parts of three and two samples: six values, and four
    for policy in ("running", "instance"):
        ghost: Any = make_norm(f"ghost:size=3,min_values=5,small_batch={policy}", 3).double()
        expected = make_norm("instance", 3).double()(x) if policy == "instance" else copy.deepcopy(ghost).eval()(x)
        assert_close(ghost(x), expected)
        assert ghost.num_batches_tracked == 0
        ghost(x[:3])
        assert ghost.num_batches_tracked == 1
    with pytest.raises(InputError, match=r"^GhostBatchNorm: .* min_values=5 values, got fewer"):
        make_norm("ghost:size=3,min_values=5", 3)(x)


@pytest.mark.parametrize("kind", ["batch", "ghost", "extended"])
def test_where_min_values_counts_in_evaluation(kind: str) -> None:
    """Where a batch is then normalized by its own statistics; of the extended one in training alone."""
    layer = make_norm(f"{kind}:min_values=20,track_running_stats=false", 3)
    with pytest.raises(InputError, match="min_values=20"):
        layer(torch.randn(2, 3, 4))
    layer.eval()
    if kind == "extended":
        assert layer(torch.randn(2, 3, 4)).shape == (2, 3, 4)
    else:
        with pytest.raises(InputError, match="min_values=20"):
            layer(torch.randn(2, 3, 4))
