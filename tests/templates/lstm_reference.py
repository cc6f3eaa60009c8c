"""The normalized LSTM written plainly, one line per equation; the norms are passed in as functions."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from normzoo.templates import NormalizedLstm

StepNorm = Callable[[Tensor, int], Tensor]
"""Normalizes values ``(N, features)`` at a time step."""


def as_it_is(values: Tensor, step: int) -> Tensor:  # noqa: ARG001
    """Normalize nothing."""
    return values


def hidden_states(lstm: NormalizedLstm, x: Tensor, norm_ih: StepNorm, norm_hh: StepNorm, norm_cell: StepNorm) -> Tensor:
    """Map ``(N, T, inputs)`` to ``(N, T, hidden)`` with the weights of ``lstm`` and norms of the caller's."""
    h = c = torch.zeros(len(x), lstm.hidden, dtype=x.dtype)
    states = []
    for t in range(x.shape[1]):
        gates = norm_ih(x[:, t] @ lstm.weight_ih.T, t) + norm_hh(h @ lstm.weight_hh.T, t) + lstm.bias
        i, f, g, o = gates.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(norm_cell(c, t))
        states.append(h)
    return torch.stack(states, dim=1)


def gradients(states: Tensor, x: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradients of a loss that weighs every state differently, with respect to input and parameters."""
    weights = torch.linspace(-1, 1, states.numel(), dtype=states.dtype).reshape(states.shape)
    return list(torch.autograd.grad((states * weights).sum(), [x, *parameters]))
