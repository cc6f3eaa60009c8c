"""Do networks that differ only in their norm start from the same weights?"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from zoo import CLASSIC

from normzoo.layers import norm_factory
from normzoo.layers._make import NormFactory
from normzoo.templates import Cnn, Lstm

from .networks import small_network
from .own_norms import Positional, Rolling

Build = Callable[[NormFactory], nn.Module]
FACTORIES: dict[str, NormFactory] = {
    **{name: norm_factory(name) for name in CLASSIC},
    "random": Rolling,
    "positional": Positional,
}


def cnn(norm: NormFactory) -> nn.Module:
    return Cnn(norm, shape=(1, 8, 8), outputs=10, widths=(8, 16), hidden=8)


def lstm(norm: NormFactory) -> nn.Module:
    return Lstm(norm, shape=(1, 8, 8), outputs=10, hidden=8)


def resnet(norm: NormFactory) -> nn.Module:
    return small_network("resnet", norm)


def vgg(norm: NormFactory) -> nn.Module:
    return small_network("vgg", norm)


def mlp(norm: NormFactory) -> nn.Module:
    return small_network("mlp", norm)


def transformer(norm: NormFactory) -> nn.Module:
    return small_network("transformer", norm, heads=2, placement="peri", qk_norm=True)


def shared(network: nn.Module) -> list[Tensor]:
    """Return the parameters that the network has under every norm, in order."""
    own = (nn.Conv2d, nn.Linear)
    cells = [
        parameter for name, parameter in network.named_parameters() if name.startswith("lstm.") and "norm" not in name
    ]
    cells = [parameter for parameter in cells if parameter.ndim == 2]
    return [
        *cells,
        *(parameter for layer in network.modules() if isinstance(layer, own) for parameter in layer.parameters()),
    ]


@pytest.mark.parametrize("build", [cnn, lstm, resnet, vgg, mlp, transformer])
@pytest.mark.parametrize("norm", FACTORIES)
def test_the_same_seed_gives_the_same_shared_weights_under_every_norm(build: Build, norm: str) -> None:
    """Also under a norm that draws random numbers of its own; so runs pair by seed."""
    torch.manual_seed(3)
    expected = shared(build(norm_factory("none")))
    torch.manual_seed(3)
    actual = shared(build(FACTORIES[norm]))
    assert len(expected) >= 4
    assert_close(actual, expected, atol=0, rtol=0)


@pytest.mark.parametrize("build", [cnn, lstm, resnet, vgg, mlp, transformer])
def test_another_seed_gives_other_weights(build: Build) -> None:
    """Otherwise seeds would be no replicates, and the test above could not fail."""
    torch.manual_seed(3)
    first = shared(build(norm_factory("batch")))
    torch.manual_seed(4)
    second = shared(build(norm_factory("batch")))
    drawn = [pair for pair in zip(first, second, strict=True) if pair[0].any()]  # some biases start at 0
    assert len(drawn) >= 4
    assert all(not torch.equal(one, other) for one, other in drawn)


@pytest.mark.parametrize("build", [cnn, lstm, resnet, vgg, mlp, transformer])
@pytest.mark.parametrize("norm", FACTORIES)
def test_random_numbers_after_building_are_the_same_under_every_norm(build: Build, norm: str) -> None:
    """What is drawn in training does not depend on the norm either."""
    torch.manual_seed(3)
    build(norm_factory("none"))
    expected = torch.rand(4)
    torch.manual_seed(3)
    build(FACTORIES[norm])
    assert_close(torch.rand(4), expected, atol=0, rtol=0)
