"""Does a layer work under autocast?"""

from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from normzoo.layers import Engine, engine, make_norm
from normzoo.registry import NORMS


@pytest.mark.parametrize("name", ["eager", "compiled"])
@pytest.mark.parametrize("norm", NORMS)
def test_between_autocast_layers(norm: str, name: Engine) -> None:
    """Behind a convolution in bfloat16 a norm keeps that type; its statistics and gradients stay float32."""
    model = nn.Sequential(nn.Conv2d(2, 8, 3), make_norm(norm, 8), nn.Conv2d(8, 2, 3))
    x = torch.randn(4, 2, 8, 8)
    expected = model(x)
    types: list[torch.dtype] = []
    y: Any = x
    with engine(name), torch.autocast("cpu", dtype=torch.bfloat16):
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
