"""Can a model in evaluation be exported?"""

import copy
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from normzoo.layers import backend
from normzoo.registry.backends import Backend

from .cases import CASES, COMPILED, ONE_OF_EACH_POOL, Case, on_each_backend
from .references import randomized

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("strict", [False, True], ids=["", "strict"])
@on_each_backend(ONE_OF_EACH_POOL)
def test_exported_program_computes_the_same(case: Case, strict: bool, name: Backend) -> None:
    """``torch.export`` takes the layer whatever the backend, and what comes out gives its output."""
    layer = randomized(case.ours()).eval()
    with backend(name):
        program = torch.export.export(layer, (case.input(torch.float32),), strict=strict)
    x = case.input(torch.float32)
    assert_close(program.module()(x), layer(x), rtol=1e-5, atol=1e-5)


def at_another_size(case: Case) -> tuple[dict[int, Any], Tensor]:
    """Return which dimensions of an input can have another size, and an input in which all of them have."""
    free = [0, *range(1, len(case.shape) - case.trailing)] if case.trailing else [0, *range(2, len(case.shape))]
    shape = [size + 2 + dim if dim in free else size for dim, size in enumerate(case.shape)]
    names = {dim: torch.export.Dim(f"size{dim}", min=2, max=64) for dim in free}
    return names, (1 + 2 * torch.rand(shape)).float()


TRACED = [
    *((case, True, False) for case in CASES if not case.splits_batches),
    *((case, False, False) for case in CASES if case.tracked or case in ONE_OF_EACH_POOL),
    *((case, True, True) for case in COMPILED),
]
"""Cases, whether in training, and whether strictly. Without running statistics, training and evaluation are one."""


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("case", "training", "strict"),
    TRACED,
    ids=[f"{case.id}-{'train' if training else 'eval'}{'-strict' * strict}" for case, training, strict in TRACED],
)
def test_exported_program_holds_no_size(case: Case, training: bool, strict: bool) -> None:
    """Batch, length, height and width can be left open, and outputs and running statistics are right at others."""
    layer = randomized(case.ours()).train(training)
    sizes, x = at_another_size(case)
    program = torch.export.export(
        copy.deepcopy(layer), (case.input(torch.float32),), dynamic_shapes=(sizes,), strict=strict
    )
    module = program.module()
    assert_close(module(x), layer(x), rtol=1e-5, atol=1e-5)
    exported = dict(module.named_buffers())  # but for those that it does not use
    assert exported.keys() >= ({"running_mean", "running_var"} if case.tracked else set())
    for name, buffer in exported.items():
        assert_close(buffer, layer.get_buffer(name), rtol=1e-5, atol=1e-5)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", ONE_OF_EACH_POOL, ids=lambda case: case.id)
def test_exported_program_can_be_saved(case: Case, training: bool, tmp_path: Path) -> None:
    """What was saved is loaded again, and computes the same."""
    layer, x = randomized(case.ours()).train(training), case.input(torch.float32)
    torch.export.save(torch.export.export(copy.deepcopy(layer), (x,)), tmp_path / "layer.pt2")
    loaded: Any = torch.export.load(tmp_path / "layer.pt2")
    assert_close(loaded.module()(x), layer(x), rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.torch.jit.trace. is deprecated")
@pytest.mark.filterwarnings("ignore:.torch.jit.trace_method. is deprecated")
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@every_case
def test_jit_trace_holds_no_size(case: Case, training: bool) -> None:
    """What ``torch.jit.trace`` records of one size is right at another, running statistics included."""
    if case.splits_batches and (training or not case.tracked):
        pytest.skip("how many parts there are is recorded")
    layer, example = randomized(case.ours()).train(training), case.input(torch.float32)
    traced: Any = torch.jit.trace(copy.deepcopy(layer), example, check_trace=False)  # type: ignore[no-untyped-call]
    layer(example)  # as tracing ran it once
    _, x = at_another_size(case)
    assert_close(traced(x), layer(x), rtol=1e-5, atol=1e-5)
    for name, buffer in layer.named_buffers():
        assert_close(dict(traced.named_buffers())[name], buffer, rtol=1e-5, atol=1e-5)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("case", COMPILED, ids=lambda case: case.id)
def test_onnx(case: Case, tmp_path: Path) -> None:
    """In ONNX the reference evaluator computes what the layer does, at the size of the example and at another."""
    onnx: Any = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    from onnx.reference import ReferenceEvaluator

    model = nn.Sequential(randomized(case.ours()), nn.ReLU()).eval()
    x, (sizes, another) = case.input(torch.float32), at_another_size(case)
    path = tmp_path / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(model, (x,), path, dynamo=True, dynamic_shapes=(sizes,), verbose=False)
    for values in (x, another):
        (y,) = ReferenceEvaluator(onnx.load(path)).run(None, {"input": values.numpy()})
        assert_close(torch.as_tensor(y), model(values).detach(), rtol=1e-4, atol=1e-5)
