"""The one interface behind all norms."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.fx import Proxy

from normzoo.errors import InputError
from normzoo.layers._kernels.autograd import normalize
from normzoo.layers._kernels.moments import product
from normzoo.layers._kernels.spec import Running
from normzoo.layers._kernels.torch_internals import (
    TracerWarning,
    has_values,
    is_jit_tracing,
    is_recomputation,
    must_be_traceable,
)
from normzoo.layers._pool import OfEachMember, Pool
from normzoo.layers._torch_tools import as_torch_layer, has_own_forward, traced_by_fx


class Norm(nn.Module, ABC):
    """A layer that normalizes by pooled moments.

    A concrete norm says what it pools, how its input is seen as samples, channels and positions ``(N, C, *)``, and
    little else. Statistics are computed in float32 or wider whatever the input; the output keeps the input's
    dtype and memory format.

    A drop-in also names the class of torch.nn that it stands for among its bases: that is how tools find norms in a
    model. Nothing is computed by it.

    Attributes:
        needs_positions: the norm means nothing for plain vectors; a network puts none of it there.
        centered: the mean is subtracted.
        refuses_single_values_always: one value per statistic is an error in evaluation too, not only in training.
        way_to_more_values: what to do where one value per statistic is refused.
        eps_may_be_none: None is a value of ``eps``, and means the machine epsilon.
        tolerates_single_values: under a mask, one value per statistic is no error: it is normalized to zero, and the
            running statistics are left as they are.
        takes_complex: complex inputs are normalized, by the mean of their squares, as torch.nn does.
        recurrent_gain: what ``weight`` should start at inside a recurrence.
        is_channels_first: an input's second dimension is that of the channels, and nothing lies between.
        members: None, or how many norms this one stands for (``stack_norms``); inputs are ``(N, members, C, *)`` then.
    """

    needs_positions: ClassVar[bool] = False
    centered: ClassVar[bool] = True
    refuses_single_values_always: ClassVar[bool] = False
    way_to_more_values: ClassVar[str] = "use fewer groups or more positions"
    eps_may_be_none: ClassVar[bool] = False
    takes_complex: ClassVar[bool] = False
    recurrent_gain: ClassVar[float] = 1.0
    is_channels_first: ClassVar[bool] = True

    __jit_unused_properties__: ClassVar[list[str]] = ["pool", "is_batch_independent"]
    eps: Any  # a number or None, and parameters or None; each class of torch.nn says so in another way
    weight: Any
    bias: Any
    members: int | None = None
    tolerates_single_values: bool = False
    _stacked_pool: OfEachMember | None = None

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
        nn.Module.__init__(self)  # past a class of torch.nn, which would make what is made here
        self.eps = eps
        if not isinstance(eps, Real) and not (eps is None and self.eps_may_be_none):
            raise ValueError(self._message("eps must be a number", f"got eps={eps!r}", "use for example eps=1e-5"))
        for name, present in (("weight", weight), ("bias", bias)):
            parameter = nn.Parameter(torch.empty(shape, device=device, dtype=dtype)) if present else None
            self.register_parameter(name, parameter)

    @property
    @abstractmethod
    def pool(self) -> Pool:
        """Which blocks of the samples-by-channels grid share one mean and variance."""

    @property
    def is_batch_independent(self) -> bool:
        """Whether a sample's output depends on that sample alone, and on nothing remembered."""
        return 0 not in self.pool.axes

    @abstractmethod
    def _check_shape(self, shape: Sequence[int]) -> None:
        """Raise an ``InputError`` where an input of this shape does not fit."""

    def _grid(self, rank: int) -> tuple[int, int, int, tuple[int, ...]]:
        """Return how many of an input's dimensions are samples, samples and channels, the grid's, and those pooled."""
        return 1, 2, rank if self.pool.at_each_position else 2, self.pool.axes

    def reset_parameters(self) -> None:
        """Set ``weight`` to one and ``bias`` to zero."""
        if self.weight is not None:
            nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: A002  # torch.nn's name
        """Normalize.

        Args:
            input: values, in the shape that the class states.
            mask: True where a position counts: the shape of the input without its channels (or normalized
                dimensions). What does not count enters no statistic and comes out as zero.

        Returns:
            A tensor of the shape, dtype and memory format of the input.

        Raises:
            InputError: wrong rank, channels or dtype, or only one value per statistic.
        """
        x: Any = input
        if not isinstance(x, Tensor):
            if isinstance(x, Proxy):
                return traced_by_fx(self, x, mask)  # type: ignore[no-any-return]
            raise TypeError(self._message("the input must be a tensor", f"got {type(x).__name__}", "pass a tensor"))
        if not x.is_floating_point() and not (self.takes_complex and x.is_complex()):
            raise self._error("the input must be floating point", f"got dtype={x.dtype}", "cast it with x.float()")
        if x.is_nested:
            return self._normalize_nested(x, mask)
        shape, groups = x.shape, self.pool.groups
        is_traced = is_jit_tracing()  # then a size is a tensor, and asking for its value would keep it
        if self.members is None:
            if is_traced:
                self._check_traced_shape(shape)
            else:
                self._check_shape(shape)
            leading, channels, grid, axes = self._grid(len(shape))
        else:
            pool = self._pool_of_members(shape)
            leading, channels, grid, axes = 1, 3, len(shape) if pool.at_each_position else 3, pool.axes
            self._check_shape(shape[:1] + shape[2:])
        if not is_traced and x.numel() == 0:
            return self._normalize_nothing(x, channels)
        weight, bias, given = self.weight, self.bias, self._given_statistics()
        running = self._memory() if given is None else given
        if mask is not None:
            mask = self._mask_of_blocks(mask, x, leading, channels)
        if given is None and self.centered and not is_traced:
            self._check_values_per_pool(x, mask, leading, grid, groups, axes)
        # A plain tuple: inside torch.compile each named one adds a dozen guards to every call.
        fields = (leading, channels, grid, groups, axes, self._eps(x), self.centered, given is not None)
        return normalize(fields, x, weight, bias, running, mask, self._check_parameters)

    def _call_impl(self, *arguments: Any, **named: Any) -> Any:
        """Call hooks and ``forward``; a leaf that torch.fx traces calls its hooks when the graph runs."""
        if arguments and type(arguments[0]) is Tensor:  # in haste: this is in the way of every call
            return super()._call_impl(*arguments, **named)  # type: ignore[no-untyped-call]
        is_traced = any(isinstance(each, Proxy) for each in (*arguments, *named.values()))
        if is_traced and not has_own_forward(self):
            return self.forward(*arguments, **named)
        return super()._call_impl(*arguments, **named)  # type: ignore[no-untyped-call]

    def _check_traced_shape(self, shape: Sequence[int]) -> None:
        """Check a shape that torch.jit.trace is following; what a norm checks are sizes that are always the same."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TracerWarning)
            self._check_shape(shape)

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

    def _has_tensors_of(self, channels: int) -> bool:
        """Whether there are parameters or statistics, all for so many channels, as after channels were pruned."""
        sizes = {tensor.shape[-1] for tensor in (*self.parameters(), *self.buffers()) if tensor.ndim}
        return sizes == {channels}

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

    def _check_values_per_pool(
        self,
        x: Tensor,
        mask: Tensor | None,
        leading: int,
        grid: int,
        groups: int | None,
        axes: tuple[int, ...],
    ) -> None:
        """Raise an error where a statistic would be over one value, if that is not acceptable."""
        if not (self.training or self.refuses_single_values_always):
            return
        is_last_pooled = x.ndim > grid or (groups is None and axes[-1:] == (grid - 1,))
        if is_last_pooled and x.shape[-1] != 1 and mask is None:
            return
        channels = x.shape[grid - 1]
        sizes = (*x.shape[: grid - 1], *((channels,) if groups is None else (groups, channels // groups)))
        blocks = product([sizes[axis] for axis in axes])
        if mask is None:
            is_single = blocks * product(x.shape[grid:]) == 1
        elif self.tolerates_single_values or must_be_traceable() or not has_values(mask):
            return  # or the values of a mask are not known; such a pool then leaves the running statistics alone
        else:
            counts = mask.sum(tuple(range(grid, x.ndim)), keepdim=True) if x.ndim > grid else mask
            is_over_samples = axes[:1] == (0,) and leading > 0
            per_pool = counts.sum(0) if is_over_samples else counts * blocks
            is_single = bool((per_pool == 1).any())
        if is_single:
            shape = tuple(x.shape if self.members is None else x.shape[:1] + x.shape[2:])
            under = "" if mask is None else " under the mask"
            evaluate = ", or call .eval()" if self.training and self._can_evaluate_single_values() else ""
            raise self._error(
                "a mean and variance need more than one value",
                f"got one value per statistic from shape {shape}{under}",
                f"{self.way_to_more_values}{evaluate}",
            )

    def _normalize_nothing(self, x: Tensor, channels: int) -> Tensor:
        """Return an empty output that is connected to the parameters, whose gradients are then zero."""
        running = self._memory()
        if running is not None and running.batches is not None and not is_recomputation():
            running.batches.add_(1)
        y = x * x.new_ones(())  # whose gradient is laid out as the input
        for operate, parameter in ((torch.mul, self.weight), (torch.add, self.bias)):
            if parameter is not None:
                y = operate(y, parameter.reshape(parameter.shape + (1,) * (x.ndim - channels)))
        return y.to(x.dtype)

    def _normalize_nested(self, x: Tensor, mask: Tensor | None) -> Tensor:  # noqa: ARG002
        """Return each sample of a nested tensor normalized."""
        raise self._error(
            "a nested tensor cannot be normalized over its ragged dimension",
            f"got a nested tensor of {x.ndim} dimensions",
            "pad it with torch.nested.to_padded_tensor and pass a mask",
        )

    def _mask_of_blocks(self, mask: Tensor, x: Tensor, leading: int, channels: int) -> Tensor:
        """Return the mask in a shape that broadcasts to the input."""
        if self.members is not None:
            leading = 2  # samples and members
        expected = (*x.shape[:leading], *x.shape[channels:])
        if not isinstance(mask, Tensor):
            raise TypeError(self._message("the mask must be a tensor", f"got {type(mask).__name__}", "pass torch.bool"))
        if mask.dtype != torch.bool or (tuple(mask.shape) != expected and not is_jit_tracing()):
            raise self._error(
                "the mask must be boolean with one entry per sample and position",
                f"got {mask.dtype} of shape {tuple(mask.shape)} for an input of shape {tuple(x.shape)}",
                f"pass torch.bool of shape {expected}",
            )
        for dim in range(leading, channels):
            mask = mask.unsqueeze(dim)
        return mask

    def _given_statistics(self) -> Running | None:
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
        return float(self.eps)

    @final
    def __prepare_scriptable__(self) -> nn.Module:
        """Return what ``torch.jit.script`` is to compile: torch.nn's layer with the same tensors."""
        return as_torch_layer(self)

    def _error(self, rule: str, values: str, way_out: str) -> InputError:
        """Return an error that names the layer, the rule, the values and the way out."""
        return InputError(self._message(rule, values, way_out))

    def _message(self, rule: str, values: str, way_out: str) -> str:
        return f"{type(self).__name__}: {rule}, {values}; {way_out}"
