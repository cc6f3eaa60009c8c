"""The arithmetic of every norm: pooled moments, scale and shift, and their gradient.

Forward, on cells x of samples, channels and positions:

    y = weight * (x - mean) * rstd + bias,    rstd = (var + eps)^-1/2

Backward, from the gradient g of y: two sums over the positions of each cell, and the rest on the grid of cells,

    G0 = sum g        G1 = sum g * (x - mean) * rstd        dbias = sum over samples of G0        dweight = of G1
    dx = rstd * (weight * g - pooled(weight * G0) - (x - mean) * rstd * pooled(weight * G1))

where ``pooled`` averages over the values of a pool. Ioffe & Szegedy (2015) write it out for batch norm; only the
pool differs between norms. Both functions take and return flat lists of tensors, so that they can be compiled whole.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from normzoo.layers._context import is_plain_call
from normzoo.layers._moments import Statistics, at_least_one, channel_moments, pool_moments, pool_squares
from normzoo.layers._pool import Pool


_BLOCK = 16
"""How many samples are summed at a time: few enough that their rows stay in a processor's cache."""


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


class Problem(NamedTuple):
    """All that says what is to be computed, except the tensors.

    Attributes:
        pool: which cells share a statistic.
        samples: N.
        channels: C.
        positions: L; ``N * C * L`` is the number of values.
        eps: added to the variance.
        centered: whether a mean is subtracted.
        known: whether the statistics are given, and constants, rather than the input's own.
    """

    pool: Pool
    samples: int
    channels: int
    positions: int
    eps: float
    centered: bool
    known: bool

    def see(self, x: Tensor) -> Tensor:
        """Return ``x`` as cells ``(N, *split, L)``, in float32 or wider."""
        cells = x.reshape(self.samples, *self.pool.split(self.channels), self.positions)
        return cells.to(torch.promote_types(x.dtype, torch.float32))

    def per_channel(self, parameter: Tensor, cells: Tensor) -> Tensor:
        """Return a value per channel so that it broadcasts to ``cells``."""
        return parameter.to(cells.dtype).reshape(1, *cells.shape[1:-1], 1)


def forward(
    problem: Problem,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    batches: Tensor | None,
    momentum: Tensor | float | None,
    mask: Tensor | None = None,
) -> list[Tensor]:
    """Normalize.

    Args:
        problem: what to compute.
        x: values.
        weight: a factor per channel.
        bias: a summand per channel.
        running_mean: the statistics to use if they are known, else those to update, per channel; None: neither.
        running_var: the same of the variance.
        batches: a counter of updates, to be counted up.
        momentum: the weight of the newest statistics in an update; None with ``batches``: a plain average over all.
        mask: True where a value counts, broadcastable to the cells; the others come out as zero.

    Returns:
        The output in the shape and type of ``x``; then, unless they were known, the statistics that the gradient
        needs: mean (of a centered norm) and variance.
    """
    cells = problem.see(x)
    if mask is not None:
        cells = cells.where(mask, 0.0)  # a NaN there would reach the parameters' gradients
    if problem.known:
        assert running_mean is not None
        assert running_var is not None
        statistics = Statistics(1.0, problem.per_channel(running_mean, cells), problem.per_channel(running_var, cells))
    else:
        statistics = (
            pool_moments(channel_moments(cells, mask), problem.pool)
            if problem.centered
            else pool_squares(cells, problem.pool, mask)
        )
        if running_mean is not None and running_var is not None:
            with torch.no_grad():
                update_running(running_mean, running_var, batches, statistics, momentum)
    y = _scale_and_shift(
        cells,
        statistics,
        None if weight is None else problem.per_channel(weight, cells),
        None if bias is None else problem.per_channel(bias, cells),
        eps=problem.eps,
    )
    if mask is not None:
        y = y.where(mask, 0.0)
    y = _laid_out_as(x, y.to(x.dtype).reshape(x.shape))
    if problem.known:
        return [y]
    return [y, statistics.var] if statistics.mean is None else [y, statistics.mean, statistics.var]


def _scale_and_shift(
    x: Tensor, statistics: Statistics, weight: Tensor | None, bias: Tensor | None, *, eps: float
) -> Tensor:
    """Return ``weight * (x - mean) * rstd + bias``; as one product and one sum per value where that is less work."""
    scale = torch.rsqrt(statistics.var + eps)
    if _folds(x, scale):
        if weight is not None:
            scale = scale * weight
        if statistics.mean is not None:
            bias = -statistics.mean * scale if bias is None else bias - statistics.mean * scale
        y = x * scale
    else:
        y = (x if statistics.mean is None else x - statistics.mean) * scale
        if weight is not None:
            y = y * weight
    if bias is None:
        return y
    return y.add_(bias) if is_plain_call() else y + bias


def _folds(x: Tensor, rstd: Tensor) -> bool:
    """Whether scale and shift, one each per sample and channel, are fewer than the values."""
    return x.shape[-1] > 1 or rstd.shape[0] == 1


