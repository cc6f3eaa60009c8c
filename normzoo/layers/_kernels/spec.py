"""What is to be computed: all that sets one norm's call apart from another's, except the tensors."""

from typing import NamedTuple

import torch
from torch import Tensor

from normzoo.layers._kernels.moments import product


class NormSpec(NamedTuple):
    """How an input is seen as a grid of blocks, and which of them share their moments.

    The dimensions of an input are samples, channels and positions, in this order: ``(N, C, *)``, in a stack of norms
    ``(N, members, C, *)``, in LayerNorm any number of samples and channels, and no positions. No size is in here, so
    that one traced call serves inputs of all sizes.

    Attributes:
        leading: how many dimensions the samples have; those of the parameters follow.
        channels: how many dimensions samples and channels have together.
        grid: how many dimensions the grid of blocks has, the rest being positions that are pooled: those of samples and
            channels; or all, where each position has statistics of its own.
        groups: into how many groups the last dimension of the grid is split; None: it is not.
        axes: the dimensions of the grid, split, over which is pooled.
        eps: added to the variance.
        centered: whether a mean is subtracted.
        unbiased: whether the variance by which is normalized is over one value less than there are.
        unbiased_running: whether that which moves the running variance is.
        use_running_stats: whether the statistics are given, and constants, rather than the input's own.
    """

    leading: int
    channels: int
    grid: int
    groups: int | None
    axes: tuple[int, ...]
    eps: float
    centered: bool
    unbiased: bool
    unbiased_running: bool
    use_running_stats: bool

    @property
    def split_grid(self) -> int:
        """How many dimensions the grid has once the channels are split into groups."""
        return self.grid if self.groups is None else self.grid + 1

    def split(self, x: Tensor) -> Tensor:
        """Return ``x`` with its channels split into groups, if there are any: a view."""
        if self.groups is None:
            return x
        last = self.grid - 1  # not by unflatten and flatten, which torch.autograd.grad(is_grads_batched=True) lacks
        return x.reshape((*x.shape[:last], self.groups, x.shape[last] // self.groups, *x.shape[self.grid :]))

    def join(self, t: Tensor, x: Tensor) -> Tensor:
        """Return a value per pool, in the dimensions of ``split(x)``, so that it broadcasts to ``x``."""
        if self.groups is None:
            return t
        last, channels = self.grid - 1, x.shape[self.grid - 1]
        lead, rest = t.shape[: self.grid], t.shape[self.grid + 1 :]
        return t.expand((*lead, channels // self.groups, *rest)).reshape((*lead[:last], channels, *rest))

    def pool_size(self, x: Tensor) -> int:
        """Return how many values of ``x`` share their statistics."""
        sizes = self.split(x).shape
        return product([sizes[axis] for axis in self.axes]) * product(sizes[self.split_grid :])

    def positions(self, x: Tensor) -> tuple[int, ...]:
        """Return the dimensions of ``x`` that are positions of a block."""
        return tuple(range(self.grid, x.ndim))

    def per_value(self, parameter: Tensor, x: Tensor) -> Tensor:
        """Return a parameter so that it broadcasts to ``x``, in its type."""
        if x.ndim > self.channels:
            parameter = parameter.reshape(parameter.shape + (1,) * (x.ndim - self.channels))
        return parameter if parameter.dtype == x.dtype or x.is_complex() else parameter.to(x.dtype)

    def folds(self, x: Tensor) -> bool:
        """Whether products of statistics and parameters are fewer than the values."""
        return x.ndim > self.grid or (self.leading > 0 and 0 in self.axes)


class Running(NamedTuple):
    """Statistics per channel: known ones to normalize by, or running ones to update.

    Attributes:
        mean: of the shape of a parameter.
        var: of the shape of a parameter.
        batches: a counter of updates, to be counted up.
        momentum: the weight of the newest statistics in an update; None with ``batches``: a plain average over all.
        skipped: a counter of updates that are left out, since a mean or variance is NaN or infinite; None: none is.
    """

    mean: Tensor | None = None
    var: Tensor | None = None
    batches: Tensor | None = None
    momentum: Tensor | float | None = None
    skipped: Tensor | None = None

    def given(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance, which are there."""
        if self.mean is None or self.var is None:
            raise RuntimeError("statistics to normalize by must be given")
        return self.mean, self.var

    def weight_of_newest(self, dtype: torch.dtype) -> Tensor | float:
        """Return the weight of the newest statistics; call it after counting them."""
        if self.momentum is not None:
            return self.momentum
        return 0.0 if self.batches is None else self.batches.to(dtype).clamp(min=1).reciprocal()


Wanted = tuple[bool, bool, bool]
"""Whether the gradient of the input, that of the weight and that of the bias is wanted."""

NO_RUNNING_STATS = Running()
"""No statistics to normalize by or to update."""


def laid_out(x: Tensor) -> Tensor:
    """Return ``x`` as it lies, if it is contiguous or has its channels last; else, as torch.nn does, contiguous."""
    if x.is_contiguous() or (x.ndim in (4, 5) and x.stride(1) == 1 and x.movedim(1, -1).is_contiguous()):
        return x
    return x.contiguous()


def widened(x: Tensor) -> Tensor:
    """Return ``x`` in the type in which statistics are computed: float32 or wider."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
