"""Do tools that trace a network with torch.fx find in ours what they find in the published one?"""

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse
from torch.nn.modules.batchnorm import _BatchNorm
from torch.testing import assert_close
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from .architectures import ARCHITECTURES, Architecture
from .exchange import TORCH_NORMS, norms_in
from .pairs import loss_of, pair

every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda case: case.id)


def named(*ids: str) -> pytest.MarkDecorator:
    """Ask of the architectures with these names alone."""
    chosen = [architecture for architecture in ARCHITECTURES if architecture.id in ids]
    assert len(chosen) == len(ids)
    return pytest.mark.parametrize("architecture", chosen, ids=lambda case: case.id)


def calls(traced: fx.GraphModule) -> Counter[str]:
    """Count the modules and functions that a traced network calls, norms under one name whoever's they are."""
    counted: Counter[str] = Counter()
    for node in traced.graph.nodes:
        if node.op == "call_module":
            module = traced.get_submodule(str(node.target))
            counted["norm" if isinstance(module, TORCH_NORMS) else type(module).__name__] += 1
    return counted


@pytest.mark.slow_but_one
@every_architecture
def test_traced_network_trains_the_same(architecture: Architecture) -> None:
    """A symbolic trace computes, and learns, as the published network does; in evaluation it is fused below."""
    ours, stock = pair(architecture, torch.float64)
    traced = fx.symbolic_trace(ours)
    x = architecture.input(torch.float64)
    y, expected = traced(x), stock(x)
    assert_close(y, expected, rtol=1e-8, atol=1e-8)
    loss_of(y).backward()  # type: ignore[no-untyped-call]
    loss_of(expected).backward()  # type: ignore[no-untyped-call]
    gradients, expected_gradients = (
        {name: parameter.grad for name, parameter in model.named_parameters()} for model in (ours, stock)
    )
    assert_close(gradients, expected_gradients, rtol=1e-8, atol=1e-8)
    assert_close(dict(ours.named_buffers()), dict(stock.named_buffers()), rtol=1e-8, atol=1e-8)


@named("resnet", "swin")
def test_traces_hold_the_same_modules(architecture: Architecture) -> None:
    """A norm is one node of the graph, as torch.nn's is."""
    ours, stock = pair(architecture)
    assert calls(fx.symbolic_trace(ours)) == calls(fx.symbolic_trace(stock))


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@named("vgg", "swin")
def test_hooks_run_once_in_a_traced_network(architecture: Architecture, training: bool) -> None:
    """What a hook does to a norm's output is done once by the traced network, too."""

    def double(module: nn.Module, arguments: Any, output: Tensor) -> Tensor:  # noqa: ARG001  # as torch calls it
        return 2 * output

    ours, stock = (model.train(training) for model in pair(architecture, torch.float64))
    for model in (ours, stock):
        norms_in(model)[-1].register_forward_hook(double)
    x = architecture.input(torch.float64)
    assert_close(fx.symbolic_trace(stock)(x), ours(x), rtol=1e-8, atol=1e-8)
    assert_close(fx.symbolic_trace(ours)(x), ours(x), rtol=1e-8, atol=1e-8)


def batch_norms_in(model: nn.Module) -> int:
    """Count the batch norms of a model."""
    return sum(isinstance(norm, _BatchNorm) for norm in norms_in(model))


@pytest.mark.slow_but_one
@every_architecture
def test_fusing_leaves_as_few_norms(architecture: Architecture) -> None:
    """``fuse`` merges as many batch norms into convolutions as in the published network, and the output stays."""
    ours, stock = (model.eval() for model in pair(architecture, torch.float64))
    x = architecture.input(torch.float64)
    with torch.no_grad():
        fused, fused_stock = fuse(ours), fuse(stock)
        assert batch_norms_in(fused) == batch_norms_in(fused_stock)
        assert_close(fused(x), stock(x), rtol=1e-8, atol=1e-8)
        assert_close(ours(x), stock(x), rtol=1e-8, atol=1e-8)
    assert len(norms_in(ours)) == architecture.norms


def test_fusing_removes_norms_at_all() -> None:
    """Of a network of convolutions with batch norms none remains: the tool has something to do in these tests."""
    vgg = next(architecture for architecture in ARCHITECTURES if architecture.id == "vgg")
    assert len(norms_in(fuse(vgg.ours().eval()))) == 0


@pytest.mark.slow
@named("resnet", "densenet", "swin")
def test_features_can_be_taken_out(architecture: Architecture) -> None:
    """Torchvision's feature extractor finds the same nodes under the same names, and takes the same values there."""
    ours, stock = (model.eval() for model in pair(architecture, torch.float64))
    names, expected_names = get_graph_node_names(ours), get_graph_node_names(stock)
    assert names == expected_names
    norm_names = [name for name, module in stock.named_modules() if isinstance(module, TORCH_NORMS)]
    assert set(norm_names) <= set(names[0])
    chosen = [norm_names[0], norm_names[-1]]
    x = architecture.input(torch.float64)
    features, expected = (create_feature_extractor(model, chosen)(x) for model in (ours, stock))
    assert list(features) == chosen
    assert_close(features, expected, rtol=1e-8, atol=1e-8)
