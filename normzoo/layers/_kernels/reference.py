"""The arithmetic of every norm: pooled moments, scale and shift, and their gradient. Read this first.

Forward, on values x of samples, channels and positions:

    y = weight * (x - mean) * rstd + bias,    rstd = (var + eps)^-1/2

Backward, from the gradient g of y: two sums over the positions of each block, and the rest on the grid of blocks,

    G0 = sum g        G1 = sum g * (x - mean)        dbias = sum over samples of G0        dweight = of G1 * rstd
    dx = rstd * (weight * g - pooled(weight * G0) - (x - mean) * rstd^2 * pooled(weight * G1))

where ``pooled`` averages over the values of a pool. Ioffe & Szegedy (2015) write it out for batch norm; norms differ
in their pool alone. If ``var`` is unbiased, squared deviations divided by m - 1 in place of m, so is the last average.
These functions change nothing but running statistics, and hold no size of their input, so that torch can
differentiate, map, compile, export and trace them; ``eager`` does the same with fewer operations.
"""

import torch
from torch import Tensor

from normzoo.layers._kernels.moments import (
    Statistics,
    average,
    bessel,
    block_moments,
    is_counted,
    masked,
    pool_moments,
    pool_squares,
    product,
)
from normzoo.layers._kernels.spec import NormSpec, Running, Wanted, laid_out, widened
from normzoo.layers._kernels.torch_internals import is_jit_tracing

_MANY, _ROWS = 1024, 16
"""From how many rows on they are first summed in sets, and in sets of how many: these stay in a cache."""


def forward(
    spec: NormSpec,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running: Running,
    mask: Tensor | None = None,
) -> list[Tensor]:
    """Normalize.

    Args:
        spec: what to compute.
        x: values.
        weight: a factor per channel.
        bias: a summand per channel.
        running: the statistics to use if the spec says so, else those to update.
        mask: True where a value counts, broadcastable to ``x``; the others come out as zero.

    Returns:
        The output, in the shape, type and layout of ``x``; then what the gradient needs: the mean (if there is one and
        it was not given) and rstd of the pools, in the dimensions of ``spec.split(x)``.
    """
    x = laid_out(x)
    wide = widened(x)
    if mask is not None:
        wide = masked(wide, mask)  # a NaN there would reach the parameters' gradients
    if spec.use_running_stats:
        mean, var = (spec.per_value(given, wide) for given in running.given())
        rstd = torch.rsqrt(var + spec.eps)
        y = _scale_and_shift(spec, wide, mean, rstd, weight, bias)
        saved = [rstd]
    else:
        statistics = _own_statistics(spec, wide, mask)
        update_running(spec.axes, running, statistics, unbiased=spec.unbiased_running)
        var = statistics.var * bessel(statistics.count) if spec.unbiased else statistics.var
        rstd = torch.rsqrt(var + spec.eps)
        joined_mean = None if statistics.mean is None else spec.join(statistics.mean, wide)
        y = _scale_and_shift(spec, wide, joined_mean, spec.join(rstd, wide), weight, bias)
        saved = [rstd] if statistics.mean is None else [statistics.mean, rstd]
    if mask is not None:
        y = masked(y, mask)
    return [y.to(x.dtype), *saved]


def _own_statistics(spec: NormSpec, x: Tensor, mask: Tensor | None) -> Statistics:
    grid = spec.split_grid
    if mask is not None and spec.groups is not None:
        mask = mask.unsqueeze(spec.grid)
    if spec.centered:
        return pool_moments(block_moments(spec.split(x), grid, mask), spec.axes)
    return pool_squares(spec.split(x), grid, spec.axes, mask)


def _scale_and_shift(
    spec: NormSpec, x: Tensor, mean: Tensor | None, rstd: Tensor, weight: Tensor | None, bias: Tensor | None
) -> Tensor:
    """Return ``weight * (x - mean) * rstd + bias``; as one product and one sum per value where that is less work."""
    factor = None if weight is None else spec.per_value(weight, x)
    summand = None if bias is None else spec.per_value(bias, x)
    if spec.folds(x):
        scale = rstd if factor is None else rstd * factor
        if mean is not None:
            summand = -mean * scale if summand is None else summand - mean * scale
        y = x * scale
    else:
        y = (x if mean is None else x - mean) * rstd
        if factor is not None:
            y = y * factor
    return y if summand is None else y + summand


def update_running(axes: tuple[int, ...], running: Running, statistics: Statistics, *, unbiased: bool = True) -> None:
    """Move running statistics, if there are any, towards the mean and variance, averaged over samples.

    Where batches are ``skipped``, one that holds NaN or infinity changes nothing but their counter. Whether it does is
    asked for no value on the way: ``share`` is how much of the batch counts, one or zero.

    Args:
        axes: the dimensions over which the statistics are; where 0 is none of them, they are averaged over it.
        running: what is moved.
        statistics: of the pools.
        unbiased: the variance that is remembered is over one value less than there are, as in torch.nn.
    """
    if running.mean is None or running.var is None or statistics.mean is None:
        return
    # Not by no_grad, an empty region of which torch.export cannot load again.
    count, mean, var = statistics.count, statistics.mean, statistics.var
    if torch.is_grad_enabled() or is_jit_tracing():  # which checks what it has traced without gradients
        mean, var = mean.detach(), var.detach()
    share: Tensor | None = None
    if running.skipped is not None:
        is_finite = mean.isfinite().all() & var.isfinite().all()
        running.skipped.add_((~is_finite).to(running.skipped.dtype))
        mean, var, share = mean.where(is_finite, 0.0), var.where(is_finite, 0.0), is_finite.to(torch.long)
    if is_counted(count):
        _update_from_counted(running, torch.as_tensor(count), mean, var, share, unbiased=unbiased)
        return
    if running.batches is not None:
        running.batches.add_(1 if share is None else share)
    weight = running.weight_of_newest(mean.dtype)
    weight = weight if share is None else weight * share.to(mean.dtype)
    remembered = var * (count / (count - 1)) if unbiased else var
    for tracked, newest in ((running.mean, mean), (running.var, remembered)):
        newest = (newest if 0 in axes else newest.mean(0)).reshape(tracked.shape)
        tracked.mul_(1 - weight).add_((newest * weight).to(tracked.dtype))


