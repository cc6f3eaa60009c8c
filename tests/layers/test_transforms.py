"""Do the layers pass through torch.func and torch.compile?"""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jvp, stack_module_state, vjp, vmap
from torch.testing import assert_close

from normzoo import layers
from normzoo.layers import backend
from normzoo.registry.backends import Backend

from .cases import CASES, COMPILED, Case, on_each_backend
from .references import SideBySide, random_mask, randomized


def chosen(*ids: str) -> list[Case]:
    """Return some of the cases."""
    found = [case for case in CASES if case.id in ids]
    assert len(found) == len(ids)
    return found


@pytest.mark.slow_but_one
@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_stacked_layers_are_the_layers_one_by_one(case: Case, training: bool, masked: bool) -> None:
    """Layers stacked with torch.func compute what each computes alone, and keep their own running statistics."""
    members = [randomized(case.ours(torch.float64)).train(training) for _ in range(3)]
    skeleton = copy.deepcopy(members[0])
    parameters, buffers = stack_module_state(members)
    inputs = [torch.stack([case.input() for _ in members])]
    if masked:
        inputs.append(torch.stack([random_mask(case) for _ in members]))

    def member(parameters: dict[str, Tensor], buffers: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        output: Tensor = functional_call(skeleton, (parameters, buffers), inputs)
        return output

    for _ in range(2):
        stacked = vmap(member)(parameters, buffers, *inputs)
        assert_close(stacked, torch.stack([layer(*own) for layer, *own in zip(members, *inputs, strict=True)]))
    for name, buffer in buffers.items():
        assert_close(buffer, torch.stack([layer.get_buffer(name) for layer in members]))


@pytest.mark.parametrize("case", [case for case in CASES if len(case.shape) == 4], ids=lambda case: case.id)
def test_stacked_maps_with_channels_last(case: Case) -> None:
    """Maps stored with channels last can be stacked too."""
    layer, x = case.ours(torch.float64).eval(), torch.stack([case.input() for _ in range(2)])
    channels_last = x.movedim(2, -1).contiguous().movedim(-1, 2)
    assert_close(vmap(layer)(channels_last), torch.stack([layer(part) for part in x]))


def function_of(case: Case) -> tuple[Any, list[Tensor]]:
    """Return the layer in training as a function of its input and parameters, and these."""
    layer = randomized(case.ours(torch.float64))
    parameters = {name: parameter.detach() for name, parameter in layer.named_parameters()}

    def function(x: Tensor, *values: Tensor) -> Tensor:
        buffers = {name: buffer.clone() for name, buffer in layer.named_buffers()}
        output: Tensor = functional_call(layer, {**dict(zip(parameters, values, strict=True)), **buffers}, (x,))
        return output

    return function, [case.input(), *parameters.values()]


@pytest.mark.slow_but_one
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # torch's own rules for forward mode
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_jvp_is_the_transpose_of_vjp(case: Case) -> None:
    """Forward-mode derivatives, along any direction, are those of reverse mode."""
    function, arguments = function_of(case)
    tangents = [torch.randn_like(argument) for argument in arguments]
    y, tangent = jvp(function, tuple(arguments), tuple(tangents))  # type: ignore[misc]
    cotangent = torch.randn_like(y)
    gradients = vjp(function, *arguments)[1](cotangent)
    inner = sum((a * b).sum() for a, b in zip(gradients, tangents, strict=True))
    assert_close((tangent * cotangent).sum(), inner, rtol=1e-9, atol=1e-9)


@pytest.mark.slow_but_one
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # torch's own rules for forward mode
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_dual_numbers(case: Case) -> None:
    """So are those of ``torch.autograd.forward_ad`` without torch.func."""
    function, arguments = function_of(case)
    tangents = [torch.randn_like(argument) for argument in arguments]
    expected = jvp(function, tuple(arguments), tuple(tangents))[1]
    with forward_ad.dual_level():
        dual: Any = forward_ad.make_dual
        undual: Any = forward_ad.unpack_dual
        duals = [dual(a, t) for a, t in zip(arguments, tangents, strict=True)]
        assert_close(undual(function(*duals)).tangent, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.slow_but_one
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # torch's own rules for forward mode
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_tangent_of_a_gradient(case: Case) -> None:
    """Of a layer that was called before: a gradient is linear in the cotangent, so along one it is that one's."""
    layer, x = randomized(case.ours(torch.float64)), case.input().requires_grad_()
    y = layer(x)
    cotangent, tangent = torch.randn_like(y), torch.randn_like(y)
    (expected,) = torch.autograd.grad(y, x, tangent, retain_graph=True)
    with forward_ad.dual_level():
        dual: Any = forward_ad.make_dual
        undual: Any = forward_ad.unpack_dual
        (gradient,) = torch.autograd.grad(y, x, dual(cotangent, tangent))
        assert_close(undual(gradient).tangent, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.slow_but_one
@on_each_backend()
def test_grad_is_that_of_autograd(case: Case, name: Backend) -> None:
    """``torch.func.grad`` gives what a backward pass gives, whatever the backend."""
    function, arguments = function_of(case)

    def loss(*arguments: Tensor) -> Tensor:
        return function(*arguments).pow(3).sum()  # type: ignore[no-any-return]

    with backend(name):
        found = grad(loss, argnums=tuple(range(len(arguments))))(*arguments)
    with backend("eager"):
        leaves = [argument.clone().requires_grad_() for argument in arguments]
        expected = torch.autograd.grad(loss(*leaves), leaves)
    assert_close(found, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("case", [case for case in CASES if list(case.ours().parameters())], ids=lambda case: case.id)
def test_parameters_alone_can_be_mapped(case: Case) -> None:
    """One input under many parameters, also where only the last of them is mapped."""
    function, (x, *parameters) = function_of(case)
    for mapped in range(len(parameters)):
        stacks = [torch.randn(3, *p.shape).double() if i == mapped else p for i, p in enumerate(parameters)]
        dims = tuple(0 if index == mapped else None for index in range(len(parameters)))
        found = vmap(function, in_dims=(None, *dims))(x, *stacks)
        one_by_one = [
            function(x, *(s[n] if i == mapped else s for i, s in enumerate(stacks))) for n in range(3)
        ]  # fmt: skip
        assert_close(found, torch.stack(one_by_one), rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0")  # of that release alone
@pytest.mark.parametrize("case", COMPILED, ids=lambda case: case.id)
def test_compiled_is_eager(case: Case) -> None:
    """Compiled whole, without a break, a layer gives the outputs, gradients and running statistics it gives eagerly."""
    layer = randomized(case.ours(torch.float64))
    twin = copy.deepcopy(layer)
    torch.compiler.reset()
    compiled: Any = torch.compile(twin, fullgraph=True, backend="aot_eager")
    for step in range(4):
        x, mask = case.input(), random_mask(case) if step % 2 else None
        results = []
        for function, module in ((layer, layer), (compiled, twin)):
            module.zero_grad()
            leaf = x.clone().requires_grad_()
            y = function(leaf, mask)
            y.pow(3).sum().backward()
            results.append((y, leaf.grad, [parameter.grad for parameter in module.parameters()]))
        assert_close(results[1], results[0])
        assert_close(twin.state_dict(), layer.state_dict())
    if case.tracked:
        x = case.input()
        twin.eval()
        assert_close(compiled(x), layer.eval()(x))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0")
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
@pytest.mark.parametrize(
    ("case", "transform"),
    [
        *((case, transform) for case in chosen("group-maps") for transform in ("vmap", "grad", "jvp")),
        *((case, "vmap") for case in chosen("batch-maps-untracked")),
        *((case, "jvp") for case in chosen("rms-vectors")),
    ],
    ids=lambda value: getattr(value, "id", value),
)
def test_compiled_transforms(case: Case, transform: str) -> None:
    """``torch.compile`` of a transformed layer gives what the transform gives, in one graph."""
    layer = randomized(case.ours(torch.float64))
    x = case.input()
    tangent = torch.randn_like(x)
    forward_mode: Any = jvp

    def cubes(x: Tensor) -> Tensor:
        return layer(x).pow(3).sum()  # type: ignore[no-any-return]

    functions: dict[str, Any] = {
        "vmap": lambda x: vmap(layer)(torch.stack([x, 2 * x])),
        "grad": grad(cubes),
        "jvp": lambda x: forward_mode(layer, (x,), (tangent,))[1],
    }
    torch.compiler.reset()
    compiled: Any = torch.compile(functions[transform], fullgraph=True, backend="aot_eager")
    assert_close(compiled(x), functions[transform](x), rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0")
def test_compiled_whole_by_the_real_compiler() -> None:
    """Inside somebody's ``torch.compile`` a model is one graph, whatever the backend and the batch size."""
    cases = chosen("batch-sequences-cumulative", "group-maps")
    model = SideBySide(nn.Sequential(randomized(case.ours(torch.float64)), nn.Tanh()) for case in cases)
    twin = copy.deepcopy(model)
    torch.compiler.reset()
    compiled = torch.compile(twin, fullgraph=True, dynamic=True)
    for samples in (7, 9):  # as many as nothing else, or torch takes that to be the same number
        inputs = [torch.randn(samples, *case.shape[1:]).double() + case.input()[:1] for case in cases]
        found = []
        ways: list[tuple[Any, nn.Module, Backend]] = [(model, model, "eager"), (compiled, twin, "compiled")]
        for function, module, name in ways:
            module.zero_grad()
            leaves = [x.clone().requires_grad_() for x in inputs]
            with backend(name):
                outputs = function(*leaves)
                sum(y.pow(3).sum() for y in outputs).backward()
            found.append((outputs, [leaf.grad for leaf in leaves], [each.grad for each in module.parameters()]))
        assert_close(found[1], found[0], rtol=1e-9, atol=1e-9)
        assert_close(twin.state_dict(), model.state_dict(), rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0")
@pytest.mark.parametrize(
    ("case", "training"),
    [*((case, True) for case in COMPILED), *((case, False) for case in COMPILED if case.tracked)],
    ids=lambda value: getattr(value, "id", "train" if value is True else "eval"),
)
def test_many_sizes_are_compiled_for_once(case: Case, training: bool) -> None:
    """From the second size on a compiled layer is one for all sizes, whatever number of them follows."""
    free = range(1 if case.trailing else 2, len(case.shape) - case.trailing)
    if not free:
        free = range(1)  # vectors have a number of samples
    layer = randomized(case.ours(torch.float64)).train(training)
    twin = copy.deepcopy(layer)
    torch.compiler.reset()
    counter = CompileCounterWithBackend("aot_eager")
    compiled: Any = torch.compile(twin, fullgraph=True, backend=counter)
    for extra in range(13):
        shape = [size + 1 + extra if dim in free else size for dim, size in enumerate(case.shape)]
        x = torch.randn(shape, dtype=torch.float64)
        assert_close(compiled(x), layer(x))
        if extra == 2:
            settled = counter.frame_count
    assert counter.frame_count == settled <= 3
    assert_close(twin.state_dict(), layer.state_dict())


def test_a_ghost_batch_norm_is_compiled_for_each_batch_size() -> None:
    """As how many parts there are belongs to what is compiled."""
    layer = randomized(layers.GhostBatchNorm(2, size=3).double())
    twin = copy.deepcopy(layer)
    compiled: Any = torch.compile(twin, fullgraph=True, backend="aot_eager")
    for samples in (6, 7, 8, 2, 6):
        x = torch.randn(samples, 2, 3, dtype=torch.float64)
        assert_close(compiled(x), layer(x))
    assert_close(twin.state_dict(), layer.state_dict())
