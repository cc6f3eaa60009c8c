"""Does one norm for several networks do for each what that network's own norm does?"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from zoo import CLASSIC

from normzoo.layers import (
    BatchNorm,
    BatchNorm1d,
    BatchNorm2d,
    GhostBatchNorm,
    GroupNorm,
    InstanceNorm,
    InstanceNorm2d,
    SampleRMSNorm,
    backend,
    make_norm,
)
from normzoo.layers._pooled import (
    OfEachMember,
    OverChannels,
    OverNothing,
    OverSamples,
    Pool,
    PooledNorm,
    WithinGroups,
    stack_norms,
)
from normzoo.registry.backends import Backend

from .references import randomized

MEMBERS, SAMPLES, CHANNELS, SIZE = 3, 5, 16, (2, 3)
VECTORS, MAPS = (SAMPLES, MEMBERS, CHANNELS), (SAMPLES, MEMBERS, CHANNELS, *SIZE)

BUILDS: dict[str, Callable[[], nn.Module]] = {
    **{name: lambda name=name: make_norm(name, CHANNELS) for name in CLASSIC if name != "none"},  # type: ignore[misc]
    "batch-cumulative": lambda: BatchNorm(CHANNELS, momentum=None),
    "batch-frozen": lambda: BatchNorm(CHANNELS, momentum=0.0),
    "batch-untracked": lambda: BatchNorm(CHANNELS, track_running_stats=False),
    "batch-plain": lambda: BatchNorm(CHANNELS, affine=False),
    "batch-without-bias": lambda: BatchNorm(CHANNELS, bias=False, momentum=0.3, eps=1e-3),
    "batch-1d": lambda: BatchNorm1d(CHANNELS),
    "batch-2d": lambda: BatchNorm2d(CHANNELS),
    "ghost": lambda: GhostBatchNorm(CHANNELS, size=2),
    "instance-plain": lambda: InstanceNorm(CHANNELS),
    "instance-tracked": lambda: InstanceNorm(CHANNELS, affine=True, track_running_stats=True),
    "instance-tracked-frozen": lambda: InstanceNorm(CHANNELS, track_running_stats=True, momentum=None),
    "instance-2d": lambda: InstanceNorm2d(CHANNELS, affine=True, track_running_stats=True, momentum=0.3),
    "group-of-4": lambda: GroupNorm(4, CHANNELS, eps=1e-3),
    "group-plain": lambda: GroupNorm(2, CHANNELS, affine=False),
    "group-without-bias": lambda: GroupNorm(2, CHANNELS, bias=False),
    "group-of-one": lambda: GroupNorm(1, CHANNELS),
    "sample-rms-without-bias": lambda: SampleRMSNorm(CHANNELS, bias=False),
}
VECTORS_TOO = [name for name in BUILDS if not name.startswith("instance") and name not in ("batch-2d", "ghost")]
MAPS_TOO = [name for name in BUILDS if name != "batch-1d"]
CASES = [(name, VECTORS) for name in VECTORS_TOO] + [(name, MAPS) for name in MAPS_TOO]

each_case = pytest.mark.parametrize(
    ("name", "shape"), CASES, ids=[f"{name}-{'maps' if shape is MAPS else 'vectors'}" for name, shape in CASES]
)


def members_of(name: str) -> list[Any]:
    """Build norms with different parameters and statistics, in float64."""
    return [randomized(BUILDS[name]().double()) for _ in range(MEMBERS)]


def stack_of(norms: Sequence[PooledNorm]) -> PooledNorm:
    def together(tensors: Sequence[Tensor]) -> Tensor:
        stacked = torch.stack([tensor.detach() for tensor in tensors])
        return nn.Parameter(stacked) if isinstance(tensors[0], nn.Parameter) else stacked

    return stack_norms(norms, together)


def values(shape: Sequence[int]) -> Tensor:
    """Draw values whose mean and spread differ between channels, and much more between members."""
    of_member = torch.arange(1.0, MEMBERS + 1).reshape(-1, *(1 for _ in shape[2:]))
    spread, mean = 1 + torch.rand(tuple(shape[1:])), torch.randn(tuple(shape[1:]))
    return (10 * of_member * (mean + spread * torch.randn(tuple(shape)))).double()


def results(norm: nn.Module, x: Tensor, cotangent: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
    """Return the output, and the gradients of input and parameters."""
    norm.zero_grad()
    x = x.detach().requires_grad_()
    y = norm(x, mask)
    y.backward(cotangent)
    gradients = {"x": x.grad, **{name: parameter.grad for name, parameter in norm.named_parameters()}}
    assert all(gradient is not None for gradient in gradients.values())
    return {"y": y.detach(), **{name: gradient for name, gradient in gradients.items() if gradient is not None}}


def of_member(tensors: Mapping[str, Tensor], member: int) -> dict[str, Tensor]:
    """Return a member's part of results or state; what is one number is everyone's."""
    return {
        name: (value[:, member] if name in ("x", "y") else value[member]) if value.ndim else value
        for name, value in tensors.items()
    }


def assert_steps_agree(name: str, inputs: Sequence[Tensor], *, training: bool, on: Backend = "eager") -> None:
    """Compare outputs, gradients and the state of a stack, step by step, with those of each norm alone, eagerly."""
    norms = members_of(name)
    stack = stack_of(norms).train(training)
    for x in inputs:
        cotangent = torch.randn(x.shape, dtype=x.dtype)
        with backend(on):
            together = results(stack, x, cotangent)
        for member, norm in enumerate(norms):
            alone = results(norm.train(training), x[:, member].contiguous(), cotangent[:, member].contiguous())
            assert_close(of_member(together, member), alone, rtol=1e-9, atol=1e-9)
            assert_close(of_member(stack.state_dict(), member), dict(norm.state_dict()), rtol=1e-9, atol=1e-9)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@each_case
def test_a_member_is_normalized_as_alone(name: str, shape: tuple[int, ...], training: bool) -> None:
    """Outputs, gradients of input and parameters, and running statistics over several steps, in float64."""
    assert_steps_agree(name, [values(shape) for _ in range(4)], training=training)


@pytest.mark.slow
def test_backends_agree() -> None:
    """Compiled, too, a member is normalized as alone: pools are computed as elsewhere, parameters have members."""
    assert_steps_agree("batch", [values(MAPS) for _ in range(2)], training=True, on="compiled")


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", MAPS_TOO)
def test_channels_last_inputs_are_seen_as_they_are(name: str) -> None:
    """Maps of each sample and member with their channels last give what contiguous ones give."""
    x = values(MAPS).movedim(2, -1).contiguous().movedim(-1, 2)
    assert not x.is_contiguous()
    assert_steps_agree(name, [x], training=True)


@each_case
def test_no_member_sees_another(name: str, shape: tuple[int, ...]) -> None:
    """NaN in one member stays there: outputs, gradients and statistics of the others are as without it."""
    norms, x, cotangent = members_of(name), values(shape), torch.randn(shape, dtype=torch.float64)
    clean, broken = stack_of(norms), stack_of(norms)
    expected = results(clean, x, cotangent)
    x[:, 1] = torch.nan
    actual = results(broken, x, cotangent)
    assert actual["y"][:, 1].isnan().all()
    for member in (0, 2):
        assert_close(of_member(actual, member), of_member(expected, member), rtol=1e-12, atol=1e-12)
        assert_close(
            of_member(broken.state_dict(), member), of_member(clean.state_dict(), member), rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize("name", BUILDS)
def test_state_has_the_names_of_a_member(name: str) -> None:
    """Parameters and statistics are those of all members, the count of batches is one; the stack's are copies."""
    norms = members_of(name)
    before = {key: value.clone() for key, value in norms[0].state_dict().items()}
    stack = stack_of(norms)
    assert (stack.members, norms[0].members) == (MEMBERS, None)
    assert {key: tuple(value.shape) for key, value in stack.state_dict().items()} == {
        key: (MEMBERS, CHANNELS) if value.ndim else () for key, value in before.items()
    }
    with torch.no_grad():
        for tensor in (*stack.parameters(), *stack.buffers()):
            tensor.zero_()
    assert_close(dict(norms[0].state_dict()), before, rtol=0, atol=0)


