"""Random numbers that networks draw in training: alone from torch's generator, in a stack from one for each member.

A member's numbers depend on its seed alone, not on what it is stacked with.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from normzoo.layers._noise import Drawn, Noise


def _draw_dropout(dropout: nn.Dropout, x: Tensor, generator: Generator | None) -> Drawn:
    return _kept(torch.empty_like(x), dropout.p, generator)  # as torch does: it draws in the order of memory


def _draw_channel_dropout(dropout: nn.Dropout2d, x: Tensor, generator: Generator | None) -> Drawn:
    return _kept(x.new_empty(*x.shape[:2], *(1 for _ in x.shape[2:])), dropout.p, generator)


def _kept(empty: Tensor, p: float, generator: Generator | None) -> Drawn:
    """Draw as torch's dropout does: 0 with probability p, else what keeps the mean."""
    return (empty.bernoulli_(1 - p, generator=generator).div_(1 - p or 1),) if p else ()


DRAWS: Mapping[type[nn.Module], Callable[[Any, Tensor, Generator | None], Drawn]] = {
    nn.Dropout: _draw_dropout,
    nn.Dropout1d: _draw_channel_dropout,
    nn.Dropout2d: _draw_channel_dropout,
    nn.Dropout3d: _draw_channel_dropout,
    Noise: Noise.draw,
}
"""By the kind of a module, what it draws for the input of a member."""


class MemberRandom:
    """The generators of the members of a stack, one each.

    On a processor a member draws from its own what it would draw from torch's, were that seeded alike and its values
    in the same order in memory.

    Args:
        seeds: one for each member.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._seeds = list(seeds)
        self._generators: dict[torch.device, list[Generator]] = {}

    def on(self, device: torch.device) -> Sequence[Generator]:
        """Return the generators of a device; they are made, and seeded, when they are first asked for."""
        if device not in self._generators:
            self._generators[device] = [Generator(device).manual_seed(seed) for seed in self._seeds]
        return self._generators[device]

    def keep(self, members: Sequence[int]) -> None:
        """Go on with these members alone."""
        self._seeds = [self._seeds[member] for member in members]
        self._generators = {device: [each[member] for member in members] for device, each in self._generators.items()}


class StackedDraws(nn.Module):
    """A module that draws random numbers, of every member; alone, it draws from torch's generator.

    Attributes:
        random: the members' generators; None: all draw from torch's, one after the other.
    """

    def __init__(self, members: Sequence[nn.Module], tensors: object) -> None:  # noqa: ARG002
        super().__init__()
        self.module = members[0]
        self.random: MemberRandom | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, M, *)`` to ``(N, M, *)``."""
        drawn: Drawn = self._draw(x.detach()) if self.training else ()
        if not drawn:
            return x
        y = x * drawn[0]
        return y + drawn[1] if drawn[1:] else y

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # the compiler knows no generators
    def _draw(self, x: Tensor) -> Drawn:
        draw = DRAWS[type(self.module)]
        generators = [None] * x.shape[1] if self.random is None else self.random.on(x.device)
        members = [draw(self.module, each, generator) for each, generator in zip(x.unbind(1), generators, strict=True)]
        return tuple(torch.stack(parts, 1) for parts in zip(*members, strict=True))


def draw_from(network: nn.Module, random: MemberRandom) -> None:
    """Have all parts of a stack draw a member's random numbers from its own generator."""
    for module in network.modules():
        if isinstance(module, StackedDraws):
            module.random = random
