"""A normalized LSTM over the rows of an image, and a classifier on its last state.

    gates = norm(x_t W_ih') + norm(h W_hh') + bias;   c = f * c + i * g;   h = o * tanh(norm(c))

Ba, Kiros & Hinton (2016), "Layer Normalization", and Cooijmans et al. (2016), "Recurrent Batch Normalization".
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from normzoo.errors import ComponentError
from normzoo.layers._make import NormFactory, contains_activation
from normzoo.templates._norm_slots import Shape, accepts, build, is_batch_independent, problem
from normzoo.templates._stack import affine


class Lstm(nn.Module):
    """Reads an image row by row as time steps ``(N, H, C * W)``, and classifies the last hidden state.

    Args:
        norm: makes the norm of each place from its number of channels.
        shape: channels, height and width of the images.
        outputs: how many numbers to put out for each image: logits of the classes, for instance.
        hidden: units of the LSTM.
    """

    consists_of_parts: ClassVar[bool] = True

    def __init__(self, norm: NormFactory, *, shape: Shape, outputs: int, hidden: int = 64) -> None:
        super().__init__()
        channels, height, width = shape
        self.lstm = NormalizedLstm(norm, inputs=channels * width, hidden=hidden, steps=height)
        self.head = nn.Linear(hidden, outputs)
        self.notes = self.lstm.notes
        self.places = {
            "lstm.norm_ih": "on the input-to-hidden transform",
            "lstm.norm_hh": "on the hidden-to-hidden transform",
            "lstm.norm_cell": "on the cell",
            "lstm.over_time": "on the input-to-hidden transform, over time",
        }

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to outputs ``(N, outputs)``."""
        rows = images.transpose(-3, -2).flatten(-2)
        y: Tensor = self.head(self.lstm(rows)[..., -1, :])
        return y


class NormalizedLstm(nn.Module):
    """One LSTM layer with norms on the input-to-hidden and hidden-to-hidden transforms and on the cell.

    Norms act at every step. One that keeps statistics (has buffers) keeps them per time step, and shares its
    parameters over time. One that needs positions, or takes no vectors, normalizes the input-to-hidden transform over
    time instead, and nothing else. A norm may say what its ``weight`` should start at here (``recurrent_gain``: 0.1 for
    batch norm). Gates are ordered input, forget, cell, output, as in ``torch.nn.LSTM``; weights start as there, the
    forget gate's bias at 1.

    Args:
        norm: makes a norm from its number of channels.
        inputs: features per time step.
        hidden: units.
        steps: time steps with statistics of their own; steps beyond share the last one's.

    Raises:
        ComponentError: the norm takes neither vectors nor sequences, or contains an activation.
    """

    consists_of_parts: ClassVar[bool] = True

    def __init__(self, norm: NormFactory, *, inputs: int, hidden: int, steps: int) -> None:
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
        self.over_time = None if takes_vectors else over_time
        self.notes: tuple[str, ...] = ()
        if self.over_time is not None:
            self.notes = ("normalizes the input-to-hidden transform over time, and nothing else",)
            return
        self.norm_ih = _per_step(norm, 4 * hidden, steps)
        self.norm_hh = _per_step(norm, 4 * hidden, steps)
        self.norm_cell = _per_step(norm, hidden, steps)

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs ``(N, T, inputs)`` to the hidden states ``(N, T, hidden)``."""
        driven = self._normalize_driven(affine(x, self.weight_ih)) + self.bias.unsqueeze(-2)
        h = c = x.new_zeros(*x.shape[:-2], self.hidden)
        states = []
        for step, step_input in enumerate(driven.unbind(-2)):
            h, c = self._step(step, step_input, h, c)
            states.append(h)
        return torch.stack(states, -2)

    def _normalize_driven(self, driven: Tensor) -> Tensor:
        """Normalize the input-to-hidden transform ``(N, T, 4 * hidden)``: at every step, or over time."""
        if self.over_time is not None:
            over_time: Tensor = self.over_time(driven.transpose(-2, -1))
            return over_time.transpose(-2, -1)
        if len(self.norm_ih) == 1 and is_batch_independent(self.norm_ih[0]):  # then steps are as good as samples
            rows = driven.movedim(-2, 1)
            flat: Tensor = self.norm_ih[0](rows.flatten(0, 1))
            return flat.reshape(rows.shape).movedim(1, -2)
        return torch.stack([_at(self.norm_ih, step)(each) for step, each in enumerate(driven.unbind(-2))], -2)

    def _step(self, step: int, driven: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        recurrent = affine(h, self.weight_hh)
        if self.over_time is None:
            recurrent = _at(self.norm_hh, step)(recurrent)
        i, f, g, o = (driven + recurrent).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        squashed = c if self.over_time is not None else _at(self.norm_cell, step)(c)
        return o.sigmoid() * squashed.tanh(), c


def _per_step(norm: NormFactory, features: int, steps: int) -> nn.ModuleList:
    """Make one norm per time step if it keeps statistics, all with the same parameters; otherwise one for all steps."""
    first = build(norm, features)
    gain = getattr(first, "recurrent_gain", 1.0)
    if isinstance(weight := getattr(first, "weight", None), nn.Parameter) and gain != 1.0:
        nn.init.constant_(weight, gain)
    layers = [first]
    if next(first.buffers(), None) is not None:
        layers += [build(norm, features) for _ in range(steps - 1)]
    for layer in layers[1:]:
        for name, parameter in list(first.named_parameters()):
            owner, _, leaf = name.rpartition(".")
            setattr(layer.get_submodule(owner), leaf, parameter)
    return nn.ModuleList(layers)


def _at(layers: nn.ModuleList, step: int) -> nn.Module:
    return layers[min(step, len(layers) - 1)]
