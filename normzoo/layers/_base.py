"""The one interface behind all norms."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from inspect import Parameter, signature
from numbers import Integral, Real
from typing import Any, ClassVar, Unpack, final

import torch
from torch import Tensor, nn
from torch.fx import Proxy

from normzoo.errors import InputError
from normzoo.layers._kernels.spec import Running, widened
from normzoo.layers._kernels.torch_internals import TracerWarning, is_jit_tracing
from normzoo.layers._policies import DEFAULTS, Policies, SmallBatch
from normzoo.layers._torch_tools import as_torch_layer, has_own_forward


class Norm(nn.Module, ABC):
    """A layer that maps an input to one of the same shape, and brings it to a known scale.

    Most norms differ in what they pool alone (``PooledNorm``); the others have a formula of their own
    (``FormulaNorm``). Statistics are computed in float32 or wider whatever the input; the output keeps the input's
    dtype and memory format.

    A drop-in also names the class of torch.nn that it stands for among its bases: that is how tools find norms in a
    model. Nothing is computed by it.

    Attributes:
        needs_positions: the norm means nothing for plain vectors; a network puts none of it there.
        contains_activation: the norm applies an activation, and a network puts none beside it.
        takes_complex: complex inputs are normalized, by the mean of their squares, as torch.nn does.
        eps_may_be_none: None is a value of ``eps``, and means the machine epsilon.
        way_to_more_values: what to do where one value per statistic is refused.
        tolerates_single_values: under a mask, one value per statistic is no error: it is normalized to zero, and the
            running statistics are left as they are.
        recurrent_gain: what ``weight`` should start at inside a recurrence.
        weight_start: what ``weight`` starts at; where it is not one, ``weight`` is no scale of a normalized input.
        channel_dim, zero_centered, unbiased, unbiased_running, small_batch, min_values, skip_nonfinite: options that
            torch.nn's layers do not have; see ``Policies``.
        recurrent_bias: whether there should be a ``bias`` inside a recurrence where another is added to it.
        is_channels_first: an input's second dimension is that of the channels, and nothing lies between.
        standardizes_weights: None, or the arguments of ``surgery.standardize_weights``, which is then applied to the
            convolutions of a network that is built with this norm.
        is_part: another module holds it, and does not take its options.
        members: None, or how many norms this one stands for (``stack_norms``); inputs are ``(N, members, C, *)`` then.
    """

    needs_positions: bool = False
    contains_activation: bool = False
    takes_complex: ClassVar[bool] = False
    eps_may_be_none: ClassVar[bool] = False
    way_to_more_values: ClassVar[str] = "use fewer groups or more positions"
    recurrent_gain: float = 1.0
    weight_start: ClassVar[float] = 1.0
    recurrent_bias: ClassVar[bool] = True
    is_channels_first: ClassVar[bool] = True

    __jit_unused_properties__: ClassVar[list[str]] = ["pool", "is_batch_independent", "is_stackable"]
    eps: Any  # a number or None, and parameters or None; each class of torch.nn says so in another way
    weight: Any
    bias: Any
    standardizes_weights: Mapping[str, Any] | None = None
    is_part: bool = False
    members: int | None = None
    tolerates_single_values: bool = False
    channel_dim: int = 1
    zero_centered: bool = False
    unbiased: bool = False
    unbiased_running: bool = True
    small_batch: SmallBatch = "error"
    min_values: int = 2
    skip_nonfinite: bool = False

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        eps: float | None,
        weight: bool,
        bias: bool,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
        **policies: Unpack[Policies],
    ) -> None:
        nn.Module.__init__(self)  # past a class of torch.nn, which would make what is made here
        self.eps = eps
        if not isinstance(eps, Real) and not (eps is None and self.eps_may_be_none):
            raise ValueError(self._message("eps must be a number", f"got eps={eps!r}", "use for example eps=1e-5"))
        for name, present in (("weight", weight), ("bias", bias)):
            parameter = nn.Parameter(torch.empty(shape, device=device, dtype=dtype)) if present else None
            self.register_parameter(name, parameter)
        for name, value in policies.items():
            if value != DEFAULTS[name]:
                setattr(self, name, value)
        dim = self.channel_dim
        if isinstance(dim, bool) or not isinstance(dim, Integral) or dim == 0:
            raise ValueError(
                self._message(
                    "channel_dim must be a dimension after the samples", f"got {dim!r}", "use -1 for the last"
                )
            )
        if self.zero_centered:
            self.recurrent_gain -= 1

    @property
    @abstractmethod
    def is_batch_independent(self) -> bool:
        """Whether a sample's output depends on that sample alone, and on nothing remembered."""

    @abstractmethod
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

    @abstractmethod
    def _normalize(self, x: Tensor, mask: Tensor | None, shape: Sequence[int]) -> Tensor:
        """Normalize an input whose channels are second.

        ``shape`` is what is to fit the norm: that of ``x``, which may have a further dimension of size one at its end.
        """

    @abstractmethod
    def _check_shape(self, shape: Sequence[int]) -> None:
        """Raise an ``InputError`` where an input of this shape does not fit."""

    def reset_parameters(self) -> None:
        """Set ``weight`` to its start, in most norms one, or to zero where it is zero-centred, and ``bias`` to zero."""
        if self.weight is not None:
            nn.init.constant_(self.weight, 0.0 if self.zero_centered else self.weight_start)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def _call_impl(self, *arguments: Any, **named: Any) -> Any:
        """Call hooks and ``forward``; a leaf that torch.fx traces calls its hooks when the graph runs."""
        if arguments and type(arguments[0]) is Tensor:  # in haste: this is in the way of every call
            return super()._call_impl(*arguments, **named)  # type: ignore[no-untyped-call]
        is_traced = any(isinstance(each, Proxy) for each in (*arguments, *named.values()))
        if is_traced and not has_own_forward(self):
            return self.forward(*arguments, **named)
        return super()._call_impl(*arguments, **named)  # type: ignore[no-untyped-call]

    def _check_input(self, x: Any) -> None:
        """Raise an error where an input is no tensor of floating-point numbers."""
        if not isinstance(x, Tensor):
            raise TypeError(self._message("the input must be a tensor", f"got {type(x).__name__}", "pass a tensor"))
        if not x.is_floating_point() and not (self.takes_complex and x.is_complex()):
            way_out = "normalize x.real and x.imag by themselves" if x.is_complex() else "cast it with x.float()"
            raise self._error("the input must be floating point", f"got dtype={x.dtype}", way_out)

    def _check_traced_shape(self, shape: Sequence[int]) -> None:
        """Check a shape that torch.jit.trace is following; what a norm checks are sizes that are always the same."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TracerWarning)
            self._check_shape(shape)

    def _through_view(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Normalize a view of an input that has its channels second; return the output as the input lies."""
        dim = self.channel_dim
        place = dim + x.ndim if dim < 0 else dim
        if not 0 < place < x.ndim:
            raise self._error(
                "the input must have its channels after its samples, in dimension channel_dim",
                f"got shape {tuple(x.shape)} and channel_dim={dim}",
                "change the input or channel_dim",
            )
        seen = x.movedim(place, 1)
        has_one = x.ndim == 3  # a map of width one can have its channels last in memory, as it is
        try:
            y = self._normalize(
                seen.unsqueeze(-1) if has_one else seen,
                mask.unsqueeze(-1) if has_one and isinstance(mask, Tensor) else mask,
                seen.shape,
            )
        except InputError as error:
            message = f"{error} (shapes are written with the channels second; they are dimension {dim})"
            raise InputError(message) from None
        y = (y.squeeze(-1) if has_one else y).movedim(1, place)
        return y.contiguous() if x.is_contiguous() else y

    def _way_to_channels(self, shape: Sequence[int], channels: int, otherwise: str) -> str:
        """Return what to do about an input that has other channels: it may have them last by mistake."""
        if self.channel_dim == 1 and len(shape) > 2 and shape[-1] == channels:
            way_out = "for channels last use channel_dim=-1" if self._takes("channel_dim") else "move them there"
            return f"channels are its second dimension; {way_out}"
        return otherwise

    def _takes(self, option: str) -> bool:
        """Whether the layer that a user made has an option."""
        for kind in () if self.is_part else type(self).__mro__:
            if "__init__" in vars(kind):
                takes = signature(kind).parameters
                if option in takes or all(each.kind is not Parameter.VAR_KEYWORD for each in takes.values()):
                    return option in takes
        return False

    def _has_tensors_of(self, channels: int) -> bool:
        """Whether there are parameters or statistics, all for so many channels, as after channels were pruned."""
        sizes = {tensor.shape[-1] for tensor in (*self.parameters(), *self.buffers()) if tensor.ndim}
        return sizes == {channels}

    def _normalize_nothing(self, x: Tensor) -> Tensor:
        """Return an empty output that is connected to the parameters, whose gradients are then zero.

        Nothing is remembered of it: no batch is counted.
        """
        y = x * x.new_ones(())  # whose gradient is laid out as the input
        for parameter in (self.weight, self.bias, *self.parameters()):  # the first two may be parametrized
            if parameter is not None:
                y = y + parameter.sum()
        return y.to(x.dtype)

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

    def _gain(self) -> Tensor | None:
        """Return what is multiplied by: ``weight``; one more, in float32 or wider, where it is zero-centred."""
        weight: Tensor | None = self.weight
        return 1 + widened(weight) if self.zero_centered and weight is not None else weight

    def _eps(self, x: Tensor) -> float:  # noqa: ARG002
        """Return what is added to the variance."""
        return float(self.eps)

    def _policies(self) -> str:
        """Return the options that torch.nn's layers do not have, as ``extra_repr`` prints them, where they are set."""
        given = {name: getattr(self, name, default) for name, default in DEFAULTS.items()}
        return "".join(f", {name}={value!r}" for name, value in given.items() if value != DEFAULTS[name])

    @final
    def __prepare_scriptable__(self) -> nn.Module:
        """Return what ``torch.jit.script`` is to compile: torch.nn's layer with our tensors, or a user's subclass."""
        layer = as_torch_layer(self, must_be=True)
        if layer is self and not has_own_forward(self):
            raise self._error(
                "torch.jit.script takes norms for torch.nn's",
                "and this is none of those",
                "use torch.export, torch.compile, or a class of torch.nn's name, such as BatchNorm2d",
            )
        return layer

    def _too_few_values(
        self, shape: tuple[int, ...], is_masked: bool, way_out: str, *, statistics: str = "a mean and variance need"
    ) -> InputError:
        """Return the error for an input whose statistics would be over too few values."""
        under = " under the mask" if is_masked else ""
        rule, got = f"{statistics} more than one value", "one value per statistic"
        if self.min_values > 2:
            rule, got = f"a mean and variance are to be over min_values={self.min_values} values", "fewer"
        return self._error(rule, f"got {got} from shape {shape}{under}", way_out)

    def _error(self, rule: str, values: str, way_out: str) -> InputError:
        """Return an error that names the layer, the rule, the values and the way out."""
        return InputError(self._message(rule, values, way_out))

    def _message(self, rule: str, values: str, way_out: str) -> str:
        return f"{type(self).__name__}: {rule}, {values}; {way_out}"
