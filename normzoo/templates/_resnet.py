"""The residual network for small images of He et al. (2016), section 4.2, with the norm as a parameter."""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from normzoo.layers import NoNorm
from normzoo.layers._make import NormFactory, contains_activation
from normzoo.registry import InputKind
from normzoo.templates._norm_slots import Shape, build, check_sizes, left_out, norm_act

STAGES = 3
"""Of blocks; each but the first halves the maps and doubles the channels."""

SMALLEST = 2 ** (STAGES - 1)
"""Height and width that are left something of."""

ShortcutName = Literal["A", "B"]
Placement = Literal["pre", "post"]

STEM, INNER, OUTER = "after the first convolution", "between the convolutions of a block", "before the sum of a block"
SHORTCUT = "on the shortcuts"

_MIN_CHANNELS_LAST = 16
"""Channels that oneDNN handles at once, at most. Of fewer, channels-last, a 1x1 convolution with a stride
writes where it must not in its backward pass: oneDNN's issue 6035, which is open."""


class ResNet(nn.Module):
    """A 3x3 convolution, 3 stages of n blocks of two such convolutions each, the mean of each map, and a classifier.

    That of He et al. (2016), "Deep Residual Learning for Image Recognition", for CIFAR-10, of depth 6n + 2: with a norm
    after every convolution, and half the positions of twice the channels from stage to stage. Convolutions have no
    biases, since norms shift, and start as in He et al. (2015), as the paper has it: normal, with a variance of
    2 / fan-in. The classifier starts as torch starts it. A norm that does not take maps is left out; one that contains
    its activation gets no ReLU beside it, and is left out of the shortcuts. ``notes`` says so.

    Args:
        norm: makes the norm of each place from its number of channels.
        shape: channels, height and width of the images.
        outputs: how many numbers to put out for each image: logits of the classes, for instance.
        depth: layers with weights: 20, 32, 44, 56 or 110 in the paper.
        width: channels of the first stage.
        shortcut: where channels double, the identity at every second position, with zeros for the further channels
            (``A``), or a 1x1 convolution and a norm (``B``).
        placement: the norm before the ReLU (``pre``, as in the paper) or after it (``post``). That at the end of a
            block stands before the sum in either case: the ReLU there is that of the sum.
        sites: where norms stand: after the first convolution (``stem``), in the blocks (``blocks``), or ``all``.
            Elsewhere there is the ReLU alone.

    Raises:
        ValueError: the depth is not 6n + 2, or the images are too small for two halvings.
        ComponentError: the norm does not take maps.
    """

    consists_of_parts: ClassVar[bool] = True

    def __init__(
        self,
        norm: NormFactory,
        *,
        shape: Shape,
        outputs: int,
        depth: int = 20,
        width: int = 16,
        shortcut: ShortcutName = "A",
        placement: Placement = "pre",
        sites: Literal["all", "stem", "blocks"] = "all",
    ) -> None:
        super().__init__()
        check_sizes("ResNet", width=width)
        channels, height, across = shape
        per_stage, rest = divmod(depth - 2, 2 * STAGES)
        if rest or per_stage < 1:
            lower = 2 + 2 * STAGES * max(1, per_stage)
            raise ValueError(f"ResNet: depth must be 6n + 2, got depth={depth}; use {lower} or {lower + 2 * STAGES}")
        if min(height, across) < SMALLEST:
            raise ValueError(
                f"ResNet: two halvings need images of at least {SMALLEST}x{SMALLEST}, got {height}x{across}; use "
                "larger images"
            )
        in_stem, in_blocks = (norm if sites in ("all", site) else NoNorm for site in ("stem", "blocks"))
        self.convolution = _convolution(channels, width)
        self.stem = nn.Sequential(*norm_act(in_stem, width, "maps", placement=placement))
        blocks: list[Block] = []
        for stage in range(STAGES):
            for _ in range(per_stage):
                fan_in = blocks[-1].width if blocks else width
                blocks.append(Block(in_blocks, fan_in, width << stage, shortcut=shortcut, placement=placement))
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(blocks[-1].width, outputs))
        self.places = {"stem": STEM}
        slots: list[tuple[str, int, InputKind]] = [] if sites == "blocks" else [(STEM, width, "maps")]
        for index, block in enumerate(blocks):
            self.places |= {f"blocks.{index}.{name}": where for name, where in block.places.items()}
            slots += [] if sites == "stem" else [(where, block.width, "maps") for where in block.places.values()]
        self.notes = left_out(norm, list(dict.fromkeys(slots)))
        if shortcut == "B" and sites != "stem" and contains_activation(build(norm, width)):
            self.notes += (f"no norm {SHORTCUT}, as it contains an activation",)
        if shortcut == "A" or width >= _MIN_CHANNELS_LAST:
            self.to(memory_format=torch.channels_last)  # of its weights; maps follow, and a processor takes less time

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to outputs ``(N, outputs)``."""
        y: Tensor = self.head(self.blocks(self.stem(self.convolution(images))))
        return y


class Block(nn.Module):
    """Two 3x3 convolutions whose result is added to the input; where the width changes, with half the positions.

    Args:
        norm: makes the norms.
        fan_in: channels of the input.
        width: channels of the output.
        shortcut: see ``ResNet``.
        placement: see ``ResNet``.
    """

    consists_of_parts: ClassVar[bool] = True

    def __init__(
        self, norm: NormFactory, fan_in: int, width: int, *, shortcut: ShortcutName, placement: Placement
    ) -> None:
        super().__init__()
        self.width, stride = width, 1 if fan_in == width else 2
        self.places = {"inner": INNER, "outer": OUTER}
        self.first = _convolution(fan_in, width, stride=stride)
        self.inner = nn.Sequential(*norm_act(norm, width, "maps", placement=placement))
        self.second = _convolution(width, width)
        self.outer, *activation = norm_act(norm, width, "maps", placement="pre")
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 and shortcut == "A":
            self.shortcut = Halving(width - fan_in)
        elif stride > 1:
            across = norm_act(norm, width, "maps", placement="pre")[0] if activation else NoNorm(width)
            self.shortcut = nn.Sequential(_convolution(fan_in, width, size=1, stride=stride), across)
            self.places["shortcut.1"] = SHORTCUT
        self.activation = nn.Sequential(*activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, width, H', W')``."""
        y: Tensor = self.activation(self.outer(self.second(self.inner(self.first(x)))) + self.shortcut(x))
        return y


class Halving(nn.Module):
    """Every second position of maps ``(*, C, H, W)``, and zeros for further channels."""

    consists_of_parts: ClassVar[bool] = True

    def __init__(self, further: int) -> None:
        super().__init__()
        self.further = further

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(*, C, H, W)`` to ``(*, C + further, H', W')``."""
        return pad(x[..., ::2, ::2], (0, 0, 0, 0, 0, self.further))


def _convolution(fan_in: int, fan_out: int, *, size: int = 3, stride: int = 1) -> nn.Conv2d:
    convolution = nn.Conv2d(fan_in, fan_out, size, stride=stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return convolution
