"""Do published networks train with other norms in them, and are they what they were when these are exchanged back?"""

from typing import Any

import pytest
import torch
import torchvision
from networks.architectures import ARCHITECTURES, Architecture
from networks.exchange import TORCH_NORMS
from networks.pairs import randomized, step
from torch import nn
from torch.testing import assert_close

from normzoo.surgery import convert

QUICK = ("resnet", "vit")
SAME = {
    "resnet-group": "group:groups=8",
    **dict.fromkeys(("convnext", "swin", "vit"), "normzoo.layers:LayerNorm"),
}
"""The norm that a network has; the others have batch norm."""

every_architecture = pytest.mark.parametrize(
    "architecture",
    [pytest.param(each, id=each.id, marks=() if each.id in QUICK else pytest.mark.slow) for each in ARCHITECTURES],
)


def stock(architecture: Architecture) -> nn.Module:
    """Build a network as published, in float64, with norms of any parameters and statistics."""
    torch.manual_seed(0)
    return randomized(architecture, architecture.stock(torch.float64))


@pytest.mark.slow_but_one
@every_architecture
def test_a_network_with_the_same_norm_is_the_same(architecture: Architecture) -> None:
    """Output, gradients and running statistics of a step are those of the network as published, as is the state."""
    published, model = stock(architecture), stock(architecture)
    parameters = list(model.parameters())
    report = convert(model, SAME.get(architecture.id, "batch")).report
    assert (len(report.exchanged), report.left) == (architecture.norms, {})
    assert all(each.notes == () for each in report.exchanged.values())
    assert {*map(id, model.parameters())} == {*map(id, parameters)}
    if architecture.id != "convnext":  # whose norms over maps are torchvision's own
        model.load_state_dict(published.state_dict())
        published.load_state_dict(model.state_dict())
    x = architecture.input(torch.float64)
    for training in (True, False):
        mine, theirs = (step(each.train(training), x) for each in (model, published))
        assert_close(mine.output, theirs.output, rtol=1e-10, atol=1e-10)
        assert_close(mine.input_gradient, theirs.input_gradient, rtol=1e-10, atol=1e-10)
        gradients, expected = list(mine.gradients.values()), list(theirs.gradients.values())
        assert_close(gradients, expected, rtol=1e-10, atol=1e-10)
        assert_close(list(mine.buffers.values()), list(theirs.buffers.values()), rtol=1e-10, atol=1e-10)


@pytest.mark.slow_but_one
@every_architecture
def test_a_network_comes_back_from_another_norm(architecture: Architecture) -> None:
    """It trains with group norm; with its own norm again its step is that of the network as published."""
    published, model = stock(architecture), stock(architecture)
    x = architecture.input(torch.float64)
    there = convert(model, "group:groups=4").report
    assert len(there.exchanged) == architecture.norms
    other = step(model.train(), x)
    assert other.input_gradient.isfinite().all()
    assert other.input_gradient.abs().max() > 0
    assert all(gradient.isfinite().all() for gradient in other.gradients.values())
    assert not torch.allclose(other.output, step(published.train(), x).output)
    back = convert(model, SAME.get(architecture.id, "batch")).report
    assert back.exchanged.keys() == there.exchanged.keys()
    assert [each.was for each in back.exchanged.values()] == [each.became for each in there.exchanged.values()]
    mine, theirs = step(model.train(), x), step(published.train(), x)
    assert_close(mine.output, theirs.output, rtol=1e-10, atol=1e-10)
    assert_close(list(mine.gradients.values()), list(theirs.gradients.values()), rtol=1e-10, atol=1e-10)
    if architecture.id != "convnext":
        assert model.state_dict().keys() == published.state_dict().keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "resnet18", "resnext50_32x4d", "vgg11_bn", "densenet121", "mobilenet_v2", "mobilenet_v3_small",
        "efficientnet_b0", "shufflenet_v2_x0_5", "mnasnet0_5", "convnext_tiny", "swin_t", "vit_b_16",
    ],
)  # fmt: skip
def test_every_norm_of_a_model_is_exchanged(name: str) -> None:
    """In full width, without values: none is left, and each keeps its parameters."""
    with torch.device("meta"):
        model = torchvision.models.get_model(name)
    norms = {id(each): each for each in model.modules() if isinstance(each, TORCH_NORMS)}
    parameters = {id(parameter) for each in norms.values() for parameter in each.parameters()}
    report = convert(model, "group:groups=32").report
    assert len(report.exchanged) == len(norms) > 0
    assert report.left == {}
    assert not any(id(each) in norms for each in model.modules())
    assert parameters <= {*map(id, model.parameters())}
    assert all(parameter.is_meta for parameter in model.parameters())


@pytest.mark.slow
def test_a_segmentation_model_comes_back() -> None:
    """Its output is a mapping, and its backbone a module that returns several."""
    torch.manual_seed(0)
    model = torchvision.models.get_model("lraspp_mobilenet_v3_large", weights_backbone=None, num_classes=3).double()
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    expected = model(x)["out"]
    convert(model, "group:groups=4")
    model(x)["out"].sum().backward()
    convert(model, "batch")
    assert_close(model(x)["out"], expected, rtol=1e-9, atol=1e-9)


TIMM: dict[str, dict[str, Any]] = {
    "resnetv2_50": {"layers": (1, 1, 1, 1), "channels": (16, 32, 32, 32), "stem_chs": 8},  # norms with activation
    "mobilenetv3_small_050": {},  # likewise
    "resnet10t": {},
    "convnext_atto": {"depths": (1, 1, 1, 1), "dims": (8, 16, 16, 32)},
    "vit_tiny_patch16_224": {"img_size": 32, "embed_dim": 24, "depth": 2},
    "swin_tiny_patch4_window7_224": {"img_size": 56, "embed_dim": 12, "depths": (1, 1), "num_heads": (2, 2)},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TIMM)
def test_a_network_of_timm_comes_back(name: str) -> None:
    """With the activations that are part of its norms."""
    timm: Any = pytest.importorskip("timm")
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=5, drop_path_rate=0.0, **TIMM[name]).double().train()
    size = TIMM[name].get("img_size", 32)
    x = torch.randn(4, 3, size, size, dtype=torch.float64)
    expected = model(x)
    norms = [each for each in model.modules() if isinstance(each, TORCH_NORMS)]
    is_batch = isinstance(norms[0], nn.BatchNorm2d)
    report = convert(model, "group:groups=4").report
    assert len(report.exchanged) == len(norms)
    assert not torch.allclose(model(x), expected)
    model(x).sum().backward()
    convert(model, "batch" if is_batch else "normzoo.layers:LayerNorm")
    assert_close(model(x), expected, rtol=1e-9, atol=1e-9)
