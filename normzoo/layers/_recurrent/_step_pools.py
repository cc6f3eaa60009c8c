"""Norms inside a recurrence, with as few operations for a step as will do.

What a step normalizes are vectors ``(*, N, C)``, where ``*`` is nothing or the members of a stack. With xhat = (x -
mean) * rstd, and p the gradient of xhat times rstd, that of x is

    dx = p - xhat * pooled(p * xhat) - pooled(p)

as in ``_kernels/reference.py``, where ``pooled`` averages over a pool. Only this is done at every step; what does not
wait for another step, such as the gradients of weights, is done for all steps at once.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from normzoo.layers._kernels.eager import MAX_SUMMED, MIN_SUMMED
from normzoo.layers._kernels.spec import Running
from normzoo.layers._kernels.torch_internals import move_towards


class StepPool(NamedTuple):
    """How the norms of one place of a recurrence normalize vectors ``(*, N, C)``.

    Attributes:
        is_over_samples: whether a statistic is over the samples, rather than over channels.
        groups: into how many groups channels are split; None: they are not.
        centered: whether a mean is subtracted.
        eps: added to the variance.
        given: means and variances to normalize by, ``(T, *, 1, C)``; None: by a step's own.
        memory: the running statistics of each step, which its own are to update; empty where there are none.
    """

    is_over_samples: bool
    groups: int | None
    centered: bool
    eps: float
    given: tuple[Tensor, Tensor] | None = None
    memory: tuple[Running, ...] = ()

    @property
    def dim(self) -> int:
        """The dimension of ``blocks(x)`` over which is pooled."""
        return -2 if self.is_over_samples else -1

    def blocks(self, x: Tensor) -> Tensor:
        """Return ``x`` with its channels split into groups: a view."""
        return x if self.groups is None else x.view(*x.shape[:-1], self.groups, -1)

    @property
    def is_by_itself(self) -> bool:
        """Whether a step is normalized by its own statistics, and nothing is remembered of them."""
        return self.given is None and not self.memory

    def normalized(self, step: int, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        """Return what a step's vectors become: the definition, in operations that can be differentiated."""
        if self.given is not None:
            mean, var = (each[step] for each in self.given)
            y = ((self.blocks(x) - mean) * torch.rsqrt(var + self.eps)).reshape(x.shape)
        else:
            y, _ = self.by_own(x)
        return affine(y, weight, bias)

    def by_own(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return xhat and rstd, as it broadcasts to the blocks of ``x``, for a step's own statistics."""
        y = self.blocks(x)
        y = y - y.mean(self.dim, keepdim=True) if self.centered else y
        rstd = torch.rsqrt(y.square().mean(self.dim, keepdim=True) + self.eps)
        return (y * rstd).reshape(x.shape), rstd

    def through(self, p: Tensor, xhat: Tensor) -> Tensor:
        """Return the gradient of what was normalized, given that of xhat times rstd, for a step's own statistics."""
        g, blocks = self.blocks(p), self.blocks(xhat)
        g = g - blocks * (g * blocks).mean(self.dim, keepdim=True)
        g = g - g.mean(self.dim, keepdim=True) if self.centered else g
        return g.reshape(p.shape)

    def factor(self, xhat: Tensor, rstd: Tensor, weight: Tensor | None) -> Tensor:
        """Return rstd times the weight, as it broadcasts to ``xhat``, ``(T, *, N, C)``."""
        joined = rstd if self.groups is None else rstd.expand_as(self.blocks(xhat)).reshape(xhat.shape)
        return joined if weight is None else joined * weight

    def room(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return tensors for xhat and rstd of ``x``, ``(T, *, N, C)``."""
        shape = list(self.blocks(x).shape)
        shape[self.dim] = 1
        return x.new_empty(x.shape), x.new_empty(shape)


def affine(xhat: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """Return ``xhat * weight + bias``."""
    y = xhat if weight is None else xhat * weight
    return y if bias is None else y + bias


class NormalizedSteps:
    """Normalizes the vectors of one step after the other.

    Attributes:
        values: xhat of all steps, ``(T, *, N, C)``.
        at: ``values`` of each step.
        rstd: of the pools, as they broadcast to the blocks of ``values``.
    """

    def __init__(self, pool: StepPool, like: Tensor) -> None:
        self.pool, self.values = pool, like.new_empty(like.shape)
        self.at = self.values.unbind(0)
        blocks = pool.blocks(self.values)
        self._blocks = self.at if blocks is self.values else blocks.unbind(0)
        if pool.given is not None:
            self.rstd = (pool.given[1] + pool.eps).rsqrt_()
            self._means_at, self._rstds = pool.given[0].unbind(0), self.rstd.unbind(0)
            return
        shape = list(blocks.shape)
        self._count, shape[pool.dim] = shape[pool.dim], 1
        self._eps = like.new_full((), pool.eps)
        self.rstd = like.new_empty(shape)
        self._rstds = self.rstd.unbind(0)
        kept = shape if pool.memory else shape[1:]  # those that nobody asks for later overwrite one another
        self._sums, self._squares = like.new_empty(kept), like.new_empty(kept)
        self._sums_at, self._squares_at = (
            each.unbind(0) if pool.memory else (each,) * len(self.at) for each in (self._sums, self._squares)
        )
        is_norm_fast = not pool.is_over_samples and MIN_SUMMED <= self._count <= MAX_SUMMED
        self._products = None if is_norm_fast else torch.empty_like(self._blocks[0])

    def normalize(self, step: int, source: Tensor | None = None) -> Tensor:
        """Normalize ``source``, or what is in ``at[step]``, into ``at[step]``, and return that."""
        pool, target, rstd = self.pool, self._blocks[step], self._rstds[step]
        x = target if source is None else pool.blocks(source)
        if pool.given is not None:
            torch.sub(x, self._means_at[step], out=target)
            target.mul_(rstd)
            return self.at[step]
        share, squares = 1 / self._count, self._squares_at[step]
        if pool.centered:
            x = torch.add(x, torch.sum(x, pool.dim, True, out=self._sums_at[step]), alpha=-share, out=target)
        if self._products is None:
            torch.linalg.vector_norm(x, dim=-1, keepdim=True, out=squares).square_()
        else:
            torch.sum(torch.mul(x, x, out=self._products), pool.dim, True, out=squares)
        torch.add(self._eps, squares, alpha=share, out=rstd)
        torch.mul(x, rstd.rsqrt_(), out=target)
        return self.at[step]

    def update_running(self) -> None:
        """Move the running statistics of each step, if there are any, towards its own mean and unbiased variance."""
        if self.pool.memory:
            means, variances = self._sums / self._count, self._squares / (self._count - 1)
            update_running(self.pool.memory, means.squeeze(-2).unbind(0), variances.squeeze(-2).unbind(0))


def update_running(memory: Sequence[Running], means: Sequence[Tensor], variances: Sequence[Tensor]) -> None:
    """Move the running statistics of several norms, whose momentum is the same number, towards newer ones."""
    tracked, share = [running.given() for running in memory], memory[0].momentum
    counters = [running.batches for running in memory if running.batches is not None]
    of_all = [*(mean for mean, _ in tracked), *(var for _, var in tracked)]
    with torch.no_grad():
        move_towards(of_all, [*means, *variances], 0.0 if share is None else float(share), counters)


class StepGradients:
    """The gradient of what ``NormalizedSteps`` does, one step after the other.

    A gradient is multiplied by ``StepPool.factor`` before it is put into ``at``.

    Attributes:
        values: gradients of what was normalized, ``(T, *, N, C)``.
        at: ``values`` of each step.
    """

    def __init__(self, pool: StepPool, xhat: Tensor, *, values: Tensor | None = None) -> None:
        self.pool, self.values = pool, torch.empty_like(xhat) if values is None else values
        self.at = self.values.unbind(0)
        blocks = pool.blocks(self.values)
        self._blocks = self.at if blocks is self.values else blocks.unbind(0)
        self._xhat = pool.blocks(xhat).unbind(0)
        if pool.given is None:
            shape = list(self._blocks[0].shape)
            count, shape[pool.dim] = shape[pool.dim], 1
            self._product, self._sum, self._share = torch.empty_like(self._blocks[0]), xhat.new_empty(shape), -1 / count

    def through(self, step: int) -> Tensor:
        """Turn ``at[step]`` into the gradient of what was normalized, and return it."""
        pool = self.pool
        if pool.given is None:
            p, xhat = self._blocks[step], self._xhat[step]
            torch.sum(torch.mul(p, xhat, out=self._product), pool.dim, True, out=self._sum)
            p.addcmul_(xhat, self._sum, value=self._share)
            if pool.centered:
                p.add_(torch.sum(p, pool.dim, True, out=self._sum), alpha=self._share)
        return self.at[step]
