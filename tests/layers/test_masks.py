"""Does a mask mean: as if only the valid values were there?"""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.testing import assert_close

from normzoo import layers

from .cases import CASES, NORMS, TRACKED, Case
from .references import by_hand, random_mask, randomized

every_norm = pytest.mark.parametrize("case", NORMS, ids=lambda case: case.id)
every_tracked = pytest.mark.parametrize(
    "case", [case for case in TRACKED if not case.splits_batches], ids=lambda case: case.id
)
close = partial(assert_close, rtol=1e-8, atol=1e-8)


def results(layer: Any, x: Tensor, mask: Tensor | None, cotangent: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the output, and the gradients of the input and the parameters."""
    layer.zero_grad()
    leaf = x.clone().requires_grad_()
    y = layer(leaf, mask)
    y.backward(cotangent)
    return y.detach(), {"x": leaf.grad, **{name: parameter.grad for name, parameter in layer.named_parameters()}}


@pytest.mark.slow_but_one
@every_norm
def test_only_valid_values_count(case: Case) -> None:
    """Output and gradients are those of the valid values normalized by hand; masked values come out zero."""
    layer, mask = randomized(case.ours(torch.float64)), random_mask(case)
    x, cotangent = case.input(), torch.randn(case.shape, dtype=torch.float64)
    y, gradients = results(layer, x, mask, cotangent)
    leaf = x.clone().requires_grad_()
    expected = by_hand(case, layer, leaf, mask)
    layer.zero_grad()
    torch.autograd.backward([expected], [cotangent])
    close(y, expected)
    assert torch.all(y[~case.spread_out(mask)] == 0)
    parameters = {name: parameter.grad for name, parameter in layer.named_parameters()}
    close(gradients, {"x": leaf.grad, **parameters})


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@every_norm
def test_masked_values_leak_nowhere(case: Case, training: bool) -> None:
    """What stands in masked places reaches no output, no gradient and no running statistic."""
    mask = random_mask(case)
    layer = randomized(case.ours(torch.float64)).train(training)
    twin = case.ours(torch.float64).train(training)
    twin.load_state_dict(layer.state_dict())
    x, cotangent = case.input(), torch.randn(case.shape, dtype=torch.float64)
    garbage = torch.tensor([float("nan"), float("inf"), -1e30]).double().repeat(x.numel())[: x.numel()]
    spoiled = torch.where(case.spread_out(mask), x, garbage.view_as(x))
    close(results(layer, spoiled, mask, cotangent), results(twin, x, mask, cotangent))
    close(layer.state_dict(), twin.state_dict())


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_mask_of_all_is_no_mask(case: Case, training: bool) -> None:
    """A mask that is True throughout changes nothing."""
    mask = torch.ones(case.mask_shape, dtype=torch.bool)
    layer = randomized(case.ours(torch.float64)).train(training)
    twin = case.ours(torch.float64).train(training)
    twin.load_state_dict(layer.state_dict())
    x, cotangent = case.input(), torch.randn(case.shape, dtype=torch.float64)
    close(results(layer, x, mask, cotangent), results(twin, x, None, cotangent))
    close(layer.state_dict(), twin.state_dict())


@every_tracked
def test_running_statistics_are_of_valid_values(case: Case) -> None:
    """Running statistics move towards the mean and variance of the valid values of each pool."""
    layer, mask, x = case.ours(torch.float64), random_mask(case), case.input()
    mask[0] = True
    assert case.pools is not None
    pools, valid = case.pools(case.shape), case.spread_out(mask)
    values = [x[(pools == pool) & valid] for pool in sorted(set(pools.flatten().tolist()))]
    mean = torch.stack([v.mean() for v in values]).reshape(-1, case.shape[1]).mean(0)
    correction = int(layer.unbiased_running)
    var = (
        torch.stack([v.var(correction=correction) if len(v) > 1 else v.sum() * 0 for v in values])
        .reshape(-1, case.shape[1])
        .mean(0)
    )
    layer(x, mask)
    unset = 1.0 if isinstance(layer, layers.BatchNorm) else 0.0
    fraction = unset if layer.momentum is None else layer.momentum
    close(layer.running_mean, fraction * mean)
    close(layer.running_var, (1 - fraction) + fraction * var)


@every_tracked
def test_samples_masked_out_are_not_remembered(case: Case) -> None:
    """A sample without valid values leaves the running statistics that its absence leaves."""
    layer, without = case.ours(torch.float64), case.ours(torch.float64)
    x, mask = case.input(), torch.ones(case.mask_shape, dtype=torch.bool)
    mask[-1] = False
    assert torch.all(layer(x, mask)[-1] == 0)
    without(x[:-1])
    close(layer.state_dict(), without.state_dict())


@every_norm
def test_mask_of_nothing(case: Case) -> None:
    """With no valid value at all, outputs and gradients are zero, and running statistics stay as they were."""
    layer = randomized(case.ours(torch.float64))
    before = {name: buffer.clone() for name, buffer in layer.named_buffers() if name.startswith("running")}
    mask = torch.zeros(case.mask_shape, dtype=torch.bool)
    y, gradients = results(layer, case.input(), mask, torch.randn(case.shape, dtype=torch.float64))
    assert torch.all(y == 0)
    assert all(torch.all(gradient == 0) for gradient in gradients.values())
    close({name: layer.get_buffer(name) for name in before}, before, rtol=0, atol=0)


@pytest.mark.parametrize("case", [case for case in NORMS if case.takes_single_samples], ids=lambda case: case.id)
def test_mask_without_a_batch_dimension(case: Case) -> None:
    """A single sample takes a mask without the batch dimension."""
    layer, mask, x = randomized(case.ours(torch.float64)).eval(), random_mask(case), case.input()
    close(layer(x[0], mask[0]), layer(x[:1], mask[:1])[0])


@pytest.mark.parametrize("momentum", [None, 0.3])
def test_a_batch_without_values_does_not_count(momentum: float | None) -> None:
    """Neither in the plain average over batches nor in their number."""
    layer, without = (layers.BatchNorm1d(3, momentum=momentum).double() for _ in range(2))
    batches = [5 + torch.randn(4, 3, 6, dtype=torch.float64) for _ in range(3)]
    masks = [
        torch.ones(4, 6, dtype=torch.bool),
        torch.zeros(4, 6, dtype=torch.bool),
        torch.ones(4, 6, dtype=torch.bool),
    ]
    for x, mask in zip(batches, masks, strict=True):
        layer(x, mask)
        if mask.any():
            without(x)
    close(layer.state_dict(), without.state_dict())
    assert layer.num_batches_tracked == 2


ONE_LEFT: dict[str, tuple[Any, tuple[int, ...], tuple[slice | int, ...]]] = {
    "batch": (layers.BatchNorm1d(3), (4, 3, 6), (0, 0)),
    "batch-vectors": (layers.BatchNorm1d(3), (4, 3), (2,)),
    "instance": (layers.InstanceNorm1d(3), (4, 3, 6), (slice(None), 1)),
    "instance-of-one-sample": (layers.InstanceNorm2d(3), (3, 2, 2), (0, 0)),
    "group": (layers.GroupNorm(3, 3), (4, 3, 6), (slice(None), 1)),
}


@pytest.mark.parametrize(("layer", "shape", "kept"), ONE_LEFT.values(), ids=ONE_LEFT)
def test_a_mask_that_leaves_one_value_is_refused(
    layer: Any, shape: tuple[int, ...], kept: tuple[slice | int, ...]
) -> None:
    """As one value without a mask is; nothing is remembered of it."""
    before = {name: buffer.clone() for name, buffer in layer.named_buffers()}
    unbatched = isinstance(layer, layers.InstanceNorm2d)
    mask = torch.zeros(shape[1:] if unbatched else (shape[0], *shape[2:]), dtype=torch.bool)
    mask[kept] = True
    with pytest.raises(ValueError, match=r"a mean and variance need more than one value, .* under the mask; use"):
        layer(torch.randn(shape), mask)
    close(dict(layer.named_buffers()), before, rtol=0, atol=0)
    mask[...] = True
    layer(torch.randn(shape), mask)


def test_one_value_in_a_group_of_channels_is_no_single_value() -> None:
    """A group of several channels has several values at one position; so has a row."""
    mask = torch.zeros(4, 6, dtype=torch.bool)
    mask[:, 0] = True
    assert layers.GroupNorm(2, 6)(torch.randn(4, 6, 6), mask).isfinite().all()
    assert layers.LayerNorm(3)(torch.randn(4, 6, 3), mask).isfinite().all()


@pytest.mark.slow
def test_a_mask_that_leaves_one_value_within_a_compiled_call() -> None:
    """There the mask's values are not known in time to refuse it; the running statistics then stay as they were."""
    layer: Any = layers.BatchNorm1d(3)
    compiled: Any = torch.compile(layer, fullgraph=True, backend="aot_eager")
    compiled(torch.randn(4, 3, 6), torch.ones(4, 6, dtype=torch.bool))
    before = {name: buffer.clone() for name, buffer in layer.named_buffers()}
    mask = torch.zeros(4, 6, dtype=torch.bool)
    mask[0, 0] = True
    compiled(torch.randn(4, 3, 6), mask)
    close(dict(layer.named_buffers()), before, rtol=0, atol=0)


def test_a_single_row_takes_a_mask() -> None:
    """A row without any sample dimension, too."""
    x = torch.randn(4)
    close(layers.LayerNorm(4)(x, torch.tensor(True)), layers.LayerNorm(4)(x))
    assert torch.all(layers.LayerNorm(4)(x, torch.tensor(False)) == 0)


@pytest.mark.slow
def test_masks_without_values() -> None:
    """On the meta device and with fake tensors a masked call gives shapes, as an unmasked one does."""
    layer = layers.BatchNorm1d(3, device="meta")
    y = layer(torch.randn(4, 3, 6, device="meta"), torch.ones(4, 6, dtype=torch.bool, device="meta"))
    assert y.shape == (4, 3, 6)
    with FakeTensorMode():
        y = layers.BatchNorm1d(3)(torch.randn(4, 3, 6), torch.ones(4, 6, dtype=torch.bool))
    assert y.shape == (4, 3, 6)
