"""The arithmetic of ``_normalize`` for the eager engine: the same two functions, with as few operations as will do.

Nothing records what is done here, so that intermediate values are overwritten, and the variance is taken about the
pool's mean at once. Read ``_normalize`` first.
"""

import torch
from torch import Tensor

from normzoo.layers._moments import Statistics
from normzoo.layers._normalize import Problem, Running, folds, laid_out_as, update_running
from normzoo.layers._pool import cells_per_pool


def forward(problem: Problem, x: Tensor, weight: Tensor | None, bias: Tensor | None, running: Running) -> list[Tensor]:
    """Do as ``_normalize.forward``, without a mask."""
    cells = problem.see(x)
    factor = None if weight is None else problem.per_channel(weight, cells)
    summand = None if bias is None else problem.per_channel(bias, cells)
    if problem.known:
        y, *statistics = _by_known(problem, cells, factor, summand, running)
    else:
        y, *statistics = _by_own(problem, cells, factor, summand, running)
    return [_as(x, y), *statistics]


def _by_known(
    problem: Problem, cells: Tensor, weight: Tensor | None, bias: Tensor | None, running: Running
) -> list[Tensor]:
    """Return the output and rstd, for statistics that are given."""
    mean, var = (problem.per_channel(known, cells) for known in running.known())
    rstd = var.add(problem.eps).rsqrt_()
    scale = rstd if weight is None else rstd * weight
    shift = (mean * scale).neg_() if bias is None else bias - mean * scale
    return [(cells * scale).add_(shift), rstd]


def _by_own(
    problem: Problem, cells: Tensor, weight: Tensor | None, bias: Tensor | None, running: Running
) -> list[Tensor]:
    """Return the output, the mean of a centered norm and rstd, for the input's own statistics."""
    axes, positions = problem.axes, problem.positions
    mean, deviation = None, cells
    if problem.centered:
        mean = _average(cells if positions == 1 else cells.mean(-1, keepdim=True), axes)
        deviation = cells - mean
    if positions == 1:
        var = _average(deviation.square(), axes)
    else:  # one pass over the values, where squaring and adding up take three
        squares = torch.linalg.vector_norm(deviation, dim=-1, keepdim=True).square_()
        var = _average(squares.mul_(1 / positions), axes)
    if running.mean is not None:
        _update(running, Statistics(float(positions * cells_per_pool(cells.shape, axes)), mean, var))
    rstd = var.add(problem.eps).rsqrt_()
    if weight is None:
        y = _times(problem, deviation, rstd)
    elif folds(cells, rstd):
        y, weight = _times(problem, deviation, rstd * weight), None
    else:
        y = _times(problem, deviation, rstd)
    if bias is not None:
        y = y.add_(bias) if weight is None else torch.addcmul(bias, y, weight)
    elif weight is not None:
        y.mul_(weight)
    return [y, rstd] if mean is None else [y, mean, rstd]


def _as(x: Tensor, cells: Tensor) -> Tensor:
    """Return cells in the type, shape and layout of ``x``."""
    if cells.dtype != x.dtype:
        cells = cells.to(x.dtype)
    return laid_out_as(x, cells.reshape(x.shape))


def _average(t: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Do as ``average``; a sum and a product take half the time that ``mean`` does with few values."""
    return t.sum(axes, keepdim=True).mul_(1 / cells_per_pool(t.shape, axes)) if axes else t


def _times(problem: Problem, deviation: Tensor, scale: Tensor) -> Tensor:
    """Multiply what is deviation from a mean in its place; without a mean it is the input, which is left alone."""
    return deviation.mul_(scale) if problem.centered else deviation * scale


def backward(
    problem: Problem,
    wanted: tuple[bool, bool, bool],
    grad: Tensor,
    x: Tensor | None,
    weight: Tensor | None,
    mean: Tensor | None,
    rstd: Tensor,
) -> list[Tensor]:
    """Do as ``_normalize.backward``."""
    g = problem.see(grad)
    factor = None if weight is None else problem.per_channel(weight, g)
    if problem.positions == 1 and x is not None and not problem.known:
        dx, *gradients = _of_vectors(problem, wanted, g, problem.deviation(x, mean), rstd, factor)
        return [_as(grad, dx), *gradients] if wanted[0] else gradients
    sums = g if problem.positions == 1 else g.sum(-1, keepdim=True)
    gradients = []
    deviation = products = None
    if x is not None:
        deviation = problem.deviation(x, mean)
        products = g * deviation
        if problem.positions > 1:
            products = products.sum(-1, keepdim=True)
        if wanted[1]:
            gradients.append((products * rstd).sum(0).flatten())
    if wanted[2]:
        gradients.append(sums.sum(0).flatten())
    if not wanted[0]:
        return gradients
    if problem.known or deviation is None or products is None:
        dx = g * (rstd if factor is None else rstd * factor)
    else:
        dx = _input_gradient(problem, g, deviation, sums, products, rstd, factor)
    return [_as(grad, dx), *gradients]


def _of_vectors(
    problem: Problem,
    wanted: tuple[bool, bool, bool],
    g: Tensor,
    deviation: Tensor,
    rstd: Tensor,
    weight: Tensor | None,
) -> list[Tensor]:
    """Return the gradients where each cell is one value: with small inputs the number of operations decides."""
    normalized = _times(problem, deviation, rstd)
    products = g * normalized
    gradients = []
    if wanted[1]:
        gradients.append(products.sum(0).flatten())
    if wanted[2]:
        gradients.append(g.sum(0).flatten())
    if weight is not None:
        g, products = g * weight, products.mul_(weight)
    dx = torch.addcmul(g, normalized, _average(products, problem.axes), value=-1)
    if problem.centered:
        dx.sub_(_average(g, problem.axes))
    return [dx.mul_(rstd), *gradients]


def _input_gradient(
    problem: Problem,
    g: Tensor,
    deviation: Tensor,
    sums: Tensor,
    products: Tensor,
    rstd: Tensor,
    weight: Tensor | None,
) -> Tensor:
    """Return the input's gradient, where its own statistics normalized it; overwrites what it can."""
    axes, share = problem.axes, rstd * (-1 / problem.positions)
    if weight is not None:
        sums, products = sums * weight, products.mul_(weight)
    slope = _average(products, axes).mul_((share * rstd).mul_(rstd))
    offset = _average(sums, axes) * share
    scale = rstd if weight is None else rstd * weight if folds(g, rstd) else None
    dx = sums * rstd if scale is None else g * scale  # sums contain the weight
    dx.add_(_times(problem, deviation, slope))
    return dx.add_(offset) if problem.centered else dx


def _update(running: Running, statistics: Statistics) -> None:
    """Do as ``update_running``; with ordinary running statistics, by interpolation."""
    mean, var = running.known()
    momentum = running.momentum
    if not isinstance(momentum, float) or statistics.mean is None or mean.dtype != statistics.mean.dtype:
        update_running(running, statistics)
        return
    if running.batches is not None:
        running.batches.add_(1)
    for tracked, newest in (
        (mean, statistics.mean),
        (var, statistics.var * (statistics.count / max(statistics.count - 1, 1))),
    ):
        newest = newest.mean(0) if newest.shape[0] > 1 else newest
        tracked.lerp_(newest.reshape(tracked.shape), momentum)
