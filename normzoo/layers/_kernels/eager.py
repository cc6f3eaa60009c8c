"""The arithmetic of ``reference`` for the eager backend: the same two functions, with as few operations as will do.

Nothing records what is done here, so that intermediate values are overwritten, and the variance is taken about the
pool's mean at once. What takes the time: of a small input, the number of operations; of a large one, how often its
values are read and written, in which order they lie, and that memory for them is taken from the system. So factors are
tensors that are kept, not numbers; and samples that have nothing to do with one another are normalized some at a time,
which leaves intermediate values in the processor's cache. Read ``reference`` first.
"""

from functools import lru_cache
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from normzoo.layers._kernels.moments import Statistics, bessel
from normzoo.layers._kernels.reference import update_running
from normzoo.layers._kernels.spec import NormSpec, Running, Wanted, laid_out, widened

MIN_SUMMED, MAX_SUMMED = 32, 4096
"""How many squares ``vector_norm`` is to add up: for fewer it is slow, and of more it loses digits in float32."""

PART, MIN_LARGE = 2**18, 2**20
"""How many values are normalized at a time, of inputs that have at least so many."""


class _Plan(NamedTuple):
    """What follows from a spec and the number of dimensions that an input has, once its channels are split.

    Attributes:
        spec: of which it follows.
        positions: the dimensions that are positions.
        pooled: those over which is pooled, positions included.
        trailing: the first of the last dimensions that are all pooled.
        apart: those that share a parameter but no statistic: samples, and positions that are blocks of their own.
        parameter: the shape in which a parameter of one dimension broadcasts to the input.
        is_weight_pooled: whether values with different weights share their statistics.
        is_over_samples: whether all samples share their statistics.
    """

    spec: NormSpec
    positions: tuple[int, ...]
    pooled: tuple[int, ...]
    trailing: int
    apart: tuple[int, ...]
    parameter: tuple[int, ...]
    is_weight_pooled: bool
    is_over_samples: bool


@lru_cache(maxsize=1024)
def _plan(spec: NormSpec, rank: int) -> _Plan:
    positions = tuple(range(spec.split_grid, rank))
    pooled = (*spec.axes, *positions)
    trailing = rank
    while trailing - 1 in pooled:
        trailing -= 1
    channels = (-1,) if spec.groups is None else (spec.groups, -1)
    blocks = range(spec.channels, spec.grid)
    return _Plan(
        spec,
        positions,
        pooled,
        trailing,
        (*range(spec.leading), *blocks),
        (*channels, *(1 for _ in (*blocks, *positions))),
        is_weight_pooled=any(axis >= spec.leading for axis in spec.axes),
        is_over_samples=spec.leading > 0 and 0 in spec.axes,
    )


@lru_cache(maxsize=4096)
def _number(value: float, dtype: torch.dtype) -> Tensor:
    """Return a number as a tensor, which is multiplied by in half the time; on a GPU, too."""
    with torch.inference_mode(False):
        return torch.tensor(value, dtype=dtype, device="cpu")


def forward(spec: NormSpec, x: Tensor, weight: Tensor | None, bias: Tensor | None, running: Running) -> list[Tensor]:
    """Do as ``reference.forward``, without a mask; the output is no view of anything."""
    x = laid_out(x)
    if spec.use_running_stats:
        y, *statistics = _by_given(spec, widened(x), weight, bias, running)
    elif running.mean is None and (size := _samples_at_a_time(spec, x)):
        y, parts = torch.empty_like(x), []
        for part, target in zip(torch.split(x, size), torch.split(y, size), strict=True):
            values, *of_part = _by_own(spec, widened(part), weight, bias, running, _target_for(part, target))
            if values.dtype != x.dtype:
                target.copy_(values)
            parts.append(of_part)
        return [y, *(torch.cat(each) for each in zip(*parts, strict=True))]
    else:
        y, *statistics = _by_own(spec, widened(x), weight, bias, running, None)
    return [y if y.dtype == x.dtype else y.to(x.dtype), *statistics]


