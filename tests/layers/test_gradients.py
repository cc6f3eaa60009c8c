"""Are the gradients, and the gradients of the gradients, those of finite differences?"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call

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


@pytest.mark.slow_but_one
@every_mode
@on_each_backend()
def test_first_derivatives(case: Case, name: Backend, training: bool) -> None:
    """The gradients of input, weight and bias hold in float64: along a random direction; each, for each pool."""
    function, inputs = function_of_everything(case, training, masked=False)
    value_by_value = name == "eager" and case in ONE_OF_EACH_POOL
    with backend(name):
        assert gradcheck(function, inputs, fast_mode=not value_by_value)


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
