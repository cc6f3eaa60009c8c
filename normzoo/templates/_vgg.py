"""The plain deep network of Simonyan & Zisserman (2015) in its form for small images, with the norm as a parameter."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from torch import Tensor, nn

from normzoo.layers._make import NormFactory
from normzoo.layers._noise import Noise
from normzoo.registry import InputKind
from normzoo.templates._cnn import MaxPool
from normzoo.templates._norm_slots import Shape, check_sizes, left_out, norm_act

CONVOLUTIONS: Mapping[int, Sequence[int]] = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
"""Of each stage, by depth: the configurations A, B, D and E of the paper."""

WIDTHS = (1, 2, 4, 8, 8)
"""Channels of each stage, in those of the first."""

SMALLEST = 2
"""Height and width of maps that are pooled, and of those that convolutions are left with."""


class Vgg(nn.Module):
    """Five stages of 3x3 convolutions with max pooling after each, a dense layer and a classifier.

    Simonyan & Zisserman (2015), "Very Deep Convolutional Networks for Large-Scale Image Recognition", in the form that
    is usual for images of 32x32: a norm at every convolution, and one dense layer instead of two. Departures: an image
    is pooled only as far as the convolutions keep 2x2 positions, which ``notes`` tells; and convolutions and dense
    layer start as in He et al. (2015), normal with a variance of 2 / fan-in, biases at 0, since without norms a network
    as deep as this would not learn else. The classifier starts as torch starts it. A norm that does not take maps, or
    vectors, is left out there, and ``notes`` says so; one that contains its activation gets no ReLU beside it.

    Args:
        norm: makes the norm of each place from its number of channels.
        shape: channels, height and width of the images.
        outputs: how many numbers to put out for each image: logits of the classes, for instance.
        depth: layers with weights in the paper, which has two more dense ones: 11, 13, 16 or 19.
        width: channels of the first stage; the others have 2, 4, 8 and 8 times as many.
        hidden: units of the dense layer.
        placement: the norm before the ReLU (``pre``) or after it (``post``).
        sites: where norms stand: after the convolutions (``maps``), after the dense layer (``vectors``), or ``all``.
            Elsewhere there is the ReLU alone.
        dropout: probability with which a unit of the dense layer is left out.
        noise: how strong the noise after each norm is (``Noise``); 1 is that of Santurkar et al. (2018).

    Raises:
        ValueError: the images are too small, or a probability or the noise is out of range.
        ComponentError: the norm takes neither maps nor vectors, or not those of its sites.
    """

    consists_of_parts: ClassVar[bool] = True

    def __init__(
        self,
        norm: NormFactory,
        *,
        shape: Shape,
        outputs: int,
        depth: Literal[11, 13, 16, 19] = 11,
        width: int = 64,
        hidden: int = 512,
        placement: Literal["pre", "post"] = "pre",
        sites: Literal["all", "maps", "vectors"] = "maps",
        dropout: float = 0.0,
        noise: float = 0.0,
    ) -> None:
        super().__init__()
        check_sizes("Vgg", width=width, hidden=hidden)
        channels, *size = shape
        if min(size) < SMALLEST:
            raise ValueError(
                f"Vgg: images must be at least {SMALLEST}x{SMALLEST}, got {size[0]}x{size[1]}; use larger images"
            )
        layers: list[nn.Module] = []
        slots: list[tuple[str, int, InputKind]] = []
        self.places: dict[str, str] = {}

        def add_slot(where: str, features: int, kind: InputKind) -> None:
            """Append an activation, and the norm with its noise if it is to stand here."""
            parts: list[nn.Module] = [nn.ReLU()]
            index = 0
            if sites in ("all", kind):
                parts = norm_act(norm, features, kind, placement=placement)
                slots.append((where, features, kind))
                index = len(parts) - 1 if placement == "post" else 0
                parts[index + 1 : index + 1] = [Noise(noise)] if noise else []
            self.places[f"layers.{len(layers) + index}"] = where
            layers.extend(parts)

        poolings = 0
        for stage, (count, times) in enumerate(zip(CONVOLUTIONS[depth], WIDTHS, strict=True)):
            for _ in range(count):
                layers.append(_he(nn.Conv2d(channels, channels := width * times, 3, padding=1)))
                add_slot("after the convolutions", channels, "maps")
            left = 1 if stage == len(WIDTHS) - 1 else SMALLEST  # no convolution follows the last pooling
            if min(size) // 2 >= left:
                size, poolings = [each // 2 for each in size], poolings + 1
                layers.append(MaxPool(2))
        layers += [nn.Flatten(), _he(nn.Linear(channels * size[0] * size[1], hidden))]
        add_slot("after the dense layer", hidden, "vectors")
        layers += [nn.Dropout(dropout)] if dropout else []
        self.layers = nn.Sequential(*layers, nn.Linear(hidden, outputs))
        self.notes = left_out(norm, list(dict.fromkeys(slots)))
        if poolings < len(WIDTHS):
            self.notes += (f"{poolings} poolings, not {len(WIDTHS)}, as images of {shape[1]}x{shape[2]} are small",)

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to outputs ``(N, outputs)``."""
        y: Tensor = self.layers(images)
        return y


def _he(layer: nn.Conv2d | nn.Linear) -> nn.Module:
    """Return a layer with the initial weights of He et al. (2015)."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
