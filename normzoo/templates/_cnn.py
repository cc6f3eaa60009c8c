"""A small convolutional network: the classic Keras MNIST classifier, with the norm as a parameter."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.autograd import Function

from normzoo.layers._kernels.torch_internals import must_be_traceable
from normzoo.layers._make import NormFactory
from normzoo.registry import InputKind
from normzoo.templates._norm_slots import Shape, check_sizes, left_out, norm_act

CONVERSION_REPAYS_AFTER = 20_000
"""Values from which on max pooling takes longer than max pooling channels-last and the way there and back."""


class Cnn(nn.Module):
    """Per width a 3x3 convolution and 2x2 max pooling, then a dense layer and a classifier; norms at all but the last.

    The founding network is Conv 32, norm, pool, Conv 64, norm, pool, Dense 64, norm, Dense 10, each norm after the
    ReLU. Departures from it: convolutions keep the size (zero padding), so that 8x8 images pass, and weights start as
    torch starts them. A norm that does not take maps, or vectors, is left out there, and ``notes`` says so; one that
    contains its activation gets no ReLU beside it.

    Args:
        norm: makes the norm of each place from its number of channels.
        shape: of a sample: channels, height and width of an image. Convolutions and pooling are along time for
            sequences ``(C, T)``, and along all three axes for volumes ``(C, D, H, W)``.
        outputs: how many numbers to put out for each sample: logits of the classes, for instance.
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
        check_sizes("Cnn", widths=widths, hidden=hidden)
        channels, *sizes = shape
        shrunk = [size >> len(widths) for size in sizes]
        what, kind, convolution, pool = _ALONG[len(sizes)]
        if min(shrunk) < 1:
            least = "x".join([str(2 ** len(widths))] * len(sizes))
            raise ValueError(
                f"Cnn: {len(widths)} poolings need {what} of at least {least}, got {'x'.join(map(str, sizes))}; use "
                "fewer widths"
            )
        if sites == "maps" and not widths:
            raise ValueError("Cnn: sites=maps needs convolutions, got no widths; use sites=vectors")
        layers: list[nn.Module] = []
        slots: list[tuple[str, int, InputKind]] = []
        self.places: dict[str, str] = {}

        def add_slot(where: str, features: int, kind: InputKind) -> None:
            """Append an activation, and the norm if it is to stand here."""
            parts: list[nn.Module] = [nn.ReLU()]
            if sites in ("all", "vectors" if kind == "vectors" else "maps"):
                parts = norm_act(norm, features, kind, placement=placement)
                slots.append((where, features, kind))
            self.places[f"layers.{len(layers) + (len(parts) - 1 if placement == 'post' else 0)}"] = where
            layers.extend(parts)

        for fan_in, fan_out in zip((channels, *widths), widths, strict=False):
            layers.append(convolution(fan_in, fan_out, 3, padding=1))
            add_slot("after the convolutions", fan_out, kind)
            layers.append(pool(2))
        layers += [nn.Flatten(), nn.Linear((widths[-1] if widths else channels) * prod(shrunk), hidden)]
        add_slot("after the dense layer", hidden, "vectors")
        layers.append(nn.Linear(hidden, outputs))
        self.layers = nn.Sequential(*layers)
        self.notes = left_out(norm, slots)

    def forward(self, samples: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)``, sequences or volumes to outputs ``(N, outputs)``."""
        y: Tensor = self.layers(samples)
        return y


class MaxPool(nn.MaxPool2d):
    """``nn.MaxPool2d``, which on a processor takes several times as long for many values as channels-last ones take.

    Without a gradient, halves are compared: which value is the highest need not be known.
    """

    treats_channels_alone: ClassVar[bool] = True

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, C, H', W')``."""
        if x.device.type != "cpu" or x.numel() < CONVERSION_REPAYS_AFTER or must_be_traceable():
            small: Tensor = super().forward(x)
            return small
        geometry = self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        if geometry == (2, 2, 0, 1, False) and not (x.requires_grad and torch.is_grad_enabled()):
            height, width = (size // 2 * 2 for size in x.shape[2:])
            of_rows = torch.maximum(x[:, :, 0:height:2, :width], x[:, :, 1:height:2, :width])
            return torch.maximum(of_rows[..., 0::2], of_rows[..., 1::2])
        pooled: Tensor = _PooledChannelsLast.apply(x, self)
        return pooled


class _PooledChannelsLast(Function):
    """Max pooling of values that are made channels-last for it; its gradient takes longer so, and is not."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, pool: nn.MaxPool2d) -> Tensor:
        ctx.geometry = (pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode)
        channels_last = x.contiguous(memory_format=torch.channels_last)
        y, highest = nn.functional.max_pool2d_with_indices(channels_last, *ctx.geometry)
        ctx.save_for_backward(x, highest.contiguous())
        return y.contiguous()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, highest = ctx.saved_tensors
        given = (each if isinstance(each, tuple | bool) else (each, each) for each in ctx.geometry)
        return torch.ops.aten.max_pool2d_with_indices_backward(grad.contiguous(), x, *given, highest), None


_ALONG: Mapping[int, tuple[str, InputKind, Any, Any]] = {
    1: ("sequences", "sequences", nn.Conv1d, nn.MaxPool1d),
    2: ("images", "maps", nn.Conv2d, MaxPool),
    3: ("volumes", "volumes", nn.Conv3d, nn.MaxPool3d),
}
"""What stands in the network, by the number of dimensions of positions: what is seen, its maps, and the layers."""
