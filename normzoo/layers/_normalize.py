"""Scale and shift: the other half of every norm, once its moments are pooled.

The gradient is left to autograd. Worked out by hand it looked no faster on small maps in an informal
trial, and double backward and torch.func come for free this way.
"""

import torch
from torch import Tensor

from normzoo.layers._moments import Statistics


def scale_and_shift(
    x: Tensor, statistics: Statistics, weight: Tensor | None, bias: Tensor | None, *, eps: float, centered: bool
) -> Tensor:
    """Return ``weight * (x - mean) / sqrt(var + eps) + bias``, as one product and one sum per value.

    With ``rstd = (var + eps)^-1/2``, ``a = rstd * weight`` and ``s = bias - mean * a`` on the grid, that is
    ``y = a * x + s``. Not ``centered``, the mean counts as zero and mean(x^2) stands for the variance.

    Args:
        x: values of shape ``(N, C, *)``, float32 or wider.
        statistics: pooled moments, broadcastable to ``(N, C)``.
        weight: a factor per channel, ``(C,)``.
        bias: a summand per channel, ``(C,)``.
        eps: added to the variance.
        centered: whether the mean is subtracted.
    """
    mean, var = statistics.mean, statistics.var
    if not centered:
        var = var + mean.square()
    scale = torch.rsqrt(var + eps)
    if weight is not None:
        scale = scale * weight.to(x.dtype)
    shift = None if bias is None else bias.to(x.dtype).unsqueeze(0)
    if centered:
        shift = -mean * scale if shift is None else torch.addcmul(shift, mean, scale, value=-1)
    scale = _across_positions(scale, x)
    return x * scale if shift is None else torch.addcmul(_across_positions(shift, x), x, scale)


def _across_positions(grid: Tensor, x: Tensor) -> Tensor:
    """Return a grid that broadcasts to the ``(N, C)`` of ``x`` as one that broadcasts to all of ``x``."""
    return grid if x.ndim == 2 else grid.reshape(*grid.shape, *(1 for _ in range(x.ndim - 2)))