def _laid_out_as(x: Tensor, y: Tensor) -> Tensor:
    """Return ``y`` with its channels last, if ``x`` has them so; it is told by the strides, which vmap can ask for."""
    if x.ndim in (4, 5) and x.stride(1) == 1 and y.stride(1) != 1 and not x.is_contiguous():
        return y.movedim(1, -1).contiguous().movedim(-1, 1)
    return y


def update_running(
    running_mean: Tensor,
    running_var: Tensor,
    batches: Tensor | None,
    statistics: Statistics,
    momentum: Tensor | float | None,
) -> None:
    """Move running statistics ``(C,)`` towards the mean and unbiased variance, averaged over samples."""
    if batches is not None:
        batches.add_(1)
    assert statistics.mean is not None
    mean, unbiased = statistics.mean, statistics.var * (statistics.count / at_least_one(statistics.count - 1))
    share: Tensor | float = momentum if momentum is not None else _one_of(batches, mean.dtype)
    keep = 1 - share
    if isinstance(statistics.count, Tensor):  # what is masked out entirely has no say
        counted = statistics.count.clamp(max=1)
        present = counted.amax(0).flatten()
        weight = counted / at_least_one(counted.sum(0))
        mean, unbiased, share, keep = mean * weight, unbiased * weight, share * present, 1 - share * present
    elif mean.shape[0] > 1:
        share = share / mean.shape[0]
    for running, newest in ((running_mean, mean), (running_var, unbiased)):
        newest = (newest.sum(0) if newest.shape[0] > 1 else newest).flatten()
        running.mul_(keep).add_((newest * share).to(running.dtype))


def _one_of(batches: Tensor | None, dtype: torch.dtype) -> Tensor | float:
    return 0.0 if batches is None else batches.to(dtype).reciprocal()


def backward(
    problem: Problem,
    wanted: tuple[bool, bool, bool],
    grad: Tensor,
    x: Tensor | None,
    weight: Tensor | None,
    mean: Tensor | None,
    var: Tensor,
) -> list[Tensor]:
    """Return the gradients of input, weight and bias, of those that are wanted.

    Args:
        problem: what was computed.
        wanted: whether the gradient of the input, the weight and the bias is wanted.
        grad: the gradient of the output, in its shape.
        x: the input; needed unless its gradient alone is wanted and the statistics were known.
        weight: a factor per channel.
        mean: that of the pools, as ``forward`` returns it, or the known one, per channel.
        var: the same of the variance.
    """
    g = problem.see(grad)
    sums = g if problem.positions == 1 else g.sum(-1, keepdim=True)
    factor = None if weight is None else problem.per_channel(weight, g)
    if problem.known:
        mean, var = None if mean is None else problem.per_channel(mean, g), problem.per_channel(var, g)
    rstd = torch.rsqrt(var + problem.eps)
    deviation = products = g  # placeholders where nothing depends on the values of x
    if wanted[1] or (wanted[0] and not problem.known):
        assert x is not None
        cells = problem.see(x)
        deviation = cells if mean is None else cells - mean
        products = g * deviation if problem.positions == 1 else (g * deviation).sum(-1, keepdim=True)
    gradients = []
    if wanted[0]:
        own = None if problem.known else (deviation, sums, products)
        dx = _input_gradient(problem, g, rstd, factor, own)
        gradients.append(_laid_out_as(grad, dx.to(grad.dtype).reshape(grad.shape)))
    for want, per_cell in ((wanted[1], products), (wanted[2], sums)):
        if want:
            assert weight is not None
            per_cell = per_cell * rstd if per_cell is products else per_cell
            gradients.append(_over_samples(per_cell).to(weight.dtype).reshape(weight.shape))
    return gradients


def _input_gradient(
    problem: Problem, g: Tensor, rstd: Tensor, weight: Tensor | None, own: tuple[Tensor, Tensor, Tensor] | None
) -> Tensor:
    """Return the gradient of the input.

    ``own`` is, unless the statistics were known, the input's deviation from its mean, the sums over positions of g
    and those of g * deviation.
    """
    if own is None:
        return g * (rstd if weight is None else rstd * weight)
    deviation, sums, products = own
    if weight is not None:
        sums, products = sums * weight, products * weight
    average, share = problem.pool.average, rstd * (-1 / problem.positions)
    slope = average(products) * (share * rstd * rstd)
    if _folds(g, rstd):
        dx = g * (rstd if weight is None else rstd * weight)
    else:
        dx = sums * rstd  # g * weight * rstd, the first half of which is known
    if not is_plain_call():
        dx = dx + deviation * slope
        return dx + average(sums) * share if problem.centered else dx
    dx.add_(deviation.mul_(slope) if problem.centered else deviation * slope)
    return dx.add_(average(sums) * share) if problem.centered else dx


def _over_samples(t: Tensor) -> Tensor:
    """Sum over samples, per channel."""
    if t.shape[0] % _BLOCK == 0 and t.shape[0] > _BLOCK:
        t = t.reshape(-1, _BLOCK, *t.shape[1:]).sum(1)
    return t.sum(0).flatten()
