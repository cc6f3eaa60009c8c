"""Norms with a formula of their own, written as operations that torch can differentiate, map, compile and export.

They stand beside the norms that differ in their pool alone, behind the same interface. A stack of several networks maps
them (``torch.func.vmap``), as it does any module.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Unpack

import torch
from torch import Tensor
from torch.fx import Proxy

from normzoo.layers._base import Norm
from normzoo.layers._kernels.moments import Statistics, at_least_one, masked
from normzoo.layers._kernels.reference import update_running
from normzoo.layers._kernels.spec import Running, laid_out, widened
from normzoo.layers._kernels.torch_internals import has_values, is_jit_tracing, is_recomputation, must_be_traceable
from normzoo.layers._policies import Policies
from normzoo.layers._torch_tools import traced_by_fx
from normzoo.layers._tracked import Tracking


class FormulaNorm(Norm):
    """A norm of inputs ``(N, C, *)``, with ``weight`` and ``bias`` per channel, that says what it computes.

    ``_compute`` is given the input in float32 or wider, with zeros where a mask is False, and returns the output; what
    it returns there does not matter.
    """

    def __init__(
        self,
        num_features: int,
        *,
        eps: float | None = None,
        affine: bool,
        bias: bool,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
        **policies: Unpack[Policies],
    ) -> None:
        super().__init__(
            (num_features,),
            eps=eps,
            weight=affine,
            bias=affine and bias,
            device=device,
            dtype=dtype,
            **policies,
        )
        self.num_features = num_features
        self.affine = affine

    @abstractmethod
    def _compute(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Return the output for an input ``(N, C, *)``; ``mask`` broadcasts to it."""

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: A002  # torch.nn's name
        """Normalize."""
        x: Any = input
        if isinstance(x, Proxy):
            return traced_by_fx(self, x, mask)  # type: ignore[no-any-return]
        self._check_input(x)
        if x.is_nested:
            raise self._error("a nested tensor cannot be normalized", "got one", "pad it and pass a mask")
        if self.channel_dim != 1:
            return self._through_view(x, mask)
        return self._normalize(x, mask, x.shape)

    def _normalize(self, x: Tensor, mask: Tensor | None, shape: Sequence[int]) -> Tensor:
        is_traced = is_jit_tracing()
        if is_traced:
            self._check_traced_shape(shape)
        else:
            self._check_shape(shape)
        if not is_traced and x.numel() == 0:
            return self._normalize_nothing(x)
        x = laid_out(x)
        wide = widened(x)
        if mask is None:
            return self._compute(wide, None).to(x.dtype)
        mask = self._mask_of_blocks(mask, x, 1, 2)
        return masked(self._compute(masked(wide, mask), mask), mask).to(x.dtype)

    def _check_shape(self, shape: Sequence[int]) -> None:
        lowest = 3 if self.needs_positions else 2
        if len(shape) < lowest:
            way_out = (
                "it needs positions to normalize over" if lowest == 3 and len(shape) == 2 else "add a batch dimension"
            )
            raise self._error(
                f"the input must be at least {lowest}D (N, C, *)", f"got {len(shape)}D of shape {tuple(shape)}", way_out
            )
        if shape[1] != self.num_features:
            raise self._error(
                "the input's channels must equal num_features",
                f"got {shape[1]} channels in shape {tuple(shape)} and num_features={self.num_features}",
                self._way_to_channels(
                    shape, self.num_features, f"construct it with num_features={shape[1]} or change the input"
                ),
            )

    def _scale_and_shift(self, x: Tensor) -> Tensor:
        """Return ``weight * x + bias``, as far as there are such; ``(1 + weight) * x`` where it is zero-centred."""
        gain = self._gain()
        if gain is not None:
            x = x * per_channel(gain, x)
        return x if self.bias is None else x + per_channel(self.bias, x)

    def _statistics(self, x: Tensor, dims: tuple[int, ...], mask: Tensor | None, *, least: int = 2) -> Statistics:
        """Return the mean and biased variance over some dimensions, which are kept with size 1.

        Raises:
            InputError: they are over fewer values than ``least``, in training.
        """
        count = counted(x, dims, mask)
        self._refuse_few_values(count, x.shape, least)
        mean = x.sum(dims, keepdim=True) / at_least_one(count)
        deviations = x - mean if mask is None else masked(x - mean, mask)
        return Statistics(count, mean, deviations.square().sum(dims, keepdim=True) / at_least_one(count))

    def _refuse_few_values(
        self,
        count: Tensor | int,
        shape: Sequence[int],
        least: int = 2,
        statistics: str = "a mean and variance need",
    ) -> None:
        """Raise an ``InputError`` where a statistic in training is over fewer values than ``least``."""
        if self._are_too_few(count, least):
            raise self._too_few_values(
                tuple(shape), isinstance(count, Tensor), self.way_to_more_values, statistics=statistics
            )

    def _are_too_few(self, count: Tensor | int, least: int) -> bool:
        """Whether a statistic in training would be over fewer values than ``least``, as far as that can be known."""
        if not self.training or is_jit_tracing():
            return False
        if not isinstance(count, Tensor):
            return count < least
        if self.tolerates_single_values or must_be_traceable() or not has_values(count):
            return False
        return bool(((count > 0) & (count < least)).any())

    def extra_repr(self) -> str:
        """Return the arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, affine={self.affine}, bias={self.bias is not None}{self._policies()}"
        )


class TrackedFormulaNorm(Tracking, FormulaNorm):
    """A norm with a formula of its own that keeps running statistics of a batch, per channel."""

    is_batch_independent = False

    def __init__(
        self,
        num_features: int,
        *,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        bias: bool,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
        **policies: Unpack[Policies],
    ) -> None:
        super().__init__(
            num_features,
            eps=eps,
            affine=affine,
            bias=bias,
            device=device,
            dtype=dtype,
            **policies,
        )
        self._track(momentum, track_running_stats, device, dtype)

    def _of_batch(self, x: Tensor, mask: Tensor | None, statistics: Statistics | None = None) -> tuple[Tensor, Tensor]:
        """Return the mean and variance per channel ``(1, C, *)`` to normalize by: the batch's own, or running ones.

        The batch's own are remembered; ``statistics`` are these, where known. Those of a small batch may be each
        sample's, ``(N, C, *)`` (``small_batch``).
        """
        given, running = self._given_statistics(), self._memory()
        dims, least = (0, *positions(x)), self.min_values
        if given is None and self.small_batch != "error" and self._are_too_few(counted(x, dims, mask), least):
            given = Running(self.running_mean, self.running_var) if self.small_batch == "running" else None
            dims, least, running, statistics = positions(x), 2, None, None
        if given is not None:
            mean, var = given.given()
            return per_channel(mean, x), per_channel(var, x)
        statistics = statistics or self._statistics(x, dims, mask, least=least)
        if running is not None and not is_recomputation():
            update_running((0,), running, statistics, unbiased=self.unbiased_running)
        return statistics.mean, statistics.var  # type: ignore[return-value]  # there is a mean

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{super().extra_repr()}, momentum={self.momentum}, track_running_stats={self.track_running_stats}"


def positions(x: Tensor) -> tuple[int, ...]:
    """Return the dimensions of ``(N, C, *)`` that are positions."""
    return tuple(range(2, x.ndim))


def per_channel(parameter: Tensor, x: Tensor) -> Tensor:
    """Return a value per channel as ``(1, C, *)``, which broadcasts to ``(N, C, *)``, in the type of that."""
    return parameter.to(x.dtype).reshape(1, -1, *(1 for _ in positions(x)))


def counted(x: Tensor, dims: tuple[int, ...], mask: Tensor | None) -> Tensor | int:
    """Return over how many values of ``(N, C, *)`` a statistic over some dimensions is: under a mask a tensor."""
    if mask is None:
        count = 1
        for dim in dims:
            count *= x.shape[dim]
        return count
    return mask.expand_as(x).sum(dims, keepdim=True, dtype=x.dtype)


def mean_square(x: Tensor, dims: tuple[int, ...], mask: Tensor | None) -> Tensor:
    """Return the mean of the squares of ``(N, C, *)`` over some dimensions, which are kept with size 1."""
    if not dims:  # torch would take that for all
        return x.square()
    return x.square().sum(dims, keepdim=True) / at_least_one(counted(x, dims, mask))
