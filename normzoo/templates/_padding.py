"""Sequences of different lengths: steps beyond a sample's end are NaN in the data, and count for nothing."""

import inspect

import torch
from torch import Tensor, nn

from normzoo.errors import UsageError


def without_padding(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return sequences ``(N, C, T)`` with zeros for NaN, and which steps count, ``(N, T)`` bools.

    >>> values, mask = without_padding(torch.tensor([[[1.0, 2.0, torch.nan]]]))
    >>> values.tolist(), mask.tolist()
    ([[[1.0, 2.0, 0.0]]], [[True, True, False]])
    """
    padding = x.isnan()
    return x.masked_fill(padding, 0.0), ~padding[..., 0, :]


def last_steps(states: Tensor, mask: Tensor) -> Tensor:
    """Return the states ``(N, H)`` at the last steps that count, of states ``(N, T, H)`` and a mask ``(N, T)``."""
    last = mask.sum(-1, dtype=torch.int64) - 1
    index = last[..., None, None].expand(*last.shape, 1, states.shape[-1])
    return states.gather(-2, index).squeeze(-2)


def mean_over_steps(x: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean ``(N, C)`` of tokens ``(N, T, C)`` over those that count."""
    if mask is None:
        return x.mean(-2)
    counted = x.masked_fill(~mask.unsqueeze(-1), 0.0)
    return counted.sum(-2) / mask.sum(-1, keepdim=True)


def max_over_steps(x: Tensor, mask: Tensor | None) -> Tensor:
    """Return the maximum ``(N, C)`` of tokens ``(N, T, C)`` over those that count."""
    return x.amax(-2) if mask is None else x.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(-2)


class Unpadded(nn.Module):
    """A network of the user's own that is told which steps count: its ``forward`` takes ``mask``, or ``lengths``.

    It is given zeros for padding, and ``mask`` ``(N, T)`` bools or ``lengths`` ``(N,)`` integers.

    Raises:
        UsageError: it takes neither.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.consists_of_parts = bool(getattr(network, "consists_of_parts", False))
        self.places = {f"network.{name}": where for name, where in dict(getattr(network, "places", {})).items()}
        names = inspect.signature(network.forward).parameters
        self.told = next((name for name in ("mask", "lengths") if name in names), None)
        if self.told is None:
            raise UsageError(
                "its forward takes neither 'mask' nor 'lengths', and the sequences are of different lengths; declare "
                "one, or let the network take 'ragged' and find NaN beyond the ends itself"
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map sequences ``(N, C, T)``, NaN beyond their ends, to outputs ``(N, *)``."""
        values, mask = without_padding(x)
        told = mask if self.told == "mask" else mask.sum(-1)
        y: Tensor = self.network(values, **{str(self.told): told})
        return y
