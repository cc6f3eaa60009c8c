"""How a template puts a norm into one of its places, without asking which norm it is."""

import torch
from torch import nn

from normzoo.layers import NoNorm
from normzoo.layers._make import NormFactory

Shape = tuple[int, int, int]
"""Channels, height and width of an image."""


def build(norm: NormFactory, features: int) -> nn.Module:
    """Make a norm without moving the random numbers that the network's own weights are drawn from."""
    with torch.random.fork_rng(devices=[]):
        return norm(features)


def needs_positions(layer: nn.Module) -> bool:
    """Whether a norm means nothing for plain vectors; a norm of the user's own may declare it too."""
    return bool(getattr(layer, "needs_positions", False))


def is_batch_independent(layer: nn.Module) -> bool:
    """Whether a sample's output depends on no other sample, as far as the norm declares it."""
    return bool(getattr(layer, "is_batch_independent", False))


def for_vectors(norm: NormFactory, features: int) -> nn.Module:
    """Make a norm for plain vectors ``(N, features)``: none at all where the norm needs positions."""
    layer = build(norm, features)
    return NoNorm(features) if needs_positions(layer) else layer
