"""The arithmetic of every norm: pooled moments, scale and shift, and their gradient.

Forward, on cells x of samples, channels and positions:

    y = weight * (x - mean) * rstd + bias,    rstd = (var + eps)^-1/2

Backward, from the gradient g of y: two sums over the positions of each cell, and the rest on the grid of cells,

    G0 = sum g        G1 = sum g * (x - mean)        dbias = sum over samples of G0        dweight = of G1 * rstd
    dx = rstd * (weight * g - pooled(weight * G0) - (x - mean) * rstd^2 * pooled(weight * G1))

where ``pooled`` averages over the values of a pool. Ioffe & Szegedy (2015) write it out for batch norm; norms differ
in their pool alone. These functions change nothing but running statistics, so that torch can differentiate, map,
compile and export them; ``_eager`` does the same with fewer operations.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from normzoo.layers._moments import Statistics, at_least_one, channel_moments, pool_moments, pool_squares
from normzoo.layers._pool import average

_MANY, _BLOCK = 1024, 16
"""From how many samples on they are first summed in blocks, and in blocks of how many: their rows stay in a cache."""


class Running(NamedTuple):
    """Statistics per channel: known ones to normalize by, or running ones to update.

    Attributes:
        mean: of shape ``(C,)``.
        var: of shape ``(C,)``.
        batches: a counter of updates, to be counted up.
        momentum: the weight of the newest statistics in an update; None with ``batches``: a plain average over all.
    """

    mean: Tensor | None = None
    var: Tensor | None = None
    batches: Tensor | None = None
    momentum: Tensor | float | None = None

    def known(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance, which are there."""
        if self.mean is None or self.var is None:
            raise RuntimeError("statistics that are known must be given")
        return self.mean, self.var

    def share(self, dtype: torch.dtype) -> Tensor | float:
        """Return the weight of the newest statistics; call it after counting them."""
        if self.momentum is not None:
            return self.momentum
        return 0.0 if self.batches is None else self.batches.to(dtype).reciprocal()


NOTHING = Running()
"""No statistics to normalize by or to update."""


class Problem(NamedTuple):
    """All that says what is to be computed, except the tensors.

    Attributes:
        samples: N.
        split: how the C channels are laid out; their product is C.
        positions: L; ``N * C * L`` is the number of values.
        axes: the dimensions of the grid ``(N, *split)`` over which is pooled.
        eps: added to the variance.
        centered: whether a mean is subtracted.
        known: whether the statistics are given, and constants, rather than the input's own.
    """

    samples: int
    split: tuple[int, ...]
    positions: int
    axes: tuple[int, ...]
    eps: float
    centered: bool
    known: bool

    def see(self, x: Tensor) -> Tensor:
        """Return ``x`` as cells ``(N, *split, L)``, in float32 or wider."""
        cells = x.reshape(self.samples, *self.split, self.positions)
        return cells.float() if x.dtype in (torch.bfloat16, torch.float16) else cells

    def deviation(self, x: Tensor, mean: Tensor | None) -> Tensor:
        """Return how far ``x``, as cells, is from the mean, pooled or known; without one, from zero."""
        cells = self.see(x)
        if mean is None:
            return cells
        return cells - (self.per_channel(mean, cells) if self.known else mean)

    def per_channel(self, parameter: Tensor, cells: Tensor) -> Tensor:
        """Return a value per channel so that it broadcasts to ``cells``."""
        if parameter.dtype != cells.dtype:
            parameter = parameter.to(cells.dtype)
        return parameter.reshape(1, *self.split, 1)


def forward(
    problem: Problem,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running: Running,
    mask: Tensor | None = None,
) -> list[Tensor]:
    """Normalize.

    Args:
        problem: what to compute.
        x: values.
        weight: a factor per channel.
        bias: a summand per channel.
        running: the statistics to use if they are known, else those to update.
        mask: True where a value counts, broadcastable to the cells; the others come out as zero.

    Returns:
        The output, in the shape, type and layout of ``x``; then what the gradient needs: the mean (if there is one and
        it was not known) and rstd of the pools.
    """
    cells = problem.see(x)
    if mask is not None:
        cells = cells.where(mask, 0.0)  # a NaN there would reach the parameters' gradients
    if problem.known:
        statistics = Statistics(1.0, *(problem.per_channel(known, cells) for known in running.known()))
    elif problem.centered:
        statistics = pool_moments(channel_moments(cells, mask), problem.axes)
    else:
        statistics = pool_squares(cells, problem.axes, mask)
    if not problem.known:
        with torch.no_grad():
            update_running(running, statistics)
    rstd = torch.rsqrt(statistics.var + problem.eps)
    factor = None if weight is None else problem.per_channel(weight, cells)
    summand = None if bias is None else problem.per_channel(bias, cells)
    y = _scale_and_shift(cells, statistics.mean, rstd, factor, summand)
    if mask is not None:
        y = y.where(mask, 0.0)
    y = laid_out_as(x, y.to(x.dtype).reshape(x.shape))
    return [y, rstd] if problem.known or statistics.mean is None else [y, statistics.mean, rstd]


