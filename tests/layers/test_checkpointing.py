"""Does activation checkpointing, which runs the forward pass twice, leave what one pass leaves?"""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torch.utils.checkpoint import checkpoint

from normzoo.layers import backend
from normzoo.registry.backends import Backend

from .cases import NORMS, Case
from .references import randomized


@pytest.mark.parametrize("name", ["eager", "compiled"])
@pytest.mark.parametrize("reentrant", [False, True], ids=["", "reentrant"])
@pytest.mark.parametrize("case", NORMS, ids=lambda case: case.id)
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
