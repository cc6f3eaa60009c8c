"""A normalized LSTM over the rows of an image, a sequence or tokens, and a classifier on its last state or on all.

    gates = norm(x_t W_ih') + norm(h W_hh') + bias;   c = f * c + i * g;   h = o * tanh(norm(c))

Ba, Kiros & Hinton (2016), "Layer Normalization", and Cooijmans et al. (2016), "Recurrent Batch Normalization".
"""

from math import prod
from typing import ClassVar

import torch
from torch import Tensor, nn

from normzoo.errors import ComponentError
from normzoo.layers import Norm
from normzoo.layers._make import NormFactory, contains_activation
from normzoo.templates._norm_slots import Shape, accepts, build, fit_for_padding, is_batch_independent, masked, problem
from normzoo.templates._padding import last_steps, without_padding
from normzoo.templates._stack import affine


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

    Norms act at every step. One that keeps statistics (has buffers) keeps them per time step, and shares its
    parameters over time. One that needs positions, or takes no vectors, normalizes the input-to-hidden transform over
    time instead, and nothing else. A norm may say what its ``weight`` should start at here (``recurrent_gain``: 0.1 for
    batch norm). Gates are ordered input, forget, cell, output, as in ``torch.nn.LSTM``; weights start as there, the
    forget gate's bias at 1.

    Under a mask, norms see at each step the samples that have not ended. Where that is a single one, a norm that pools
    samples has no variance, gives its bias, and leaves its running statistics as they are.

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
        self.norm_ih = _per_step(norm, 4 * hidden, steps, ragged=ragged)
        self.norm_hh = _per_step(norm, 4 * hidden, steps, ragged=ragged)
        self.norm_cell = _per_step(norm, hidden, steps, ragged=ragged)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map inputs ``(N, T, inputs)`` to the hidden states ``(N, T, hidden)``.

        Args:
            x: inputs.
            mask: True where a step counts, ``(N, T)``; states beyond a sample's last step mean nothing.
        """
        driven = self._normalize_driven(affine(x, self.weight_ih), mask) + self.bias.unsqueeze(-2)
        h = c = x.new_zeros(*x.shape[:-2], self.hidden)
        states = []
        masks = [None] * driven.shape[-2] if mask is None else mask.unbind(-1)
        for step, (step_input, counts) in enumerate(zip(driven.unbind(-2), masks, strict=True)):
            h, c = self._step(step, step_input, h, c, counts)
            states.append(h)
        return torch.stack(states, -2)

    def _normalize_driven(self, driven: Tensor, mask: Tensor | None) -> Tensor:
        """Normalize the input-to-hidden transform ``(N, T, 4 * hidden)``: at every step, or over time."""
        if self.over_time is not None:
            over_time = masked(self.over_time, driven.transpose(-2, -1), mask)
            return over_time.transpose(-2, -1)
        if len(self.norm_ih) == 1 and is_batch_independent(self.norm_ih[0]):  # then steps are as good as samples
            rows = driven.movedim(-2, 1)
            flat: Tensor = self.norm_ih[0](rows.flatten(0, 1))
            return flat.reshape(rows.shape).movedim(1, -2)
        masks = [None] * driven.shape[-2] if mask is None else mask.unbind(-1)
        steps = enumerate(zip(driven.unbind(-2), masks, strict=True))
        return torch.stack([_normalized(self.norm_ih, step, each, counts) for step, (each, counts) in steps], -2)

    def _step(self, step: int, driven: Tensor, h: Tensor, c: Tensor, counts: Tensor | None) -> tuple[Tensor, Tensor]:
        recurrent = affine(h, self.weight_hh)
        if self.over_time is None:
            recurrent = _normalized(self.norm_hh, step, recurrent, counts)
        i, f, g, o = (driven + recurrent).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        squashed = c if self.over_time is not None else _normalized(self.norm_cell, step, c, counts)
        return o.sigmoid() * squashed.tanh(), c


def _per_step(norm: NormFactory, features: int, steps: int, *, ragged: bool) -> nn.ModuleList:
    """Make one norm per time step if it keeps statistics, all with the same parameters; otherwise one for all steps."""
    first = build(norm, features)
    for part in first.modules():
        gain = getattr(part, "recurrent_gain", 1.0)
        if isinstance(weight := getattr(part, "weight", None), nn.Parameter) and gain != 1.0:
            nn.init.constant_(weight, gain)
    layers = [first]
    if next(first.buffers(), None) is not None:
        layers += [build(norm, features) for _ in range(steps - 1)]
    for part in (part for layer in layers for part in layer.modules()):
        if isinstance(part, Norm):
            part.tolerates_single_values = ragged
    for layer in layers[1:]:
        for name, parameter in list(first.named_parameters()):
            owner, _, leaf = name.rpartition(".")
            setattr(layer.get_submodule(owner), leaf, parameter)
    return nn.ModuleList(layers)


def _normalized(layers: nn.ModuleList, step: int, x: Tensor, counts: Tensor | None) -> Tensor:
    """Normalize what a step has, with the layer of that step; ``counts`` says which samples have not ended."""
    layer = layers[min(step, len(layers) - 1)]
    y: Tensor = layer(x) if counts is None or is_batch_independent(layer) else masked(layer, x, counts)
    return y
