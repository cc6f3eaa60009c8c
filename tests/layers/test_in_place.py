"""Can what a norm returns be changed in place, as torch.nn's output can?"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from normzoo.layers import backend
from normzoo.registry.backends import Backend

from .cases import NORMS, PEERED, Case, on_each_backend
from .references import pair, random_mask, randomized


def layouts(case: Case, name: Backend) -> list[torch.memory_format]:
    """Return the memory formats that an input of the case can have; when compiled, one of them."""
    if len(case.shape) == 4 and name != "compiled":
        return [torch.contiguous_format, torch.channels_last]
    return [torch.contiguous_format]


def changed(layer: nn.Module, x: Tensor) -> list[Any]:
    """Return the output after three changes in place, and the gradients."""
    layer.zero_grad()
    leaf = x.clone().requires_grad_()
    y = nn.ReLU(inplace=True)(layer(leaf))
    z = layer(leaf)
    z += leaf
    z.mul_(2)
    (y.sum() + z.pow(2).sum()).backward()
    return [y.detach(), z.detach(), leaf.grad, [parameter.grad for parameter in layer.parameters()]]


@pytest.mark.slow_but_one
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@on_each_backend(PEERED)
def test_changes_in_place_are_torchs(case: Case, training: bool, name: Backend) -> None:
    """Outputs and gradients after ``ReLU(inplace=True)``, ``+=`` and ``mul_`` agree with torch.nn's, in each layout."""
    for layout in layouts(case, name):
        ours, theirs = (layer.train(training) for layer in pair(case))
        x = case.input().contiguous(memory_format=layout)
        with backend(name):
            found = changed(ours, x)
        assert_close(found, changed(theirs, x), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@on_each_backend(NORMS)
def test_made_without_gradient_and_changed_with_one(case: Case, training: bool, masked: bool, name: Backend) -> None:
    """What was made under ``no_grad`` takes part in autograd afterwards, changed in place by something that learns."""
    layer = randomized(case.ours(torch.float64)).train(training)
    factor = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    with backend(name), torch.no_grad():
        y = layer(case.input(), random_mask(case) if masked else None)
    total = y.sum()
    y.mul_(factor)
    y.sum().backward()
    assert factor.grad is not None
    assert_close(factor.grad, total)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@on_each_backend(NORMS)
def test_outputs_share_no_memory_with_anything(case: Case, training: bool, name: Backend) -> None:
    """Changing an output changes neither the input nor the layer; ``none``, which returns its input, aside."""
    layer, x = randomized(case.ours(torch.float64)).train(training), case.input()
    with backend(name), torch.no_grad():
        y = layer(x)
        kept = [x.clone(), *(tensor.clone() for tensor in layer.state_dict().values())]
        y.fill_(7)
    assert_close([x, *layer.state_dict().values()], kept, rtol=0, atol=0)
