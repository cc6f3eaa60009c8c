"""Are networks of torchvision and timm templates, for the images and with the stem that are asked for?"""

import sys
from typing import Any

import pytest
import torch
from torch import nn

from normzoo.errors import UsageError
from normzoo.layers import BatchNorm, GroupNorm, norm_factory
from normzoo.templates import make_network

NARROW = "torchvision:shufflenet_v2_x0_5"
"""The smallest of torchvision's."""


def made(template: str, norm: str = "batch", shape: tuple[int, int, int] = (3, 32, 32)) -> Any:
    torch.manual_seed(0)
    return make_network(template, norm_factory(norm), shape=shape, outputs=5)


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    return [part for part in network.modules() if isinstance(part, nn.Conv2d)]


@pytest.mark.slow
def test_a_network_is_as_published() -> None:
    """But for the number of classes and its norms, which compute what they computed."""
    from torchvision.models import shufflenet_v2_x0_5

    torch.manual_seed(0)
    stock = shufflenet_v2_x0_5(num_classes=5)
    network = made(NARROW)
    assert network.notes == ("its own norms are exchanged: 56 BatchNorm2d",)
    assert sum(isinstance(part, BatchNorm) for part in network.modules()) == 56
    x = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(network(x), stock(x), rtol=1e-3, atol=1e-4)
    network.load_state_dict(stock.state_dict())


@pytest.mark.slow
def test_its_first_convolution_takes_the_channels_of_the_images() -> None:
    network = made(NARROW, shape=(1, 32, 32))
    assert convolutions(network)[0].in_channels == 1
    assert network(torch.randn(2, 1, 32, 32)).shape == (2, 5)
    assert network.notes[0] == "its first convolution takes 1 channel, not 3"


@pytest.mark.slow
def test_a_stem_for_small_images() -> None:
    """Is asked for: a 3x3 convolution without a stride, and no pooling after it."""
    network = made(f"{NARROW}:stem=small", shape=(1, 8, 8))
    first = convolutions(network)[0]
    assert (first.kernel_size, first.stride, first.padding, first.bias) == ((3, 3), (1, 1), (1, 1), None)
    assert isinstance(network.maxpool, nn.Identity)
    assert "and the pooling after it is left out (stem=small)" in network.notes[1]
    assert isinstance(made(NARROW).maxpool, nn.MaxPool2d)
    without_pooling = made("torchvision:mobilenet_v3_small:stem=small")
    assert without_pooling.notes[0] == "its first convolution is 3x3 without a stride (stem=small)"


@pytest.mark.slow
def test_options_are_those_of_its_constructor() -> None:
    narrow = made("torchvision:mobilenet_v2:width_mult=0.25,dropout=0.5")
    assert (convolutions(narrow)[0].out_channels, narrow.classifier[0].p) == (8, 0.5)


@pytest.mark.slow
def test_further_classifiers_have_their_norms_exchanged_too() -> None:
    """Though a forward pass in evaluation does not reach them."""
    network = made("torchvision:googlenet:init_weights=false", "group", shape=(3, 64, 64))
    assert not any(isinstance(part, nn.BatchNorm2d) for part in network.modules())
    assert any(isinstance(part, GroupNorm) for part in network.aux1.modules())


def test_timms_are_likewise() -> None:
    pytest.importorskip("timm")
    network = made("timm:resnet10t.c3_in1k:stem=stock", "group", shape=(1, 32, 32))
    assert network(torch.randn(2, 1, 32, 32)).shape == (2, 5)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in network.modules())


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("torchvision:shuffelnet_v2_x0_5", "unknown network of torchvision: .* did you mean 'shufflenet_v2_x0_5'"),
        ("torchvision:resnet18:widht=3", "unexpected keyword argument 'widht'"),
        ("torchvision:resnet18:weights=DEFAULT", "weights is no option; every network starts from its seed"),
        ("torchvision:resnet18:pretrained=true", "pretrained is no option; every network starts from its seed"),
        ("torchvision:vit_b_16:image_size=32,stem=small", "does not begin with a convolution of overlapping windows"),
        ("torchvision:resnet18:stem=tiny", "stem must be one of stock, small, got 'tiny'"),
        ("torchvision:alexnet", "it takes no norm, and a forward pass reaches none"),
    ],
)
def test_what_is_not_there_is_refused(template: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        made(template, shape=(3, 64, 64) if "alexnet" in template else (3, 32, 32))


def test_without_timm_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UsageError, match="timm is not installed; use pip install timm"):
        made("timm:resnet18")
