"""A small convolutional network: the classic Keras MNIST classifier, with the norm as a parameter."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.autograd import Function

from normzoo.layers._make import NormFactory
from normzoo.templates._norm_slots import Kind, Shape, left_out, norm_act

CONVERSION_REPAYS_AFTER = 50_000
"""Values from which on max pooling takes longer than max pooling channels-last and the way there and back."""


class Cnn(nn.Module):
    """Per width a 3x3 convolution and 2x2 max pooling, then a dense layer and a classifier; norms at all but the last.

    The founding network is Conv 32, norm, pool, Conv 64, norm, pool, Dense 64, norm, Dense 10, each norm after the
    ReLU. Departures from it: convolutions keep the size (zero padding), so that 8x8 images pass, and weights start as
    torch starts them. A norm that does not take maps, or vectors, is left out there, and ``notes`` says so; one that
    contains its activation gets no ReLU beside it.

    Args:
        norm: makes the norm of each place from its number of channels.
        shape: channels, height and width of the images.
        outputs: how many numbers to put out for each image: logits of the classes, for instance.
        placement: the norm after the ReLU (``post``) or before it (``pre``).
        widths: channels of the convolutions.
        hidden: units of the dense layer.
        sites: where norms stand: after the convolutions (``maps``), after the dense layer (``vectors``), or ``all``.
            Elsewhere there is the ReLU alone.

    Raises:
        ValueError: the images are too small for as many poolings as there are widths, or there is nowhere to stand.
        ComponentError: the norm takes neither maps nor vectors, or not those of its sites.
    """

    consists_of_parts: ClassVar[bool] = True

    def __init__(
        self,
        norm: NormFactory,
        *,
        shape: Shape,
        outputs: int,
        placement: Literal["post", "pre"] = "post",
        widths: Sequence[int] = (32, 64),
        hidden: int = 64,
        sites: Literal["all", "maps", "vectors"] = "all",
    ) -> None:
        super().__init__()
        channels, height, width = shape
        shrunk = (height >> len(widths), width >> len(widths))
        if min(shrunk) < 1:
            raise ValueError(
                f"Cnn: {len(widths)} poolings need images of at least {2 ** len(widths)}x{2 ** len(widths)}, "
                f"got {height}x{width}; use fewer widths"
            )
        if sites == "maps" and not widths:
            raise ValueError("Cnn: sites=maps needs convolutions, got no widths; use sites=vectors")
        layers: list[nn.Module] = []
        slots: list[tuple[str, int, Kind]] = []
        self.places: dict[str, str] = {}

        def add_slot(where: str, features: int, kind: Kind) -> None:
            """Append an activation, and the norm if it is to stand here."""
            parts: list[nn.Module] = [nn.ReLU()]
            if sites in ("all", kind):
                parts = norm_act(norm, features, kind, placement=placement)
                slots.append((where, features, kind))
            self.places[f"layers.{len(layers) + (len(parts) - 1 if placement == 'post' else 0)}"] = where
            layers.extend(parts)

        for fan_in, fan_out in zip((channels, *widths), widths, strict=False):
            layers.append(nn.Conv2d(fan_in, fan_out, 3, padding=1))
            add_slot("after the convolutions", fan_out, "maps")
            layers.append(MaxPool(2))
        layers += [nn.Flatten(), nn.Linear((widths[-1] if widths else channels) * shrunk[0] * shrunk[1], hidden)]
        add_slot("after the dense layer", hidden, "vectors")
        layers.append(nn.Linear(hidden, outputs))
        self.layers = nn.Sequential(*layers)
        self.notes = left_out(norm, slots)

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to outputs ``(N, outputs)``."""
        y: Tensor = self.layers(images)
        return y


class MaxPool(nn.MaxPool2d):
    """``nn.MaxPool2d``; on a processor and many values by way of channels-last, as torch's other kernel takes long."""

    treats_channels_alone: ClassVar[bool] = True

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, C, H', W')``."""
        if x.device.type != "cpu" or x.numel() < CONVERSION_REPAYS_AFTER:
            small: Tensor = super().forward(x)
            return small
        channels_last: Tensor = _ChannelsLast.apply(x)
        pooled: Tensor = super().forward(channels_last)
        return pooled.contiguous()


class _ChannelsLast(Function):
    """The same values channels-last; its gradient comes back as the input was, for what came before."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return x.contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ARG004
        return grad.contiguous()
