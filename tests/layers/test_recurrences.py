"""Does a recurrence with a gradient by hand do what its definition does, and give way to it where it must?"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call
from torch.nn.utils.rnn import pack_sequence
from torch.testing import assert_close
from torch.utils.checkpoint import checkpoint

from normzoo import layers
from normzoo.layers import backend
from normzoo.layers._kernels import dispatch
from normzoo.layers._kernels.autotune import Variant
from normzoo.layers._pooled import stack_norms
from normzoo.layers._recurrent import _gru, _lstm, lstm
from normzoo.layers._recurrent._steps import StepNorms
from normzoo.registry import NORMS

from .references import randomized

INPUTS, HIDDEN, STEPS, SAMPLES, MEMBERS = 3, 16, 4, 5, 2
KINDS = ("LSTM", "GRU")
AT_ONCE = ("batch", "layer", "channel-layer", "group", "rms", "none")
"""The norms that need no module called at a step."""


OPTIONS = (
    "batch:affine=false",
    "batch:momentum=0.5",
    "batch:track_running_stats=false",
    "batch:unbiased=true",
    "batch:unbiased_running=false",
    "batch:skip_nonfinite=true",
    "layer:affine=false",
    "group:groups=1",
    "group:groups=8",
    "group:unbiased=true",
    "rms:zero_centered=true",
)
"""Specs of norms that have others of their options."""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each recurrence that is carried out at once."""
    noted: list[str] = []

    def noting(apply: Callable[..., Any]) -> Callable[..., Any]:
        def noted_apply(*arguments: Any) -> Any:
            noted.append("at once")
            return apply(*arguments)

        return noted_apply

    for module in (_lstm, _gru):
        monkeypatch.setattr(module, "_apply", noting(module._apply))
    return noted


