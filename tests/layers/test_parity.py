"""Does a layer do what torch.nn's does: in training, over many steps, in evaluation?"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from normzoo import layers

from .cases import CASES, PEERED, TRACKED, Case, on_each_backend
from .references import pair


def assert_same_state(ours: nn.Module, theirs: nn.Module) -> None:
    """Parameters and buffers agree, the batch counter exactly."""
    assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-9, atol=1e-9)


def output_and_gradients(layer: nn.Module, x: Tensor, cotangent: Tensor) -> tuple[Tensor, dict[str, Tensor | None]]:
    """Return what the layer makes of ``x``, and the gradients of ``x`` and of every parameter."""
    layer.zero_grad()
    x = x.clone().requires_grad_()
    y = layer(x)
    y.backward(cotangent)
    return y, {"x": x.grad, **{name: parameter.grad for name, parameter in layer.named_parameters()}}


@pytest.mark.usefixtures("on_backend")
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@on_each_backend(PEERED)
def test_output_and_gradients_are_torchs(case: Case, training: bool) -> None:
    """The output and the gradients of the input, weight and bias agree."""
    ours, theirs = (layer.train(training) for layer in pair(case))
    x, cotangent = case.input(), torch.randn(case.shape, dtype=torch.float64)
    y, gradients = output_and_gradients(ours, x, cotangent)
    expected_y, expected_gradients = output_and_gradients(theirs, x, cotangent)
    assert_close(y, expected_y, rtol=1e-9, atol=1e-9)
    assert_close(gradients, expected_gradients, rtol=1e-7, atol=1e-9)


@pytest.mark.slow_but_one
@pytest.mark.usefixtures("on_backend")
@on_each_backend(PEERED)
def test_training_goes_torchs_way(case: Case) -> None:
    """Parameters and running statistics agree over many steps of descent, and the outputs in evaluation after them."""
    ours, theirs = pair(case)
    for step in range(12):
        x, cotangent = (case.input() * (1 + step)).requires_grad_(), torch.randn(case.shape, dtype=torch.float64)
        for layer in (ours, theirs):
            layer.zero_grad()
            layer(x).backward(cotangent)
            with torch.no_grad():
                for parameter in layer.parameters():
                    parameter.sub_(parameter.grad, alpha=0.05)
        assert_same_state(ours, theirs)
    x = case.input()
    assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-9, atol=1e-9)
    assert_same_state(ours, theirs)


@pytest.mark.parametrize("case", PEERED, ids=lambda case: case.id)
def test_single_precision_is_torchs(case: Case) -> None:
    """In float32, where kernels differ in the order of their sums, outputs agree to rounding."""
    ours, theirs = pair(case, torch.float32)
    x = case.input(torch.float32)
    assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", [case for case in PEERED if case.takes_single_samples], ids=lambda case: case.id)
def test_without_a_batch_dimension(case: Case, training: bool) -> None:
    """One sample without a batch dimension comes out, and is remembered, as in torch.nn."""
    ours, theirs = (layer.train(training) for layer in pair(case))
    x = case.input()[0]
    y = ours(x)
    assert y.shape == x.shape
    assert_close(y, theirs(x), rtol=1e-9, atol=1e-9)
    assert_same_state(ours, theirs)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_empty_batch(case: Case, training: bool) -> None:
    """No sample gives no output and zero gradients, and changes no running statistic; no batch is counted."""
    layer = case.ours().train(training)
    before = {name: buffer.clone() for name, buffer in layer.named_buffers()}
    x = torch.randn(0, *case.shape[1:], requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert y.shape == x.shape
    assert x.grad is not None
    for tensor in (x, *layer.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.is_contiguous()
        assert tensor.grad.stride() == torch.zeros_like(tensor).stride()
        assert_close(tensor.grad, torch.zeros_like(tensor))
    assert_close(dict(layer.named_buffers()), before, rtol=0, atol=0)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(
    "case", [case for case in PEERED if not issubclass(case.layer, layers.InstanceNorm)], ids=lambda case: case.id
)
def test_empty_batch_is_torchs(case: Case, training: bool) -> None:
    """Output, gradients and statistics of an empty batch agree, where torch.nn takes one (instance norm fails).

    torch.nn counts it for a batch, which weighs in the plain averages of ``momentum=None``.
    """
    ours, theirs = (layer.train(training) for layer in pair(case))
    x = torch.randn(0, *case.shape[1:], dtype=torch.float64)
    y, gradients = output_and_gradients(ours, x, x)
    expected_y, expected_gradients = output_and_gradients(theirs, x, x)
    assert_close((y, gradients), (expected_y, expected_gradients))
    counted = [getattr(layer, "num_batches_tracked", None) for layer in (ours, theirs)]
    if training and isinstance(ours, layers.BatchNorm) and counted[0] is not None:
        counted[0] += 1
    assert_same_state(ours, theirs)


@pytest.mark.parametrize("case", [case for case in TRACKED if case.peer], ids=lambda case: case.id)
def test_statistics_set_aside_later(case: Case) -> None:
    """With ``track_running_stats`` switched off, or the buffers taken away, evaluation does what torch.nn's does."""

    def switch_off(layer: Any) -> None:
        layer.track_running_stats = False

    def take_away(layer: Any) -> None:
        layer.track_running_stats = False
        layer.running_mean = layer.running_var = None

    x = case.input()
    for change in (switch_off, take_away):
        ours, theirs = (layer.eval() for layer in pair(case))
        change(ours)
        change(theirs)
        assert_close(ours(x), theirs(x), rtol=1e-9, atol=1e-9)
