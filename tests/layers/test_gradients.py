"""Are the gradients, and the gradients of the gradients, those of finite differences?"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call
from torch.testing import assert_close

from normzoo.layers import backend
from normzoo.registry.backends import Backend

from .cases import CASES, ONE_OF_EACH_POOL, Case, on_each_backend
from .references import random_mask, randomized

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
every_mode = pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])


def function_of_everything(case: Case, training: bool, masked: bool) -> tuple[Callable[..., Any], list[Tensor]]:
    """Return the layer as a function of its input, weight and bias, and where to evaluate it."""
    layer = randomized(case.ours(torch.float64)).train(training)
    parameters = {name: nn.Parameter(parameter.detach()) for name, parameter in layer.named_parameters()}
    mask = random_mask(case) if masked else None

    def function(x: Tensor, *values: Tensor) -> Any:
        buffers = {name: buffer.clone() for name, buffer in layer.named_buffers()}
        return functional_call(layer, {**dict(zip(parameters, values, strict=True)), **buffers}, (x, mask))

    return function, [case.input().requires_grad_(), *parameters.values()]


def assert_derivatives_along_a_direction(function: Callable[..., Any], inputs: list[Tensor]) -> None:
    """Compare each gradient with a difference; torch's ``fast_mode`` would let it be off by a hundredth."""
    y = function(*inputs)
    cotangent, step = torch.randn_like(y), 1e-5
    gradients = torch.autograd.grad(y, inputs, cotangent)
    for index, (x, gradient) in enumerate(zip(inputs, gradients, strict=True)):
        direction = torch.randn_like(x)
        ahead, behind = (
            function(*inputs[:index], x + sign * step * direction, *inputs[index + 1 :]) for sign in (1, -1)
        )
        difference = ((ahead - behind) * cotangent).sum() / (2 * step)
        assert_close((gradient * direction).sum(), difference, rtol=1e-5, atol=1e-6)


@pytest.mark.slow_but_one
@every_mode
@on_each_backend()
def test_first_derivatives(case: Case, name: Backend, training: bool) -> None:
    """The gradients of input, weight and bias hold in float64: along a random direction; each, for each pool."""
    function, inputs = function_of_everything(case, training, masked=False)
    with backend(name):
        if name == "eager" and case in ONE_OF_EACH_POOL:
            assert gradcheck(function, inputs)
        else:
            assert_derivatives_along_a_direction(function, inputs)


@pytest.mark.slow_but_one
@every_mode
@on_each_backend()
def test_second_derivatives(case: Case, name: Backend, training: bool) -> None:
    """The gradients can be differentiated once more, as gradient penalties do."""
    function, inputs = function_of_everything(case, training, masked=False)
    with backend(name):
        assert gradgradcheck(function, inputs, fast_mode=True)


@pytest.mark.slow_but_one
@every_mode
@every_case
def test_derivatives_under_a_mask(case: Case, training: bool) -> None:
    """Both hold with a mask, too."""
    function, inputs = function_of_everything(case, training, masked=True)
    assert gradcheck(function, inputs, fast_mode=True)
    assert gradgradcheck(function, inputs, fast_mode=True)


@pytest.mark.slow_but_one
@every_mode
@every_case
def test_a_gradient_that_alone_is_wanted(case: Case, training: bool) -> None:
    """Of each parameter, as where all others are frozen, it is what it is among all."""
    function, inputs = function_of_everything(case, training, masked=False)
    with backend("eager"):
        y = function(*inputs)
        cotangent = torch.randn_like(y)
        expected = torch.autograd.grad(y, inputs, cotangent)
        for alone, gradient in enumerate(expected):
            given = [x.detach().requires_grad_(index == alone) for index, x in enumerate(inputs)]
            found = torch.autograd.grad(function(*given), given[alone], cotangent)
            assert_close(found[0], gradient, rtol=1e-9, atol=1e-9)