def _scale_and_shift(
    x: Tensor, mean: Tensor | None, rstd: Tensor, weight: Tensor | None, bias: Tensor | None
) -> Tensor:
    """Return ``weight * (x - mean) * rstd + bias``; as one product and one sum per value where that is less work."""
    if folds(x, rstd):
        scale = rstd if weight is None else rstd * weight
        if mean is not None:
            bias = -mean * scale if bias is None else bias - mean * scale
        y = x * scale
    else:
        y = (x if mean is None else x - mean) * rstd
        if weight is not None:
            y = y * weight
    return y if bias is None else y + bias


def folds(x: Tensor, rstd: Tensor) -> bool:
    """Whether products of rstd and weight, one per cell, are fewer than the values."""
    return x.shape[-1] > 1 or rstd.shape[0] == 1


def laid_out_as(x: Tensor, y: Tensor) -> Tensor:
    """Return ``y`` with its channels last, if ``x`` has them so; it is told by the strides, which vmap can ask for."""
    if x.ndim in (4, 5) and x.stride(1) == 1 and y.stride(1) != 1 and not x.is_contiguous():
        return y.movedim(1, -1).contiguous().movedim(-1, 1)
    return y


def update_running(running: Running, statistics: Statistics) -> None:
    """Move running statistics, if there are any, towards the mean and unbiased variance, averaged over samples."""
    if running.mean is None or running.var is None or statistics.mean is None:
        return
    if running.batches is not None:
        running.batches.add_(1)
    mean, unbiased = statistics.mean, statistics.var * (statistics.count / at_least_one(statistics.count - 1))
    share = running.share(mean.dtype)
    keep = 1 - share
    if isinstance(statistics.count, Tensor):  # what is masked out entirely has no say
        counted = statistics.count.clamp(max=1)
        present = counted.amax(0).flatten()
        of_all = counted / at_least_one(counted.sum(0))
        mean, unbiased, share, keep = mean * of_all, unbiased * of_all, share * present, 1 - share * present
    elif mean.shape[0] > 1:
        share = share / mean.shape[0]
    for tracked, newest in ((running.mean, mean), (running.var, unbiased)):
        newest = (newest.sum(0) if newest.shape[0] > 1 else newest).flatten()
        tracked.mul_(keep).add_((newest * share).to(tracked.dtype).reshape(tracked.shape))


def backward(
    problem: Problem,
    wanted: tuple[bool, bool, bool],
    grad: Tensor,
    x: Tensor | None,
    weight: Tensor | None,
    mean: Tensor | None,
    rstd: Tensor,
) -> list[Tensor]:
    """Return the gradients of input, weight and bias, of those that are wanted; of parameters one value per channel.

    Args:
        problem: what was computed.
        wanted: whether the gradient of the input, the weight and the bias is wanted.
        grad: the gradient of the output, in its shape.
        x: the input; not needed for the input's gradient if the statistics were known.
        weight: a factor per channel.
        mean: that of the pools, as ``forward`` returns it, or the known one, per channel.
        rstd: as ``forward`` returns it.
    """
    g = problem.see(grad)
    factor = None if weight is None else problem.per_channel(weight, g)
    sums = g if problem.positions == 1 else g.sum(-1, keepdim=True)
    scale = rstd if factor is None else rstd * factor
    dx = g * scale
    gradients = []
    if x is not None:
        deviation = problem.deviation(x, mean)
        products = g * deviation if problem.positions == 1 else (g * deviation).sum(-1, keepdim=True)
        if not problem.known:
            dx = dx + _through_statistics(problem, deviation, sums, products, rstd, factor)
        if wanted[1]:
            gradients.append(_over_samples(products * rstd))
    if wanted[2]:
        gradients.append(_over_samples(sums))
    return [laid_out_as(grad, dx.to(grad.dtype).reshape(grad.shape)), *gradients] if wanted[0] else gradients


def _through_statistics(
    problem: Problem, deviation: Tensor, sums: Tensor, products: Tensor, rstd: Tensor, weight: Tensor | None
) -> Tensor:
    """Return the part of the input's gradient that goes through the mean and the variance."""
    if weight is not None:
        sums, products = sums * weight, products * weight
    share = rstd * (-1 / problem.positions)
    through_variance = deviation * (average(products, problem.axes) * (share * rstd * rstd))
    return through_variance + average(sums, problem.axes) * share if problem.centered else through_variance


def _over_samples(per_cell: Tensor) -> Tensor:
    """Sum over samples, per channel."""
    samples = per_cell.shape[0]
    if per_cell.shape[-1] == 1 and samples >= _MANY and samples % _BLOCK == 0:
        per_cell = per_cell.reshape(-1, _BLOCK, *per_cell.shape[1:]).sum(1)
    return per_cell.sum(0).reshape(-1)
