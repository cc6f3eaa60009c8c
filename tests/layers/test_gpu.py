"""Does a GPU compute what float64 on the processor does, in each precision, layout and backend?"""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from normzoo.registry.backends import Backend

from .cases import LARGE, NORMS, ONE_OF_EACH_POOL, Case
from .formulas import FORMULAS, ONE_OF_EACH_FORMULA, FormulaCase

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.usefixtures("on_backend"),
]

ALL: list[Case | FormulaCase] = [*NORMS, *FORMULAS]
SOME: list[Case | FormulaCase] = [*ONE_OF_EACH_POOL, *ONE_OF_EACH_FORMULA]
"""For what takes long: to be compiled."""

LIMITS = {torch.float32: 2e-5, torch.bfloat16: 3e-2}
"""The largest error by type, as a share of the largest value: sums on a GPU are in another order."""


def _id(value: Any) -> str:
    return str(getattr(value, "id", value))


def results(layer: nn.Module, x: Tensor, cotangent: Tensor, *, training: bool) -> dict[str, Tensor]:
    """Return the output, all gradients and, after training, what was kept of the statistics."""
    layer.train(training)
    x = x.clone().requires_grad_()
    y = layer(x)
    y.backward(cotangent)
    found: dict[str, Any] = {"output": y, "input": x.grad}
    found |= {name: parameter.grad for name, parameter in layer.named_parameters()}
    found |= dict(layer.named_buffers())
    return {name: value.detach() for name, value in found.items() if value is not None}


def assert_is_that_of_the_processor(
    layer: nn.Module, x: Tensor, dtype: torch.dtype, layout: torch.memory_format, *, training: bool
) -> None:
    """Compare with the same layer in float64, on the same values, rounded as they are on the GPU."""
    there = copy.deepcopy(layer).to("cuda", dtype)
    on_gpu = x.to("cuda", dtype).contiguous(memory_format=layout)
    cotangent = torch.randn_like(on_gpu)
    wide = copy.deepcopy(there).cpu().double()
    found = results(there, on_gpu, cotangent, training=training)
    wanted = results(wide, on_gpu.cpu().double(), cotangent.cpu().double(), training=training)
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        assert value.is_cuda, name
        error = (value.cpu().double() - wanted[name]).abs().max() / wanted[name].abs().max().clamp(min=1)
        assert float(error) <= LIMITS[dtype], name
    assert found["output"].dtype == dtype


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("dtype", LIMITS, ids=_id)
@pytest.mark.parametrize(
    ("case", "name"), [*((case, "eager") for case in ALL), *((case, "compiled") for case in SOME)], ids=_id
)
def test_every_norm(case: Case | FormulaCase, name: Backend, dtype: torch.dtype, training: bool) -> None:  # noqa: ARG001
    """The output, all gradients and running statistics; what a layer compiles, Triton does."""
    assert_is_that_of_the_processor(
        case.ours(torch.float64), case.input(), dtype, torch.contiguous_format, training=training
    )


@pytest.mark.parametrize("name", ["eager", "compiled"])
@pytest.mark.parametrize("case", [case for case in SOME if len(case.shape) == 4], ids=_id)
def test_maps_with_the_channels_last(case: Case | FormulaCase, name: Backend) -> None:  # noqa: ARG001
    assert_is_that_of_the_processor(
        case.ours(torch.float64), case.input(), torch.float32, torch.channels_last, training=True
    )


@pytest.mark.parametrize(("case", "name"), [*((case, "eager") for case in NORMS), (LARGE, "compiled")], ids=_id)
def test_what_autocast_hands_over(case: Case, name: Backend) -> None:  # noqa: ARG001
    """As on the processor: a bfloat16 input keeps its type; parameters' gradients and statistics stay float32."""
    layer = case.ours().cuda()
    twin, x = copy.deepcopy(layer), case.input(torch.bfloat16).cuda().requires_grad_()
    with torch.autocast("cuda", torch.bfloat16):
        y = layer(x)
    y.float().square().sum().backward()
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), twin(x.float()), rtol=2e-2, atol=2e-2)
    torch.testing.assert_close(layer.state_dict(), twin.state_dict(), rtol=1e-5, atol=1e-5)
    assert all(parameter.grad.dtype == torch.float32 for parameter in layer.parameters())
