"""How much does a layer keep for the backward pass, and does it copy what it need not?"""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from normzoo.layers import backend
from normzoo.registry.backends import Backend

from .cases import NORMS, PEERED, Case, on_each_backend
from .references import pair, randomized

BACKENDS: list[Backend] = ["eager", "compiled"]


def saved_bytes(layer: Any, x: Tensor) -> int:
    """Count the bytes that autograd packs away in a forward pass."""
    sizes: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel() * tensor.element_size())
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        layer(x)
    return sum(sizes)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@on_each_backend(PEERED)
def test_no_more_is_saved_than_torch_saves(case: Case, training: bool, name: Backend) -> None:
    """What is kept between the passes is at most what torch.nn keeps for the same layer."""
    ours, theirs = (layer.train(training) for layer in pair(case))
    x = case.input().requires_grad_()
    with backend(name):
        assert 0 < saved_bytes(ours, x) <= saved_bytes(theirs, x)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", PEERED, ids=lambda case: case.id)
def test_low_precision_saves_its_statistics_in_float32_and_no_more(case: Case, training: bool) -> None:
    """A layer of type bfloat16 keeps nothing wider but two float32 statistics, which torch.nn rounds on a CPU."""
    ours, theirs = (layer.train(training) for layer in pair(case, torch.bfloat16))
    x = case.input(torch.bfloat16).requires_grad_()
    assert case.pools is not None
    statistics = max(len(set(case.pools(case.shape).flatten().tolist())), case.shape[1])
    with backend("eager"):
        assert 0 < saved_bytes(ours, x) <= saved_bytes(theirs, x) + 2 * 2 * statistics


class Copies(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the operations that copy a tensor of some size or more."""

    def __init__(self, size: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.size = size
        self.seen: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function.overloadpacket in (
            torch.ops.aten.clone,
            torch.ops.aten.copy_,
            torch.ops.aten._to_copy,
            torch.ops.aten.contiguous,
        ) and any(isinstance(each, Tensor) and each.numel() >= self.size for each in args):
            self.seen.append(str(function))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(
    "case", [case for case in NORMS if len(case.shape) in (4, 5) and not case.trailing], ids=lambda case: case.id
)
def test_channels_last_is_not_copied(case: Case, training: bool) -> None:
    """Maps and volumes with their channels last are normalized as they lie, forward and backward."""
    memory_format = torch.channels_last if len(case.shape) == 4 else torch.channels_last_3d
    layer = randomized(case.ours(torch.float64)).train(training)
    x = case.input().contiguous(memory_format=memory_format).requires_grad_()
    with backend("eager"), Copies(x.numel()) as copies:
        y = layer(x)
        gradients = torch.autograd.grad(y, [x], torch.randn_like(y))
    assert copies.seen == []
    assert y.is_contiguous(memory_format=memory_format)
    assert gradients[0].is_contiguous(memory_format=memory_format)


LAST = ("batch-volumes", "group-maps")
"""Whose pools are over what lies far apart, and over what lies side by side, too."""


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in NORMS if case.id in LAST], ids=lambda case: case.id)
def test_channels_last_is_compiled_for(case: Case) -> None:
    """The compiled backend takes channels last as they lie, too, and gives the same."""
    memory_format = torch.channels_last if len(case.shape) == 4 else torch.channels_last_3d
    layer = randomized(case.ours(torch.float64))
    x, cotangent = case.input(), torch.randn(case.shape, dtype=torch.float64)
    found = []
    for name in BACKENDS:
        leaf = x.contiguous(memory_format=memory_format).requires_grad_()
        with backend(name):
            y = layer(leaf)
            y.backward(cotangent.contiguous(memory_format=memory_format))
        assert leaf.grad is not None
        assert y.stride() == leaf.stride() == leaf.grad.stride()
        found.append((y.detach(), leaf.grad))
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-9)
