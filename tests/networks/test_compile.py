"""Does torch.compile take a whole network with our norms in one graph?"""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from .architectures import ARCHITECTURES, CLASSES, TRACED, Architecture
from .pairs import pair, step

LONG = [architecture for architecture in TRACED if architecture.norms > 10]
"""Of these only the capture is tested: AOTAutograd takes up to half a minute each, and sees the same operations."""


def assert_compiled_step_is_the_same(architecture: Architecture, backend: str) -> None:
    """Train and evaluate once with our norms compiled and without, and compare all that is left behind."""
    ours, stock = pair(architecture, torch.float64)
    x = architecture.input(torch.float64)
    torch.compiler.reset()
    compiled: Any = torch.compile(ours, backend=backend, fullgraph=True)
    mine, theirs = step(compiled, x), step(stock, x)
    gradients = {name.removeprefix("_orig_mod."): gradient for name, gradient in mine.gradients.items()}
    buffers = {name.removeprefix("_orig_mod."): buffer for name, buffer in mine.buffers.items()}
    for value, expected in (
        (mine.output, theirs.output),
        (mine.input_gradient, theirs.input_gradient),
        (gradients, theirs.gradients),
        (buffers, theirs.buffers),
    ):
        assert_close(value, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("architecture", TRACED, ids=lambda case: case.id)
def test_network_is_one_graph(architecture: Architecture) -> None:
    """A step through the captured graph is that of the published network run eagerly."""
    assert_compiled_step_is_the_same(architecture, "eager" if architecture in LONG else "aot_eager")


@pytest.mark.slow
def test_network_runs_on_generated_code() -> None:
    """VGG in evaluation gives its output through code that inductor has generated."""
    vgg = next(architecture for architecture in ARCHITECTURES if architecture.id == "vgg")
    ours, stock = (model.eval() for model in pair(vgg))
    x = vgg.input()
    torch.compiler.reset()
    with torch.no_grad():
        assert_close(torch.compile(ours, fullgraph=True)(x), stock(x), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_network_trains_on_generated_code() -> None:
    """A training step of a ResNet's first two stages does: outputs, gradients and running statistics in float64."""
    resnet = next(architecture for architecture in ARCHITECTURES if architecture.id == "resnet")

    def shallow(norms: Any) -> Any:
        model = resnet.build(norms)
        model.layer3 = model.layer4 = nn.Identity()
        model.fc = nn.Linear(128 // 8, CLASSES)
        return model

    assert_compiled_step_is_the_same(replace(resnet, build=shallow), "inductor")
