"""What is a norm in somebody's model: of torch.nn, of normzoo, of torchvision and of timm.

Neither torchvision nor timm is imported for that; a module of theirs is known by the name of its class.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils.parametrize import is_parametrized

from normzoo.layers import NoNorm, Norm
from normzoo.layers._kernels.torch_internals import TorchBatchNorm, TorchInstanceNorm
from normzoo.layers._make import MADE_FOR, contains_activation

PARTS = ("drop", "act")
"""The parts that a norm-act layer of timm has beside its norm, in the order in which it applies them."""

AFFINE = ("weight", "bias")
STATISTICS = ("running_mean", "running_var", "num_batches_tracked", "num_batches_skipped")

_KINDS: tuple[tuple[type[nn.Module], str], ...] = (
    (NoNorm, "none"),
    (TorchBatchNorm, "batch"),
    (TorchInstanceNorm, "instance"),
    (nn.GroupNorm, "group"),
    (nn.LayerNorm, "layer"),
    (nn.RMSNorm, "rms"),
    (Norm, "own"),
)

_KINDS_ELSEWHERE = {
    ("torchvision", "FrozenBatchNorm2d"): "batch",
    ("timm", "FrozenBatchNormAct2d"): "batch",
    **{
        ("timm", f"{name}{suffix}"): "rms"
        for name in ("RmsNorm", "SimpleNorm")
        for suffix in ("", "Fp32", "2d", "2dFp32")
    },
}
"""By the library and the name of a class, those that derive from no class of torch.nn."""

_FILES_OF_TIMM = frozenset(
    f"timm.layers.{name}" for name in ("evo_norm", "filter_response_norm", "grn", "inplace_abn", "norm", "norm_act")
)
"""Where timm has norms, of which some are of no kind that is known here."""

_TRUSTED = ("torch.nn.modules.", "normzoo.layers.", "torchvision.", "timm.layers.")
"""Where the forward pass of a norm comes from if it is known to do what its class says."""

_RANKS = {"1d": (2, 3), "2d": (4,), "3d": (5,)}
"""The numbers of dimensions of an input, by the end of a class's name."""

_UNKNOWN = "it is not known here"

_NO_NORM_OF_CHANNELS = {
    "LocalResponseNorm": "its pools are windows of channels",
    "CrossMapLRN2d": "its pools are windows of channels",
    "_WeightNorm": "it normalizes weights, not activations",
    "_SpectralNorm": "it normalizes weights, not activations",
}


