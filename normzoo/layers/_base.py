"""The one interface behind all norms."""

from abc import ABC, abstractmethod
from numbers import Real
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from normzoo.layers._moments import Statistics, channel_moments, pool_moments
from normzoo.layers._normalize import scale_and_shift
from normzoo.layers._pool import Pool


class Norm(nn.Module, ABC):
    """A layer that normalizes by pooled moments.

    A concrete norm says what it pools, how its input is seen as samples, channels and positions ``(N, C, *)``, and
    little else. Statistics are computed in float32 or wider whatever the input; the output keeps the input's
    dtype and memory format.

    Attributes:
        needs_positions: the norm means nothing for plain vectors; a network puts none of it there.
        centered: the mean is subtracted.
        refuses_single_values_always: one value per statistic is an error in evaluation too, not only in training.
        eps_may_be_none: None is a value of ``eps``, and means the machine epsilon.
        recurrent_gain: what ``weight`` should start at inside a recurrence.
    """

    needs_positions: ClassVar[bool] = False
    centered: ClassVar[bool] = True
    refuses_single_values_always: ClassVar[bool] = False
    eps_may_be_none: ClassVar[bool] = False
    recurrent_gain: ClassVar[float] = 1.0

    eps: float | None
    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        eps: float | None,
        weight: bool,
        bias: bool,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__()
        self.eps = eps
        if not isinstance(eps, Real) and not (eps is None and self.eps_may_be_none):
            raise self._refusal("eps must be a number", f"got eps={eps!r}", "use for example eps=1e-5")
        for name, present in (("weight", weight), ("bias", bias)):
            parameter = nn.Parameter(torch.empty(shape, device=device, dtype=dtype)) if present else None
            self.register_parameter(name, parameter)

    @property
    @abstractmethod
    def pool(self) -> Pool:
        """Which cells of the samples-by-channels grid share one mean and variance."""

    @abstractmethod
    def _as_cells(self, x: Tensor) -> Tensor:
        """Return ``x`` seen as ``(N, C, *)``, or raise a ValueError that says what is wrong with its shape."""

    def reset_parameters(self) -> None:
        """Set ``weight`` to one and ``bias`` to zero."""
        if self.weight is not None:
            nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    @final  # type: ignore[misc]  # nn.Module declares forward as an attribute
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalize.

        Args:
            x: values, in the shape that the class states.
            mask: True where a position counts: the shape of ``x`` without its channels (or normalized dimensions).
                What does not count enters no statistic and comes out as zero.

        Returns:
            A tensor of the shape, dtype and memory format of ``x``.

        Raises:
            ValueError: wrong rank, channels or dtype, or only one value per statistic.
        """
        if not x.is_floating_point():
            raise self._refusal("the input must be floating point", f"got dtype={x.dtype}", "cast it with x.float()")
        cells = self._as_cells(x)
        if mask is not None:
            mask = self._cell_mask(mask, x, cells)
            cells = cells.where(mask, 0.0)  # a NaN there would reach the parameters' gradients
        if cells.numel() == 0:
            return self._normalize_nothing(x)
        cells = cells.to(torch.promote_types(x.dtype, torch.float32))
        statistics = self._known_statistics(cells.dtype)
        if statistics is None:
            statistics = self._measure(cells, mask)
        y = scale_and_shift(
            cells, statistics, self._flat(self.weight), self._flat(self.bias), eps=self._eps(x), centered=self.centered
        )
        if mask is not None:
            y = y.where(mask, 0.0)
        return _in_format_of(x, y.to(x.dtype))

    def _measure(self, cells: Tensor, mask: Tensor | None) -> Statistics:
        """Pool the input's own moments, and let the norm remember them."""
        per_pool = self.pool.cells(*cells.shape[:2]) * cells.shape[2:].numel()
        if per_pool == 1 and self.centered and (self.training or self.refuses_single_values_always):
            raise self._refusal(
                "a mean and variance need more than one value",
                f"got one value per statistic from shape {tuple(cells.shape)}",
                "use a larger batch, more positions or fewer groups"
                + (", or call .eval()" if self._can_evaluate_single_values() else ""),
            )
        statistics = pool_moments(channel_moments(cells, mask), self.pool)
        self._remember(statistics)
        return statistics

    def _normalize_nothing(self, x: Tensor) -> Tensor:
        """Return an empty output that is connected to the parameters, whose gradients are then zero."""
        self._remember(None)
        y = x.clone()
        for parameter in (self.weight, self.bias):
            if parameter is not None:
                y = y + parameter.sum().to(y.dtype)
        return y

    def _cell_mask(self, mask: Tensor, x: Tensor, cells: Tensor) -> Tensor:
        """Return the mask as ``(N, 1, *)``."""
        expected = self._mask_shape(x)
        if tuple(mask.shape) != expected or mask.dtype != torch.bool:
            raise self._refusal(
                "the mask must be boolean with one entry per sample and position",
                f"got {mask.dtype} of shape {tuple(mask.shape)} for an input of shape {tuple(x.shape)}",
                f"pass torch.bool of shape {expected}",
            )
        return mask.reshape(cells.shape[0], 1, *cells.shape[2:])

    def _mask_shape(self, x: Tensor) -> tuple[int, ...]:
        """Return the shape that a mask of ``x`` has."""
        return (x.shape[0], *x.shape[2:])

    def _known_statistics(self, dtype: torch.dtype) -> Statistics | None:  # noqa: ARG002
        """Return what to normalize by instead of the input's own statistics, in ``dtype`` or wider; None: measure."""
        return None

    def _remember(self, statistics: Statistics | None) -> None:
        """Take notice of the statistics of an input; None: the input was empty."""

    def _can_evaluate_single_values(self) -> bool:
        """Whether one value per statistic is acceptable in evaluation."""
        return not self.refuses_single_values_always

    def _eps(self, x: Tensor) -> float:  # noqa: ARG002
        """Return what is added to the variance."""
        return self.eps or 0.0

    def _flat(self, parameter: Tensor | None) -> Tensor | None:
        """Return a parameter as one value per channel, ``(C,)``."""
        return parameter if parameter is None else parameter.flatten()

    def _refusal(self, rule: str, values: str, way_out: str) -> ValueError:
        """Return an error that names the layer, the rule, the values and the way out."""
        return ValueError(f"{type(self).__name__}: {rule}, {values}; {way_out}")


def _in_format_of(x: Tensor, y: Tensor) -> Tensor:
    """Return ``y`` in the shape and memory format of ``x``."""
    y = y.reshape(x.shape)
    # channels_last is told by the strides, since torch.vmap cannot be asked for it.
    if x.ndim in (4, 5) and x.stride(1) == 1 and not x.is_contiguous():
        y = y.movedim(1, -1).contiguous().movedim(-1, 1)
    return y
