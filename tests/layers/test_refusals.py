"""Is what cannot be normalized refused, in words that name the layer, the rule, the values and the way out?"""

import inspect
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from normzoo import layers
from normzoo.errors import InputError, NormzooError
from normzoo.registry import NORMS as NORMS_BY_NAME

from .cases import NORMS, PEERED, TRACKED, Case

CHANNELS = "the input's channels must equal num_features"
Refusal = tuple[Callable[[], object], str]

CONSTRUCTIONS: dict[str, Refusal] = {
    "groups-too-many": (
        lambda: layers.GroupNorm(8, 30),
        "GroupNorm: groups must divide channels, got channels=30, groups=8; use groups=6 or 32 channels",
    ),
    "groups-more-than-channels": (
        lambda: layers.GroupNorm(8, 4),
        "GroupNorm: groups must divide channels, got channels=4, groups=8; use groups=4 or 8 channels",
    ),
    "groups-none": (
        lambda: layers.GroupNorm(0, 6),
        "GroupNorm: groups must divide channels, got channels=6, groups=0; use groups=1",
    ),
    "layer-of-nothing": (
        lambda: layers.LayerNorm(()),
        "LayerNorm: normalized_shape must have a dimension, got (); give the trailing sizes",
    ),
    "rms-of-nothing": (
        lambda: layers.RMSNorm([]),
        "RMSNorm: normalized_shape must have a dimension, got (); give the trailing sizes",
    ),
}

INPUTS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], str]] = {
    "batch1d-4D": (
        lambda: layers.BatchNorm1d(3),
        (2, 3, 4, 5),
        "BatchNorm1d: the input must be 2D or 3D (N, C, *), got 4D of shape (2, 3, 4, 5); use BatchNorm2d",
    ),
    "batch2d-3D": (
        lambda: layers.BatchNorm2d(3),
        (2, 3, 4),
        "BatchNorm2d: the input must be 4D (N, C, *), got 3D of shape (2, 3, 4); use BatchNorm1d",
    ),
    "batch3d-2D": (
        lambda: layers.BatchNorm3d(3),
        (2, 3),
        "BatchNorm3d: the input must be 5D (N, C, *), got 2D of shape (2, 3); reshape it or use BatchNorm",
    ),
    "batch-1D": (
        lambda: layers.BatchNorm(3),
        (3,),
        "BatchNorm: the input must be at least 2D (N, C, *), got 1D of shape (3,); add a batch dimension",
    ),
    "batch-channels": (
        lambda: layers.BatchNorm2d(3),
        (2, 4, 5, 5),
        f"BatchNorm2d: {CHANNELS}, got 4 channels in shape (2, 4, 5, 5) and num_features=3; "
        "construct it with num_features=4 or change the input",
    ),
    "instance1d-1D": (
        lambda: layers.InstanceNorm1d(3),
        (3,),
        "InstanceNorm1d: the input must be 3D (N, C, *), got 1D of shape (3,); reshape it",
    ),
    "instance2d-5D": (
        lambda: layers.InstanceNorm2d(3),
        (2, 3, 4, 4, 4),
        "InstanceNorm2d: the input must be 4D (N, C, *), got 5D of shape (2, 3, 4, 4, 4); use InstanceNorm3d",
    ),
    "instance-channels-without-batch": (
        lambda: layers.InstanceNorm2d(3),
        (4, 5, 5),
        f"InstanceNorm2d: {CHANNELS}, got 4 channels in shape (4, 5, 5) and num_features=3; "
        "construct it with num_features=4 or change the input",
    ),
    "group-1D": (
        lambda: layers.GroupNorm(1, 3),
        (3,),
        "GroupNorm: the input must be at least 2D (N, C, *), got 1D; add a batch dimension",
    ),
    "group-channels": (
        lambda: layers.GroupNorm(1, 3),
        (2, 4, 5),
        "GroupNorm: the input's channels must equal num_channels, got 4 channels in shape (2, 4, 5) and "
        "num_channels=3; construct it with num_channels=4 or change the input",
    ),
    "group-channels-last": (
        lambda: layers.GroupNorm(1, 6),
        (2, 4, 6),
        "GroupNorm: the input's channels must equal num_channels, got 4 channels in shape (2, 4, 6) and "
        "num_channels=6; channels are its second dimension; for channels last use channel_dim=-1",
    ),
    "layer-shape": (
        lambda: layers.LayerNorm((3, 4)),
        (2, 4, 3),
        "LayerNorm: the input must end in normalized_shape, got shape (2, 4, 3) and normalized_shape=(3, 4); "
        "use normalized_shape=(4, 3) or reshape the input",
    ),
    "layer-scalar": (
        lambda: layers.LayerNorm(3),
        (),
        "LayerNorm: the input must end in normalized_shape, got shape () and normalized_shape=(3,); reshape the input",
    ),
    "rms-rank": (
        lambda: layers.RMSNorm((3, 4)),
        (4,),
        "RMSNorm: the input must end in normalized_shape, got shape (4,) and normalized_shape=(3, 4)",
    ),
    "sample-rms-channels": (
        lambda: layers.SampleRMSNorm(3),
        (2, 4),
        "SampleRMSNorm: the input must be (N, C, *) with num_features channels, got shape (2, 4) and num_features=3; "
        "change the input or num_features",
    ),
    "channel-layer-channels-last": (
        lambda: layers.ChannelLayerNorm(3),
        (2, 4, 3),
        "ChannelLayerNorm: the input must be (N, C, *) with num_features channels, got shape (2, 4, 3) and "
        "num_features=3; channels are its second dimension; for channels last use channel_dim=-1",
    ),
}


