"""The one interface behind all norms."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Real
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from normzoo.layers._context import is_recomputation
from normzoo.layers._normalize import Running
from normzoo.layers._op import normalize
from normzoo.layers._pool import OfEachMember, Pool, cells_per_pool


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
        channels_follow_samples: an input's second dimension is that of the channels, and nothing lies between.
        members: None, or how many norms this one stands for (``stack_norms``); inputs are ``(N, members, C, *)`` then.
    """

    needs_positions: ClassVar[bool] = False
    centered: ClassVar[bool] = True
    refuses_single_values_always: ClassVar[bool] = False
    eps_may_be_none: ClassVar[bool] = False
    recurrent_gain: ClassVar[float] = 1.0
    channels_follow_samples: ClassVar[bool] = True

    eps: float | None
    members: int | None = None
    _stacked_pool: OfEachMember | None = None
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

    @property
    def treats_samples_alone(self) -> bool:
        """Whether a sample's output depends on that sample alone, and on nothing remembered."""
        return 0 not in self.pool.axes and next(self.buffers(), None) is None

    @abstractmethod
    def _size(self, shape: Sequence[int]) -> tuple[int, int, int]:
        """Return how many samples, channels and positions an input of this shape has; it is laid out in that order.

        Raises:
            ValueError: the shape does not fit; the message says what is wrong with it.
        """

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
        shape, pool = x.shape, self.pool
        if self.members is not None:
            shape, pool = shape[:1] + shape[2:], self._pool_of_members(shape, pool)
        samples, channels, positions = self._size(shape)
        split, axes = pool.split(channels), pool.axes
        if mask is not None:
            mask = self._mask_of_cells(mask, x, (samples, *(1 for _ in split), positions))
        if x.numel() == 0:
            return self._normalize_nothing(x)
        known = self._known_statistics()
        if positions == 1 and known is None and self.centered and cells_per_pool((samples, *split), axes) == 1:
            self._refuse_single_values((samples, channels, *shape[2:]))
        # A plain tuple: inside torch.compile each named one adds a dozen guards to every call.
        problem = (samples, split, positions, axes, self._eps(x), self.centered, known is not None)
        running = self._memory() if known is None else known
        return normalize(problem, x, self.weight, self.bias, running, mask)

    def _pool_of_members(self, shape: Sequence[int], pool: Pool) -> OfEachMember:
        """Return the pool of a stack, whose inputs have their members second."""
        members = self.members or 0
        if len(shape) < 3 or shape[1] != members:
            raise self._refusal(
                "the input of a stack must be (N, members, C, *)",
                f"got shape {tuple(shape)} and members={members}",
                "put the members second",
            )
        known = self._stacked_pool
        if known is None or known.members != members or known.pool is not pool:
            known = self._stacked_pool = OfEachMember(pool, members)
        return known

    def _refuse_single_values(self, shape: Sequence[int]) -> None:
        """Raise an error where one value per statistic is not acceptable."""
        if self.training or self.refuses_single_values_always:
            raise self._refusal(
                "a mean and variance need more than one value",
                f"got one value per statistic from shape {tuple(shape)}",
                "use a larger batch, more positions or fewer groups"
                + (", or call .eval()" if self._can_evaluate_single_values() else ""),
            )

    def _normalize_nothing(self, x: Tensor) -> Tensor:
        """Return an empty output that is connected to the parameters, whose gradients are then zero."""
        running = self._memory()
        if running is not None and running.batches is not None and not is_recomputation():
            running.batches.add_(1)
        y = x.clone()
        for parameter in (self.weight, self.bias):
            if parameter is not None:
                y = y + parameter.sum().to(y.dtype)
        return y

    def _mask_of_cells(self, mask: Tensor, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return the mask in a shape that broadcasts to the cells."""
        if self.members is not None:
            raise self._refusal("a stack of norms takes no mask", f"got members={self.members}", "normalize one by one")
        expected = self._mask_shape(x)
        if tuple(mask.shape) != expected or mask.dtype != torch.bool:
            raise self._refusal(
                "the mask must be boolean with one entry per sample and position",
                f"got {mask.dtype} of shape {tuple(mask.shape)} for an input of shape {tuple(x.shape)}",
                f"pass torch.bool of shape {expected}",
            )
        return mask.reshape(shape)

    def _mask_shape(self, x: Tensor) -> tuple[int, ...]:
        """Return the shape that a mask of ``x`` has."""
        return (x.shape[0], *x.shape[2:])

    def _known_statistics(self) -> Running | None:
        """Return what to normalize by instead of the input's own statistics; None: by its own."""
        return None

    def _memory(self) -> Running | None:
        """Return the running statistics that an input's own are to update, if there are any."""
        return None

    def _can_evaluate_single_values(self) -> bool:
        """Whether one value per statistic is acceptable in evaluation."""
        return not self.refuses_single_values_always

    def _eps(self, x: Tensor) -> float:  # noqa: ARG002
        """Return what is added to the variance."""
        return self.eps or 0.0

    def _refusal(self, rule: str, values: str, way_out: str) -> ValueError:
        """Return an error that names the layer, the rule, the values and the way out."""
        return ValueError(f"{type(self).__name__}: {rule}, {values}; {way_out}")
