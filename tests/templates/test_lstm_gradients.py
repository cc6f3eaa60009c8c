"""May a gradient of the lstm be changed in place, as clipping does?"""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from normzoo import layers
from normzoo.layers import norm_factory
from normzoo.templates import Lstm, stack

NORMS = ("batch", "layer", "group:groups=2", "rms", "none")


def assert_gradients_are_apart(network: nn.Module) -> None:
    """Each parameter has a gradient, in memory of its own."""
    owners: dict[int, str] = {}
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        place = parameter.grad.untyped_storage().data_ptr()
        assert place not in owners, f"{name} and {owners.get(place)}"
        owners[place] = name


@pytest.mark.parametrize("norm", NORMS)
def test_parameters_of_the_template_share_no_gradient(norm: str) -> None:
    """Alone and in a stack: what is scaled in one would be scaled in the other, too."""
    network = Lstm(norm_factory(norm), shape=(1, 6, 6), outputs=3, hidden=8)
    network(torch.randn(4, 1, 6, 6)).square().sum().backward()
    assert_gradients_are_apart(network)
    network.zero_grad()
    members = stack([copy.deepcopy(network) for _ in range(2)])
    members(torch.randn(4, 2, 1, 6, 6)).square().sum().backward()
    assert_gradients_are_apart(members)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
def test_parameters_of_the_layers_share_no_gradient(kind: Any, norm: str) -> None:
    """With one layer after another, in both directions."""
    network = kind(5, 8, num_layers=2, bidirectional=True, norm=norm, **({"steps": 3} if norm == "batch" else {}))
    outputs, _ = network(torch.randn(3, 4, 5))
    outputs.square().sum().backward()
    assert_gradients_are_apart(network)
