"""Norms that pool moments: one differentiable op, of which each says what it pools.

A pool is which blocks of the samples-by-channels grid share one mean and one variance. A block is the values of one
sample and channel; where each position has statistics of its own, one of these values. It is all in which the classic
norms differ; which of them pools what, the registry says in words, and a test holds the layers to it.
"""

import copy
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, ClassVar, Protocol, Unpack

import torch
from torch import Size, Tensor
from torch.fx import Proxy

from normzoo.layers._base import Norm
from normzoo.layers._kernels.autograd import normalize
from normzoo.layers._kernels.moments import product
from normzoo.layers._kernels.spec import Running
from normzoo.layers._kernels.torch_internals import has_values, is_jit_tracing, jagged_like, must_be_traceable
from normzoo.layers._policies import Policies
from normzoo.layers._torch_tools import traced_by_fx


class Pool(Protocol):
    """Which blocks of a grid ``(N, C)``, or ``(N, groups, C / groups)``, are pooled: those along some of its axes."""

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of the grid over which is pooled."""

    @property
    def groups(self) -> int | None:
        """Into how many groups the channels are split; None where they are one axis."""

    @property
    def at_each_position(self) -> bool:
        """Whether positions, too, are axes of the grid, which follow its channels, rather than pooled."""


@dataclass(frozen=True)
class OverNothing:
    """Every sample and channel for itself."""

    axes: ClassVar[tuple[int, ...]] = ()
    groups: ClassVar[int | None] = None
    at_each_position: ClassVar[bool] = False


@dataclass(frozen=True)
class OverSamples:
    """All samples, for each channel."""

    axes: ClassVar[tuple[int, ...]] = (0,)
    groups: ClassVar[int | None] = None
    at_each_position: ClassVar[bool] = False


@dataclass(frozen=True)
class OverChannels:
    """All channels, for each sample, or for each of its positions."""

    at_each_position: bool = False
    axes: ClassVar[tuple[int, ...]] = (1,)
    groups: ClassVar[int | None] = None


@dataclass(frozen=True)
class WithinGroups:
    """The channels of a group of neighbours, for each sample. ``groups`` must divide C."""

    groups: int
    axes: ClassVar[tuple[int, ...]] = (2,)
    at_each_position: ClassVar[bool] = False


@dataclass(frozen=True)
class OfEachMember:
    """The same pool for each of several networks side by side: none of its pools holds blocks of two of them.

    The grid is ``(N, members, C)``, or ``(N, members, groups, C / groups)``.
    """

    pool: Pool
    members: int
    axes: tuple[int, ...] = field(init=False)
    groups: int | None = field(init=False)
    at_each_position: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", tuple(axis + 1 if axis > 0 else axis for axis in self.pool.axes))
        object.__setattr__(self, "groups", self.pool.groups)
        object.__setattr__(self, "at_each_position", self.pool.at_each_position)


class PooledNorm(Norm):
    """A norm that normalizes by pooled moments.

    A concrete one says what it pools, how its input is seen as samples, channels and positions ``(N, C, *)``, and
    little else.

    Attributes:
        centered: the mean is subtracted.
        refuses_single_values_always: one value per statistic is an error in evaluation too, not only in training.
    """

    centered: ClassVar[bool] = True
    refuses_single_values_always: ClassVar[bool] = False

    _stacked_pool: OfEachMember | None = None

    @property
    @abstractmethod
    def pool(self) -> Pool:
        """Which blocks of the samples-by-channels grid share one mean and variance."""

    @property
    def is_batch_independent(self) -> bool:
        """Whether a sample's output depends on that sample alone, and on nothing remembered."""
        return 0 not in self.pool.axes

    @property
    def is_stackable(self) -> bool:
        """Whether several are stacked as one norm (``stack_norms``), for all of which batches are counted as one."""
        return self.is_channels_first and self.channel_dim == 1 and not self.skip_nonfinite

    def _grid(self, rank: int) -> tuple[int, int, int, tuple[int, ...]]:
        """Return how many of an input's dimensions are samples, samples and channels, the grid's, and those pooled."""
        return 1, 2, rank if self.pool.at_each_position else 2, self.pool.axes

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: A002  # torch.nn's name
        """Normalize."""
        x: Any = input
        if isinstance(x, Proxy):
            return traced_by_fx(self, x, mask)  # type: ignore[no-any-return]
        self._check_input(x)
        if x.is_nested:
            return self._normalize_nested(x, mask)
        if self.channel_dim != 1:
            return self._through_view(x, mask)
        return self._normalize(x, mask, x.shape)

    def _normalize(self, x: Tensor, mask: Tensor | None, shape: Sequence[int]) -> Tensor:
        groups = self.pool.groups
        is_traced = is_jit_tracing()  # then a size is a tensor, and asking for its value would keep it
        if self.members is None:
            if is_traced:
                self._check_traced_shape(shape)
            else:
                self._check_shape(shape)
            leading, channels, grid, axes = self._grid(x.ndim)
        else:
            pool = self._pool_of_members(shape)
            leading, channels, grid, axes = 1, 3, len(shape) if pool.at_each_position else 3, pool.axes
            self._check_shape((*shape[:1], *shape[2:]))
        if not is_traced and x.numel() == 0:
            return self._normalize_nothing(x)
        weight, bias, given = self.weight, self.bias, self._given_statistics()
        if self.zero_centered:
            weight = self._gain()
        running = self._memory() if given is None else given
        if mask is not None:
            mask = self._mask_of_blocks(mask, x, leading, channels)
        is_own = given is None and self.centered and not is_traced
        if is_own and self._has_too_few_values(x, mask, leading, grid, groups, axes, self.min_values):
            given, running, axes = self._for_small_batch(x, mask, grid, axes)
        # A plain tuple: inside torch.compile each named one adds a dozen guards to every call.
        fields = (
            leading, channels, grid, groups, axes, self._eps(x),
            self.centered, self.unbiased, self.unbiased_running, given is not None,
        )  # fmt: skip
        return self._carry_out(fields, x, weight, bias, running, mask)

    def _carry_out(
        self,
        fields: tuple[Any, ...],
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        running: Running | None,
        mask: Tensor | None,
    ) -> Tensor:
        """Carry out what has been checked."""
        return normalize(fields, x, weight, bias, running, mask, self._check_parameters)

    def _pool_of_members(self, shape: Sequence[int]) -> OfEachMember:
        """Return the pool of a stack, whose inputs have their members second."""
        members, pool = self.members or 0, self.pool
        if len(shape) < 3 or shape[1] != members:
            raise self._error(
                "the input of a stack must be (N, members, C, *)",
                f"got shape {tuple(shape)} and members={members}",
                "put the members second",
            )
        known = self._stacked_pool
        if known is None or known.members != members or known.pool is not pool:
            known = self._stacked_pool = OfEachMember(pool, members)
        return known

    def _check_parameters(
        self, weight: Tensor | None, bias: Tensor | None, running: Running | None, shape: Sequence[int]
    ) -> None:
        """Raise an error where a parameter or statistic that somebody has set does not have one value per channel."""
        if is_jit_tracing():
            return
        mean, var = (None, None) if running is None else (running.mean, running.var)
        for name, tensor in (("weight", weight), ("bias", bias), ("running_mean", mean), ("running_var", var)):
            if tensor is not None and tensor.shape != shape:
                raise self._error(
                    f"{name} must have one value per channel",
                    f"got shape {tuple(tensor.shape)} for {tuple(shape)}",
                    "set it in that shape",
                )

    def _has_too_few_values(
        self,
        x: Tensor,
        mask: Tensor | None,
        leading: int,
        grid: int,
        groups: int | None,
        axes: tuple[int, ...],
        least: int,
    ) -> bool:
        """Whether a statistic would be over fewer values than ``least``, at least two, and that is not acceptable."""
        if not (self.training or self.refuses_single_values_always):
            return False
        is_last_pooled = x.ndim > grid or (groups is None and axes[-1:] == (grid - 1,))
        if is_last_pooled and x.shape[-1] >= least and mask is None:
            return False
        channels = x.shape[grid - 1]
        sizes = (*x.shape[: grid - 1], *((channels,) if groups is None else (groups, channels // groups)))
        blocks = product([sizes[axis] for axis in axes])
        if mask is None:
            return blocks * product(x.shape[grid:]) < least
        if self.tolerates_single_values or must_be_traceable() or not has_values(mask):
            return False  # or the values of a mask are not known; such a pool then leaves the running statistics alone
        if self.members is not None and self.small_batch != "error":
            return False  # nor what to do, if it is one thing for one member and another for the next
        counts = mask.sum(tuple(range(grid, x.ndim)), keepdim=True) if x.ndim > grid else mask
        is_over_samples = axes[:1] == (0,) and leading > 0
        per_pool = counts.sum(0) if is_over_samples else counts * blocks
        return bool(((per_pool > 0) & (per_pool < least)).any())

    def _for_small_batch(
        self,
        x: Tensor,
        mask: Tensor | None,
        grid: int,  # noqa: ARG002
        axes: tuple[int, ...],  # noqa: ARG002
    ) -> tuple[Running | None, Running | None, tuple[int, ...]]:
        """Return by what to normalize an input with too few values, what to update, and over which axes to pool.

        Raises:
            InputError: by nothing, as for any norm but one with a policy for it.
        """
        shape = tuple(x.shape if self.members is None else x.shape[:1] + x.shape[2:])
        ways = [self.way_to_more_values]
        if self.training and self._can_evaluate_single_values():
            ways += ["small_batch='running'"] * self._takes("small_batch") + ["call .eval()"]
        raise self._too_few_values(shape, mask is not None, ", or ".join(ways))

    def _normalize_nested(self, x: Tensor, mask: Tensor | None) -> Tensor:  # noqa: ARG002
        """Return each sample of a nested tensor normalized."""
        raise self._error(
            "a nested tensor cannot be normalized over its ragged dimension",
            f"got a nested tensor of {x.ndim} dimensions",
            "pad it with torch.nested.to_padded_tensor and pass a mask",
        )

    def _can_evaluate_single_values(self) -> bool:
        """Whether one value per statistic is acceptable in evaluation."""
        return not self.refuses_single_values_always


class RowNorm(PooledNorm):
    """What LayerNorm and RMSNorm share: ``normalized_shape``, the trailing dimensions over which each row is pooled."""

    pool = OverChannels()
    is_channels_first = False
    way_to_more_values = "use a larger normalized_shape"

    def __init__(
        self,
        normalized_shape: int | Sequence[int] | Size,
        *,
        eps: float | None,
        weight: bool,
        bias: bool,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
        **policies: Unpack[Policies],
    ) -> None:
        shape = (int(normalized_shape),) if isinstance(normalized_shape, int | Integral) else tuple(normalized_shape)
        super().__init__(shape, eps=eps, weight=weight, bias=bias, device=device, dtype=dtype, **policies)
        self.normalized_shape = shape
        if not shape:
            raise ValueError(
                self._message("normalized_shape must have a dimension", "got ()", "give the trailing sizes")
            )
        self.reset_parameters()

    def _check_shape(self, shape: Sequence[int]) -> None:
        dims = len(self.normalized_shape)
        if tuple(shape[-dims:]) != tuple(self.normalized_shape):
            raise self._error(
                "the input must end in normalized_shape",
                f"got shape {tuple(shape)} and normalized_shape={self.normalized_shape}",
                f"use normalized_shape={tuple(shape[-dims:])} or reshape the input" if shape else "reshape the input",
            )

    def _grid(self, rank: int) -> tuple[int, int, int, tuple[int, ...]]:
        leading = rank - len(self.normalized_shape)
        return leading, rank, rank, tuple(range(leading, rank))

    def _normalize_nested(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Normalize the rows of a nested tensor, none of which knows of the others."""
        if mask is not None:
            raise self._error("a nested tensor takes no mask", "got one", "all that it holds counts")
        if x.layout != torch.jagged:
            return torch.nested.as_nested_tensor([PooledNorm.forward(self, sample) for sample in x.unbind()])
        return jagged_like(x, PooledNorm.forward(self, x.values()))  # not self(...), which would run hooks once more


StackTensors = Callable[[Sequence[Tensor]], Tensor]
"""Puts the tensors of all members together along a new first dimension."""


def stack_norms(norms: Sequence[PooledNorm], stack_tensors: StackTensors) -> PooledNorm:
    """Return one norm for inputs ``(N, M, C, *)`` of M members, each normalized as its own norm would.

    Args:
        norms: of one kind, with the same settings.
        stack_tensors: makes the parameters ``(M, *)`` and the running statistics ``(M, C)``. The number of batches
            seen is the same for all, and stays one number.
    """
    stacked = copy.deepcopy(norms[0])
    stacked.members = len(norms)
    for name in [name for name, _ in stacked.named_parameters()]:
        setattr(stacked, name, stack_tensors([norm.get_parameter(name) for norm in norms]))
    for name, buffer in list(stacked.named_buffers()):
        if buffer.ndim:
            setattr(stacked, name, stack_tensors([norm.get_buffer(name) for norm in norms]))
    return stacked