@pytest.mark.parametrize(("build", "message"), CONSTRUCTIONS.values(), ids=CONSTRUCTIONS)
def test_impossible_layers(build: Callable[[], object], message: str) -> None:
    """A layer that cannot be is refused when it is built."""
    with pytest.raises(ValueError) as refusal:  # noqa: PT011  # the whole message is compared
        build()
    assert str(refusal.value) == message


@pytest.mark.parametrize(("build", "shape", "message"), INPUTS.values(), ids=INPUTS)
def test_unfitting_inputs(build: Callable[[], nn.Module], shape: tuple[int, ...], message: str) -> None:
    """An input of the wrong rank or size is refused, in training and evaluation."""
    for training in (True, False):
        with pytest.raises(ValueError) as refusal:  # noqa: PT011
            build().train(training)(torch.randn(shape))
        assert str(refusal.value).startswith(message)


ADVISED = [name for name, entry in NORMS_BY_NAME.items() if "affine" in entry.explanation.options]
"""Norms with parameters, and so with a number of channels."""


@pytest.mark.parametrize("name", ADVISED)
def test_channels_last_by_mistake(name: str) -> None:
    """An option is advised where there is one, and leads out."""
    spec = f"{name}:groups=2" if "groups" in NORMS_BY_NAME[name].explanation.options else f"{name}:affine=true"
    x = torch.randn(3, 6, 4)
    with pytest.raises(InputError, match="channels are its second dimension; ") as refusal:
        layers.make_norm(spec, 4)(x)
    if "channel_dim" in NORMS_BY_NAME[name].explanation.options:
        assert str(refusal.value).endswith("for channels last use channel_dim=-1")
        layers.make_norm(f"{spec},channel_dim=-1", 4)(x)
    else:
        assert str(refusal.value).endswith("move them there")


def test_a_subclass_that_passes_options_on_is_advised_as_its_base() -> None:
    class Mine(layers.BatchNorm1d):
        def __init__(self, channels: int, **options: bool) -> None:
            super().__init__(channels, **options)  # type: ignore[arg-type]

    with pytest.raises(InputError, match=r"for channels last use channel_dim=-1$"):
        Mine(4)(torch.randn(2, 6, 4))
    with pytest.raises(InputError, match=r"small_batch='running', or call .eval\(\)$"):
        Mine(4)(torch.randn(1, 4))


@pytest.mark.parametrize("name", ["batch", "ghost", "extended", "sync", "domain", "noisy-batch", "batch-renorm"])
def test_single_values_of_norms_that_remember(name: str) -> None:
    """The policy for small batches is advised to those that have it, and leads out."""
    x = torch.randn(1, 4)
    with pytest.raises(InputError, match="need more than one value") as refusal:
        layers.make_norm(name, 4)(x)
    advises = "small_batch='running'" in str(refusal.value)
    assert not advises or "small_batch" in NORMS_BY_NAME[name].explanation.options
    assert advises or name not in ("batch", "ghost")
    if advises:
        layers.make_norm(f"{name}:small_batch=running", 4)(x)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64], ids=str)
