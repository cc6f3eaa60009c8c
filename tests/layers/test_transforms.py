"""Do the layers pass through torch.func and torch.compile?"""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap
from torch.testing import assert_close

from .cases import CASES, Case
from .references import random_mask, randomized

COMPILED = [
    case
    for case in CASES
    if case.id
    in {
        "batch-vectors",
        "batch-sequences-cumulative",
        "instance-sequences-tracked",
        "group-maps",
        "layer-sequences",
        "rms-vectors",
        "sample-rms-maps",
    }
]


@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_stacked_layers_are_the_layers_one_by_one(case: Case, training: bool, masked: bool) -> None:
    """Layers stacked with torch.func compute what each computes alone, and keep their own running statistics."""
    members = [randomized(case.ours(torch.float64)).train(training) for _ in range(3)]
    skeleton = copy.deepcopy(members[0])
    parameters, buffers = stack_module_state(members)
    inputs = [torch.stack([case.input() for _ in members])]
    if masked:
        inputs.append(torch.stack([random_mask(case) for _ in members]))

    def member(parameters: dict[str, Tensor], buffers: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        output: Tensor = functional_call(skeleton, (parameters, buffers), inputs)
        return output

    for _ in range(2):
        stacked = vmap(member)(parameters, buffers, *inputs)
        assert_close(stacked, torch.stack([layer(*own) for layer, *own in zip(members, *inputs, strict=True)]))
    for name, buffer in buffers.items():
        assert_close(buffer, torch.stack([layer.get_buffer(name) for layer in members]))


@pytest.mark.parametrize("case", [case for case in CASES if len(case.shape) == 4], ids=lambda case: case.id)
def test_stacked_maps_with_channels_last(case: Case) -> None:
    """Maps stored with channels last can be stacked too."""
    layer, x = case.ours(torch.float64).eval(), torch.stack([case.input() for _ in range(2)])
    channels_last = x.movedim(2, -1).contiguous().movedim(-1, 2)
    assert_close(vmap(layer)(channels_last), torch.stack([layer(part) for part in x]))


@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0")  # of that release alone
@pytest.mark.parametrize("case", COMPILED, ids=lambda case: case.id)
def test_compiled_is_eager(case: Case) -> None:
    """Compiled whole, without a break, a layer gives the outputs, gradients and running statistics it gives eagerly."""
    layer = randomized(case.ours(torch.float64))
    twin = copy.deepcopy(layer)
    torch.compiler.reset()
    compiled: Any = torch.compile(twin, fullgraph=True, backend="aot_eager")
    for step in range(4):
        x, mask = case.input(), random_mask(case) if step % 2 else None
        results = []
        for function, module in ((layer, layer), (compiled, twin)):
            module.zero_grad()
            leaf = x.clone().requires_grad_()
            y = function(leaf, mask)
            y.pow(3).sum().backward()
            results.append((y, leaf.grad, [parameter.grad for parameter in module.parameters()]))
        assert_close(results[1], results[0])
        assert_close(twin.state_dict(), layer.state_dict())
    x = case.input()
    twin.eval()
    assert_close(compiled(x), layer.eval()(x))
