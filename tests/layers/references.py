"""What the layers are held against: the definition of a norm written out, and pairs with equal parameters; models."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .cases import Case


def randomized(layer: Any) -> Any:
    """Draw the layer's parameters and running statistics, so that none of them is one or zero."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn_like(parameter))
        for name, buffer in layer.named_buffers():
            if name.startswith("running"):
                buffer.copy_(0.5 + torch.rand_like(buffer))
    return layer


def pair(case: Case, dtype: torch.dtype = torch.float64) -> tuple[Any, Any]:
    """Return our layer and torch.nn's with the same random parameters and running statistics."""
    theirs = randomized(case.theirs(dtype))
    ours = case.ours(dtype)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


class SideBySide(nn.Module):
    """Layers, each with an input of its own: a model of which torch's compilers make one graph, not one of each."""

    def __init__(self, parts: Iterable[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        return [part(x) for part, x in zip(self.parts, inputs, strict=True)]


def random_mask(case: Case) -> Tensor:
    """Draw a mask in which every statistic over valid values has at least two."""
    mask = torch.rand(case.mask_shape) < 0.6
    if not case.trailing:
        mask[..., :2] = True
    return mask


def by_hand(case: Case, layer: nn.Module, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Normalize the valid values of each pool, and scale and shift: the definition, with no regard to speed."""
    assert case.pools is not None
    pools = case.pools(tuple(x.shape))
    valid = torch.ones_like(pools, dtype=torch.bool) if mask is None else case.spread_out(mask)
    y = torch.zeros_like(x)
    eps = getattr(layer, "eps", None)
    for pool in sorted(set(pools[valid].tolist())):
        chosen = (pools == pool) & valid
        values = x[chosen]
        deviations = values - values.mean() if case.centered else values
        degrees = len(values) - getattr(layer, "unbiased", False)
        spread = deviations.square().sum() / degrees + (torch.finfo(x.dtype).eps if eps is None else eps)
        y = y.masked_scatter(chosen, deviations / spread.sqrt())
    weight, bias = getattr(layer, "weight", None), getattr(layer, "bias", None)
    if weight is not None and getattr(layer, "zero_centered", False):
        weight = 1 + weight
    return (y * case.per_value(weight, 1.0) + case.per_value(bias, 0.0)) * valid


def pool_values(case: Case, y: Tensor) -> list[Tensor]:
    """Return the values of each pool."""
    assert case.pools is not None
    pools = case.pools(tuple(y.shape))
    return [y[pools == pool] for pool in sorted(set(pools.flatten().tolist()))]
