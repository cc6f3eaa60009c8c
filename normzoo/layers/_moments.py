"""The moments of every sample and channel, and how they are put together exactly.

Chan, Golub & LeVeque (1983), "Algorithms for computing the sample variance": moments of parts combine into the
moments of the whole from counts, means and sums of squared deviations, without ever forming E[x^2] - E[x]^2.
"""

from typing import NamedTuple

from torch import Tensor

from normzoo.layers._pool import average, cells_per_pool


class Moments(NamedTuple):
    """Count, mean and sum of squared deviations from the mean, elementwise.

    ``count`` is a plain number where all elements hold equally many values, and a tensor under a mask.
    """

    count: Tensor | float  # type: ignore[assignment]  # hides tuple.count, which nobody needs here
    mean: Tensor
    m2: Tensor


class Statistics(NamedTuple):
    """What a norm normalizes by: mean and biased variance, each over ``count`` values.

    Without a mean, none is subtracted, and ``var`` is the mean square.
    """

    count: Tensor | float  # type: ignore[assignment]  # hides tuple.count, which nobody needs here
    mean: Tensor | None
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
    """Return the moments of each cell, a sample and channel, over its positions.

    Args:
        x: values of shape ``(N, *split, L)``, float32 or wider: samples, channels as a pool lays them out, positions.
        mask: True where a position counts; broadcastable to ``x``.

    Returns:
        Moments of shape ``(N, *split, 1)``; with one position, each value is its own mean.
    """
    count: Tensor | float = float(x.shape[-1])
    if mask is not None:
        count = mask.sum(-1, keepdim=True, dtype=x.dtype)
        x = x.where(mask, 0.0)
    if x.shape[-1] == 1:
        return Moments(count, x, x.new_zeros(()))
    # Two passes: on a CPU torch.var_mean takes many times as long over the last dimension.
    mean = x.mean(-1, keepdim=True) if mask is None else x.sum(-1, keepdim=True) / at_least_one(count)
    deviation = x - mean
    if mask is not None:
        deviation = deviation.where(mask, 0.0)
    return Moments(count, mean, deviation.square().sum(-1, keepdim=True))


def pool_moments(cells: Moments, axes: tuple[int, ...]) -> Statistics:
    """Pool the moments of a grid ``(N, *split, 1)`` over a pool's axes; what comes back broadcasts to the grid.

    Uncounted cells (all masked) do not weigh in; a pool without any value has mean 0 and variance 0.
    """
    size = cells_per_pool(cells.mean.shape, axes)
    if not isinstance(cells.count, Tensor):
        mean = average(cells.mean, axes)
        if mean is cells.mean:  # every cell for itself
            return Statistics(cells.count, mean, (cells.m2 / cells.count).expand_as(mean))
        spread = (cells.mean - mean).square()
        if cells.count != 1:  # a single value has no spread of its own
            spread = spread + cells.m2 / cells.count
        return Statistics(cells.count * size, mean, average(spread, axes))
    count = cells.count.expand_as(cells.mean)
    average_count = average(count, axes)
    weight = average_count.clamp(min=1 / size)
    mean = average(count * cells.mean, axes) / weight
    spread = count * (cells.mean - mean).square()
    return Statistics(average_count * size, mean, average(spread + cells.m2, axes) / weight)


def pool_squares(x: Tensor, axes: tuple[int, ...], mask: Tensor | None = None) -> Statistics:
    """Return the mean square of each pool in the variance's place, for norms that subtract no mean.

    ``x`` and ``mask`` are as in ``channel_moments``.
    """
    size = cells_per_pool(x.shape, axes)
    if mask is None:
        positions = float(x.shape[-1])
        squares = x.square() if positions == 1 else x.square().mean(-1, keepdim=True)
        return Statistics(positions * size, None, average(squares, axes))
    count = average(mask.sum(-1, keepdim=True, dtype=x.dtype).expand(*x.shape[:-1], 1), axes)
    squares = x.where(mask, 0.0).square().sum(-1, keepdim=True)
    return Statistics(count * size, None, average(squares, axes) / count.clamp(min=1 / size))