def _update_from_counted(
    running: Running, count: Tensor, mean: Tensor, var: Tensor, share: Tensor | None, *, unbiased: bool
) -> None:
    """Do the same from pools that hold unequally many values; those that have no variance, below two, have no say."""
    has_variance = (count > 1).to(mean.dtype)
    weight_of_sample = has_variance / has_variance.sum(0).clamp(min=1)
    if running.batches is not None:
        has_any = (has_variance.sum() > 0).to(running.batches.dtype)
        running.batches.add_(has_any if share is None else has_any * share)
    present = has_variance.amax(0)
    weight = running.weight_of_newest(mean.dtype) * (present if share is None else present * share.to(mean.dtype))
    remembered = var * bessel(count) if unbiased else var
    if running.mean is None or running.var is None:
        return
    for tracked, newest in ((running.mean, mean), (running.var, remembered)):
        newest = (newest * weight_of_sample).sum(0)
        keep = (1 - weight).expand_as(newest).reshape(tracked.shape)
        tracked.mul_(keep.to(tracked.dtype)).add_((newest * weight).reshape(tracked.shape).to(tracked.dtype))


def backward(
    spec: NormSpec,
    wanted: Wanted,
    grad: Tensor,
    x: Tensor | None,
    weight: Tensor | None,
    mean: Tensor | None,
    rstd: Tensor,
) -> list[Tensor]:
    """Return the gradients of input, weight and bias, of those that are wanted.

    Args:
        spec: what was computed.
        wanted: whether the gradient of the input, the weight and the bias is wanted.
        grad: the gradient of the output, in its shape.
        x: the input; not needed for the input's gradient if the statistics were given.
        weight: a factor per channel.
        mean: that of the pools, as ``forward`` returns it, or the one that was given, per channel.
        rstd: as ``forward`` returns it.
    """
    g = widened(grad)
    joined = spec.join(rstd, g) if not spec.use_running_stats else rstd
    factor = None if weight is None else spec.per_value(weight, g)
    positions = spec.positions(g)
    sums = g.sum(positions, keepdim=True) if positions else g
    dx = g * (joined if factor is None else joined * factor)
    gradients = []
    if x is not None:
        deviation = deviation_from(spec, widened(x), mean)
        products = (g * deviation).sum(positions, keepdim=True) if positions else g * deviation
        if not spec.use_running_stats:
            dx = dx + _through_statistics(spec, deviation, sums, products, joined, factor)
        if wanted[1]:
            gradients.append(_over_samples(spec, products * joined))
    if wanted[2]:
        gradients.append(_over_samples(spec, sums))
    return [dx.to(grad.dtype), *gradients] if wanted[0] else gradients


def deviation_from(spec: NormSpec, x: Tensor, mean: Tensor | None) -> Tensor:
    """Return how far ``x`` is from the mean, pooled or given; without one, from zero."""
    if mean is None:
        return x
    return x - (spec.per_value(mean, x) if spec.use_running_stats else spec.join(mean, x))


def _through_statistics(
    spec: NormSpec, deviation: Tensor, sums: Tensor, products: Tensor, rstd: Tensor, weight: Tensor | None
) -> Tensor:
    """Return the part of the input's gradient that goes through the mean and the variance."""
    if weight is not None:
        sums, products = sums * weight, products * weight
    share = rstd / -product(deviation.shape[spec.grid :])
    slope = _pooled(spec, products) * (share * rstd * rstd)
    if spec.unbiased:
        slope = slope * bessel(spec.pool_size(deviation))
    through_variance = deviation * slope
    return through_variance + _pooled(spec, sums) * share if spec.centered else through_variance


def _pooled(spec: NormSpec, blocks: Tensor) -> Tensor:
    """Average a value per block over the blocks of its pool; the result broadcasts to the blocks."""
    return spec.join(average(spec.split(blocks), spec.axes), blocks)


def _over_samples(spec: NormSpec, blocks: Tensor) -> Tensor:
    """Sum a value per block over samples, and positions of blocks of their own; return it in a parameter's shape."""
    shape = blocks.shape[spec.leading : spec.channels]
    if not spec.leading:
        return blocks.clone()
    samples = product(blocks.shape[: spec.leading])
    if blocks.ndim == spec.channels and type(samples) is int and samples >= _MANY and samples % _ROWS == 0:
        blocks = blocks.reshape(-1, _ROWS, *shape).sum(1)
        return blocks.sum(0)
    return blocks.sum((*range(spec.leading), *range(spec.channels, spec.grid))).reshape(shape)
