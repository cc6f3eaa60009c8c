"""Do norms with a formula of their own compute it, and behave as the others do?"""

import copy
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from normzoo.errors import InputError
from normzoo.layers import Norm
from normzoo.templates._stack import stack

from .formulas import FORMULAS, ONE_OF_EACH_FORMULA, FormulaCase
from .references import SideBySide

every_formula = pytest.mark.parametrize("case", FORMULAS, ids=lambda case: case.id)
one_of_each = pytest.mark.parametrize("case", ONE_OF_EACH_FORMULA, ids=lambda case: case.id)
in_each_mode = pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])


def _halves(case: FormulaCase) -> Tensor:
    """Return a mask of about two thirds of an input, with more than one position in every sample and channel."""
    mask = torch.rand(case.mask_shape) < 0.7
    flat = mask.flatten(1) if mask.ndim > 1 else mask[None]
    flat[:, :2] = True
    return mask


@in_each_mode
@every_formula
def test_computes_the_papers_equations(case: FormulaCase, training: bool) -> None:
    """In float64."""
    layer, x = case.ours().train(training), case.input()
    expected = case.expected(layer, x, training=training)
    torch.testing.assert_close(layer(x), expected)


@in_each_mode
@every_formula
def test_is_a_norm_in_every_type(case: FormulaCase, training: bool) -> None:
    """The output has the input's type; statistics are computed in float32."""
    layer = case.ours(torch.float32).train(training)
    assert any(isinstance(part, Norm) for part in layer.modules())
    for dtype, tolerance in ((torch.bfloat16, 0.05), (torch.float16, 0.01)):
        x = case.input(dtype)
        expected = case.expected(layer, x, training=training)
        y = layer(x)
        assert y.dtype == dtype
        torch.testing.assert_close(y.double(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.slow_but_one
@in_each_mode
@every_formula
def test_derivatives(case: FormulaCase, training: bool) -> None:
    """First and second, of the input and of all parameters."""
    layer, x = case.ours().train(training), case.input().requires_grad_()
    names, parameters = zip(*layer.named_parameters(), strict=True) if list(layer.parameters()) else ((), ())
    buffers = {name: buffer.clone() for name, buffer in layer.named_buffers()}

    def output(x: Tensor, *values: Tensor) -> Any:
        tensors = {**dict(zip(names, values, strict=True)), **{name: each.clone() for name, each in buffers.items()}}
        return torch.func.functional_call(layer, tensors, (x,))

    inputs = (x, *(parameter.detach().requires_grad_() for parameter in parameters))
    assert torch.autograd.gradcheck(output, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(output, inputs, fast_mode=True)


@pytest.mark.slow_but_one
@in_each_mode
@every_formula
def test_what_is_masked_counts_nowhere(case: FormulaCase, training: bool) -> None:
    """Whatever stands there, even NaN: outputs there are zero, and the others, statistics and gradients the same."""
    mask = _halves(case)
    outputs = []
    torch.manual_seed(1)
    layer, x = case.ours(), case.input()
    for garbage in (0.0, 1e3, float("nan")):
        again = copy.deepcopy(layer).train(training)
        filled = x.where(mask.unsqueeze(1), garbage).requires_grad_()
        y = again(filled, mask)
        y.square().sum().backward()
        outputs.append([y, filled.grad, *(p.grad for p in again.parameters()), *again.buffers()])
        assert not y.masked_select(~mask.unsqueeze(1)).any()
    for other in outputs[1:]:
        torch.testing.assert_close(other, outputs[0], equal_nan=False)


@in_each_mode
@every_formula
def test_a_mask_of_all_is_no_mask(case: FormulaCase, training: bool) -> None:
    """In outputs and in what is remembered."""
    layer, x = case.ours().train(training), case.input()
    other = copy.deepcopy(layer)
    torch.testing.assert_close(layer(x, torch.ones(case.mask_shape, dtype=torch.bool)), other(x))
    torch.testing.assert_close(list(layer.buffers()), list(other.buffers()))


@every_formula
def test_samples_act_on_one_another_as_it_says(case: FormulaCase) -> None:
    """Those of a batch where it pools them, and none otherwise; and none in evaluation with running statistics."""
    layer, x = case.ours(), case.input()
    other = x.clone()
    other[1:] += torch.randn_like(other[1:])
    differ = not torch.allclose(copy.deepcopy(layer)(x)[0], copy.deepcopy(layer)(other)[0])
    assert differ == case.couples_samples
    assert layer.is_batch_independent == (not case.couples_samples and not list(layer.buffers()))
    if layer.is_batch_independent or getattr(layer, "running_mean", None) is not None:
        torch.testing.assert_close(layer.eval()(x)[0], layer(other)[0])


@in_each_mode
@every_formula
def test_an_empty_batch_is_one(case: FormulaCase, training: bool) -> None:
    """Its output is empty, and connected to the parameters; nothing is remembered of it."""
    layer = case.ours().train(training)
    before = copy.deepcopy(dict(layer.named_buffers()))
    x = torch.empty(0, *case.shape[1:], dtype=torch.float64, requires_grad=True)
    y = layer(x)
    assert y.shape == x.shape
    y.sum().backward()
    for parameter in layer.parameters():
        torch.testing.assert_close(parameter.grad, torch.zeros_like(parameter))
    torch.testing.assert_close(dict(layer.named_buffers()), before, rtol=0, atol=0)


@pytest.mark.parametrize("case", [case for case in FORMULAS if len(case.shape) == 4], ids=lambda case: case.id)
def test_channels_last_stays(case: FormulaCase) -> None:
    """And does not change what is computed."""
    layer, x = case.ours(), case.input()
    y = copy.deepcopy(layer)(x.contiguous(memory_format=torch.channels_last))
    assert y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y, layer(x))


@pytest.mark.slow_but_one
@in_each_mode
@every_formula
def test_a_stack_is_its_members(case: FormulaCase, training: bool) -> None:
    """Each normalized as alone, with statistics of its own; inputs are ``(N, members, C, *)``."""
    members = [case.ours().train(training) for _ in range(3)]
    inputs = [case.input() for _ in members]
    stacked = stack(copy.deepcopy(members)).train(training)
    y = stacked(torch.stack(inputs, 1))
    expected = [member(x) for member, x in zip(members, inputs, strict=True)]
    torch.testing.assert_close(y, torch.stack(expected, 1))


@pytest.mark.slow_but_one
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])  # noqa: S301
@every_formula
def test_copies_are_equal_and_apart(case: FormulaCase, duplicate: Callable[[nn.Module], nn.Module]) -> None:
    """Also by a state dict; what one of them remembers, the other does not."""
    layer, x = case.ours(), case.input()
    other = duplicate(layer)
    third = case.ours()
    third.load_state_dict(layer.state_dict())
    before = copy.deepcopy(other.state_dict())
    y = layer(x)
    torch.testing.assert_close(dict(other.state_dict()), dict(before))
    torch.testing.assert_close(other(x), y)
    torch.testing.assert_close(third(x), y)
    assert type(layer).__name__ in repr(layer)


