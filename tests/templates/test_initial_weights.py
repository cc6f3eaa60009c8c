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
from .own_norms import Dicing, Positional, Rolling

Build = Callable[[NormFactory], nn.Module]
FACTORIES: dict[str, NormFactory] = {
    **{name: norm_factory(name) for name in CLASSIC},
    "random": Rolling,
    "random when tried": Dicing,
    "positional": Positional,
    "torch's": norm_factory("torch.nn:GroupNorm:num_groups=2"),
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


@pytest.mark.slow_but_one
@pytest.mark.parametrize("build", [cnn, lstm, resnet, vgg, mlp, transformer])
@pytest.mark.parametrize("norm", FACTORIES)
def test_the_same_seed_gives_the_same_shared_weights_under_every_norm(build: Build, norm: str) -> None:
    """So runs pair by seed: also under a norm that draws as it is made or tried, and so is what is drawn thereafter."""
    torch.manual_seed(3)
    expected, expected_next = shared(build(norm_factory("none"))), torch.rand(4)
    torch.manual_seed(3)
    actual, actual_next = shared(build(FACTORIES[norm])), torch.rand(4)
    assert len(expected) >= 4
    assert_close(actual, expected, atol=0, rtol=0)
    assert_close(actual_next, expected_next, atol=0, rtol=0)


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
