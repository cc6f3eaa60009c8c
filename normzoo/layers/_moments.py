"""The moments of every sample and channel, and how they are put together exactly.

Chan, Golub & LeVeque (1983), "Algorithms for computing the sample variance": moments of parts combine into the
moments of the whole from counts, means and sums of squared deviations, without ever forming E[x^2] - E[x]^2.
"""

from typing import NamedTuple

from torch import Tensor

from normzoo.layers._pool import Pool


class Moments(NamedTuple):
    """Count, mean and sum of squared deviations from the mean, elementwise.

    ``count`` is a plain number where all elements hold equally many values, and a tensor under a mask.
    """

    count: Tensor | float  # type: ignore[assignment]  # hides tuple.count, which nobody needs here
    mean: Tensor
    m2: Tensor


class Statistics(NamedTuple):
    """What a norm normalizes by: mean and biased variance, each over ``count`` values."""

    count: Tensor | float  # type: ignore[assignment]  # hides tuple.count, which nobody needs here
    mean: Tensor
    var: Tensor


def merge(a: Moments, b: Moments) -> Moments:
    """Return the moments of the union of two disjoint sets of values; exact and associative.

    >>> import torch
    >>> one, two = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 7.0, 8.0])
    >>> parts = [Moments(float(len(x)), x.mean(), (x - x.mean()).square().sum()) for x in (one, two)]
    >>> whole = merge(*parts)
    >>> whole.count, round(whole.mean.item(), 4), round((whole.m2 / whole.count).item(), 4)
    (5.0, 4.2, 7.76)
    """
    count = a.count + b.count
    delta = b.mean - a.mean
    share = b.count / at_least_one(count)
    return Moments(count, a.mean + delta * share, a.m2 + b.m2 + delta.square() * (a.count * share))


def at_least_one(count: Tensor | float) -> Tensor | float:
    """Return a count that can be divided by; where there are no values, sums are zero anyway."""
    return count.clamp(min=1) if isinstance(count, Tensor) else max(count, 1.0)


def channel_moments(x: Tensor, mask: Tensor | None = None) -> Moments:
    """Return the moments of each sample and channel over its positions.

    Args:
        x: values of shape ``(N, C, *)``, float32 or wider.
        mask: True where a position counts, of shape ``(N, 1, *)``.

    Returns:
        Moments of shape ``(N, C)``; without positions, each value is its own mean.
    """
    positions = tuple(range(2, x.ndim))
    count: Tensor | float = float(x.shape[2:].numel())
    if mask is not None:
        count = mask.sum(positions, dtype=x.dtype) if positions else mask.to(x.dtype)
        x = x.where(mask, 0.0)
    if not positions:
        return Moments(count, x, x.new_zeros(()))
    # Two passes: on a CPU torch.var_mean takes many times as long over these dimensions.
    mean = x.sum(positions, keepdim=True) / at_least_one(_over_positions(count, x))
    deviation = x - mean
    if mask is not None:
        deviation = deviation.where(mask, 0.0)
    return Moments(count, mean.flatten(1), deviation.square().sum(positions))


def _over_positions(grid: Tensor | float, x: Tensor) -> Tensor | float:
    """Return a grid that broadcasts to ``(N, C)`` as one that broadcasts to ``x``."""
    return grid.reshape(*grid.shape, *(1 for _ in range(x.ndim - 2))) if isinstance(grid, Tensor) else grid


def pool_moments(cells: Moments, pool: Pool) -> Statistics:
    """Pool the moments of an ``(N, C)`` grid of cells; what comes back broadcasts to the grid.

    Uncounted cells (all masked) do not weigh in; a pool without any value has mean 0 and variance 0.
    """
    size = pool.cells(*cells.mean.shape)
    if not isinstance(cells.count, Tensor):
        mean = pool.average(cells.mean)
        spread = (cells.mean - mean).square()
        if cells.count != 1:  # a single value has no spread of its own
            spread = spread + cells.m2 / cells.count
        return Statistics(cells.count * size, mean, pool.average(spread))
    count = cells.count.expand_as(cells.mean)
    average_count = pool.average(count)
    weight = average_count.clamp(min=1 / size)
    mean = pool.average(count * cells.mean) / weight
    spread = count * (cells.mean - mean).square()
    return Statistics(average_count * size, mean, pool.average(spread + cells.m2) / weight)
