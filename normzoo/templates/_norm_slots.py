"""How a template puts a norm into one of its slots, without asking which norm it is.

What a norm accepts is found out by trying it once on each kind of input that a template has:

    maps (N, C, H, W)        sequences (N, C, T)        vectors (N, C)
"""

import copy
import traceback
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin

from normzoo.errors import ComponentError
from normzoo.layers import NoNorm, Norm
from normzoo.layers._make import NormFactory

Shape = tuple[int, int, int]
"""Channels, height and width of an image."""

Kind = Literal["maps", "sequences", "vectors"]

SAMPLES, POSITIONS = 4, 6
"""Of the inputs that a norm is tried on."""


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
    for kind in ("maps", "sequences", "vectors"):
        with torch.no_grad():
            try:
                layer(_example(features, kind))
            except Exception:  # noqa: S112  # of another rank
                continue
        break
    layer.train(was_training)


def needs_positions(layer: nn.Module) -> bool:
    """Whether a norm means nothing for plain vectors; a norm of the user's own may declare it too."""
    return bool(getattr(layer, "needs_positions", False))


def is_batch_independent(layer: nn.Module) -> bool:
    """Whether a sample's output depends on no other sample, as far as the norm declares it."""
    return bool(getattr(layer, "is_batch_independent", False))


def contains_activation(layer: nn.Module) -> bool:
    """Whether a norm applies an activation of its own, so that a template is to put none beside it.

    A norm declares it by ``contains_activation``; those of timm by ``apply_act``, or by a part ``act`` that is no
    identity.
    """
    declared = getattr(layer, "contains_activation", None)
    if declared is None:
        declared = getattr(layer, "apply_act", None)
    if declared is None:
        act = getattr(layer, "act", None)
        declared = isinstance(act, nn.Module) and not isinstance(act, nn.Identity)
    return bool(declared)


def accepts(layer: nn.Module, features: int, kind: Kind) -> bool:
    """Whether a norm takes inputs of a kind, and returns them in their shape: found out by trying a copy of it."""
    if isinstance(layer, Norm):  # ours say so
        return kind != "vectors" or not needs_positions(layer)
    if kind == "vectors" and needs_positions(layer):
        return False
    return _problem(layer, features, kind) is None


def norm_act(
    norm: NormFactory, features: int, kind: Kind, *, placement: str = "post", activation: type[nn.Module] = nn.ReLU
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


def left_out(norm: NormFactory, slots: Sequence[tuple[str, int, Kind]]) -> tuple[str, ...]:
    """Return a note for each slot of a template that a norm is left out of.

    Args:
        norm: makes the norm.
        slots: where each is, its channels and its kind of inputs.

    Raises:
        ComponentError: the norm takes the inputs of no slot; the message says what it fails with, and where.
    """
    notes, problems = [], []
    for where, features, kind in slots:
        layer = build(norm, features)
        if not accepts(layer, features, kind):
            problems.append(problem(layer, features, kind))
            why = f"whose {kind} have no positions" if needs_positions(layer) else f"as it does not take {kind}"
            notes.append(f"no norm {where}, {why}")
    if len(notes) == len(slots):
        raise ComponentError("; ".join(dict.fromkeys(problems)))
    return tuple(notes)


def problem(layer: nn.Module, features: int, kind: Kind) -> str:
    """Return why a norm does not take a kind of inputs; empty where it does."""
    if needs_positions(layer) and kind == "vectors":
        return "needs_positions is declared, and vectors have none"
    return _problem(layer, features, kind) or ""


def _problem(layer: nn.Module, features: int, kind: Kind) -> str | None:
    """Return what is wrong when a copy of a norm is tried on a kind of inputs; None: nothing."""
    with torch.random.fork_rng(devices=[]):
        x = _example(features, kind)
        try:
            y = copy.deepcopy(layer).train()(x)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = " ".join(str(error).split())
            return (
                f"{type(error).__name__} on {kind} of shape {tuple(x.shape)}: {text} ({where.filename}:{where.lineno})"
            )
    if not isinstance(y, Tensor) or y.shape != x.shape:
        got = f"shape {tuple(y.shape)}" if isinstance(y, Tensor) else f"a {type(y).__name__}"
        return f"it must keep the shape of its input: given {kind} of shape {tuple(x.shape)}, it returned {got}"
    return None


def _example(features: int, kind: Kind) -> Tensor:
    positions = {"maps": (POSITIONS, POSITIONS), "sequences": (POSITIONS,), "vectors": ()}[kind]
    return torch.randn(SAMPLES, features, *positions)
