"""The arithmetic of ``reference`` for the eager backend: the same two functions, with as few operations as will do.

Nothing records what is done here, so that intermediate values are overwritten, and the variance is taken about the
pool's mean at once. What takes the time: of a small input, the number of operations; of a large one, how often its
values are read and written, and in which order they lie. Read ``reference`` first.
"""

from functools import lru_cache

import torch
from torch import Tensor

from normzoo.layers._kernels.moments import Statistics
from normzoo.layers._kernels.reference import deviation_from, update_running
from normzoo.layers._kernels.spec import NormSpec, Running, widened

MIN_SUMMED, MAX_SUMMED = 32, 4096
"""How many squares ``vector_norm`` is to add up: for fewer it is slow, and of more it loses digits in float32."""


def forward(spec: NormSpec, x: Tensor, weight: Tensor | None, bias: Tensor | None, running: Running) -> list[Tensor]:
    """Do as ``reference.forward``, without a mask; the output is no view of anything."""
    wide = widened(x)
    if spec.use_running_stats:
        y, *statistics = _by_given(spec, wide, weight, bias, running)
    else:
        y, *statistics = _by_own(spec, wide, weight, bias, running)
    return [y if y.dtype == x.dtype else y.to(x.dtype), *statistics]


def _by_given(
    spec: NormSpec, x: Tensor, weight: Tensor | None, bias: Tensor | None, running: Running
) -> list[Tensor]:
    """Return the output and rstd, for statistics that are given."""
    mean, var = (spec.per_value(given, x) for given in running.given())
    rstd = var.add(spec.eps).rsqrt_()
    scale = rstd if weight is None else rstd * spec.per_value(weight, x)
    shift = (mean * scale).neg_() if bias is None else spec.per_value(bias, x) - mean * scale
    return [(x * scale).add_(shift), rstd]


def _by_own(
    spec: NormSpec, x: Tensor, weight: Tensor | None, bias: Tensor | None, running: Running
) -> list[Tensor]:
    """Return the output, the mean of a centered norm and rstd, for the input's own statistics."""
    mean, deviation = None, x
    if spec.centered:
        mean = _sum(spec, x)
        count = x.numel() // mean.numel()
        mean.mul_(1 / count)
        deviation = x - spec.join(mean, x)
        var = _sum_of_squares(spec, deviation).mul_(1 / count)
    else:
        var = _sum_of_squares(spec, x)
        count = x.numel() // var.numel()
        var.mul_(1 / count)
    if running.mean is not None:
        _update(running, Statistics(count, mean, var))
        rstd = var.add(spec.eps).rsqrt_()
    else:
        rstd = var.add_(spec.eps).rsqrt_()
    scale = spec.join(rstd, x)
    if weight is not None:
        weight = spec.per_value(weight, x)
        if spec.folds(x):
            scale, weight = scale * weight, None
    y = deviation.mul_(scale) if spec.centered else deviation * scale
    if weight is not None:
        y.mul_(weight)
    if bias is not None:
        y.add_(spec.per_value(bias, x))
    return [y, rstd] if mean is None else [y, mean, rstd]


def _sum(spec: NormSpec, x: Tensor) -> Tensor:
    """Sum the values of each pool, in the dimensions of ``spec.split(x)``."""
    if spec.groups is not None and not x.is_contiguous():  # several times as fast as over all dimensions at once
        return _sum_of_groups(spec, x.sum(spec.positions(x), keepdim=True) if x.ndim > spec.grid else x)
    x = spec.split(x)
    return x.sum((*spec.axes, *range(spec.split_grid, x.ndim)), keepdim=True)


def _sum_of_groups(spec: NormSpec, blocks: Tensor) -> Tensor:
    return spec.split(blocks).sum(spec.axes, keepdim=True)


def _sum_of_squares(spec: NormSpec, x: Tensor) -> Tensor:
    """Sum the squares of each pool, in the dimensions of ``spec.split(x)``.

    Where the values that lie next to each other are of one pool, in one pass over them: squaring and adding up are
    three. That adds up without care for rounding, and so no more than a few thousand values at once.
    """
    is_last_pooled = x.ndim > spec.grid or spec.split_grid - 1 in spec.axes
    if not is_last_pooled or not x.is_contiguous():
        return _sum(spec, x.square())
    x = spec.split(x)
    pooled = (*spec.axes, *range(spec.split_grid, x.ndim))
    first = x.ndim
    while first - 1 in pooled:
        first -= 1
    count = x.shape[first:].numel()
    if count < MIN_SUMMED:
        return x.square().sum(pooled, keepdim=True)
    if count > MAX_SUMMED:
        part = _largest_divisor(count)
        if part < MAX_SUMMED // 16:
            return x.square().sum(pooled, keepdim=True)
        parts = torch.linalg.vector_norm(x.view(*x.shape[:first], -1, part), dim=-1).square_()
        squares = parts.sum(-1).view(*x.shape[:first], *(1 for _ in range(first, x.ndim)))
    else:
        squares = torch.linalg.vector_norm(x, dim=tuple(range(first, x.ndim)), keepdim=True).square_()
    apart = tuple(dim for dim in pooled if dim < first)
    return squares.sum(apart, keepdim=True) if apart else squares


@lru_cache(maxsize=1024)
def _largest_divisor(count: int) -> int:
    """Return the largest divisor that is no more than ``MAX_SUMMED``."""
    return next(part for part in range(MAX_SUMMED, 0, -1) if count % part == 0)


