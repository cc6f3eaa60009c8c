"""The moments of every sample and channel, and how they are put together exactly.

Chan, Golub & LeVeque (1983), "Algorithms for computing the sample variance": moments of parts combine into the
moments of the whole from counts, means and sums of squared deviations, without ever forming E[x^2] - E[x]^2.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Moments(NamedTuple):
    """Count, mean and sum of squared deviations from the mean, elementwise.

    ``count`` is one number where all elements hold equally many values (within ``torch.jit.trace``, a tensor of one
    number), and a tensor with dimensions under a mask.
    """

    count: Tensor | int  # type: ignore[assignment]  # hides tuple.count, which nobody needs here
    mean: Tensor
    m2: Tensor


class Statistics(NamedTuple):
    """What a norm normalizes by: mean and biased variance, each over ``count`` values.

    Without a mean, none is subtracted, and ``var`` is the mean square.
    """

    count: Tensor | int  # type: ignore[assignment]  # hides tuple.count, which nobody needs here
    mean: Tensor | None
    var: Tensor


def merge(a: Moments, b: Moments) -> Moments:
    """Return the moments of the union of two disjoint sets of values; exact and associative.

    >>> one, two = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 7.0, 8.0])
    >>> parts = [Moments(len(x), x.mean(), (x - x.mean()).square().sum()) for x in (one, two)]
    >>> whole = merge(*parts)
    >>> whole.count, round(whole.mean.item(), 4), round((whole.m2 / whole.count).item(), 4)
    (5, 4.2, 7.76)
    """
    count = a.count + b.count
    delta = b.mean - a.mean
    share = b.count / at_least_one(count)
    return Moments(count, a.mean + delta * share, a.m2 + b.m2 + delta.square() * (a.count * share))


def at_least_one(count: Tensor | int) -> Tensor | int:
    """Return a count that can be divided by; where there are no values, sums are zero anyway."""
    return count.clamp(min=1) if isinstance(count, Tensor) else max(count, 1)


def bessel(count: Tensor | int) -> Any:
    """Return Bessel's correction, by which a variance over m values is unbiased: ``m / (m - 1)``; of one value, one."""
    return count / at_least_one(count - 1)


def is_counted(count: Tensor | int) -> bool:
    """Whether elements hold unequally many values, as they do under a mask."""
    return isinstance(count, Tensor) and count.ndim > 0


def product(sizes: Sequence[int]) -> int:
    """Return the product of some sizes, which may be symbols or traced; ``math.prod`` does not take those."""
    total = 1
    for size in sizes:
        total *= size
    return total


def masked(x: Tensor, mask: Tensor) -> Tensor:
    """Return ``x`` with zero where the mask, which broadcasts to it, is False; in the layout of ``x``."""
    return x.where(torch.ones_like(x, dtype=torch.bool) & mask, 0.0)


def average(t: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Average a grid over each pool; the result broadcasts to the grid."""
    return t.mean(axes, keepdim=True) if axes else t


def block_moments(x: Tensor, grid: int, mask: Tensor | None = None) -> Moments:
    """Return the moments of each block, the positions of a sample and channel.

    Args:
        x: values, float32 or wider: ``grid`` dimensions of samples and channels, then the positions.
        grid: how many dimensions the grid of blocks has.
        mask: True where a position counts; broadcastable to ``x``.

    Returns:
        Moments in which each dimension of positions has size 1; without positions, each value is its own mean.
    """
    positions = tuple(range(grid, x.ndim))
    if mask is not None:
        return _masked_moments(x, mask, positions)
    if not positions:
        return Moments(1, x, x.new_zeros(()))
    # Two passes: on a CPU torch.var_mean takes many times as long over the last dimensions.
    mean = x.mean(positions, keepdim=True)
    return Moments(product(x.shape[grid:]), mean, (x - mean).square().sum(positions, keepdim=True))


def _masked_moments(x: Tensor, mask: Tensor, positions: tuple[int, ...]) -> Moments:
    x = masked(x, mask)
    if not positions:
        return Moments(mask.to(x.dtype), x, x.new_zeros(()))
    count = mask.sum(positions, keepdim=True, dtype=x.dtype)
    mean = x.sum(positions, keepdim=True) / at_least_one(count)
    return Moments(count, mean, masked(x - mean, mask).square().sum(positions, keepdim=True))


def pool_moments(blocks: Moments, axes: tuple[int, ...]) -> Statistics:
    """Pool the moments of a grid of blocks over a pool's axes; what comes back broadcasts to the grid.

    Uncounted blocks (all masked) do not weigh in; a pool without any value has mean 0 and variance 0.
    """
    size = product([blocks.mean.shape[axis] for axis in axes])
    if not is_counted(blocks.count):
        mean = average(blocks.mean, axes)
        if mean is blocks.mean:  # every block for itself
            return Statistics(blocks.count, mean, (blocks.m2 / blocks.count).expand_as(mean))
        spread = (blocks.mean - mean).square() + blocks.m2 / blocks.count
        return Statistics(blocks.count * size, mean, average(spread, axes))
    count = torch.as_tensor(blocks.count).expand_as(blocks.mean)
    average_count = average(count, axes)
    weight = average_count.clamp(min=1 / size)
    mean = average(count * blocks.mean, axes) / weight
    spread = count * (blocks.mean - mean).square()
    return Statistics(average_count * size, mean, average(spread + blocks.m2, axes) / weight)


def pool_squares(x: Tensor, grid: int, axes: tuple[int, ...], mask: Tensor | None = None) -> Statistics:
    """Return the mean square of each pool in the variance's place, for norms that subtract no mean.

    ``x``, ``grid`` and ``mask`` are as in ``block_moments``.
    """
    positions = tuple(range(grid, x.ndim))
    size = product([x.shape[axis] for axis in axes])
    if mask is None:
        squares = average(x.square(), positions)
        return Statistics(product(x.shape[grid:]) * size, None, average(squares, axes))
    count = mask.sum(positions, keepdim=True, dtype=x.dtype) if positions else mask.to(x.dtype)
    count = average(count.expand(*x.shape[:grid], *(1 for _ in positions)), axes)
    squares = masked(x, mask).square()
    squares = squares.sum(positions, keepdim=True) if positions else squares
    return Statistics(count * size, None, average(squares, axes) / count.clamp(min=1 / size))