class Adapter(nn.Module):
    """Lets a norm stand where one of another kind stood, for inputs and outputs in the form of that one.

    It brings the channels to the dimension where the norm wants them, and back, and applies the dropout and the
    activation of a norm-act layer that stood there.

    Attributes:
        norm: what normalizes.
        shape: what was normalized here: the channels, or the ``normalized_shape`` of a norm over several dimensions.
        axis: the dimension of the channels in an input.
        norm_axis: the dimension where the norm wants them.
        drop: of a norm-act layer, or nothing.
        act: likewise; not applied where the norm contains an activation.
    """

    def __init__(
        self,
        norm: nn.Module,
        *,
        shape: tuple[int, ...],
        axis: int,
        norm_axis: int,
        drop: nn.Module | None = None,
        act: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.norm, self.drop, self.act = norm, drop, act
        self.shape, self.axis, self.norm_axis = shape, axis, norm_axis
        self.consists_of_parts = axis == norm_axis  # else dimensions are counted from the start, too
        self.applies_act = act is not None and not contains_activation(norm)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # torch.nn's name
        """Normalize ``input``, whose channels are in dimension ``axis``."""
        moves = self.axis != self.norm_axis
        given = input.movedim(self.axis, self.norm_axis) if moves else input
        y: Tensor = self.norm(given)
        if y is given and self.act is not None:
            y = y.clone()  # an activation in place must not change what went into the control
        if moves:
            y = y.movedim(self.norm_axis, self.axis)
        if self.drop is not None:
            y = self.drop(y)
        if self.act is not None and self.applies_act:
            y = self.act(y)
        return y

    def extra_repr(self) -> str:
        """Return where the channels are brought from and to."""
        return "" if self.axis == self.norm_axis else f"channels from dimension {self.axis} to {self.norm_axis}"


@dataclass(frozen=True)
class Found:
    """A norm in a model.

    Attributes:
        norm: the module that holds its tensors and settings.
        kind: ``batch``, ``instance``, ``group``, ``layer``, ``rms`` or ``none``; ``own`` for any other.
        shape: the channels alone, or a ``normalized_shape`` of several dimensions.
        axis: the dimension of the channels in its input: 1, or counted from the end; of ours its ``channel_dim``.
            Of several normalized dimensions the first is taken for the channels, as in the pictures
            ``(N, C, H, W)`` of torch.nn's documentation.
        ranks: the numbers of dimensions an input may have; None where they are not known.
        drop: the dropout that it applies to what it has normalized.
        act: the activation that it applies then.
    """

    norm: nn.Module
    kind: str
    shape: tuple[int, ...]
    axis: int
    ranks: tuple[int, ...] | None = None
    drop: nn.Module | None = None
    act: nn.Module | None = None

    @property
    def is_known(self) -> bool:
        """Whether its parameters, statistics and settings mean what those of torch.nn's norms do."""
        return self.kind != "own" or isinstance(self.norm, Norm)

    @property
    def pools_rows(self) -> bool:
        """Whether it normalizes trailing dimensions, and knows of no other."""
        return self.axis < 0 and self.kind in ("layer", "rms")


def is_norm(module: nn.Module) -> bool:
    """Whether a module is a norm: of torch.nn, ours, torchvision's or timm's, derived from one, or marked as one.

    A user's own is marked where ``convert`` or a comparison has put it.

    >>> is_norm(nn.GroupNorm(2, 4)), is_norm(nn.Linear(4, 4))
    (True, False)
    """
    is_of_timm = any(base.__module__ in _FILES_OF_TIMM for base in type(module).__mro__)
    return MADE_FOR in vars(module) or kind_of(module) is not None or is_of_timm


def look_at(module: nn.Module) -> Found | str | None:
    """Return what there is to know of a norm; why it can be exchanged for no other; None for what is no norm."""
    look = _look_at_class(module)
    channels = vars(module).get(MADE_FOR)  # not that of a module within, to which it passes on what it lacks
    return look if isinstance(look, Found) or channels is None else Found(module, "own", (channels,), 1)


def _look_at_class(module: nn.Module) -> Found | str | None:
    if isinstance(module, Adapter):
        inner = look_at(module.norm)
        if not isinstance(inner, Found):
            return inner or _UNKNOWN
        return Found(inner.norm, inner.kind, module.shape, module.axis, None, module.drop, module.act)
    if reason := _why_closed(module):
        return reason
    kind = kind_of(module)
    if kind is None:
        name = type(module).__name__
        is_norm = "norm" in name.lower() and not set(module._modules) - set(PARTS)
        return _NO_NORM_OF_CHANNELS.get(name, _UNKNOWN if is_norm else None)
    return _why_odd(module) or _found(module, kind)


def kind_of(module: nn.Module) -> str | None:
    """Return the kind of a norm, by its class alone, as in ``Found``; None: it is of none that is known."""
    for base, kind in _KINDS:
        if isinstance(module, base):
            return kind
    names = ((base.__module__.partition(".")[0], base.__name__) for base in type(module).__mro__)
    return next((_KINDS_ELSEWHERE[name] for name in names if name in _KINDS_ELSEWHERE), None)


def _why_closed(module: nn.Module) -> str:
    """Return why norms within a module cannot be exchanged; empty where they can, or where there are none."""
    is_scripted = isinstance(module, torch.jit.ScriptModule)
    if not is_scripted and not type(module).__module__.startswith("torch.ao.nn."):
        return ""
    if not any("Norm" in name for part in module.modules() for name in _names(part)):
        return ""
    return "it is scripted; convert first" if is_scripted else "it is fused or quantized; convert first"


def _names(module: nn.Module) -> list[str]:
    return [str(getattr(module, "original_name", "")), *(base.__name__ for base in type(module).__mro__)]


def _why_odd(module: nn.Module) -> str:
    """Return what a norm has or does that no other norm could take over; empty where there is no such thing."""
    if isinstance(module, LazyModuleMixin) and module.has_uninitialized_params():
        return "it is lazy: call the model once"
    if is_parametrized(module):
        return "its parameters are parametrized"
    if "forward" in vars(module):
        return "its forward pass has been replaced"
    if getattr(module, "members", None) is not None:
        return "it stands for several norms"
    if getattr(module, "num_features", 0) is None:
        return "it does not know its channels"
    odd = sorted({*module._modules, *module._parameters, *module._buffers} - {*PARTS, *AFFINE, *STATISTICS})
    return f"it has parts of its own: {', '.join(odd)}" if odd else ""


def _found(module: nn.Module, kind: str) -> Found | str:
    shape = getattr(module, "normalized_shape", None)
    if shape is None:
        shape = (getattr(module, "num_channels", None) or getattr(module, "num_features", None) or _width(module),)
    shape = tuple(shape)
    is_row = kind in ("layer", "rms") and hasattr(module, "normalized_shape")
    base = next(each for each in type(module).__mro__ if "forward" in vars(each))
    axis = -len(shape) if is_row and "2d" not in base.__name__ else getattr(module, "channel_dim", 1)
    if not base.__module__.startswith(_TRUSTED):
        tried = _axis_by_trial(module, shape, is_row=is_row)
        if tried is None:
            return "its forward does more than normalize"
        axis = tried
    ranks = getattr(module, "ranks", None) or next(
        (ranks for each in type(module).__mro__ for end, ranks in _RANKS.items() if end in each.__name__), None
    )
    drop, act = (module._modules.get(part) for part in PARTS)
    return Found(
        module, kind, shape, axis, ranks, *(None if type(each) is nn.Identity else each for each in (drop, act))
    )


def _width(module: nn.Module) -> int:
    """Return the channels of a norm that has no attribute for them, such as torchvision's frozen batch norm."""
    return next(len(each) for each in (*module.parameters(), *module.buffers()) if each.ndim)


def _axis_by_trial(module: nn.Module, shape: Sequence[int], *, is_row: bool) -> int | None:
    """Return the dimension of the channels for a norm with a forward pass of its own.

    Many a norm of somebody's only casts its input, or permutes its dimensions. So its output is compared with that of
    the norm from which it derives, for any weights and statistics, in training, too. None where they differ.
    """
    own, base = (
        next(each for each in type(module).__mro__ if "forward" in vars(each) and each.__module__.startswith(where))
        for where in ("", _TRUSTED)
    )
    tensor = next((each for each in (*module.parameters(), *module.buffers()) if each.is_floating_point()), None)
    like = torch.empty(0) if tensor is None else tensor
    ranks = [rank for rank in (4, 3, 5) if rank in (getattr(module, "ranks", None) or (3, 4, 5))]
    for axis in (-len(shape), 1) if is_row else (1,):
        for rank in ranks:
            sizes = [size + (size == shape[0]) for size in (3, 5, 4)][: rank - 2]
            x = torch.randn(2, *((*sizes, *shape) if axis < 0 else (shape[0], *sizes))).to(like)
            rows = is_row and axis == 1
            try:
                if all(_does_as(module, own, base, x, training=training, rows=rows) for training in (False, True)):
                    return axis
            except Exception:  # noqa: S112  # an input that it does not take
                continue
    return None


def _does_as(
    module: nn.Module, own: type[nn.Module], base: type[nn.Module], x: Tensor, *, training: bool, rows: bool
) -> bool:
    """Whether a norm has the same output by its own forward pass as by another; ``rows``: with the channels last."""
    drawn = _with_others_tensors(module)
    with torch.no_grad():
        mine, other = copy.deepcopy(drawn), drawn
        mine.training = other.training = training
        y = vars(own)["forward"](mine, x)
        expected = vars(base)["forward"](other, x.movedim(1, -1) if rows else x)
    return torch.allclose(y, expected.movedim(-1, 1) if rows else expected, rtol=1e-2, atol=1e-2)


def _with_others_tensors(module: nn.Module) -> nn.Module:
    """Return a copy of a norm with random weights and statistics, as those that it has may hide what it does."""
    drawn = copy.copy(module)
    vars(drawn)["_parameters"] = {
        name: None if each is None else nn.Parameter(torch.rand_like(each) + 0.5, each.requires_grad)
        for name, each in module._parameters.items()
    }
    vars(drawn)["_buffers"] = {
        name: torch.rand_like(each) + 0.5 if each is not None and each.is_floating_point() else copy.copy(each)
        for name, each in module._buffers.items()
    }
    return drawn
