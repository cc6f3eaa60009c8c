"""Are the norms equal where the mathematics says they are?"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from normzoo.layers import (
    BatchChannelNorm,
    BatchInstanceNorm,
    BatchNorm,
    ChannelLayerNorm,
    GhostBatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    PositionNorm,
    RMSNorm,
    SampleRMSNorm,
    SwitchableNorm,
    make_norm,
)

from .references import randomized

MAPS = [(4, 6), (3, 6, 5), (3, 6, 4, 5), (2, 6, 2, 3, 4)]
every_shape = pytest.mark.parametrize("shape", MAPS, ids=lambda shape: f"{len(shape)}D")
shapes_with_positions = pytest.mark.parametrize("shape", MAPS[1:], ids=lambda shape: f"{len(shape)}D")


def assert_equal_layers(one: nn.Module, other: nn.Module, x: Tensor) -> None:
    """With the same weight and bias, outputs and the gradient of the input agree."""
    randomized(one.double())
    other.double().load_state_dict(one.state_dict(), strict=False)
    results = []
    for layer in (one, other):
        leaf = x.clone().requires_grad_()
        y = layer(leaf)
        y.pow(3).sum().backward()
        results.append((y, leaf.grad))
    assert_close(results[0], results[1], rtol=1e-9, atol=1e-9)


@every_shape
def test_one_group_is_layer_norm(shape: tuple[int, ...]) -> None:
    """Group norm with one group is what the registry calls ``layer``."""
    x = torch.randn(shape, dtype=torch.float64)
    assert_equal_layers(GroupNorm(1, 6), make_norm("layer", 6), x)


def test_layer_norm_of_vectors_is_layernorm() -> None:
    """On vectors ``layer`` is LayerNorm, and ``rms`` is RMSNorm."""
    x = torch.randn(5, 6, dtype=torch.float64)
    assert_equal_layers(LayerNorm(6), make_norm("layer", 6), x)
    assert_equal_layers(RMSNorm(6, eps=1e-5), SampleRMSNorm(6, bias=False), x)


@shapes_with_positions
def test_layer_norm_of_maps_is_layernorm_without_affine(shape: tuple[int, ...]) -> None:
    """On maps ``layer`` and ``rms`` pool what LayerNorm and RMSNorm pool over all dimensions but the first."""
    x = torch.randn(shape, dtype=torch.float64)
    assert_equal_layers(LayerNorm(shape[1:], elementwise_affine=False), make_norm("layer:affine=false", 6), x)
    rms = RMSNorm(shape[1:], eps=1e-5, elementwise_affine=False)
    assert_equal_layers(rms, make_norm("rms:affine=false", 6), x)


@pytest.mark.parametrize("norm", [nn.LayerNorm, LayerNorm])
@every_shape
def test_layer_norm_of_channels_is_layernorm_with_the_channels_last(
    shape: tuple[int, ...], norm: type[nn.LayerNorm]
) -> None:
    """Output, and all gradients, whichever way the channels lie in memory."""
    ours, theirs = randomized(ChannelLayerNorm(6).double()), norm(6).double()
    theirs.load_state_dict(ours.state_dict())
    for x in (torch.randn(shape).double(), torch.randn(shape).double().movedim(1, -1).contiguous().movedim(-1, 1)):
        cotangent, results = torch.randn_like(x), []
        for layer, norm_of_it in ((ours, ours), (lambda x: theirs(x.movedim(1, -1)).movedim(-1, 1), theirs)):
            leaf = x.clone().requires_grad_()
            y = layer(leaf)
            results.append((y, *torch.autograd.grad(y, (leaf, *norm_of_it.parameters()), cotangent)))
        assert_close(results[0], results[1], rtol=1e-10, atol=1e-10)


def test_layer_norm_of_channels_is_torchvisions_layernorm2d() -> None:
    """That of ConvNeXt, with its smaller eps."""
    torchvision = pytest.importorskip("torchvision.models.convnext")
    ours, theirs = randomized(ChannelLayerNorm(6, eps=1e-6).double()), torchvision.LayerNorm2d(6, eps=1e-6).double()
    theirs.load_state_dict(ours.state_dict())
    x, cotangent = torch.randn(2, 3, 6, 4, 5, dtype=torch.float64)
    results = []
    for layer in (ours, theirs):
        leaf = x.clone().requires_grad_()
        y = layer(leaf)
        results.append((y, *torch.autograd.grad(y, (leaf, *layer.parameters()), cotangent)))
    assert_close(results[0], results[1], rtol=1e-10, atol=1e-10)


def test_layer_norm_of_channels_is_layer_norm_of_vectors() -> None:
    """Where there are no positions, ``channel-layer`` and ``layer`` are the same."""
    x = torch.randn(5, 6, dtype=torch.float64)
    assert_equal_layers(ChannelLayerNorm(6), make_norm("layer", 6), x)


@shapes_with_positions
def test_as_many_groups_as_channels_is_instance_norm(shape: tuple[int, ...]) -> None:
    """Group norm in which every channel is a group is instance norm."""
    x = torch.randn(shape, dtype=torch.float64)
    assert_equal_layers(GroupNorm(6, 6), InstanceNorm(6, affine=True), x)


@shapes_with_positions
def test_batch_of_one_is_instance_norm(shape: tuple[int, ...]) -> None:
    """Batch norm of one sample in training is instance norm, running statistics included."""
    x = torch.randn(1, *shape[1:], dtype=torch.float64)
    batch, instance = BatchNorm(6), InstanceNorm(6, affine=True, track_running_stats=True)
    assert_equal_layers(batch, instance, x)
    assert_close(batch.running_mean, instance.running_mean, rtol=1e-9, atol=1e-9)
    assert_close(batch.running_var, instance.running_var, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [3, 4, 100])
@every_shape
def test_ghost_batch_norm_of_at_least_the_batch_is_batch_norm(shape: tuple[int, ...], size: int) -> None:
    """Running statistics included."""
    x = torch.randn(3, *shape[1:], dtype=torch.float64)
    batch, ghost = BatchNorm(6), GhostBatchNorm(6, size=size)
    assert_equal_layers(batch, ghost, x)
    assert_close(ghost.state_dict(), batch.state_dict(), rtol=0, atol=0)


@pytest.mark.slow_but_one
@every_shape
@pytest.mark.parametrize("momentum", [0.3, None])
def test_ghost_batch_norm_is_batch_norm_of_each_part_in_turn(shape: tuple[int, ...], momentum: float | None) -> None:
    """Of seven samples in parts of at most three: 3, 2 and 2; the state is that after as many batches, and masks."""
    x = torch.randn(7, *shape[1:], dtype=torch.float64)
    mask = torch.ones(7, *shape[2:], dtype=torch.bool)
    mask[0] = False
    ghost = randomized(GhostBatchNorm(6, size=3, momentum=momentum).double())
    batch = BatchNorm(6, momentum=momentum).double()
    batch.load_state_dict(ghost.state_dict())
    parts = (slice(0, 3), slice(3, 5), slice(5, 7))
    assert_close(ghost(x), torch.cat([batch(x[part]) for part in parts]), rtol=1e-9, atol=1e-9)
    of_valid = [batch(x[part], mask[part]) for part in parts]
    assert_close(ghost(x, mask), torch.cat(of_valid), rtol=1e-9, atol=1e-9)
    assert_close(ghost.state_dict(), batch.state_dict(), rtol=1e-9, atol=1e-9)
    assert ghost.num_batches_tracked == 6
    assert_close(ghost.eval()(x), batch.eval()(x), rtol=1e-9, atol=1e-9)


def test_accumulated_gradients_of_batch_norm_are_those_of_ghost_batch_norm() -> None:
    """Of small batches one after the other and of all at once in parts, also the statistics that are left."""
    ghost = nn.Sequential(
        nn.Conv2d(3, 4, 3), GhostBatchNorm(4, size=2), nn.ReLU(), nn.Conv2d(4, 5, 2), GhostBatchNorm(5, 2)
    )
    batch = nn.Sequential(nn.Conv2d(3, 4, 3), BatchNorm(4), nn.ReLU(), nn.Conv2d(4, 5, 2), BatchNorm(5)).double()
    batch.load_state_dict(randomized(ghost.double()).state_dict())
    x, cotangent = torch.randn(8, 3, 6, 6).double(), torch.randn(8, 5, 3, 3).double()
    ghost(x).backward(cotangent)
    for part, gradient in zip(torch.split(x, 2), torch.split(cotangent, 2), strict=True):
        batch(part).backward(gradient)
    expected = [parameter.grad for parameter in batch.parameters()]
    assert_close([parameter.grad for parameter in ghost.parameters()], expected, rtol=1e-9, atol=1e-9)
    assert_close(ghost.state_dict(), batch.state_dict(), rtol=1e-9, atol=1e-9)


def test_parts_must_hold_a_sample() -> None:
    """A size of none, and one that is no whole number, are refused."""
    for size in (0, 2.5):
        with pytest.raises(ValueError, match=r"^GhostBatchNorm: size must be a whole number of at least 1, got size="):
            GhostBatchNorm(6, size=size)  # type: ignore[arg-type]


@every_shape
def test_position_norm_is_layer_norm_of_channels_without_affine(shape: tuple[int, ...]) -> None:
    """And learns nothing unless asked."""
    x = torch.randn(shape, dtype=torch.float64)
    assert not list(PositionNorm(6).parameters())
    assert_equal_layers(ChannelLayerNorm(6, affine=False), PositionNorm(6), x)
    assert_equal_layers(ChannelLayerNorm(6), PositionNorm(6, affine=True), x)


@shapes_with_positions
def test_positions_are_samples_to_batch_norm(shape: tuple[int, ...]) -> None:
    """Batch norm of ``(N, C, *)`` is batch norm of its positions as vectors, running statistics included."""
    x = torch.randn(shape, dtype=torch.float64)
    of_maps, of_vectors = randomized(BatchNorm(6).double()), BatchNorm(6).double()
    of_vectors.load_state_dict(of_maps.state_dict())
    y = of_maps(x).movedim(1, -1).flatten(0, -2)
    assert_close(of_vectors(x.movedim(1, -1).flatten(0, -2)), y, rtol=1e-9, atol=1e-9)
    assert_close(of_vectors.state_dict(), of_maps.state_dict(), rtol=1e-9, atol=1e-9)


@every_shape
def test_batch_norm_in_evaluation_folds_into_a_scale_and_shift(shape: tuple[int, ...]) -> None:
    """In evaluation batch norm is one fixed factor and summand per channel."""
    layer = randomized(BatchNorm(6).double()).eval()
    broadcast = (-1, *(1 for _ in shape[2:]))
    scale = layer.weight / (layer.running_var + layer.eps).sqrt()
    shift = layer.bias - scale * layer.running_mean
    x = torch.randn(shape, dtype=torch.float64)
    assert_close(layer(x), x * scale.reshape(broadcast) + shift.reshape(broadcast), rtol=1e-9, atol=1e-9)


@every_shape
def test_rms_of_centered_input_is_layer_norm(shape: tuple[int, ...]) -> None:
    """Where each sample has mean zero already, ``rms`` and ``layer`` agree."""
    x = torch.randn(shape, dtype=torch.float64)
    x = x - x.mean(tuple(range(1, x.ndim)), keepdim=True)
    assert_close(make_norm("layer", 6).double()(x), make_norm("rms", 6).double()(x), rtol=1e-9, atol=1e-9)


def assert_equal_statistics(one: nn.Module, other: nn.Module, x: Tensor) -> None:
    """Where the other tracks some, running statistics agree, and so do outputs in evaluation."""
    if getattr(other, "running_mean", None) is None:
        return
    assert_close([*one.buffers()], [*other.buffers()], rtol=1e-9, atol=1e-9)
    assert_close(one.eval()(x), other.eval()(x), rtol=1e-9, atol=1e-9)


CORNERS: dict[str, Callable[[], nn.Module]] = {
    "instance": lambda: InstanceNorm(6, affine=True),
    "layer": lambda: GroupNorm(1, 6),
    "batch": lambda: BatchNorm(6),
}


@pytest.mark.parametrize("corner", CORNERS)
@shapes_with_positions
def test_switchable_norm_at_a_corner_is_that_norm(shape: tuple[int, ...], corner: str) -> None:
    """With all weight on one of its three norms."""
    x = torch.randn(shape, dtype=torch.float64)
    switchable, norm = SwitchableNorm(6).double(), CORNERS[corner]().double()
    for name in ("weight", "bias"):
        nn.init.uniform_(switchable.get_parameter(name))
    norm.load_state_dict(switchable.state_dict(), strict=False)
    with torch.no_grad():
        for weights in (switchable.mean_weight, switchable.var_weight):
            weights[list(CORNERS).index(corner)] = 1e3
    results = []
    for layer in (switchable, norm):
        leaf = x.clone().requires_grad_()
        y = layer(leaf)
        results.append((y, *torch.autograd.grad(y.pow(3).sum(), leaf)))
    assert_close(results[0], results[1], rtol=1e-9, atol=1e-9)
    assert_equal_statistics(switchable, norm, x)


@pytest.mark.parametrize(("rho", "corner"), [(1.0, "batch"), (1.5, "batch"), (0.0, "instance"), (-0.5, "instance")])
@shapes_with_positions
def test_batch_instance_norm_at_a_corner_is_that_norm(shape: tuple[int, ...], rho: float, corner: str) -> None:
    """And beyond, as what is beyond is clipped."""
    x = torch.randn(shape, dtype=torch.float64)
    mixed, norm = BatchInstanceNorm(6, rho=rho).double(), CORNERS[corner]().double()
    assert_close(mixed(x), norm(x), rtol=1e-9, atol=1e-9)
    assert_equal_statistics(mixed, norm, x)


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adam], ids=lambda make: make.__name__)
def test_a_share_that_has_been_clipped_comes_back(make: type[torch.optim.Optimizer]) -> None:
    """Steps past an end leave it where it is, however many, and one step back is enough: as if clipped after each."""
    norm, x = BatchInstanceNorm(4), torch.randn(6, 4, 5) + torch.randn(6, 4, 1)
    optimizer = make([norm.rho], lr=0.1)  # type: ignore[call-arg]
    target = BatchNorm(4)(x).detach() - InstanceNorm(4)(x)  # its own direction
    shares = []
    for sign in [-1] * 20 + [1] * 5:  # to more of batch norm, which is all there is, then to less
        optimizer.zero_grad()
        (sign * (norm(x) * target).sum()).backward()
        optimizer.step()
        shares.append(norm.rho.detach().clone())
    assert bool((torch.stack(shares[:20]) == 1).all())
    assert bool((shares[-1] < 1).all())


@every_shape
def test_batch_channel_norm_is_group_norm_of_batch_norm(shape: tuple[int, ...]) -> None:
    """Each with its own weight and bias, in training and in evaluation."""
    both = randomized(BatchChannelNorm(6, groups=2).double())
    batch, group = BatchNorm(6).double(), GroupNorm(2, 6).double()
    batch.load_state_dict(both.state_dict(), strict=False)
    group.load_state_dict({"weight": both.channel_weight, "bias": both.channel_bias})
    apart, x = nn.Sequential(batch, group), torch.randn(shape, dtype=torch.float64)
    assert_close(both(x), apart(x), rtol=1e-9, atol=1e-9)
    assert_equal_statistics(both, apart, x)
    assert_close(both.eval()(x), apart.eval()(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("norm", "x", "message"),
    [
        (SwitchableNorm(6), torch.randn(4, 6), r"SwitchableNorm: the input must be at least 3D .* needs positions"),
        (SwitchableNorm(6), torch.randn(4, 6, 1), r"SwitchableNorm: a mean and variance need .* use more positions"),
        (BatchInstanceNorm(6), torch.randn(4, 6, 1), r"BatchInstanceNorm: a mean .* use more positions"),
        (BatchChannelNorm(6, groups=6), torch.randn(4, 6), r"BatchChannelNorm: a mean and variance .* fewer groups"),
    ],
)
def test_what_has_no_variance_leaves_no_trace(norm: nn.Module, x: Tensor, message: str) -> None:
    """It is refused before the batch's own statistics, which it has, are remembered."""
    with pytest.raises(ValueError, match=f"^{message}"):
        norm(x)
    assert norm.num_batches_tracked == 0


def test_groups_of_batch_channel_norm_must_divide_the_channels() -> None:
    """As those of group norm."""
    with pytest.raises(ValueError, match=r"^BatchChannelNorm: groups must divide channels, got channels=6, groups=4"):
        BatchChannelNorm(6, groups=4)
