"""Does torch.fx take a norm as a leaf, whatever stands around it?"""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from normzoo import layers
from normzoo.errors import InputError

from .cases import CASES, PEERED, Case
from .references import randomized


@pytest.mark.slow_but_one
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_symbolic_trace(case: Case, training: bool) -> None:
    """torch.fx takes a norm as a leaf: one node of the graph, that does what the norm does."""
    model = nn.Sequential(nn.Identity(), randomized(case.ours(torch.float64)), nn.Tanh()).train(training)
    before = list(model)
    graph = torch.fx.symbolic_trace(model)
    if case.pools is not None:
        assert [node.op for node in graph.graph.nodes] == ["placeholder", *3 * ["call_module"], "output"]
    x = case.input()
    assert_close(graph(x), copy.deepcopy(model)(x))
    assert list(model) == before


def test_symbolic_trace_with_a_mask() -> None:
    """A mask goes into the graph as a second argument of the node."""

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = layers.BatchNorm1d(3)

        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            y: Tensor = self.norm(x, mask)
            return y

    model, x = Masked(), torch.randn(2, 3, 5)
    mask = torch.ones(2, 5, dtype=torch.bool)
    mask[0, 3:] = False
    for training in (True, False):
        model.train(training)
        assert_close(torch.fx.symbolic_trace(copy.deepcopy(model))(x, mask), model(x, mask))


class ChannelsFirst(layers.LayerNorm):
    """A norm per position over the channels, as ConvNeXt writes it: a subclass with a forward pass of its own."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def test_a_subclass_with_a_forward_of_its_own_is_traced() -> None:
    """Its operations are in the graph, and in them the norm, once."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), ChannelsFirst(4))
    x = torch.randn(2, 3, 6, 6)
    assert_close(torch.fx.symbolic_trace(model)(x), model(x))


def test_what_is_traced_may_be_an_attribute() -> None:
    """Tracers have several kinds of proxies; ``x.mT`` is one of its own."""

    class Transposed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = layers.LayerNorm(5)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.norm(x.mT)
            return y

    model, x = Transposed(), torch.randn(2, 5, 3)
    assert_close(torch.fx.symbolic_trace(model)(x), model(x))


class ByName(nn.Module):
    """Calls a norm by the name of its argument."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(input=x)
        return y


@pytest.mark.parametrize("build", [nn.Sequential, ByName], ids=["position", "name"])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_hooks_of_what_is_traced_run_once(training: bool, build: Any) -> None:
    """When the graph runs, and not while it is traced."""
    norm = layers.BatchNorm2d(4)
    model = build(norm).train(training)
    calls: list[int] = []
    norm.register_forward_hook(lambda *arguments: calls.append(1) or 2 * arguments[-1])  # type: ignore[func-returns-value]
    graph, x = torch.fx.symbolic_trace(model), torch.randn(2, 4, 3, 3)
    assert calls == []
    assert_close(graph(x), copy.deepcopy(model)(x))
    assert len(calls) == 2


@pytest.mark.parametrize("case", [case for case in PEERED if case.trailing], ids=lambda case: case.id)
def test_a_norm_that_is_traced_by_itself(case: Case) -> None:
    """Is taken by the operations of torch.nn's, as torch.nn's is; norms that branch on their input cannot be."""
    layer, x = randomized(case.ours(torch.float64)), case.input()
    assert_close(torch.fx.symbolic_trace(layer)(x), layer(x))


@pytest.mark.parametrize("layer", [layers.SampleRMSNorm(4), layers.DyT(4)], ids=["pooled", "formula"])
def test_a_norm_that_torch_does_not_have_is_not_traced_by_itself(layer: nn.Module) -> None:
    """Since there are no operations of torch.nn's to follow; within a network it is a leaf."""
    with pytest.raises(InputError, match=r"got one that torch\.nn does not have; trace a network that holds it"):
        torch.fx.symbolic_trace(layer)


def test_a_traced_model_is_cast_as_a_whole() -> None:
    """Its tensors are those of the model that was traced, parameters and statistics alike."""
    model = nn.Sequential(layers.BatchNorm2d(4)).eval()
    torch.fx.symbolic_trace(model).double()
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float64, torch.int64}
