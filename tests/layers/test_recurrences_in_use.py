"""Do ``LSTM`` and ``GRU`` stay one layer where other code moves, loads, maps, recomputes or changes them?"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.utils import parametrizations, parametrize
from torch.testing import assert_close
from torch.utils.checkpoint import checkpoint

from normzoo import layers
from normzoo.errors import InputError
from normzoo.layers import LSTM, LayerNorm
from normzoo.surgery import convert

KINDS = ("LSTM", "GRU")
INPUTS, HIDDEN, STEPS, SAMPLES = 3, 8, 5, 4

each_kind = pytest.mark.parametrize("kind", KINDS)


def layer_of(kind: str, norm: Any = "batch", steps: int = STEPS, **options: Any) -> Any:
    return getattr(layers, kind)(INPUTS, HIDDEN, norm=norm, steps=steps, **options)


def to_empty(kind: str) -> nn.Module:
    layer = layer_of(kind, device="meta").to_empty(device="cpu")
    layer.reset_parameters()
    return layer  # type: ignore[no-any-return]


def within_meta(kind: str) -> nn.Module:
    with torch.device("meta"):
        layer = layer_of(kind)
    layer.to_empty(device="cpu").reset_parameters()
    return layer  # type: ignore[no-any-return]


def assigned(kind: str) -> nn.Module:
    layer, state = layer_of(kind), layer_of(kind).state_dict()
    layer.load_state_dict({key: value.clone() for key, value in state.items()}, assign=True)
    return layer  # type: ignore[no-any-return]


def overwritten(kind: str) -> nn.Module:
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        return layer_of(kind).double().float()  # type: ignore[no-any-return]
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)


@each_kind
@pytest.mark.parametrize("make", [to_empty, within_meta, assigned, overwritten, lambda kind: layer_of(kind).double()])
def test_all_steps_keep_the_parameters_of_the_first(kind: str, make: Callable[[str], nn.Module]) -> None:
    """Or what trains one would not train the others, and calls that normalize step by step would use others."""
    layer = make(kind)
    assert len(list(layer.parameters())) == len(list(layer_of(kind).parameters()))
    for name, part in layer.named_children():
        assert isinstance(part, nn.ModuleList)
        assert all(step.weight is part[0].weight and step.bias is part[0].bias for step in part), name


@each_kind
@pytest.mark.parametrize(("norm", "steps"), [("batch", 3), ("batch:momentum=none", STEPS), ("batch", STEPS)])
def test_steps_are_recomputed_as_they_were_computed(kind: str, norm: str, steps: int) -> None:
    """Also where more steps than have statistics of their own are normalized one by one."""
    layer, x = layer_of(kind, norm, steps), torch.randn(STEPS, SAMPLES, INPUTS, requires_grad=True)
    (expected,) = torch.autograd.grad(layer(x)[0].square().sum(), x)
    y = checkpoint(lambda given: layer(given)[0], x, use_reentrant=False)
    assert_close(torch.autograd.grad(y.square().sum(), x)[0], expected)
    counts = [each.num_batches_tracked.item() for each in layer.norm_ih_l0]
    assert sum(counts) == 2 * STEPS


@each_kind
def test_several_are_mapped_in_training(kind: str) -> None:
    """As an ensemble."""
    members, x = [layer_of(kind) for _ in range(2)], torch.randn(STEPS, SAMPLES, INPUTS)
    expected = [copy.deepcopy(member)(x)[0] for member in members]
    parameters, buffers = stack_module_state(members)
    found = vmap(lambda *state: functional_call(members[0], state, (x,))[0], randomness="different")(
        parameters, buffers
    )
    for each, wanted in zip(found, expected, strict=True):
        assert_close(each, wanted)


@each_kind
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_shapes_are_found_without_values(kind: str, norm: str) -> None:
    """On the meta device, and of fake tensors."""
    layer = layer_of(kind, norm, device="meta")
    assert layer(torch.empty(STEPS, SAMPLES, INPUTS, device="meta"))[0].shape == (STEPS, SAMPLES, HIDDEN)
    with FakeTensorMode():
        layer = layer_of(kind, norm)
        assert layer(torch.empty(STEPS, SAMPLES, INPUTS))[0].shape == (STEPS, SAMPLES, HIDDEN)


@each_kind
@pytest.mark.parametrize("norm", [None, "layer"])
def test_what_is_put_into_a_layer_is_not_asked_to_begin_again(kind: str, norm: str | None) -> None:
    layer = layer_of(kind, norm)
    layer.noise = nn.Dropout()
    parametrizations.weight_norm(layer, "weight_hh_l0")
    before = layer.bias_ih_l0.clone()
    layer.reset_parameters()
    assert not layer.bias_ih_l0.equal(before)


@each_kind
@pytest.mark.parametrize("norm", [None, "layer", "batch"])
def test_a_batch_without_samples_changes_nothing(kind: str, norm: str | None) -> None:
    layer = layer_of(kind, norm)
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    x = torch.empty(STEPS, 0, INPUTS, requires_grad=True)
    y, _ = layer(x)
    assert y.shape == (STEPS, 0, HIDDEN)
    y.sum().backward()
    assert all(value.equal(before[key]) for key, value in layer.state_dict().items())


@pytest.mark.parametrize(
    ("kind", "start", "got"),
    [
        ("LSTM", torch.zeros(1, SAMPLES, HIDDEN), "must be two tensors, got a tensor; pass (h, c)"),
        ("LSTM", (torch.zeros(1, SAMPLES, HIDDEN),) * 3, "must be two tensors, got 3 of them; pass (h, c)"),
        ("GRU", (torch.zeros(1, SAMPLES, HIDDEN),) * 2, "must be a tensor, got a tuple; pass h"),
    ],
)
def test_what_a_layer_cannot_begin_with_is_refused(kind: str, start: Any, got: str) -> None:
    with pytest.raises(InputError) as caught:
        layer_of(kind, "layer")(torch.randn(STEPS, SAMPLES, INPUTS), start)
    assert str(caught.value) == f"{kind}: what it begins with {got}"


class Around(nn.Module):
    """Something to be compiled before and after a recurrence."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.before, self.layer, self.after = nn.Sequential(nn.Tanh()), layer, nn.Sequential(nn.Linear(HIDDEN, 2))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.after(self.layer(self.before(x))[0])
        return y