def backward(
    spec: NormSpec,
    wanted: tuple[bool, bool, bool],
    grad: Tensor,
    x: Tensor | None,
    weight: Tensor | None,
    mean: Tensor | None,
    rstd: Tensor,
) -> list[Tensor]:
    """Do as ``reference.backward``."""
    g = widened(grad)
    factor = None if weight is None else spec.per_value(weight, g)
    if spec.use_running_stats:
        gradients = _by_given_gradients(spec, wanted, g, x, factor, mean, rstd)
    elif x is None:
        gradients = [_over_samples(spec, _sum_of_blocks(spec, g))]  # of the bias, which is all that needs no input
    elif g.ndim == spec.grid:
        gradients = _of_vectors(spec, wanted, g, deviation_from(spec, widened(x), mean), rstd, factor)
    else:
        gradients = _of_maps(spec, wanted, g, deviation_from(spec, widened(x), mean), rstd, factor)
    if wanted[0] and gradients[0].dtype != grad.dtype:
        gradients[0] = gradients[0].to(grad.dtype)
    return gradients


def _by_given_gradients(
    spec: NormSpec,
    wanted: tuple[bool, bool, bool],
    g: Tensor,
    x: Tensor | None,
    weight: Tensor | None,
    mean: Tensor | None,
    rstd: Tensor,
) -> list[Tensor]:
    """Return the gradients for statistics that were given."""
    gradients = [g * (rstd if weight is None else rstd * weight)] if wanted[0] else []
    if wanted[1] and x is not None:
        products = deviation_from(spec, widened(x), mean).mul_(g)
        gradients.append(_over_samples(spec, _sum_of_blocks(spec, products).mul_(rstd)))
    if wanted[2]:
        gradients.append(_over_samples(spec, _sum_of_blocks(spec, g)))
    return gradients


def _of_vectors(
    spec: NormSpec,
    wanted: tuple[bool, bool, bool],
    g: Tensor,
    deviation: Tensor,
    rstd: Tensor,
    weight: Tensor | None,
) -> list[Tensor]:
    """Return the gradients where each block is one value: with small inputs the number of operations decides."""
    scale = spec.join(rstd, g)
    normalized = deviation.mul_(scale) if spec.centered else deviation * scale
    products = g * normalized
    gradients = []
    if wanted[1]:
        gradients.append(_over_samples(spec, products))
    if wanted[2]:
        gradients.append(_over_samples(spec, g))
    if not wanted[0]:
        return gradients
    if weight is not None:
        g, products = g * weight, products * weight
    share = -rstd.numel() / g.numel()
    dx = torch.addcmul(g, normalized, spec.join(_sum(spec, products).mul_(share), g))
    if spec.centered:
        dx.add_(spec.join(_sum(spec, g).mul_(share), g))
    return [dx.mul_(scale), *gradients]


def _of_maps(
    spec: NormSpec,
    wanted: tuple[bool, bool, bool],
    g: Tensor,
    deviation: Tensor,
    rstd: Tensor,
    weight: Tensor | None,
) -> list[Tensor]:
    """Return the gradients where blocks have positions; overwrites what it can."""
    joined = spec.join(rstd, g)
    dx = g * deviation
    sums, products = _sum_of_blocks(spec, g), _sum_of_blocks(spec, dx).mul_(joined)
    gradients = []
    if wanted[1]:
        gradients.append(_over_samples(spec, products))
    if wanted[2]:
        gradients.append(_over_samples(spec, sums))
    if not wanted[0]:
        return gradients
    scale = joined
    if weight is not None:
        scale, sums, products = joined * weight, sums * weight, products * weight
    if spec.axes and 0 not in spec.axes:
        sums, products = (_sum_of_groups(spec, each) for each in (sums, products))
    share = rstd * (-rstd.numel() / g.numel())
    slope = (products * share).mul_(rstd)
    torch.mul(g, scale, out=dx)
    dx.add_(deviation.mul_(spec.join(slope, g)) if spec.centered else deviation * spec.join(slope, g))
    return [dx.add_(spec.join(sums * share, g)) if spec.centered else dx, *gradients]


def _sum_of_blocks(spec: NormSpec, x: Tensor) -> Tensor:
    """Sum over positions, and over samples at once where these are pooled, which share one factor then."""
    positions = spec.positions(x)
    if 0 in spec.axes and spec.leading:
        return x.sum((0, *positions), keepdim=True)
    return x.sum(positions, keepdim=True) if positions else x


def _over_samples(spec: NormSpec, blocks: Tensor) -> Tensor:
    """Sum a value per block over samples; return it in the shape of a parameter."""
    shape = blocks.shape[spec.leading : spec.grid]
    if 0 in spec.axes and blocks.ndim > spec.grid:
        return blocks.view(shape)  # they have been summed
    return blocks.sum(tuple(range(spec.leading))).view(shape) if spec.leading else blocks.clone()


def _update(running: Running, statistics: Statistics) -> None:
    """Do as ``update_running``; with ordinary running statistics, by interpolation."""
    mean, var = running.given()
    momentum, count = running.momentum, statistics.count
    if not isinstance(momentum, float) or statistics.mean is None or mean.dtype != statistics.mean.dtype:
        update_running(running, statistics)
        return
    if running.batches is not None:
        running.batches.add_(1)
    for tracked, newest in ((mean, statistics.mean), (var, statistics.var * (count / (count - 1)))):
        newest = newest.mean(0) if newest.shape[0] > 1 else newest
        tracked.lerp_(newest.view(tracked.shape), momentum)