@pytest.mark.parametrize("case", NORMS, ids=lambda case: case.id)
def test_inputs_that_are_not_floating_point(case: Case, dtype: torch.dtype) -> None:
    """Integers, truth values and complex numbers are refused; RMSNorm takes complex ones, as torch.nn's does."""
    if dtype.is_complex and case.ours().takes_complex:
        assert case.ours()(torch.ones(case.shape, dtype=dtype)).is_complex()
        return
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        case.ours()(torch.ones(case.shape, dtype=dtype))
    way_out = "normalize x.real and x.imag by themselves" if dtype.is_complex else "cast it with x.float()"
    assert (
        str(refusal.value) == f"{case.layer.__name__}: the input must be floating point, got dtype={dtype}; {way_out}"
    )


@pytest.mark.parametrize("case", NORMS, ids=lambda case: case.id)
def test_unfitting_masks(case: Case) -> None:
    """A mask of another type or shape is refused, even one with the right number of entries."""
    shape = case.mask_shape
    wrong: list[Tensor] = [
        torch.ones(shape),
        torch.ones(case.shape, dtype=torch.bool),
        torch.ones(*shape, 1, dtype=torch.bool),
        torch.ones(*shape[1:], shape[0], dtype=torch.bool) if len(shape) > 1 else torch.ones(1, dtype=torch.bool),
    ]
    for mask in wrong:
        if mask.shape == shape and mask.dtype == torch.bool:
            continue
        with pytest.raises(ValueError) as refusal:  # noqa: PT011
            case.ours()(case.input(torch.float32), mask)
        assert str(refusal.value) == (
            f"{case.layer.__name__}: the mask must be boolean with one entry per sample and position, "
            f"got {mask.dtype} of shape {tuple(mask.shape)} for an input of shape {case.shape}; "
            f"pass torch.bool of shape {shape}"
        )


@pytest.mark.parametrize("case", TRACKED, ids=lambda case: case.id)
def test_a_refused_input_is_not_counted(case: Case) -> None:
    """After a refusal the number of batches is what it was."""
    layer = case.ours()
    with pytest.raises(ValueError, match=CHANNELS):
        layer(torch.randn(case.shape[0], case.shape[1] + 1, *case.shape[2:]))
    assert layer.num_batches_tracked == 0


@pytest.mark.parametrize("eps", [-1.0, 0.0])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", [case for case in NORMS if case.couples_samples], ids=lambda case: case.id)
def test_batch_norm_refuses_the_eps_that_torchs_refuses(case: Case, training: bool, eps: float) -> None:
    """As recent releases of torch.nn: below zero always, and zero where a batch is normalized by its own variance."""
    layer = case.layer(*case.arguments, **{**case.options, "eps": eps}).train(training)
    rule = "eps must not be negative" if eps < 0 else "eps must be positive where a batch's own variance is used"
    if eps < 0 or training or not layer.track_running_stats:
        with pytest.raises(InputError) as refusal:
            layer(case.input(torch.float32))
        assert str(refusal.value) == f"{case.layer.__name__}: {rule}, got eps={eps}; use for example eps=1e-5"
    else:
        assert layer(case.input(torch.float32)).isfinite().all()


@pytest.mark.parametrize(("build", "shape", "message"), INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("kind", [ValueError, RuntimeError, NormzooError])
def test_a_refused_input_is_caught_by_either_of_torchs_errors(
    build: Callable[[], nn.Module], shape: tuple[int, ...], message: str, kind: type[Exception]
) -> None:
    """torch.nn raises ValueError here and RuntimeError there; code that catches its kind catches ours."""
    with pytest.raises(kind, match=f"^{message.partition(':')[0]}: "):
        build()(torch.randn(shape))


@pytest.mark.parametrize("case", [case for case in PEERED if case.peer], ids=lambda case: case.id)
def test_the_input_has_torchs_name(case: Case) -> None:
    """The first argument of a call goes by the name that it has in torch.nn."""
    theirs = next(iter(list(inspect.signature(case.peer.forward).parameters)[1:]))  # type: ignore[union-attr]
    layer, x = case.ours().eval(), case.input(torch.float32)
    torch.testing.assert_close(layer(**{theirs: x}), layer(x))
