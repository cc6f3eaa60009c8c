"""What the page on layers says of where ours differ from torch.nn's, and no other test asks."""

import pytest
import torch
from torch import nn

from normzoo import layers


def test_group_norm_of_no_positions_is_empty() -> None:
    """Of torch.nn's it is an error."""
    x = torch.zeros(4, 6, 0, requires_grad=True)
    layers.GroupNorm(2, 6)(x).sum().backward()
    assert x.grad is not None
    with pytest.raises(RuntimeError):
        nn.GroupNorm(2, 6)(x)


def test_instance_norm_that_keeps_statistics_is_mapped_as_batch_norm_is() -> None:
    """In training torch.nn's changes captured buffers all the same; given to it, both do."""
    x = torch.randn(4, 6, 5)
    for norm in (layers.InstanceNorm1d(6, track_running_stats=True), layers.BatchNorm1d(6), nn.BatchNorm1d(6)):
        with pytest.raises(RuntimeError, match="in-place"):
            torch.func.grad(lambda x, norm=norm: norm(x).pow(3).sum())(x)
    norm = layers.InstanceNorm1d(6, track_running_stats=True)
    tensors = dict(norm.named_buffers())

    def loss(x: torch.Tensor) -> torch.Tensor:
        given = {name: each.clone() for name, each in tensors.items()}
        y: torch.Tensor = torch.func.functional_call(norm, given, (x,)).pow(3).mul(x).sum()
        return y

    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(loss(leaf), leaf)
    torch.testing.assert_close(torch.func.grad(loss)(x), expected)
