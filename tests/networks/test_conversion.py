"""Do tools that look for norms by their classes find ours in a network?"""

import warnings
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torchvision.ops._utils import split_normalization_params

from normzoo.layers import Norm

from .architectures import ARCHITECTURES, Architecture
from .exchange import norms_in
from .pairs import pair

every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda case: case.id)


def synchronized(model: nn.Module) -> nn.Module:
    """Apply torch's conversion."""
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-any-return,no-untyped-call]


@every_architecture
def test_batch_norms_become_synchronized(architecture: Architecture) -> None:
    """``convert_sync_batchnorm`` converts the norms that it does in the published network, with state and settings."""
    ours, stock = (synchronized(model) for model in pair(architecture, torch.float64))
    kinds, expected = (
        [name for name, module in model.named_modules() if isinstance(module, nn.SyncBatchNorm)]
        for model in (ours, stock)
    )
    assert kinds == expected
    for name in kinds:
        assert str(ours.get_submodule(name)) == str(stock.get_submodule(name))
    assert_close(ours.state_dict(), stock.state_dict(), rtol=0, atol=0)
    remaining = [norm for norm in norms_in(ours) if isinstance(norm, Norm)]
    assert len(remaining) == architecture.norms - len(kinds)


def test_some_norms_become_synchronized() -> None:
    """The tool has something to do in the test above."""
    resnet = next(architecture for architecture in ARCHITECTURES if architecture.id == "resnet")
    converted = synchronized(resnet.ours())
    assert sum(isinstance(module, nn.SyncBatchNorm) for module in converted.modules()) == resnet.norms


@every_architecture
def test_weight_decay_spares_the_same_parameters(architecture: Architecture) -> None:
    """Torchvision's training script puts the same parameters among those of norms."""
    groups = []
    for model in pair(architecture):
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        groups.append([[names[id(p)] for p in group] for group in split_normalization_params(model)])
    assert groups[0] == groups[1]
    assert len(groups[0][0]) == 2 * architecture.norms


def test_modules_fuse_for_quantization() -> None:
    """``torch.ao.quantization.fuse_modules`` merges convolution and norm of VGG as in the published network."""
    vgg = next(architecture for architecture in ARCHITECTURES if architecture.id == "vgg")
    ours, stock = (model.eval() for model in pair(vgg, torch.float64))
    layers = list(stock.get_submodule("features").children())
    places = [
        [f"features.{index - 1}", f"features.{index}", f"features.{index + 1}"]
        for index, layer in enumerate(layers)
        if isinstance(layer, nn.BatchNorm2d)
    ]
    x = vgg.input(torch.float64)
    fuse: Any = torch.ao.quantization.fuse_modules
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces that torchao is to take this over
        fused_stock, fused = (fuse(model, places) for model in (stock, ours))
    assert len(norms_in(fused_stock)) == 0
    assert len(norms_in(fused)) == 0
    assert_close(fused(x), stock(x), rtol=1e-8, atol=1e-8)