@every_formula
def test_starts_where_it_says(case: FormulaCase) -> None:
    """After a reset it is what was made; parameters are of the device and type that are asked for."""
    torch.manual_seed(0)
    made = case.layer(case.shape[1], **case.options, dtype=torch.float64)
    layer = case.ours()
    layer.reset_parameters()
    torch.testing.assert_close(dict(layer.state_dict()), dict(made.state_dict()))
    on_meta = case.layer(case.shape[1], **case.options, device="meta")
    assert all(tensor.device.type == "meta" for tensor in (*on_meta.parameters(), *on_meta.buffers()))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x: x.long(), "floating point"),
        (lambda x: x[:, :-1], "channels must equal num_features"),
        (lambda x: x[0, :, ...].reshape(-1), "must be at least"),
    ],
    ids=["integers", "channels", "rank"],
)
@one_of_each
def test_unfitting_inputs_are_refused(case: FormulaCase, spoil: Callable[[Tensor], Tensor], message: str) -> None:
    """By name, with the rule, before anything is remembered."""
    layer = case.ours()
    before = copy.deepcopy(layer.state_dict())
    with pytest.raises(InputError, match=f"^{(case.checks or case.layer).__name__}: .*{message}"):
        layer(spoil(case.input()))
    torch.testing.assert_close(dict(layer.state_dict()), dict(before))


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("case", "training"),
    [
        (case, training)
        for case in ONE_OF_EACH_FORMULA
        for training in (True, False)
        if training or case.evaluation is not None
    ],
    ids=lambda value: getattr(value, "id", "train" if value is True else "eval"),
)
def test_exported_program_computes_the_same(case: FormulaCase, training: bool) -> None:
    """With a batch of any size."""
    layer, x = case.ours().train(training), case.input()
    expected = copy.deepcopy(layer)(x)
    exported = torch.export.export(layer, (x,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    torch.testing.assert_close(exported.module()(x), expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("compiler", "names"),
    [
        ("aot_eager", ("SwitchableNorm", "BatchRenorm", "EvoNormB0", "GlobalResponseNorm", "Derf")),
        ("inductor", ("BatchRenorm",)),  # which takes longer
    ],
)
def test_compiled_is_eager(compiler: str, names: Sequence[str]) -> None:
    """As one graph, forward and backward."""
    torch.compiler.reset()
    cases = [case for case in ONE_OF_EACH_FORMULA if case.layer.__name__ in names]
    assert len(cases) == len(names)
    layers = SideBySide(case.ours(torch.float32) for case in cases)
    inputs = [case.input(torch.float32).requires_grad_() for case in cases]
    others = copy.deepcopy(layers)
    compiled: Any = torch.compile(others, fullgraph=True, backend=compiler)

    def gradients(function: Any) -> tuple[Tensor, ...]:
        return torch.autograd.grad(sum(y.square().sum() for y in function(*inputs)), inputs)

    for _ in range(2):
        torch.testing.assert_close(gradients(compiled), gradients(layers), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(dict(others.state_dict()), dict(layers.state_dict()))


@pytest.mark.slow_but_one
@one_of_each
def test_fx_keeps_it_whole(case: FormulaCase) -> None:
    """As a leaf of the graph."""
    traced = torch.fx.symbolic_trace(nn.Sequential(case.ours()))
    assert [node.op for node in traced.graph.nodes] == ["placeholder", "call_module", "output"]


@pytest.mark.slow_but_one
@pytest.mark.parametrize("reentrant", [False, True], ids=["", "reentrant"])
@one_of_each
def test_checkpointing_remembers_once(case: FormulaCase, reentrant: bool) -> None:
    """What is computed again in the backward pass is not a further batch."""
    layer, x = case.ours(), case.input().requires_grad_()
    other = copy.deepcopy(layer)
    torch.utils.checkpoint.checkpoint(other, x, use_reentrant=reentrant).sum().backward()
    layer(x)
    torch.testing.assert_close(dict(other.state_dict()), dict(layer.state_dict()))