@contextmanager
def by_definition() -> Iterator[None]:
    """Have every recurrence carried out by its definition."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (_lstm, _gru):
            patch.setattr(module, "can_run_at_once", lambda *_: False)
        yield


def layer_of(kind: str, norm: str | None, **options: Any) -> Any:
    """Build a layer in float64 with random parameters and statistics."""
    arguments = {"steps": STEPS, "dtype": torch.float64, **options}
    layer = getattr(layers, kind)(INPUTS, HIDDEN, norm=norm, **arguments)
    for part in (layer, *layer.modules()):
        randomized(part)
    return layer


def sequences(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(STEPS, SAMPLES, INPUTS, dtype=dtype)


def results(layer: nn.Module, x: Tensor) -> dict[str, Any]:
    """Return the outputs, the gradients of all that the layer takes, and the state that a call leaves."""
    layer.zero_grad()
    torch.manual_seed(0)  # for norms that draw noise
    x = x.clone().requires_grad_()
    y, last = layer(x)
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    ((y * weights).sum() + sum(each.square().sum() for each in last)).backward()
    state = {name: each.clone() for name, each in layer.state_dict().items()}
    return {"y": y, "x": x.grad, **state, **{f"d {name}": each.grad for name, each in layer.named_parameters()}}


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        assert_close(found[name], value, msg=f"{name} differs")


def vectors() -> list[str]:
    """Return the norms of the registry that can stand in a recurrence."""
    return [name for name in NORMS if not getattr(layers.make_norm(name, 8), "needs_positions", False)]


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("kind", "norm"),
    [
        *((kind, norm) for kind in KINDS for norm in AT_ONCE),
        *(
            pytest.param(kind, norm, marks=pytest.mark.slow)
            for kind in KINDS
            for norm in vectors()
            if norm not in AT_ONCE
        ),
        *(
            pytest.param(KINDS[index % len(KINDS)], norm, marks=pytest.mark.slow)  # which know nothing of each other
            for index, norm in enumerate(OPTIONS)
        ),
    ],
)
def test_it_is_the_definition(kind: str, norm: str, at_once: list[str]) -> None:
    """Outputs, last states, every gradient and running statistics, of every norm that takes vectors; in evaluation."""
    try:
        layer, other = (layer_of(kind, norm) for _ in range(2))
    except Exception as error:
        if "contains an activation" in str(error):
            pytest.skip("has an activation of its own")
        raise
    other.load_state_dict(layer.state_dict())
    for training in (True, True, False):
        x = sequences()
        found = results(layer.train(training), x)
        with by_definition():
            expected = results(other.train(training), x)
        assert_same(found, expected)
        assert at_once or norm not in AT_ONCE
        at_once.clear()


@pytest.mark.slow_but_one
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("norm", ["layer", "batch", "none"])
def test_gradients_are_right_to_second_order(kind: str, norm: str) -> None:
    """By differences, of the input and of a weight of each kind."""
    layer = layer_of(kind, norm)
    names = [
        name for name in ("weight_hh_l0", "bias_hh_l0", "norm_hh_l0.0.weight") if norm != "none" or "norm" not in name
    ]
    x = torch.randn(2, 3, INPUTS, dtype=torch.float64, requires_grad=True)

    def output(x: Tensor, *tensors: Tensor) -> Tensor:
        y: Tensor = functional_call(layer, dict(zip(names, tensors, strict=True)), (x,), tie_weights=False)[0]
        return y[..., :3]

    tensors = (x, *(layer.get_parameter(name) for name in names))
    assert gradcheck(output, tensors, fast_mode=True)
    assert gradgradcheck(output, tensors, fast_mode=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_can_stand_for_several(kind: str, at_once: list[str]) -> None:
    """Rows of a Jacobian at once are those one by one."""
    layer, x = layer_of(kind, "layer"), sequences().requires_grad_()
    y = layer(x)[0]
    assert at_once
    cotangents = torch.randn(3, *y.shape, dtype=y.dtype)
    (together,) = torch.autograd.grad(y, x, cotangents, is_grads_batched=True, retain_graph=True)
    alone = [torch.autograd.grad(y, x, each, retain_graph=True)[0] for each in cotangents]
    assert_close(together, torch.stack(alone))


@pytest.mark.parametrize("kind", KINDS)
def test_last_states_alone_have_gradients(kind: str) -> None:
    """Of the cell alone, of nothing of the first steps, and of what training begins with."""
    layer, x = layer_of(kind, "layer"), sequences().requires_grad_()
    start = torch.randn(1, SAMPLES, HIDDEN, dtype=torch.float64, requires_grad=True)
    hx = (start, start) if kind == "LSTM" else start

    def gradient() -> tuple[Tensor, ...]:
        last = layer(x, hx)[1]
        return torch.autograd.grad((last[1] if kind == "LSTM" else last).square().sum(), [x, start, layer.weight_hh_l0])

    found = gradient()
    with by_definition():
        assert_close(found, gradient())


Call = Callable[[nn.Module, Tensor], Any]


def _mapped(layer: nn.Module, x: Tensor) -> Any:
    return torch.func.vmap(lambda x: layer(x)[0])(torch.stack([x, x + 1]))[0]


def _in_forward_mode(layer: nn.Module, x: Tensor) -> Any:
    return torch.func.jvp(lambda x: layer(x)[0], (x,), (torch.ones_like(x),))[1]


def _differentiated(layer: nn.Module, x: Tensor) -> Any:
    return torch.func.grad(lambda x: layer(x)[0].square().sum())(x)


def _exported(layer: nn.Module, x: Tensor) -> Any:
    return torch.export.export(layer, (x,)).module()(x)[0]


def _autocast(layer: nn.Module, x: Tensor) -> Any:
    with torch.autocast("cpu", torch.bfloat16):
        return layer(x)[0]


def _in_bfloat16(layer: nn.Module, x: Tensor) -> Any:
    return layer.to(torch.bfloat16)(x.to(torch.bfloat16))[0]


def _packed(layer: nn.Module, x: Tensor) -> Any:
    return layer(pack_sequence([x[:3, 0], x[:2, 1], x[:2, 2]]))[0].data


CALLS = [
    _mapped,
    pytest.param(_in_forward_mode, marks=pytest.mark.slow),
    _differentiated,
    pytest.param(_exported, marks=pytest.mark.slow),
    _autocast,
    _in_bfloat16,
    _packed,
]


@pytest.mark.slow_but_one
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # by which torch.func finds some derivatives
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_definition_takes_over(kind: str, call: Call, at_once: list[str]) -> None:
    """Where somebody else follows the operations, in low precision, and under a mask: the result is the same."""
    norm, dtype = ("batch" if call is _packed else "layer"), (torch.float32 if call is _autocast else torch.float64)
    layer, x = layer_of(kind, norm, dtype=dtype), sequences(dtype)
    found = call(layer, x)
    assert not at_once
    with by_definition():
        expected = call(layer, x)
    assert_close(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_hooks_of_norms_are_called(kind: str, at_once: list[str]) -> None:
    """At every step, and the result is the same; without them no norm in the loop is called."""
    layer, x = layer_of(kind, "layer"), sequences()
    expected = layer(x)
    assert at_once.pop()
    seen: list[nn.Module] = []
    layer.norm_hh_l0[0].register_forward_pre_hook(lambda module, _: seen.append(module))
    assert_close(layer(x), expected)
    assert len(seen) == STEPS
    assert not at_once


@pytest.mark.parametrize("kind", KINDS)
def test_checkpointing_updates_running_statistics_once(kind: str) -> None:
    layer, other = layer_of(kind, "batch"), layer_of(kind, "batch")
    other.load_state_dict(layer.state_dict())
    x = sequences().requires_grad_()
    checkpoint(lambda x: layer(x)[0], x, use_reentrant=False).sum().backward()
    other(x)[0].sum().backward()
    assert_close(layer.state_dict(), other.state_dict())
    assert_close([each.grad for each in layer.parameters()], [each.grad for each in other.parameters()])


def test_a_part_of_the_input_and_no_gradient_will_do(at_once: list[str]) -> None:
    """Inputs that are views, and calls that nothing is differentiated through."""
    layer = layer_of("LSTM", "layer", batch_first=True).eval()
    x = torch.randn(SAMPLES, 2 * STEPS, 2 * INPUTS, dtype=torch.float64)[:, ::2, ::2]
    with torch.no_grad():
        found = layer(x)
    with torch.inference_mode():
        assert_close(layer(x), found)
    assert_close(found, layer(x.contiguous()))
    assert len(at_once) == 3


def test_memory_for_the_gradient_goes_with_it() -> None:
    """What the forward pass keeps is handed to autograd, and cannot be had a second time."""
    y = layer_of("LSTM", "layer")(sequences())[0].sum()
    y.backward()
    with pytest.raises(RuntimeError, match="a second time"):
        y.backward()


@pytest.mark.slow
def test_steps_can_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward and backward; a backward pass by the backend of its forward pass."""
    variants: dict[object, Variant] = {}
    monkeypatch.setattr(dispatch, "_variants", variants)
    layer, x = layer_of("LSTM", "layer"), sequences()
    expected = results(layer, x)
    with backend("compiled"):
        assert_same(results(layer, x), expected)
    settled = [variant.settled(patient=False) for variant in variants.values()]
    assert len(settled) == 2
    assert all(function is variant._compiled for function, variant in zip(settled, variants.values(), strict=True))
    with backend("eager"):
        given = x.clone().requires_grad_()
        y = layer(given)[0]
    y.sum().backward()
    assert len(variants) == 2


