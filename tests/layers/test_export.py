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

from .cases import CASES, COMPILED, KINDS, ONE_OF_EACH, ONE_OF_EACH_POOL, Case
from .references import SideBySide, randomized

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("case", "training", "strict"),
    [
        *((case, True, False) for case in ONE_OF_EACH_POOL),
        *((case, False, strict) for case in ONE_OF_EACH_POOL if case.tracked for strict in (False, True)),
    ],
    ids=lambda value: getattr(value, "id", str(value)),
)
def test_exported_program_computes_the_same(case: Case, training: bool, strict: bool, tmp_path: Path) -> None:
    """``torch.export`` takes the layer whatever the backend, and what comes out, saved and loaded, gives its output."""
    layer, x = randomized(case.ours()).train(training), case.input(torch.float32)
    with backend("compiled"):
        program = torch.export.export(copy.deepcopy(layer), (x,), strict=strict)
    torch.export.save(program, tmp_path / "layer.pt2")
    loaded: Any = torch.export.load(tmp_path / "layer.pt2")
    assert_close(loaded.module()(x), layer(x), rtol=1e-5, atol=1e-5)


def at_another_size(case: Case) -> tuple[dict[int, Any], Tensor]:
    """Return which dimensions of an input can have another size, and an input in which all of them have."""
    free = [0, *range(1, len(case.shape) - case.trailing)] if case.trailing else [0, *range(2, len(case.shape))]
    shape = [size + 2 + dim if dim in free else size for dim, size in enumerate(case.shape)]
    names = {dim: torch.export.Dim(f"{case.id.replace('-', '_')}_{dim}", min=2, max=64) for dim in free}
    return names, (1 + 2 * torch.rand(shape)).float()


OPEN = [case for case in CASES if (case in KINDS or case in ONE_OF_EACH) and not case.splits_batches]
TRACED = [
    *((case, True, False) for case in OPEN),
    *((case, False, False) for case in OPEN if case.tracked),
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
@pytest.mark.filterwarnings("ignore:.torch.jit.trace. is deprecated")
@pytest.mark.filterwarnings("ignore:.torch.jit.trace_method. is deprecated")
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@every_case
def test_jit_trace_holds_no_size(case: Case, training: bool) -> None:
    """What ``torch.jit.trace`` records of one size is right at another, running statistics included."""
    layer, example = randomized(case.ours()).train(training), case.input(torch.float32)
    with warnings.catch_warnings():
        if case.splits_batches:
            warnings.simplefilter("ignore")  # that the number of parts is recorded
        torch.jit.trace(copy.deepcopy(layer), example)  # type: ignore[no-untyped-call]  # and it is checked
        traced: Any = torch.jit.trace(copy.deepcopy(layer), example, check_trace=False)  # type: ignore[no-untyped-call]
    layer(example)  # as tracing ran it once
    of_one_size = case.splits_batches and (training or not case.tracked)
    x = torch.randn_like(example) if of_one_size else at_another_size(case)[1]
    assert_close(traced(x), layer(x), rtol=1e-5, atol=1e-5)
    for name, buffer in layer.named_buffers():
        assert_close(dict(traced.named_buffers())[name], buffer, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_onnx(tmp_path: Path) -> None:
    """In ONNX the reference evaluator computes what the layers do, at the sizes of the example and at others."""
    onnx: Any = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    from onnx.reference import ReferenceEvaluator

    model = SideBySide(nn.Sequential(randomized(case.ours()), nn.ReLU()) for case in COMPILED).eval()
    example = tuple(case.input(torch.float32) for case in COMPILED)
    sizes, others = zip(*(at_another_size(case) for case in COMPILED), strict=True)
    path = tmp_path / "model.onnx"
    names = [f"x{index}" for index, _ in enumerate(COMPILED)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(model, example, path, dynamo=True, input_names=names, dynamic_shapes=(sizes,), verbose=False)
    for inputs in (example, others):
        given = {name: x.numpy() for name, x in zip(names, inputs, strict=True)}
        found = [torch.as_tensor(y) for y in ReferenceEvaluator(onnx.load(path)).run(None, given)]
        assert_close(found, [y.detach() for y in model(*inputs)], rtol=1e-4, atol=1e-5)
