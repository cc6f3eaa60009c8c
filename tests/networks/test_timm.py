"""Does timm, where it is installed, take our norms into its networks and find them with its tools?"""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torchvision.ops import FrozenBatchNorm2d

from normzoo import layers

from .architectures import ARCHITECTURES, CLASSES
from .exchange import norms_in
from .pairs import pair, step

pytest.importorskip("timm")  # no dependency of ours
timm_layers: Any = pytest.importorskip("timm.layers")
timm_optim: Any = pytest.importorskip("timm.optim")
mlp_mixer: Any = pytest.importorskip("timm.models.mlp_mixer")
resnet: Any = pytest.importorskip("timm.models.resnet")
vision_transformer: Any = pytest.importorskip("timm.models.vision_transformer")

Build = Callable[[Any], Any]


def _resnet(norms: Any) -> Any:
    return resnet.ResNet(
        resnet.BasicBlock, (1, 1, 1, 1), CLASSES, channels=(8, 8, 16, 16), stem_width=8, norm_layer=norms.BatchNorm2d
    )


def _vision_transformer(norm: Any) -> Any:
    return vision_transformer.VisionTransformer(
        img_size=32, patch_size=8, num_classes=CLASSES, embed_dim=16, depth=1, num_heads=2, mlp_ratio=2.0,
        qk_norm=True, norm_layer=partial(norm, eps=1e-6),
    )  # fmt: skip


def _layer_transformer(norms: Any) -> Any:
    return _vision_transformer(norms.LayerNorm)


def _rms_transformer(norms: Any) -> Any:
    return _vision_transformer(norms.RMSNorm)


def _mixer(norms: Any) -> Any:
    norm = partial(norms.LayerNorm, eps=1e-6)
    return mlp_mixer.MlpMixer(CLASSES, img_size=32, patch_size=8, num_blocks=2, embed_dim=16, norm_layer=norm)


every_network = pytest.mark.parametrize("build", [_resnet, _layer_transformer, _rms_transformer, _mixer])


def pair_of(build: Build) -> tuple[nn.Module, nn.Module]:
    """Return a network of timm's with our norms and with torch.nn's, and the same state."""
    stock, ours = build(nn).double(), build(layers).double()
    with torch.no_grad():
        for parameter in stock.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))  # some start at zero, and hide what is before them
    ours.load_state_dict(stock.state_dict())
    return ours, stock


@pytest.mark.slow_but_one
@every_network
def test_network_trains_as_with_torch(build: Build) -> None:
    """A step's output, gradients and running statistics are those with torch.nn's norms, which are all exchanged."""
    ours, stock = pair_of(build)
    assert len(norms_in(ours)) == len(norms_in(stock)) > 0
    assert all(isinstance(norm, layers.Norm) for norm in norms_in(ours))
    x = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    for training in (True, False):
        mine, theirs = (step(model.train(training), x) for model in (ours, stock))
        for name in ("output", "input_gradient", "gradients", "buffers"):
            assert_close(getattr(mine, name), getattr(theirs, name), rtol=1e-10, atol=1e-10)
        assert theirs.input_gradient.abs().max() > 1e-6


@pytest.mark.slow_but_one
@every_network
def test_weight_decay_spares_the_same_parameters(build: Build) -> None:
    """``param_groups_weight_decay`` makes the same groups."""
    groups = []
    for model in pair_of(build):
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        found = timm_optim.param_groups_weight_decay(model, weight_decay=0.1)
        groups.append([(group["weight_decay"], [names[id(p)] for p in group["params"]]) for group in found])
    assert groups[0] == groups[1]
    assert [weight_decay for weight_decay, _ in groups[0]] == [0.0, 0.1]


@pytest.mark.parametrize(
    "architecture", [case for case in ARCHITECTURES if case.id in ("resnet", "densenet")], ids=lambda case: case.id
)
def test_batch_norms_can_be_frozen(architecture: Any) -> None:
    """``freeze_batch_norm_2d`` freezes every norm, after which training leaves the network's evaluation as it was."""
    ours, stock = (timm_layers.freeze_batch_norm_2d(model) for model in pair(architecture, torch.float64))
    frozen = [module for module in ours.modules() if isinstance(module, FrozenBatchNorm2d)]
    assert len(frozen) == architecture.norms
    assert norms_in(ours) == []
    x = architecture.input(torch.float64)
    assert_close(ours.train()(x), stock.train()(x), rtol=1e-10, atol=1e-10)
    assert_close(ours.state_dict(), stock.state_dict(), rtol=0, atol=0)