@each_kind
@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_steps_are_not_compiled(kind: str, norm: str) -> None:
    """They would be unrolled, for each number of them; no more is compiled than with torch's own layer."""
    compiled_for: list[list[str]] = []
    for layer in (layer_of(kind, norm).eval(), getattr(nn, kind)(INPUTS, HIDDEN)):
        operations: list[str] = []

        def noting(graph: torch.fx.GraphModule, inputs: object, into: list[str] = operations) -> Any:  # noqa: ARG001
            into += [str(node.target) for node in graph.graph.nodes if node.op == "call_function"]
            return graph.forward

        model = Around(layer)
        torch.compiler.reset()
        compiled = torch.compile(model, backend=noting)
        for steps in (STEPS, 2 * STEPS):
            x = torch.randn(steps, SAMPLES, INPUTS)
            assert_close(compiled(x), model(x), rtol=0, atol=0)
        compiled_for.append(operations)
    assert compiled_for[0] == compiled_for[1]


@pytest.mark.slow
@each_kind
@pytest.mark.parametrize("strict", [False, True])
def test_a_recurrence_is_exported_whole(kind: str, strict: bool) -> None:
    layer, x = layer_of(kind, "layer").eval(), torch.randn(STEPS, SAMPLES, INPUTS)
    exported = torch.export.export(layer, (x,), strict=strict).module()
    assert_close(exported(x)[0], layer(x)[0])


