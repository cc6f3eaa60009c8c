"""The LSTM and the GRU of torch.nn with norms inside, which are those of torch.nn without.

Ba, Kiros & Hinton (2016), "Layer Normalization"; Cooijmans, Ballas, Laurent, Gulcehre & Courville (2016), "Recurrent
Batch Normalization".
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from math import sqrt
from numbers import Integral
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from normzoo.errors import ComponentError, InputError
from normzoo.layers._kernels.torch_internals import call_uncompiled
from normzoo.layers._make import SPEC, NormFactory, norm_factory, takes_mask
from normzoo.layers._recurrent._gradients import transform
from normzoo.layers._recurrent._gru import gru
from normzoo.layers._recurrent._lstm import lstm
from normzoo.layers._recurrent._steps import StepNorms, has_buffers, why_not_in_steps
from normzoo.layers._torch_tools import as_torch_layer

_CONVERTED = (torch.float32, torch.float16, torch.bfloat16)
"""Types that autocast makes one of."""


class _Sequences(NamedTuple):
    """What a layer of a recurrent network reads.

    Attributes:
        x: ``(T, N, I)``.
        lengths: of the sequences, ``(N,)``; None where all are of one length.
    """

    x: Tensor
    lengths: Tensor | None

    @property
    def masks(self) -> Sequence[Tensor | None]:
        """Which samples have not ended, for each step."""
        if self.lengths is None:
            return [None] * len(self.x)
        return (torch.arange(len(self.x), device=self.x.device).unsqueeze(-1) < self.lengths).unbind(0)

    def backwards(self, x: Tensor) -> Tensor:
        """Return ``(T, N, *)`` with each sequence from its end to its beginning; what is beyond the end stays there."""
        if self.lengths is None:
            return x.flip(0)
        steps = torch.arange(len(x), device=x.device).unsqueeze(-1)
        mirrored = torch.where(steps < self.lengths, self.lengths - 1 - steps, steps)
        return x.gather(0, mirrored.unsqueeze(-1).expand_as(x))

    def last(self, states: Tensor) -> Tensor:
        """Return the states ``(N, H)`` at the end of each sequence, of those of all steps."""
        if self.lengths is None:
            return states[-1]
        index = (self.lengths - 1).unsqueeze(-1).expand(states.shape[1:]).unsqueeze(0)
        return states.gather(0, index).squeeze(0)


class _Normalized(nn.RNNBase):
    """What both layers share: their norms, and how sequences come in and go out.

    Attributes:
        norm: the norm in words; None: there is none.
    """

    norm: str | None

    def _add_norms(self, norm: str | NormFactory | None, steps: int | None, places: Mapping[str, int]) -> None:
        """Make the norms of each layer and direction, for places with so many channels.

        Raises:
            ComponentError: the norm cannot stand in a recurrence.
            TypeError: it is neither a spec nor makes one.
            ValueError: it keeps statistics, and ``steps`` is not given, or is no whole number of at least 1.
        """
        if steps is not None and (isinstance(steps, bool) or not isinstance(steps, Integral) or steps < 1):
            raise ValueError(
                f"{type(self).__name__}: steps must be a whole number of at least 1, got {steps=}; "
                "pass as many steps as the longest sequence of training has"
            )
        if isinstance(norm, nn.Module) or not (norm is None or isinstance(norm, str) or callable(norm)):
            raise TypeError(
                f"{type(self).__name__}: norm must be a spec, or what makes a norm of a number of channels, got a "
                f"{type(norm).__name__}; pass its class"
            )
        make = norm_factory(norm) if isinstance(norm, str) else norm
        self.norm = norm if isinstance(norm, str) or norm is None else str(getattr(norm, SPEC, norm))
        if make is None:
            return
        like: Tensor = self.get_parameter("weight_ih_l0")
        for suffix in self._suffixes():
            for place, features in places.items():
                norms = StepNorms(make, features, 1 if steps is None else int(steps), bias=place == "norm_cell")
                if suffix == "_l0":
                    self._check_norm(norms[0], steps)
                tensors = (*norms.parameters(), *norms.buffers())
                floats = [each for each in tensors if each.is_floating_point()]
                if any((each.device, each.dtype) != (like.device, like.dtype) for each in floats):
                    norms.to(device=like.device, dtype=like.dtype)
                self.add_module(place + suffix, norms)

    def _check_norm(self, layer: nn.Module, steps: int | None) -> None:
        name = type(self).__name__
        if reason := why_not_in_steps(layer):
            raise ComponentError(f"{name}: norm {self.norm} {reason}; use for example layer")
        if steps is None and has_buffers(layer):
            raise ValueError(
                f"{name}: a norm that keeps statistics keeps them for each time step, got steps=None; "
                "pass as many steps as the longest sequence of training has"
            )

    def _suffixes(self) -> list[str]:
        directions = ("", "_reverse") if self.bidirectional else ("",)
        return [f"_l{layer}{direction}" for layer in range(self.num_layers) for direction in directions]

    def reset_parameters(self) -> None:
        """Draw weights and biases as torch.nn does, and have norms begin again."""
        bound = 1 / sqrt(self.hidden_size)  # to the last digit
        for weight in self.parameters(recurse=False):
            nn.init.uniform_(weight, -bound, bound)
        for norms in self.children():
            if isinstance(norms, StepNorms):
                norms.reset_parameters()

    def __prepare_scriptable__(self) -> nn.Module:
        """Return what ``torch.jit.script`` compiles: torch.nn's layer with the same tensors, if there is no norm."""
        if self.norm is not None:
            raise InputError(
                f"{type(self).__name__}: torch.jit.script takes it for torch.nn's, which has no norm, got "
                f"norm={self.norm}; use torch.export or torch.jit.trace"
            )
        return as_torch_layer(self)

    def extra_repr(self) -> str:
        """Return the arguments, as torch.nn prints them."""
        return super().extra_repr() if self.norm is None else f"{super().extra_repr()}, norm={self.norm}"

    def _run(self, given: Tensor | PackedSequence, start: Sequence[Tensor] | None) -> tuple[Any, list[Tensor]]:
        """Return the output, in the form of the input, and the last states of all layers and directions.

        Args:
            given: sequences as torch.nn takes them.
            start: what each layer and direction begins with, ``(layers, N, H)`` each; None: zeros.
        """
        if isinstance(given, PackedSequence):
            x, lengths = pad_packed_sequence(given)
            is_ragged = bool((lengths < len(x)).any())
            y, last = self._through_layers(_Sequences(x, lengths.to(x.device) if is_ragged else None), start)
            return _packed_like(given, y, lengths), last
        if given.ndim == 2:
            start = None if start is None else [each.unsqueeze(1) for each in start]
            y, last = self._through_layers(_Sequences(given.unsqueeze(1), None), start)
            return y.squeeze(1), [each.squeeze(1) for each in last]
        x = given.transpose(0, 1) if self.batch_first and given.ndim == 3 else given
        y, last = self._through_layers(_Sequences(x, None), start)
        return (y.transpose(0, 1) if self.batch_first else y), last

    def _through_layers(self, given: _Sequences, start: Sequence[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
        """Return the states of the last layer, ``(T, N, directions * H)``, and the last ones of all layers."""
        self._check_input(given, start)
        sizes = [self.proj_size or self.hidden_size, self.hidden_size]
        last: list[list[Tensor]] = []
        read: list[Tensor] = []
        sequences, directions = given, 2 if self.bidirectional else 1
        for number, suffix in enumerate(self._suffixes()):
            x = sequences.x if number % directions == 0 else sequences.backwards(sequences.x)
            if start is None:
                begin = [x.new_zeros(x.shape[1], size) for size in sizes]
            else:
                begin = [each[number] for each in start]
            of_all = self._recur(sequences._replace(x=x), suffix, begin)
            last.append([sequences.last(each) for each in of_all])
            read.append(of_all[0] if number % directions == 0 else sequences.backwards(of_all[0]))
            if len(read) == directions:
                states = torch.cat(read, -1) if self.bidirectional else read[0]
                is_last = number == len(self._suffixes()) - 1
                sequences = sequences._replace(
                    x=states if is_last else torch.dropout(states, self.dropout, self.training)
                )
                read = []
        return sequences.x, [torch.stack(each) for each in zip(*last, strict=True)]

    @abstractmethod
    def _recur(self, sequences: _Sequences, suffix: str, begin: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the states of all steps of one layer and direction, and whatever else is remembered."""

    def _norms(self, place: str, suffix: str, sequences: _Sequences) -> StepNorms:
        """Return the norms of a place.

        Raises:
            InputError: they would normalize what is beyond the end of a sequence with the rest.
        """
        norms: StepNorms = getattr(self, place + suffix)
        if sequences.lengths is not None and not norms.is_batch_independent and not takes_mask(norms[0]):
            raise InputError(
                f"{type(self).__name__}: norm {self.norm} must take a mask where sequences are of different lengths, "
                "since it depends on other samples; let its forward take mask"
            )
        return norms

    def _check_input(self, given: _Sequences, start: Sequence[Tensor] | None) -> None:
        name, shape = type(self).__name__, tuple(given.x.shape)
        if len(shape) != 3 or shape[-1] != self.input_size:
            raise InputError(
                f"{name}: the input must be a sequence (T, I) or a batch of them, I being input_size, got "
                f"{len(shape)} dimensions, the last of {shape[-1]}, and input_size={self.input_size}; reshape it"
            )
        dtype, device = next(self.parameters()).dtype, given.x.device.type  # not of a weight that is made at each look
        is_converted = device != "meta" and torch.is_autocast_enabled(device) and given.x.dtype in _CONVERTED
        if given.x.dtype != dtype and not is_converted:
            raise InputError(
                f"{name}: the input must be of the type of the weights, got {given.x.dtype} for {dtype}; convert one "
                "of them, or use torch.autocast"
            )
        if not shape[0]:
            raise InputError(f"{name}: the input must hold a step, got none; leave such batches out")
        sizes = [self.proj_size or self.hidden_size, self.hidden_size]
        for each, size in zip(start or (), sizes, strict=False):
            expected = (len(self._suffixes()), shape[1], size)
            if tuple(each.shape) != expected:
                raise InputError(
                    f"{name}: what it begins with must be of each layer, direction and sample, got shape "
                    f"{tuple(each.shape)} for {expected}; pass a tensor of that shape"
                )


def _packed_like(given: PackedSequence, y: Tensor, lengths: Tensor) -> PackedSequence:
    """Pack states ``(T, N, *)`` as the input was packed."""
    if given.sorted_indices is not None:
        y = y.index_select(1, given.sorted_indices)
        lengths = lengths[given.sorted_indices.to(lengths.device)]
    data = pack_padded_sequence(y, lengths).data
    return PackedSequence(data, given.batch_sizes, given.sorted_indices, given.unsorted_indices)


class LSTM(_Normalized, nn.LSTM):
    """The LSTM with norms on both transforms and on the cell; drop-in for ``torch.nn.LSTM``.

        i, f, g, o = norm_ih(x_t W_ih') + norm_hh(h W_hh') + b_ih + b_hh
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(norm_cell(c))

    With layer norm these are equations 20 to 22 of Ba et al. (2016); with batch norm, equations 6 to 8 of Cooijmans et
    al. (2016): each time step has running statistics of its own, weights of norms start at 0.1, and the norms of the
    transforms have no bias beside the gates'. With ``norm=None`` it is torch.nn's own. Inputs, outputs, packed
    sequences and the names of weights are torch.nn's, of which state dicts can be loaded with ``strict=False``.

    In a packed sequence norms see at each step the samples that have not ended. Of a backward direction, which begins
    at the end of each sequence, the first step is that end.

    Args:
        input_size: features of a step.
        hidden_size: units.
        num_layers: layers, each on the states of the one before.
        bias: whether gates have biases.
        batch_first: inputs are ``(N, T, I)`` rather than ``(T, N, I)``.
        dropout: between layers, in training.
        bidirectional: also read from the end to the beginning; outputs of both are put together.
        proj_size: of how many numbers a state is that a matrix makes of the output; 0: there is no such matrix.
        device: of the weights and norms.
        dtype: of the weights and norms.
        norm: a spec (``"layer"``, ``"group:groups=4"``, an import path), or what makes a norm of a number of channels;
            None: no norm.
        steps: for norms that keep statistics: for how many time steps they are kept. Later steps use the last one's.

    Raises:
        ComponentError: the norm contains an activation or needs positions.
        TypeError: ``norm`` is none of these.
        ValueError: the norm keeps statistics, and ``steps`` is not given.

    >>> lstm = LSTM(3, 8, norm="layer")
    >>> y, (h, c) = lstm(torch.randn(5, 2, 3))
    >>> tuple(y.shape), tuple(h.shape), tuple(lstm.norm_cell_l0[0].weight.shape)
    ((5, 2, 8), (1, 2, 8), (8,))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        norm: str | NormFactory | None = "layer",
        steps: int | None = None,
    ) -> None:
        arguments = (num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype)
        nn.LSTM.__init__(self, input_size, hidden_size, *arguments)
        places = {"norm_ih": 4 * hidden_size, "norm_hh": 4 * hidden_size, "norm_cell": hidden_size}
        self._add_norms(norm, steps, places)

    def forward(  # type: ignore[override]
        self,
        input: Tensor | PackedSequence,  # noqa: A002  # torch.nn's name
        hx: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, Tensor]]:
        """Return the states of the last layer at all steps, and the last states and cells of all layers."""
        if self.norm is None:
            return super().forward(input, hx)
        if hx is not None and (isinstance(hx, Tensor) or len(hx) != 2):
            what = "a tensor" if isinstance(hx, Tensor) else f"{len(hx)} of them"
            raise InputError(f"LSTM: what it begins with must be two tensors, got {what}; pass (h, c)")
        y, (h, c) = call_uncompiled(self._run, input, hx)  # or each step is compiled
        return y, (h, c)

    def _recur(self, sequences: _Sequences, suffix: str, begin: Sequence[Tensor]) -> Sequence[Tensor]:
        masks = sequences.masks
        norm_ih, norm_hh, norm_cell = (
            self._norms(place, suffix, sequences) for place in ("norm_ih", "norm_hh", "norm_cell")
        )
        driven = norm_ih.of_all_steps(transform(sequences.x, getattr(self, f"weight_ih{suffix}")), masks)
        biases = [getattr(self, f"bias_ih{suffix}"), getattr(self, f"bias_hh{suffix}")] if self.bias else []
        projection = getattr(self, f"weight_hr{suffix}") if self.proj_size else None
        weight = getattr(self, f"weight_hh{suffix}")
        return lstm(driven, biases, begin[0], begin[1], weight, norm_hh, norm_cell, masks, projection)


class GRU(_Normalized, nn.GRU):
    """The GRU with norms on both transforms; drop-in for ``torch.nn.GRU``.

        r, z = sigmoid(norm_ih(x_t W_ir,iz') + b_ir,iz + norm_hh(h W_hr,hz') + b_hr,hz)
        n = tanh(norm_in(x_t W_in') + b_in + r * (norm_hn(h W_hn') + b_hn))
        h = (1 - z) * n + z * h

    With layer norm that is the supplement of Ba et al. (2016), whose z is 1 - z here, as in torch.nn: the transforms of
    the two gates are normalized together, that of the new state apart. Batch norm has running statistics for each time
    step, weights that start at 0.1 and no biases, as Cooijmans et al. (2016) have it for the LSTM. All else, arguments
    and errors are as of ``LSTM``, but there is no ``proj_size``.

    >>> y, h = GRU(3, 8, batch_first=True, norm="batch", steps=5)(torch.randn(2, 5, 3))
    >>> tuple(y.shape), tuple(h.shape)
    ((2, 5, 8), (1, 2, 8))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        norm: str | NormFactory | None = "layer",
        steps: int | None = None,
    ) -> None:
        arguments = (num_layers, bias, batch_first, dropout, bidirectional)
        nn.GRU.__init__(self, input_size, hidden_size, *arguments, device=device, dtype=dtype)
        gates, new = (
            dict.fromkeys(("norm_ih", "norm_hh"), 2 * hidden_size),
            dict.fromkeys(("norm_in", "norm_hn"), hidden_size),
        )
        self._add_norms(norm, steps, {**gates, **new})

    def forward(  # type: ignore[override]
        self,
        input: Tensor | PackedSequence,  # noqa: A002  # torch.nn's name
        hx: Tensor | None = None,
    ) -> tuple[Tensor | PackedSequence, Tensor]:
        """Return the states of the last layer at all steps, and the last ones of all layers."""
        if self.norm is None:
            return super().forward(input, hx)
        if hx is not None and not isinstance(hx, Tensor):
            raise InputError(f"GRU: what it begins with must be a tensor, got a {type(hx).__name__}; pass h")
        y, (h,) = call_uncompiled(self._run, input, None if hx is None else [hx])
        return y, h

    def _recur(self, sequences: _Sequences, suffix: str, begin: Sequence[Tensor]) -> Sequence[Tensor]:
        masks = sequences.masks
        norm_ih, norm_in, norm_hh, norm_hn = (
            self._norms(place, suffix, sequences) for place in ("norm_ih", "norm_in", "norm_hh", "norm_hn")
        )
        parts = transform(sequences.x, getattr(self, f"weight_ih{suffix}")).tensor_split([2 * self.hidden_size], -1)
        normalized = [norms.of_all_steps(part, masks) for norms, part in zip((norm_ih, norm_in), parts, strict=True)]
        driven, bias = torch.cat(normalized, -1), None
        if self.bias:
            driven, bias = driven + getattr(self, f"bias_ih{suffix}"), getattr(self, f"bias_hh{suffix}")
        return [gru(driven, bias, begin[0], getattr(self, f"weight_hh{suffix}"), norm_hh, norm_hn, masks)]