@pytest.mark.slow_but_one
@each_case
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_each_member_has_a_mask_of_its_own(name: str, shape: tuple[int, ...], training: bool) -> None:
    """Its samples and positions count, or not, as they do alone."""
    norms = members_of(name)
    stack = stack_of(norms).train(training)
    x, cotangent = values(shape), torch.randn(shape, dtype=torch.float64)
    mask = torch.rand(SAMPLES, MEMBERS, *shape[3:]) < 0.5
    mask[..., :2] = True  # two values for every statistic
    mask[:2] = True
    together = results(stack, x, cotangent, mask)
    for member, norm in enumerate(norms):
        of_one = (each[:, member].contiguous() for each in (x, cotangent, mask))
        alone = results(norm.train(training), *of_one)
        assert_close(of_member(together, member), alone, rtol=1e-9, atol=1e-9)
        assert_close(of_member(stack.state_dict(), member), dict(norm.state_dict()), rtol=1e-9, atol=1e-9)


def test_a_mask_of_another_shape_is_refused_by_a_stack() -> None:
    """The message has the members in it."""
    with pytest.raises(
        ValueError, match=r"BatchNorm: the mask must be boolean .* pass torch.bool of shape \(5, 3, 2, 3\)"
    ):
        stack_of(members_of("batch"))(values(MAPS), torch.ones(SAMPLES, *SIZE, dtype=torch.bool))


