"""How a template puts a norm into one of its slots, without asking which norm it is.

What a norm accepts is found out by trying it once on each kind of input that a template has:

    volumes (N, C, D, H, W)        maps (N, C, H, W)        sequences (N, C, T)        vectors (N, C)
"""

import copy
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin

from normzoo.errors import ComponentError, error_line, error_text
from normzoo.layers import NoNorm, Norm
from normzoo.layers._make import NormFactory, contains_activation, needs_positions, takes_mask
from normzoo.libraries import is_of_library
from normzoo.registry import InputKind

Shape = tuple[int, ...]
"""Of a sample: (C, H, W) of images, (C, T) of sequences, (C, D, H, W) of volumes, (F,) of vectors, (T,) of tokens."""

_DIMENSIONS: Mapping[InputKind, int] = {"vectors": 2, "sequences": 3, "maps": 4, "volumes": 5}

SAMPLES, POSITIONS = 4, 6
"""Of the inputs that a norm is tried on."""

SAME = 1e-4
"""Up to which difference the means of values of about one are taken for the same."""

LONGEST_REASON = 120
"""Characters of an error's text in a note."""

_TORCH = Path(torch.__file__).parent


def check_sizes(template: str, **sizes: int | Sequence[int]) -> None:
    """Refuse a width or a depth below one, by which nothing that is learned could depend on the input.

    Raises:
        ValueError: there is one; the message names it.
    """
    for name, size in sizes.items():
        each = size if isinstance(size, Sequence) else [size]
        if any(number < 1 for number in each):
            written = "-".join(map(str, each))
            raise ValueError(f"{template}: {name} must be at least 1, got {name}={written}; use for example {name}=8")


def kind_of(dimensions: int) -> InputKind:
    """Return the kind of an input with so many dimensions; of more than a volume has, it is maps."""
    return next((kind for kind, number in _DIMENSIONS.items() if number == dimensions), "maps")


def build(norm: NormFactory, features: int) -> nn.Module:
    """Make a norm without moving the random numbers that the network's own weights are drawn from."""
    with torch.random.fork_rng(devices=[]):
        layer = norm(features)
        if isinstance(layer, LazyModuleMixin):  # its parameters are made by its first input
            _materialize(layer, features)
    return layer


def _materialize(layer: nn.Module, features: int) -> None:
    was_training = layer.training
    layer.eval()
    for kind in ("maps", "sequences", "vectors", "volumes"):
        with torch.no_grad():
            try:
                layer(_example(features, kind))
            except Exception:  # noqa: S112  # of another rank
                continue
        break
    layer.train(was_training)


def is_batch_independent(layer: nn.Module) -> bool:
    """Whether a sample's output depends on no other sample, as far as the norm declares it."""
    return bool(getattr(layer, "is_batch_independent", False))


def accepts(layer: nn.Module, features: int, kind: InputKind) -> bool:
    """Whether a norm takes inputs of a kind, and returns them in their shape: found out by trying a copy of it."""
    return _refusal(layer, features, kind) is None


def masked(layer: nn.Module, x: Tensor, mask: Tensor | None) -> Tensor:
    """Apply a norm to an input, and tell it which of its samples and positions count, if it takes a mask."""
    y: Tensor = layer(x) if mask is None or not takes_mask(layer) else layer(x, mask)
    return y


def fit_for_padding(layer: nn.Module, features: int, kind: InputKind) -> None:
    """Have a norm tolerate single values, as where one sample or step is left; refuse one that padding would change.

    That is one that takes no mask, and in which what is beyond the end of a sequence changes what is before; whether it
    does is found by trying.

    Raises:
        ComponentError: it does.
    """
    for part in layer.modules():
        if isinstance(part, Norm):
            part.tolerates_single_values = True
    if takes_mask(layer):
        return
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        x = _example(features, kind)
        other = x.clone()
        ended = (-1,) if kind == "vectors" else (..., -1)
        other[ended] += 1
        y, changed = (copy.deepcopy(layer).train()(each) for each in (x, other))
        y[ended] = changed[ended] = 0
    if not torch.allclose(y, changed, atol=SAME):
        raise ComponentError(
            "it takes no mask, and sequences of different lengths need one: what is beyond the end of one would be "
            "normalized with the rest; let its forward take mask"
        )


