"""Can a model in evaluation be exported?"""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from normzoo.layers import backend
from normzoo.registry.backends import Backend

from .cases import CASES, Case
from .references import randomized

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


@pytest.mark.parametrize("name", ["eager", "compiled"])
@pytest.mark.parametrize("strict", [False, True], ids=["", "strict"])
@every_case
def test_exported_program_computes_the_same(case: Case, strict: bool, name: Backend) -> None:
    """``torch.export`` takes the layer whatever the backend, and what comes out gives its output."""
    layer = randomized(case.ours()).eval()
    with backend(name):
        program = torch.export.export(layer, (case.input(torch.float32),), strict=strict)
        x = case.input(torch.float32)
        assert_close(program.module()(x), layer(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", [case for case in CASES if case.id != "batch-rank-6"], ids=lambda case: case.id)
def test_exported_program_takes_any_number_of_samples(case: Case) -> None:
    """The first dimension can be left open."""
    layer = randomized(case.ours()).eval()
    samples = torch.export.Dim("samples", min=2, max=64)
    program = torch.export.export(layer, (case.input(torch.float32),), dynamic_shapes=({0: samples},))
    x = torch.cat([case.input(torch.float32) for _ in range(3)])
    assert_close(program.module()(x), layer(x), rtol=1e-5, atol=1e-5)


@every_case
def test_onnx(case: Case, tmp_path: Path) -> None:
    """A model with the layer in it goes into ONNX, where the reference evaluator computes what the layer does."""
    onnx: Any = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    from onnx.reference import ReferenceEvaluator

    model = nn.Sequential(randomized(case.ours()), nn.ReLU()).eval()
    x = case.input(torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(model, (x,), tmp_path / "model.onnx", dynamo=True, verbose=False)
    (y,) = ReferenceEvaluator(onnx.load(tmp_path / "model.onnx")).run(None, {"input": x.numpy()})
    assert_close(torch.as_tensor(y), model(x).detach(), rtol=1e-4, atol=1e-5)
