"""Does a published network take our norms where it asks for torch.nn's, and does its state travel both ways?"""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from normzoo.layers import Norm

from .architectures import ARCHITECTURES, Architecture
from .exchange import names_exchanged, norms_in
from .pairs import randomized

every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda case: case.id)


@every_architecture
def test_all_norms_are_ours(architecture: Architecture) -> None:
    """Each place of a norm holds one of ours, and there are as many as in the published network."""
    ours, stock = norms_in(architecture.ours()), norms_in(architecture.stock())
    assert len(ours) == len(stock) == architecture.norms
    assert [norm for norm in ours if not isinstance(norm, Norm)] == []
    assert not any(isinstance(norm, Norm) for norm in stock)


@every_architecture
def test_networks_read_alike(architecture: Architecture) -> None:
    """Modules, their order and their settings are those of the published network, to the letter of ``print``."""
    ours = str(architecture.ours())
    if "bias" not in str(nn.BatchNorm2d(1)):  # before torch 2.12
        ours = ours.replace("affine=True, bias=True", "affine=True")
    assert ours == str(architecture.stock())


@every_architecture
def test_same_seed_gives_same_weights(architecture: Architecture) -> None:
    """The constructor finds our norms where it initializes norms, and draws the same random numbers."""
    ours, stock = architecture.ours().state_dict(), architecture.stock().state_dict()
    assert_close(ours, stock, rtol=0, atol=0)


@every_architecture
def test_state_goes_both_ways(architecture: Architecture) -> None:
    """A checkpoint of either network loads into the other, with the same keys in the same order."""
    ours, stock = (randomized(architecture, model) for model in (architecture.ours(), architecture.stock()))
    assert list(ours.state_dict()) == list(stock.state_dict())
    kept = copy.deepcopy(ours.state_dict())
    ours.load_state_dict(stock.state_dict(), strict=True)
    assert_close(ours.state_dict(), stock.state_dict(), rtol=0, atol=0)
    stock.load_state_dict(kept, strict=True)
    assert_close(stock.state_dict(), kept, rtol=0, atol=0)


def test_names_are_put_back() -> None:
    """After the exchange torch.nn's names are torch.nn's again."""
    before = nn.BatchNorm2d
    with names_exchanged():
        assert issubclass(nn.BatchNorm2d, Norm)
    assert nn.BatchNorm2d is before
    assert isinstance(nn.BatchNorm2d(2)(torch.randn(2, 2, 1, 1)), torch.Tensor)
