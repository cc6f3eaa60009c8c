"""A normalized LSTM over the rows of an image, a sequence or tokens, and a classifier on its last state or on all.

    gates = norm(x_t W_ih') + norm(h W_hh') + bias;   c = f * c + i * g;   h = o * tanh(norm(c))

Ba, Kiros & Hinton (2016), "Layer Normalization", and Cooijmans et al. (2016), "Recurrent Batch Normalization".
"""

from functools import partial
from math import prod
from typing import ClassVar

import torch
from torch import Tensor, nn

from normzoo.errors import ComponentError
from normzoo.layers._make import NormFactory, contains_activation
from normzoo.layers._recurrent import StepNorms, lstm, transform
from normzoo.templates._norm_slots import Shape, accepts, build, check_sizes, fit_for_padding, masked, problem
from normzoo.templates._padding import last_steps, without_padding


class Lstm(nn.Module):
    """Reads the steps of a sample one by one, and classifies the last hidden state, or each of them.

    Steps are the rows of an image ``(N, H, C * W)``, those of a sequence, or tokens, each of which has a learned
    embedding of as many numbers as there are units. Sequences may be of different lengths: the last state is then that
    of a sample's own last step, and norms see the samples that have not ended.

    Args:
        norm: makes the norm of each place from its number of channels.
        shape: of a sample: (C, H, W) of images, (C, T) of sequences, (T,) of tokens.
        outputs: how many numbers to put out: logits of the classes, for instance.
        vocabulary: how many different tokens there are; None where samples are no tokens.
        ragged: of sequences of different lengths, which are NaN beyond their ends, how many steps the longest one of
            training has; statistics of later steps are that one's. 0 where they are of one length.
        per_step: outputs are wanted for every step.
        hidden: units of the LSTM.
    """

    consists_of_parts: ClassVar[bool] = True

    def __init__(
        self,
        norm: NormFactory,
        *,
        shape: Shape,
        outputs: int,
        vocabulary: int | None = None,
        ragged: int = 0,
        per_step: bool = False,
        hidden: int = 64,
    ) -> None:
        super().__init__()
        check_sizes("Lstm", hidden=hidden)
        self.ragged, self.per_step, self.is_of_rows = ragged, per_step, len(shape) == 3
        self.embedding = None if vocabulary is None else nn.Embedding(vocabulary, hidden)
        steps = shape[-1] if len(shape) < 3 else shape[1]
        inputs = hidden if vocabulary is not None else prod(shape) // steps
        self.lstm = NormalizedLstm(
            norm,
            inputs=inputs,
            hidden=hidden,
            steps=ragged or steps,
            ragged=bool(ragged),
            looks_ahead=not per_step,
        )
        self.head = nn.Linear(hidden, outputs)
        self.notes = self.lstm.notes
        self.places = {
            "lstm.norm_ih": "on the input-to-hidden transform",
            "lstm.norm_hh": "on the hidden-to-hidden transform",
            "lstm.norm_cell": "on the cell",
            "lstm.over_time": "on the input-to-hidden transform, over time",
        }

    def forward(self, samples: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)``, sequences ``(N, C, T)`` or tokens ``(N, T)`` to outputs ``(N, outputs)``.

        For every step outputs are ``(N, T, outputs)``.
        """
        steps, mask = self._steps(samples)
        states = self.lstm(steps, mask)
        if not self.per_step:
            states = states[..., -1, :] if mask is None else last_steps(states, mask)
        y: Tensor = self.head(states)
        return y

    def _steps(self, samples: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the samples as steps ``(N, T, inputs)``, and which count, ``(N, T)``."""
        if self.embedding is not None:
            return self.embedding(samples), None
        if self.is_of_rows:
            return samples.transpose(-3, -2).flatten(-2), None
        values, mask = without_padding(samples) if self.ragged else (samples, None)
        return values.transpose(-2, -1), mask


class NormalizedLstm(nn.Module):
    """One LSTM layer with norms on the input-to-hidden and hidden-to-hidden transforms and on the cell.

    Norms act at every step (``StepNorms`` of ``normzoo.layers``). One that needs positions, or takes no vectors,
    normalizes the input-to-hidden transform over time instead, and nothing else. Gates are ordered input, forget, cell,
    output, as in ``torch.nn.LSTM``; weights start as there, the forget gate's bias at 1. Unlike ``normzoo.layers.LSTM``
    there is one bias, so that whatever an optimizer does, it does once.

    Args:
        norm: makes a norm from its number of channels.
        inputs: features per time step.
        hidden: units.
        steps: time steps with statistics of their own; steps beyond share the last one's.
        ragged: a mask will be given.
        looks_ahead: a state may depend on later steps, as it does where a norm pools time.

    Raises:
        ComponentError: the norm takes neither vectors nor sequences, contains an activation, takes no mask where it
            would need one, or looks ahead where that must not be.
    """

    consists_of_parts: ClassVar[bool] = True

    def __init__(
        self,
        norm: NormFactory,
        *,
        inputs: int,
        hidden: int,
        steps: int,
        ragged: bool = False,
        looks_ahead: bool = True,
    ) -> None:
        super().__init__()
        self.hidden = hidden
        bound = hidden**-0.5
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden, inputs).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden, hidden).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(4 * hidden))
        with torch.no_grad():
            self.bias[hidden : 2 * hidden] = 1
        over_time = build(norm, 4 * hidden)
        if contains_activation(over_time):
            raise ComponentError("it contains an activation, and the lstm has its own at every step")
        takes_vectors = accepts(over_time, 4 * hidden, "vectors")
        if not takes_vectors and not accepts(over_time, 4 * hidden, "sequences"):
            raise ComponentError(
                f"it takes neither vectors nor sequences: {problem(over_time, 4 * hidden, 'vectors')}; "
                f"{problem(over_time, 4 * hidden, 'sequences')}"
            )
        if ragged:
            fit_for_padding(over_time, 4 * hidden, "vectors" if takes_vectors else "sequences")
        if not (takes_vectors or looks_ahead):
            raise ComponentError("it normalizes over time, and no output may depend on later steps")
        self.over_time = None if takes_vectors else over_time
        self.notes: tuple[str, ...] = ()
        if self.over_time is not None:
            self.notes = ("normalizes the input-to-hidden transform over time, and nothing else",)
            return
        self.norm_ih, self.norm_hh, self.norm_cell = (
            StepNorms(partial(build, norm), features, steps) for features in (4 * hidden, 4 * hidden, hidden)
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map inputs ``(N, T, inputs)`` to the hidden states ``(N, T, hidden)``.

        Args:
            x: inputs.
            mask: True where a step counts, ``(N, T)``; states beyond a sample's last step mean nothing.
        """
        driven = transform(x.movedim(-2, 0), self.weight_ih)
        masks = [None] * len(driven) if mask is None else mask.unbind(-1)
        norm_hh = norm_cell = None
        if self.over_time is None:
            driven = self.norm_ih.of_all_steps(driven, masks)
            norm_hh, norm_cell = self.norm_hh, self.norm_cell
        else:
            driven = masked(self.over_time, driven.movedim(0, -1), mask).movedim(-1, 0)
        start = x.new_zeros(*x.shape[:-2], self.hidden)
        states, _ = lstm(driven, [self.bias], start, start, self.weight_hh, norm_hh, norm_cell, masks)
        return states.movedim(0, -2)
