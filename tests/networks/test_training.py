"""Does a network with our norms compute, and train, as it does when published?"""

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from normzoo import layers

from .architectures import ARCHITECTURES, Architecture
from .exchange import norms_in
from .pairs import loss_of, pair, step

every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda case: case.id)

Values = Tensor | dict[str, Tensor]


def assert_equal_to_1e_10(value: Values, expected: Values) -> None:
    """Compare to 1e-10, absolute or relative; where no value is as large as one, relative to the largest."""
    values = [expected] if isinstance(expected, Tensor) else list(expected.values())
    largest = max((value.abs().max().item() for value in values), default=1.0)
    assert largest > 0
    assert_close(value, expected, rtol=1e-10, atol=1e-10 * min(1.0, largest))


@pytest.mark.slow_but_one
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@every_architecture
def test_step_is_that_of_the_published_network(architecture: Architecture, training: bool) -> None:
    """In float64 the output, all gradients and the running statistics agree to 1e-10, in training and evaluation."""
    ours, stock = (model.train(training) for model in pair(architecture, torch.float64))
    x = architecture.input(torch.float64)
    mine, theirs = step(ours, x), step(stock, x)
    assert len(theirs.gradients) == len(list(stock.parameters()))
    assert_equal_to_1e_10(mine.output, theirs.output)
    assert_equal_to_1e_10(mine.input_gradient, theirs.input_gradient)
    assert_equal_to_1e_10(mine.gradients, theirs.gradients)
    assert_equal_to_1e_10(mine.buffers, theirs.buffers)


def formats_of_norms(model: nn.Module, formats: list[bool]) -> None:
    """Have each call of a norm note whether its output has the channels last."""

    def note(module: nn.Module, arguments: Any, output: Tensor) -> None:  # noqa: ARG001  # as torch calls it
        formats.append(output.ndim == 4 and output.is_contiguous(memory_format=torch.channels_last))

    for norm in norms_in(model):
        norm.register_forward_hook(note)


def distance(state: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Return the distance of two states, over all of their numbers but the counters."""
    names = [name for name, value in state.items() if value.is_floating_point()]
    return math.sqrt(sum((state[name].double() - other[name].double()).square().sum().item() for name in names))


def trained(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Return a network's state after one step of SGD."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loss_of(model(x)).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return dict(model.state_dict())


@pytest.mark.slow_but_one
@pytest.mark.parametrize("channels_last", [False, True], ids=["rows", "channels-last"])
@every_architecture
def test_optimizer_step_in_float32(architecture: Architecture, channels_last: bool) -> None:
    """One step moves parameters and statistics as exactly as in the published network, in the same memory formats."""
    ours, stock = pair(architecture)
    x = architecture.input()
    start = copy.deepcopy(dict(stock.state_dict()))
    exact = trained(copy.deepcopy(stock).double(), x.double())
    if channels_last:
        memory_format: Any = torch.channels_last if x.ndim == 4 else torch.channels_last_3d
        ours, stock = (model.to(memory_format=memory_format) for model in (ours, stock))
        x = x.to(memory_format=memory_format)
    formats: dict[str, list[bool]] = {"ours": [], "stock": []}
    formats_of_norms(ours, formats["ours"])
    formats_of_norms(stock, formats["stock"])
    mine, theirs = trained(ours, x), trained(stock, x)
    assert formats["ours"] == formats["stock"]
    step_length = distance(exact, start)
    assert distance(mine, exact) < 10 * distance(theirs, exact) + 1e-6 * step_length


def test_norm_of_patches_can_be_flattened() -> None:
    """Patches made by a convolution, transposed and normalized, can be viewed as one list, as transformers do."""
    patches = nn.Conv2d(3, 8, 4, 4)(torch.randn(2, 3, 16, 16)).flatten(2).transpose(1, 2)
    expected = nn.LayerNorm(8)(patches).view(-1, 8)
    assert_close(layers.LayerNorm(8)(patches).view(-1, 8), expected)