class States(nn.Module):
    """Puts out the states alone, as what is scripted must be torch's own layer or within somebody's."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)[0]
        return y


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
@each_kind
def test_without_a_norm_it_is_scripted_as_torchs(kind: str) -> None:
    layer, x = layer_of(kind, None, num_layers=2), torch.randn(STEPS, SAMPLES, INPUTS)
    assert_close(torch.jit.script(States(layer))(x), layer(x)[0])
    with pytest.raises(InputError, match=rf"^{kind}: torch.jit.script takes it for torch.nn's, .* got norm=layer; use"):
        torch.jit.script(States(layer_of(kind, "layer")))


@each_kind
@pytest.mark.parametrize("norm", [nn.LayerNorm(HIDDEN), 5, True])
def test_what_makes_no_norm_is_refused(kind: str, norm: Any) -> None:
    wanted = f"^{kind}: norm must be a spec, or what makes a norm .*, got a {type(norm).__name__}; pass its class$"
    with pytest.raises(TypeError, match=wanted):
        layer_of(kind, norm)


def momentum(layer: Any) -> None:
    layer.norm_hh_l0[2].momentum = 0.9


def eps(layer: Any) -> None:
    layer.norm_ih_l0[2].eps = 1.0


def tracks_nothing(layer: Any) -> None:
    layer.norm_hh_l0[0].track_running_stats = False


def evaluates(layer: Any) -> None:
    layer.norm_ih_l0[1].eval()


def other_forward(layer: Any) -> None:
    layer.norm_hh_l0[0].forward = lambda x, mask=None: x * 0  # noqa: ARG005


@each_kind
@pytest.mark.parametrize("change", [momentum, eps, tracks_nothing, evaluates, other_forward])
def test_what_is_set_of_one_step_counts(kind: str, change: Callable[[Any], None]) -> None:
    """As where each norm is called, which a hook makes sure of."""
    layer = layer_of(kind, LayerNorm if change is other_forward else "batch")
    change(layer)
    called = copy.deepcopy(layer)
    for part in called.modules():
        if hasattr(part, "eps"):
            part.register_forward_hook(lambda *_: None)
    x: Tensor = torch.randn(STEPS, SAMPLES, INPUTS)
    assert_close(layer(x)[0], called(x)[0])
    for mine, its in zip(layer.buffers(), called.buffers(), strict=True):
        assert_close(mine, its)


def test_a_converted_layer_says_which_norm_it_has() -> None:
    """Where all of its norms were exchanged."""
    layer = LSTM(INPUTS, HIDDEN, norm="batch", steps=2)
    convert(nn.Sequential(layer), "rms")
    assert layer.norm == "rms"
    convert(nn.Sequential(layer), "layer", only="0.norm_ih_l0.0")
    assert layer.norm == "rms"
    assert "norm=rms" in repr(layer)


@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
@pytest.mark.parametrize("norm", ["layer", "none"])
def test_an_input_of_another_type_than_the_weights_is_refused(kind: Any, norm: str) -> None:
    """In a line that names both; autocast converts it."""
    layer, x = kind(3, 4, norm=norm), torch.randn(5, 2, 3)
    for dtype in (torch.float64, torch.bfloat16, torch.long):
        with pytest.raises(InputError, match=rf"of the type of the weights, got {dtype} for torch.float32"):
            layer(x.to(dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(x.bfloat16())[0].shape == (5, 2, 4)
        with pytest.raises(InputError, match="of the type of the weights"):
            layer(x.double())


def test_a_parametrized_weight_is_made_once_a_step() -> None:
    """A spectral norm would iterate twice, and a dropout of weights draw twice."""
    calls = []

    class Noted(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            calls.append(weight)
            return weight

    layer = layers.LSTM(3, 4, norm="layer")
    parametrize.register_parametrization(layer, "weight_ih_l0", Noted())
    calls.clear()
    layer(torch.randn(5, 2, 3))
    assert len(calls) == 1
