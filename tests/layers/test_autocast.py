"""Does a layer work under autocast?"""

from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from normzoo.layers import backend, make_norm
from normzoo.registry import NORMS as NAMES
from normzoo.registry.backends import Backend

from .cases import CASES, LARGE, Case
from .references import randomized


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("case", "name"),
    [*((case, "eager") for case in CASES), (LARGE, "compiled")],
    ids=lambda value: getattr(value, "id", value),
)
def test_what_autocast_hands_over(case: Case, name: Backend) -> None:
    """A bfloat16 input keeps its type; parameters, their gradients and running statistics stay float32."""
    layer = randomized(case.ours())
    twin = case.ours()
    twin.load_state_dict(layer.state_dict())
    x = case.input(torch.bfloat16).requires_grad_()
    with backend(name):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = layer(x)
        y.float().square().sum().backward()
    assert y.dtype == torch.bfloat16
    assert x.grad is not None
    assert x.grad.dtype == torch.bfloat16
    with backend("eager"):
        assert_close(y.float(), twin(x.float()), rtol=2e-2, atol=2e-2)
    assert_close(layer.state_dict(), twin.state_dict(), rtol=1e-5, atol=1e-5)
    assert all(parameter.grad.dtype == torch.float32 for parameter in layer.parameters())


@pytest.mark.slow_but_one
@pytest.mark.parametrize("norm", [norm for norm in NAMES if norm != "noisy-batch"])
def test_between_autocast_layers(norm: str) -> None:
    """Behind a convolution in bfloat16 a norm keeps that type; its statistics and gradients stay float32."""
    model = nn.Sequential(nn.Conv2d(2, 8, 3), make_norm(norm, 8), nn.Conv2d(8, 2, 3))
    x = torch.randn(4, 2, 8, 8)
    expected = model(x)
    types: list[torch.dtype] = []
    y: Any = x
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for part in model:
            y = part(y)
            types.append(y.dtype)
    y.float().square().mean().backward()
    assert types == [torch.bfloat16] * 3
    assert_close(y.float(), expected, rtol=0.1, atol=0.1)
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.dtype == torch.float32
    assert all(buffer.dtype in (torch.float32, torch.int64) for buffer in model.buffers())
