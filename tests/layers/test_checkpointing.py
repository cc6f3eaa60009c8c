"""Does activation checkpointing, which runs the forward pass twice, leave what one pass leaves?"""

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torch.utils.checkpoint import checkpoint

from normzoo.layers import BatchNorm1d, backend
from normzoo.registry.backends import Backend

from .cases import NORMS, Case, on_each_backend
from .references import randomized


@pytest.mark.slow_but_one
@pytest.mark.parametrize("reentrant", [False, True], ids=["", "reentrant"])
@on_each_backend(NORMS)
def test_running_statistics_are_updated_once(case: Case, reentrant: bool, name: Backend) -> None:
    """Outputs, gradients and state are those of a plain step; torch.nn's would update running statistics twice."""
    layer = nn.Sequential(randomized(case.ours(torch.float64)), nn.Tanh())
    twin = copy.deepcopy(layer)
    x, cotangent = case.input(), torch.randn(case.shape, dtype=torch.float64)
    found: list[Any] = []
    with backend(name):
        for module, is_checkpointed in ((layer, False), (twin, True)):
            for _ in range(2):
                leaf = x.clone().requires_grad_()
                y = checkpoint(module, leaf, use_reentrant=reentrant) if is_checkpointed else module(leaf)
                y.backward(cotangent)
            found.append((y.detach(), leaf.grad, [p.grad for p in module.parameters()], module.state_dict()))
    assert_close(found[1], found[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("reentrant", [False, True], ids=["", "reentrant"])
def test_running_statistics_normalize_what_is_recomputed(reentrant: bool) -> None:
    """In evaluation, where they are not updated but read: also the second time."""
    norm = randomized(BatchNorm1d(3)).eval()
    norm.get_buffer("running_mean").copy_(torch.tensor([1.0, 2.0, 3.0]))
    layer, start = nn.Sequential(norm, nn.Tanh()), torch.randn(5, 3)
    plain, checkpointed = (start.clone().requires_grad_() for _ in range(2))
    layer(plain).sum().backward()
    checkpoint(layer, checkpointed, use_reentrant=reentrant).sum().backward()
    assert_close(checkpointed.grad, plain.grad)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0")
@pytest.mark.parametrize(
    ("is_compiled_inside", "updates"), [(False, 1), (True, 2)], ids=["compile-of-checkpoint", "checkpoint-of-compile"]
)
def test_checkpointing_and_compiling(is_compiled_inside: bool, updates: int) -> None:
    """A compiled step that checkpoints updates once; a checkpoint of a compiled part twice, as of torch.nn's."""
    for norm in (BatchNorm1d(3), nn.BatchNorm1d(3)):
        part: Any = nn.Sequential(norm, nn.Tanh())
        torch.compiler.reset()
        if is_compiled_inside:
            compiled: Any = torch.compile(part, backend="aot_eager")
            step: Any = partial(checkpoint, compiled, use_reentrant=False)
        else:
            step = torch.compile(partial(checkpoint, part, use_reentrant=False), backend="aot_eager")
        step(torch.randn(5, 3, requires_grad=True)).sum().backward()
        if is_compiled_inside or isinstance(norm, BatchNorm1d):
            assert norm.num_batches_tracked == updates