def centers_positions(layer: nn.Module, features: int) -> bool:
    """Whether a norm's mean over positions is the same for all sequences, as instance norm's is: found by trying it."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        means = copy.deepcopy(layer).train()(_example(features, "sequences")).mean(-1)
    return bool((means - means[0]).abs().max() < SAME)


def norm_act(
    norm: NormFactory, features: int, kind: InputKind, *, placement: str = "post", activation: type[nn.Module] = nn.ReLU
) -> list[nn.Module]:
    """Make an activation and a norm in their order; a norm that contains its activation stands alone.

    A norm that does not take inputs of this kind is left out.

    Args:
        norm: makes the norm.
        features: number of channels.
        kind: of the inputs.
        placement: the norm after (``post``) or before (``pre``) the activation.
        activation: makes the activation.
    """
    layer = build(norm, features)
    if not accepts(layer, features, kind):
        return [activation(), NoNorm(features)] if placement == "post" else [NoNorm(features), activation()]
    if contains_activation(layer):
        return [layer]
    return [activation(), layer] if placement == "post" else [layer, activation()]


def left_out(norm: NormFactory, slots: Sequence[tuple[str, int, InputKind]]) -> tuple[str, ...]:
    """Return a note for each place of a template that a norm is left out of.

    Args:
        norm: makes the norm.
        slots: where each is, its channels and its kind of inputs; slots of one place are told by their channels.

    Raises:
        ComponentError: the norm takes the inputs of no slot; the message says what it fails with, and where.
    """
    places: dict[str, list[tuple[int, _Refusal | None]]] = {}
    for where, features, kind in slots:
        places.setdefault(where, []).append((features, _refusal(build(norm, features), features, kind)))
    nowhere = {where: tried[0][1] for where, tried in places.items() if all(refusal for _, refusal in tried)}
    if places and len(nowhere) == len(places):
        raise ComponentError("; ".join(dict.fromkeys(refusal.told for refusal in nowhere.values() if refusal)))
    notes = []
    for where, tried in places.items():
        for features, refusal in tried[:1] if where in nowhere else tried:
            if refusal:
                which = "" if where in nowhere else f" of {features} channels"
                notes.append(f"no norm {where}{which}, {refusal.reason}")
    return tuple(dict.fromkeys(notes))


def problem(layer: nn.Module, features: int, kind: InputKind) -> str:
    """Return why a norm does not take a kind of inputs; empty where it does."""
    refusal = _refusal(layer, features, kind)
    return "" if refusal is None else refusal.told


class _Refusal(NamedTuple):
    """Why a norm does not take a kind of inputs.

    Attributes:
        reason: for a note, as the end of "no norm here, ...".
        told: for whoever repairs it: also the shape, the file and the line.
    """

    reason: str
    told: str


def _refusal(layer: nn.Module, features: int, kind: InputKind) -> _Refusal | None:
    """Return why a norm does not take a kind of inputs, from what it declares or by trying it; None: it does."""
    if kind == "vectors" and needs_positions(layer):
        return _Refusal(
            "whose vectors have no positions", "vectors have no positions, which it declares to need (needs_positions)"
        )
    return None if _says_so(layer, kind) else _tried(layer, features, kind)


def _says_so(layer: nn.Module, kind: InputKind) -> bool:
    """Whether a norm is one of ours that is for any inputs, or for those with as many dimensions."""
    ranks = getattr(layer, "ranks", None)
    return isinstance(layer, Norm) and (ranks is None or _DIMENSIONS[kind] in ranks)


def _tried(layer: nn.Module, features: int, kind: InputKind) -> _Refusal | None:
    """Return what is wrong when a copy of a norm is tried on a kind of inputs; None: nothing."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")  # they come again where the norm is used
        x = _example(features, kind).requires_grad_() * 1  # no leaf, so that a norm may overwrite it
        shape = tuple(x.shape)
        try:
            y = copy.deepcopy(layer).train()(x)
        except Exception as error:
            text, name = error_text(error), type(error).__name__
            place = place_of(error)
            return _Refusal(
                f"as it does not take {kind} ({_short(error_line(error))})",
                f"{name} on {kind} of shape {shape}: {f'{text} ' if text else ''}({place.filename}:{place.lineno})",
            )
    if not isinstance(y, Tensor) or y.shape != x.shape:
        got = f"shape {tuple(y.shape)}" if isinstance(y, Tensor) else f"a {type(y).__name__}"
        told = f"it must keep the shape of its input: given {kind} of shape {shape}, it returned {got}"
        return _Refusal(f"as it does not keep the shape of {kind}", told)
    if y.dtype != x.dtype:
        told = f"it must keep the type of its input: given {str(x.dtype)[6:]}, it returned {str(y.dtype)[6:]}"
        return _Refusal(f"as it does not keep the type of {kind}", told)
    if not y.requires_grad:
        told = "it must pass on the gradient to its input; leave out detach and no_grad"
        return _Refusal("as it passes on no gradient", told)
    without_batch = getattr(layer, "_get_no_batch_dim", None)  # of torch's instance norms
    if callable(without_batch) and x.ndim == without_batch():
        told = f"{type(layer).__name__} takes {kind} of shape {shape} for a single sample without a batch"
        return _Refusal(f"as it takes {kind} for a single sample", told)
    return None


def place_of(error: BaseException) -> traceback.FrameSummary:
    """Return the line that an error is of: the innermost one of the user's, or else outside of torch besides ours."""
    frames = traceback.extract_tb(error.__traceback__)
    others = [frame for frame in frames[1:] if not Path(frame.filename).is_relative_to(_TORCH)]
    return ([frame for frame in others if _is_of_user(frame.filename)] or others or frames)[-1]


def _is_of_user(filename: str) -> bool:
    file = Path(filename)
    is_compiled = not file.is_absolute()  # or generated
    return not (is_compiled or is_of_library(file))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else f"{text[: LONGEST_REASON - 3].rstrip()}..."


def _example(features: int, kind: InputKind) -> Tensor:
    """Return an input with as many channels as no other dimension has, so that none is taken for the channels."""
    samples, positions = (size + (size == features) for size in (SAMPLES, POSITIONS))
    return torch.randn(samples, features, *(positions,) * (_DIMENSIONS[kind] - 2))