def _samples_at_a_time(spec: NormSpec, x: Tensor) -> int:
    """Return how many samples are to be normalized at a time; 0: all at once, as always on a GPU."""
    if x.device.type != "cpu" or x.numel() < MIN_LARGE or not spec.leading or 0 in spec.axes or x.shape[0] == 1:
        return 0
    return max(1, PART * x.shape[0] // x.numel())


def _target_for(x: Tensor, target: Tensor) -> Tensor | None:
    """Return where to write what is made of ``x``; None where that is of a wider type, and must be copied."""
    return None if x.dtype in (torch.bfloat16, torch.float16) else target


def _by_given(spec: NormSpec, x: Tensor, weight: Tensor | None, bias: Tensor | None, running: Running) -> list[Tensor]:
    """Return the output and rstd, for statistics that are given."""
    mean, var = (spec.per_value(given, x) for given in running.given())
    rstd = var.add(spec.eps).rsqrt_()
    scale = rstd if weight is None else rstd * spec.per_value(weight, x)
    shift = (mean * scale).neg_() if bias is None else spec.per_value(bias, x) - mean * scale
    return [(x * scale).add_(shift), rstd]


def _by_own(
    spec: NormSpec, x: Tensor, weight: Tensor | None, bias: Tensor | None, running: Running, target: Tensor | None
) -> list[Tensor]:
    """Return the output, the mean of a centered norm and rstd, for the input's own statistics."""
    y = target
    if spec.groups is not None:
        y = torch.empty_like(x) if y is None else y
        x, target = spec.split(x), spec.split(y)
    plan = _plan(spec, x.ndim)
    count = prod([x.shape[dim] for dim in plan.pooled])
    share = _number(1 / count, x.dtype)
    mean = _sum(plan, x).mul_(share) if spec.centered else None
    values = x if mean is None else torch.sub(x, mean, out=target)
    var = _sum_of_squares(plan, values).mul_(share)
    if running.mean is not None:
        _update(spec, running, Statistics(count, mean, var))
    if spec.unbiased:
        var = var.mul_(_number(bessel(count), x.dtype))
    rstd = torch.add(var, _number(spec.eps, x.dtype)).rsqrt_()
    scale, factor = rstd, None if weight is None else _parameter(plan, weight, x)
    if factor is not None and (plan.positions or plan.is_over_samples):
        scale, factor = rstd * factor, None
    values = values.mul_(scale) if spec.centered else torch.mul(x, scale, out=target)
    if factor is not None:
        values.mul_(factor)
    if bias is not None:
        values.add_(_parameter(plan, bias, x))
    y = values if y is None else y
    return [y, rstd] if mean is None else [y, mean, rstd]


def _parameter(plan: _Plan, parameter: Tensor, x: Tensor) -> Tensor:
    """Return a parameter so that it broadcasts to ``x``, the channels of which are split."""
    if parameter.ndim == 1:
        parameter = parameter.view(plan.parameter)
    elif len(plan.parameter) > 1:  # that of a stack
        parameter = parameter.view(parameter.shape[0], *plan.parameter)
    return parameter if parameter.dtype == x.dtype else parameter.to(x.dtype)


def _sum(plan: _Plan, x: Tensor) -> Tensor:
    """Sum the values of each pool."""
    if len(plan.pooled) - len(plan.positions) == 1 and plan.positions and not x.is_contiguous():
        # Several times as fast as at once, where the channels that are pooled are last in memory.
        return x.sum(plan.positions, keepdim=True).sum(plan.pooled[0], keepdim=True)
    return x.sum(plan.pooled, keepdim=True)


def _sum_of_squares(plan: _Plan, x: Tensor) -> Tensor:
    """Sum the squares of each pool.

    Where the values that lie next to each other are of one pool, in one pass over them: squaring and adding up are
    three. That adds up without care for rounding, and so no more than a few thousand values at once.
    """
    first = plan.trailing
    count = x.shape[first:].numel() if x.is_contiguous() else 0
    if count < MIN_SUMMED:
        return _sum(plan, x * x)
    if count <= MAX_SUMMED:
        squares: Tensor = torch.linalg.vector_norm(x, dim=tuple(range(first, x.ndim)), keepdim=True).square_()
    else:
        part = _largest_divisor(count)
        if part < MAX_SUMMED // 16:
            return _sum(plan, x * x)
        parts = torch.linalg.vector_norm(x.view(*x.shape[:first], -1, part), dim=-1).square_()
        squares = parts.sum(-1).view(*x.shape[:first], *(1 for _ in range(first, x.ndim)))
    apart = tuple(dim for dim in plan.pooled if dim < first)
    return squares.sum(apart, keepdim=True) if apart else squares


@lru_cache(maxsize=1024)
def _largest_divisor(count: int) -> int:
    """Return the largest divisor that is no more than ``MAX_SUMMED``."""
    return next(part for part in range(MAX_SUMMED, 0, -1) if count % part == 0)


def _update(spec: NormSpec, running: Running, statistics: Statistics) -> None:
    """Do as ``update_running``; with ordinary running statistics, by interpolation."""
    mean, var = running.given()
    momentum, count = running.momentum, statistics.count
    is_plain = isinstance(momentum, float) and running.skipped is None
    if not is_plain or statistics.mean is None or mean.dtype != statistics.mean.dtype:
        update_running(spec.axes, running, statistics, unbiased=spec.unbiased_running)
        return
    if running.batches is not None:
        running.batches.add_(_number(1, torch.long))
    remembered = statistics.var
    if spec.unbiased_running:
        remembered = remembered * _number(count / (count - 1), mean.dtype)
    for tracked, newest in ((mean, statistics.mean), (var, remembered)):
        newest = newest if 0 in spec.axes else newest.mean(0)
        tracked.lerp_(newest.view_as(tracked), momentum)  # type: ignore[arg-type]  # a float


def backward(
    spec: NormSpec,
    wanted: Wanted,
    grad: Tensor,
    x: Tensor | None,
    weight: Tensor | None,
    mean: Tensor | None,
    rstd: Tensor,
) -> list[Tensor]:
    """Do as ``reference.backward``."""
    if spec.use_running_stats or x is None:
        gradients = _by_given_gradients(spec, wanted, widened(grad), x, weight, mean, rstd)
    elif size := _samples_at_a_time(spec, grad):
        return _gradients_in_parts(spec, wanted, grad, x, weight, mean, rstd, size)
    else:
        gradients = _by_own_gradients(spec, wanted, widened(grad), widened(x), weight, mean, rstd, None)
    if wanted[0] and gradients[0].dtype != grad.dtype:
        gradients[0] = gradients[0].to(grad.dtype)
    return gradients


def _gradients_in_parts(
    spec: NormSpec,
    wanted: Wanted,
    grad: Tensor,
    x: Tensor,
    weight: Tensor | None,
    mean: Tensor | None,
    rstd: Tensor,
    size: int,
) -> list[Tensor]:
    """Return the gradients, worked out for some samples at a time."""
    dx = torch.empty_like(grad)
    found = []
    of_all = (grad, x, rstd if mean is None else mean, rstd, dx)
    for g, values, of_mean, of_rstd, target in zip(*(torch.split(each, size) for each in of_all), strict=True):
        own_mean = None if mean is None else of_mean
        gradients = _by_own_gradients(
            spec, wanted, widened(g), widened(values), weight, own_mean, of_rstd, _target_for(g, target)
        )
        if wanted[0] and gradients[0].dtype != grad.dtype:
            target.copy_(gradients[0])
        found.append(gradients[1:] if wanted[0] else gradients)
    of_parameters = [torch.stack(each).sum(0) for each in zip(*found, strict=True)]
    return [dx, *of_parameters] if wanted[0] else of_parameters


def _by_given_gradients(
    spec: NormSpec,
    wanted: Wanted,
    g: Tensor,
    x: Tensor | None,
    weight: Tensor | None,
    mean: Tensor | None,
    rstd: Tensor,
) -> list[Tensor]:
    """Return the gradients for statistics that were given; that of a bias alone depends on none."""
    over = (*range(spec.leading), *range(spec.channels, g.ndim))
    gradients = []
    if wanted[0]:
        gradients.append(g * (rstd if weight is None else rstd * spec.per_value(weight, g)))
    if wanted[1] and x is not None and mean is not None:
        products = (widened(x) - spec.per_value(mean, g)).mul_(g)
        gradients.append(products.sum(over).mul_(rstd.view(products.shape[spec.leading : spec.grid])))
    if wanted[2]:
        gradients.append(g.sum(over) if over else g.clone())
    return gradients


def _by_own_gradients(
    spec: NormSpec,
    wanted: Wanted,
    g: Tensor,
    x: Tensor,
    weight: Tensor | None,
    mean: Tensor | None,
    rstd: Tensor,
    target: Tensor | None,
) -> list[Tensor]:
    """Return the gradients where the input's own statistics normalized it."""
    dx = target
    if spec.groups is not None:
        dx = torch.empty_like(g) if dx is None else dx
        g, x, target = spec.split(g), spec.split(x), spec.split(dx)
    plan = _plan(spec, g.ndim)
    factor = None if weight is None else _parameter(plan, weight, g)
    deviation = x if mean is None else x - mean
    if not plan.is_weight_pooled:
        work = _gradients_of_one_weight
    elif plan.positions:
        work = _gradients_of_maps
    else:
        work = _gradients_of_vectors
    gradients = work(plan, wanted, g, deviation, rstd, factor, target)
    if wanted[0] and dx is not None:
        gradients[0] = dx
    return gradients


def _gradients_of_one_weight(
    plan: _Plan, wanted: Wanted, g: Tensor, deviation: Tensor, rstd: Tensor, weight: Tensor | None, out: Tensor | None
) -> list[Tensor]:
    """Return the gradients where all values of a pool have the same weight, which can be multiplied by at the end."""
    dx = torch.mul(g, deviation, out=out)
    sums, products = g.sum(plan.pooled, keepdim=True), dx.sum(plan.pooled, keepdim=True).mul_(rstd)
    gradients = _of_parameters(plan, wanted, products, sums)
    if not wanted[0]:
        return gradients
    share, of_variance = _shares(plan.spec, rstd, g)
    torch.mul(deviation, (products * of_variance).mul_(rstd), out=dx)
    dx.add_(g)
    if plan.spec.centered:
        dx.add_(sums * share)
    return [dx.mul_(rstd if weight is None else rstd * weight), *gradients]


def _gradients_of_maps(
    plan: _Plan, wanted: Wanted, g: Tensor, deviation: Tensor, rstd: Tensor, weight: Tensor | None, out: Tensor | None
) -> list[Tensor]:
    """Return the gradients where the weight is that of a channel, and several share their statistics."""
    dx = torch.mul(g, deviation, out=out)
    sums, products = g.sum(plan.positions, keepdim=True), dx.sum(plan.positions, keepdim=True).mul_(rstd)
    gradients = _of_parameters(plan, wanted, products, sums)
    if not wanted[0]:
        return gradients
    scale = rstd
    if weight is not None:
        scale, sums, products = rstd * weight, sums * weight, products * weight
    share = rstd * _number(-rstd.numel() / g.numel(), g.dtype)
    slope = products.sum(plan.spec.axes, keepdim=True).mul_(share).mul_(rstd)
    if plan.spec.unbiased:
        slope.mul_(_number(bessel(g.numel() // rstd.numel()), g.dtype))
    torch.mul(g, scale, out=dx)
    dx.add_(deviation.mul_(slope) if plan.spec.centered else deviation * slope)
    return [dx.add_(sums.sum(plan.spec.axes, keepdim=True).mul_(share)) if plan.spec.centered else dx, *gradients]


def _gradients_of_vectors(
    plan: _Plan, wanted: Wanted, g: Tensor, deviation: Tensor, rstd: Tensor, weight: Tensor | None, out: Tensor | None
) -> list[Tensor]:
    """Return the gradients where each value of a pool has a weight of its own."""
    normalized = deviation.mul_(rstd) if plan.spec.centered else deviation * rstd
    dx = torch.mul(g, normalized, out=out)
    gradients = _of_parameters(plan, wanted, dx, g)
    if not wanted[0]:
        return gradients
    share, of_variance = _shares(plan.spec, rstd, g)
    if weight is not None:
        dx.mul_(weight)
    slope = dx.sum(plan.pooled, keepdim=True).mul_(of_variance)
    through_variance = torch.mul(normalized, slope, out=normalized)
    if weight is not None:
        g = torch.mul(g, weight, out=dx)
    offset = g.sum(plan.pooled, keepdim=True).mul_(share) if plan.spec.centered else None
    torch.add(g, through_variance, out=dx)
    return [(dx if offset is None else dx.add_(offset)).mul_(rstd), *gradients]


def _shares(spec: NormSpec, rstd: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Return the share of a value in the mean and in the variance of its pool, each less than zero."""
    share = -rstd.numel() / g.numel()
    of_mean = _number(share, g.dtype)
    return of_mean, _number(share * bessel(g.numel() // rstd.numel()), g.dtype) if spec.unbiased else of_mean


def _of_parameters(plan: _Plan, wanted: Wanted, products: Tensor, sums: Tensor) -> list[Tensor]:
    """Return the gradients of weight and bias, of those that are wanted, from a value per block."""
    gradients = []
    for is_wanted, blocks in ((wanted[1], products), (wanted[2], sums)):
        if not is_wanted:
            continue
        if plan.is_over_samples:
            blocks = blocks[0]  # they have been summed
        elif plan.apart:
            blocks = blocks.sum(plan.apart)
        else:
            blocks = blocks.clone()
        if plan.positions or plan.spec.groups is not None:
            blocks = blocks.reshape(-1) if plan.spec.grid == 2 else blocks.reshape(blocks.shape[0], -1)
        gradients.append(blocks)
    return gradients