def test_a_single_value_under_a_mask_is_refused_or_tolerated() -> None:
    """Where it is tolerated, it becomes the bias, and the running statistics stay."""
    norm = randomized(BatchNorm(CHANNELS).double())
    x, mask = values(VECTORS)[:, 0], torch.tensor([True] + [False] * (SAMPLES - 1))
    with pytest.raises(ValueError, match=r"got one value per statistic from shape .* under the mask"):
        norm(x, mask)
    norm.tolerates_single_values = True
    before = {name: buffer.clone() for name, buffer in norm.named_buffers() if buffer.ndim}
    y = norm(x, mask)
    assert_close(y[0], norm.bias.detach())
    assert not y[1:].any()
    assert_close({name: buffer for name, buffer in norm.named_buffers() if buffer.ndim}, before, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("build", "shape", "seen"),
    [
        (lambda: BatchNorm(4), (1, 2, 4), (1, 4)),
        (lambda: InstanceNorm(4), (3, 2, 4, 1, 1), (3, 4, 1, 1)),
        (lambda: GroupNorm(4, 4), (3, 2, 4), (3, 4)),
        (lambda: GroupNorm(1, 1), (3, 2, 1), (3, 1)),
    ],
    ids=["batch", "instance", "group", "layer"],
)
def test_one_value_per_statistic_is_refused(
    build: Callable[[], PooledNorm], shape: tuple[int, ...], seen: tuple[int, ...]
) -> None:
    """The values of other members are no help, and leave no trace; the shape named is that of one member."""
    stack = stack_of([build(), build()])
    before = {name: buffer.clone() for name, buffer in stack.named_buffers()}
    with pytest.raises(ValueError, match="a mean and variance need more than one value") as refusal:
        stack(torch.randn(shape))
    assert f"got one value per statistic from shape {seen};" in str(refusal.value)
    assert_close(dict(stack.named_buffers()), before, rtol=0, atol=0)


def test_a_member_of_other_channels_is_refused() -> None:
    """The channels are those of the third dimension."""
    stack = stack_of([BatchNorm(4), BatchNorm(4)])
    with pytest.raises(ValueError, match=r"^BatchNorm: the input's channels must equal num_features, got 5 channels"):
        stack(torch.randn(3, 2, 5))


@pytest.mark.parametrize("shape", [(3, 4), (3, 3, 4), (2, 4, 5)], ids=str)
def test_an_input_without_its_members_is_refused(shape: tuple[int, ...]) -> None:
    """The members are second, and as many as there are norms."""
    stack = stack_of([BatchNorm(4), BatchNorm(4)])
    with pytest.raises(ValueError, match=r"^BatchNorm: the input of a stack must be \(N, members, C, \*\)") as refusal:
        stack(torch.randn(shape))
    assert f"got shape {shape} and members=2" in str(refusal.value)


def test_nothing_is_normalized_to_nothing() -> None:
    """Without samples the output is empty, and the parameters' gradients are zero."""
    stack = stack_of([BatchNorm(4), BatchNorm(4)])
    y = stack(torch.randn(0, 2, 4))
    assert y.shape == (0, 2, 4)
    y.sum().backward()
    assert stack.weight is not None
    assert stack.weight.grad is not None
    assert torch.equal(stack.weight.grad, torch.zeros(2, 4))


@pytest.mark.parametrize(
    ("pool", "axes", "groups"),
    [
        (OverNothing(), (), None),
        (OverSamples(), (0,), None),
        (OverChannels(), (2,), None),
        (WithinGroups(4), (3,), 4),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, OverNothing | OverSamples | OverChannels) else None,
)
def test_the_pools_of_each_member_leave_out_the_dimension_of_members(
    pool: Pool, axes: tuple[int, ...], groups: int | None
) -> None:
    """Members come after the samples, and before the channels as the pool lays them out."""
    of_each = OfEachMember(pool, 3)
    assert (of_each.axes, of_each.groups) == (axes, groups)
    assert 1 not in of_each.axes
