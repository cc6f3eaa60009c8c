"""Does torch.compile take a whole network with our norms in one graph?"""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from .architectures import ARCHITECTURES, CLASSES, OF_EACH_KIND, Architecture
from .pairs import pair, step

RESNET = next(architecture for architecture in ARCHITECTURES if architecture.id == "resnet")
pytestmark = pytest.mark.slow  # a second or more for each network


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


def stem(norms: Any) -> Any:
    """Build a ResNet's first convolution with its norm, and the classifier."""
    model = RESNET.build(norms)
    model.maxpool = model.layer1 = model.layer2 = model.layer3 = model.layer4 = nn.Identity()
    model.fc = nn.Linear(64, CLASSES)
    return model


STEM = replace(RESNET, build=stem)


@pytest.mark.parametrize("architecture", OF_EACH_KIND, ids=lambda case: case.id)
def test_network_is_one_graph(architecture: Architecture) -> None:
    """A step through the captured graph is that of the published network run eagerly."""
    assert_compiled_step_is_the_same(architecture, "aot_eager" if architecture.id == "vit" else "eager")


def test_network_runs_on_generated_code() -> None:
    """In evaluation a ResNet's stem gives its output through code that inductor has generated, in float32."""
    ours, stock = (model.eval() for model in pair(STEM))
    x = STEM.input()
    torch.compiler.reset()
    with torch.no_grad():
        assert_close(torch.compile(ours, fullgraph=True)(x), stock(x), rtol=1e-4, atol=1e-4)


def test_network_trains_on_generated_code() -> None:
    """A training step of the same does, too: outputs, gradients and running statistics in float64."""
    assert_compiled_step_is_the_same(STEM, "inductor")
