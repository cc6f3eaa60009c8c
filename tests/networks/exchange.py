"""How a network comes to hold our norms while it is built, whether or not its constructor has an argument for them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from torch import Tensor, nn
from torchvision.models import convnext

from normzoo import layers

NAMES = (
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "RMSNorm",
)
"""The norms that both torch.nn and we have."""

TORCH_NORMS: tuple[type[nn.Module], ...] = tuple(getattr(nn, name) for name in NAMES)


class LayerNorm2d(layers.LayerNorm):  # as torchvision makes one of torch.nn's
    """What torchvision's ConvNeXt uses: layer normalization of maps ``(N, C, H, W)`` over their channels."""

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: A002  # torch.nn's name
        """Normalize with the channels put last."""
        return super().forward(input.permute(0, 2, 3, 1), mask).permute(0, 3, 1, 2)


@contextmanager
def names_exchanged() -> Iterator[None]:
    """While a network is built, let the names of torch.nn's norms, and of torchvision's own one, stand for ours."""
    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.setattr(nn, name, getattr(layers, name))
        patch.setattr(convnext, "LayerNorm2d", LayerNorm2d)
        yield


def norms_in(model: nn.Module) -> list[nn.Module]:
    """Return all norms of a model, whoever's they are."""
    return [module for module in model.modules() if isinstance(module, TORCH_NORMS)]


def built(build: Callable[[Any], Any], *, ours: bool, names: bool) -> Any:
    """Call a function with where to take norms from: torch.nn, or our layers.

    Args:
        build: takes the module that has the norms.
        ours: build with ours.
        names: torch.nn's are written in the constructor, and their names are to be exchanged.
    """
    if not ours:
        return build(nn)
    if not names:
        return build(layers)
    with names_exchanged():
        return build(layers)