@pytest.mark.slow
def test_compiled_steps_take_a_state_that_is_laid_out_in_any_way() -> None:
    """As one that is expanded to a batch, or a part of another tensor; norms of groups without parameters, too."""
    layer, x = layer_of("LSTM", "group:affine=false"), sequences()
    h = torch.randn(1, 1, HIDDEN, dtype=torch.float64).expand(1, SAMPLES, HIDDEN)
    c = torch.randn(1, HIDDEN, SAMPLES, dtype=torch.float64).mT
    expected = layer(x, (h, c))
    with backend("compiled"):
        assert_close(layer(x, (h, c)), expected)


def test_steps_that_remember_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """With running statistics of each step."""
    variants: dict[object, Variant] = {}
    monkeypatch.setattr(dispatch, "_variants", variants)
    with backend("compiled"):
        results(layer_of("LSTM", "batch"), sequences())
    assert not variants


@pytest.mark.slow_but_one
@pytest.mark.parametrize("norm", AT_ONCE)
def test_members_of_a_stack_are_as_alone(norm: str, at_once: list[str]) -> None:
    """Side by side, by batched products, each does what it does by itself; its gradients, too."""
    weights = torch.randn(MEMBERS, 4 * HIDDEN, HIDDEN, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(MEMBERS, 4 * HIDDEN, dtype=torch.float64, requires_grad=True)
    driven = torch.randn(STEPS, SAMPLES, MEMBERS, 4 * HIDDEN, dtype=torch.float64, requires_grad=True)
    start = torch.zeros(SAMPLES, MEMBERS, HIDDEN, dtype=torch.float64)
    members = [_norms(norm) for _ in range(MEMBERS)]
    together = hh_of_all, cell_of_all = [_stacked(each) for each in zip(*members, strict=True)]
    states, cells = lstm(driven, [bias], start, start, weights, hh_of_all, cell_of_all, [None] * STEPS)
    assert at_once
    found = torch.autograd.grad((states.square() + cells).sum(), [driven, weights, bias])
    for index, (hh, cell) in enumerate(members):
        begin = start[:, index]
        given = driven[:, :, index], [bias[index]]
        own_states, own_cells = lstm(*given, begin, begin, weights[index], hh, cell, [None] * STEPS)
        assert_close((states[:, :, index], cells[:, :, index]), (own_states, own_cells))
        own = torch.autograd.grad((own_states.square() + own_cells).sum(), [driven, weights, bias])
        assert_close(found[0][:, :, index], own[0][:, :, index])
        assert_close([each[index] for each in found[1:]], [each[index] for each in own[1:]])
        for stack, alone in zip(together, (hh, cell), strict=True):
            for name, buffer in alone.named_buffers():
                of_stack = stack.get_buffer(name)
                assert_close(of_stack[index] if of_stack.ndim else of_stack, buffer)


def _norms(norm: str) -> tuple[StepNorms, StepNorms]:
    hh, cell = (StepNorms(layers.norm_factory(norm), features, STEPS).double() for features in (4 * HIDDEN, HIDDEN))
    return randomized(hh), randomized(cell)


def _stack_tensors(tensors: Sequence[Tensor]) -> Tensor:
    stacked = torch.stack([each.detach() for each in tensors])
    return nn.Parameter(stacked) if isinstance(tensors[0], nn.Parameter) else stacked


def _stacked(norms: Any) -> Any:
    """Return one for all members, as ``stack`` of the templates makes it."""
    if type(norms[0][0]) is layers.NoNorm:
        return norms[0]
    stacked = copy.deepcopy(norms[0])
    for step, of_members in enumerate(zip(*norms, strict=True)):
        stacked[step] = stack_norms(of_members, _stack_tensors)
    return stacked
