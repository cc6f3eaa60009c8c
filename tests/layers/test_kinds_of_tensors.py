"""Does a norm take tensors of other kinds as torch.nn's does: subclasses, complex and nested ones?"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from normzoo import layers

from .cases import NORMS, PEERED, Case
from .references import pair, randomized


class Tagged(Tensor):
    """A tensor whose operations give tensors of its own type."""


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", [case for case in PEERED if list(case.ours().parameters())], ids=lambda case: case.id)
def test_a_parameter_of_a_type_of_its_own(case: Case, training: bool) -> None:
    """The type of a parameter reaches output and gradients, as in torch.nn, and the values are the same."""
    found: list[Any] = []
    x = case.input()
    for layer in pair(case):
        layer.train(training)
        for name, parameter in list(layer.named_parameters()):
            setattr(layer, name, nn.Parameter(parameter.detach().as_subclass(Tagged)))
        leaf = x.clone().requires_grad_()
        y = layer(leaf)
        y.pow(3).sum().backward()
        found.append([type(y), y.as_subclass(Tensor), *(p.grad.as_subclass(Tensor) for p in layer.parameters())])
    assert found[0][0] is found[1][0] is Tagged
    assert_close(found[0][1:], found[1][1:], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("case", NORMS, ids=lambda case: case.id)
def test_an_input_of_a_type_of_its_own(case: Case) -> None:
    """The output is of the input's type, with the values of a plain one."""
    layer, x = randomized(case.ours(torch.float64)).eval(), case.input()
    y = layer(x.as_subclass(Tagged))
    assert type(y) is Tagged
    assert_close(y.as_subclass(Tensor), layer(x))


@pytest.mark.parametrize("eps", [None, 1e-3])
@pytest.mark.parametrize("affine", [True, False], ids=["affine", "plain"])
def test_rms_norm_of_complex_values(affine: bool, eps: float | None) -> None:
    """Complex inputs give torch.nn's outputs and gradients."""
    ours, theirs = (kind((2, 3), eps=eps, elementwise_affine=affine) for kind in (layers.RMSNorm, nn.RMSNorm))
    x = torch.randn(4, 2, 3, dtype=torch.complex64)
    found = []
    for layer in (ours, theirs):
        leaf = x.clone().requires_grad_()
        y = layer(leaf)
        y.abs().pow(2).sum().backward()
        found.append([y.detach(), leaf.grad, [parameter.grad for parameter in layer.parameters()]])
    assert_close(found[0], found[1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layout", [torch.jagged, torch.strided], ids=str)
@pytest.mark.parametrize("kind", [layers.LayerNorm, layers.RMSNorm], ids=lambda kind: kind.__name__)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_rows_of_nested_tensors(kind: type[nn.Module], layout: torch.layout) -> None:
    """Sequences of different length are normalized, with gradients, as each is by itself."""
    layer: Any = randomized(kind(6).double())
    samples = [torch.randn(length, 6, dtype=torch.float64) for length in (2, 5, 3)]
    nested = torch.nested.nested_tensor(samples, layout=layout, requires_grad=True)
    outputs = layer(nested).unbind()
    torch.autograd.backward([torch.cat([y.flatten() for y in outputs]).pow(3).sum()])
    gradients = nested.grad.unbind() if nested.grad is not None else []
    for sample, y, gradient in zip(samples, outputs, gradients, strict=True):
        leaf = sample.clone().requires_grad_()
        expected = layer(leaf)
        expected.pow(3).sum().backward()
        assert_close(y, expected)
        assert_close(gradient, leaf.grad)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_jagged_output_adds_to_its_input() -> None:
    """Its ragged dimension is that of the input, so that a residual can be added, as behind torch.nn's."""
    nested = torch.nested.nested_tensor([torch.randn(n, 6) for n in (2, 5)], layout=torch.jagged)
    total = nested + layers.LayerNorm(6)(nested)
    assert [tuple(sample.shape) for sample in total.unbind()] == [(2, 6), (5, 6)]


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("layout", [torch.jagged, torch.strided], ids=str)
def test_hooks_run_once_over_a_nested_tensor(layout: torch.layout) -> None:
    """As over any other input, not once per sample."""
    layer, calls = layers.LayerNorm(6), []
    layer.register_forward_hook(lambda *_: calls.append(1))
    layer(torch.nested.nested_tensor([torch.randn(n, 6) for n in (2, 5)], layout=layout))
    assert calls == [1]


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_any_dimension_may_be_ragged() -> None:
    """The output has the structure of the input, wherever the ragged dimension is."""
    samples = [torch.randn(3, 2, 4), torch.randn(5, 2, 4)]
    nested = torch.nested.nested_tensor(samples, layout=torch.jagged).transpose(1, 2)
    y = layers.LayerNorm(4)(nested)
    assert y.shape == nested.shape
    for sample, found in zip(samples, y.unbind(), strict=True):
        assert_close(found, layers.LayerNorm(4)(sample.transpose(0, 1)))


@pytest.mark.parametrize("value", [[1.0], None, 3], ids=str)
def test_what_is_no_tensor_is_a_type_error(value: object) -> None:
    """As in torch.nn."""
    with pytest.raises(TypeError, match="LayerNorm: the input must be a tensor"):
        layers.LayerNorm(1)(value)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_ragged_dimension_cannot_be_pooled_over() -> None:
    """Norms over positions, and masks, are refused, with the way out."""
    nested = torch.nested.nested_tensor([torch.randn(n, 6) for n in (2, 5)], layout=torch.jagged)
    with pytest.raises(ValueError, match=r"GroupNorm: a nested tensor cannot be normalized .* pad it with"):
        layers.GroupNorm(2, 6)(nested)
    with pytest.raises(ValueError, match="LayerNorm: a nested tensor takes no mask"):
        layers.LayerNorm(6)(nested, torch.ones(2, 5, dtype=torch.bool))
