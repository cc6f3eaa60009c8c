"""Are the names there that torch keeps to itself, and do they still mean what the layers take them for?

When a release of torch breaks one of these, its test says what no longer works.
"""

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import Function, forward_ad
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from normzoo import layers
from normzoo.layers._kernels import torch_internals


def test_a_transformation_of_torch_func_is_noticed() -> None:
    """Without it, a norm within vmap, grad or jvp would run kernels that torch cannot transform."""
    seen: list[bool] = []

    def noting(x: Tensor) -> Tensor:
        seen.append(torch_internals.must_be_transformable())
        return x.sum()

    noting(torch.ones(3))
    torch.func.vmap(noting)(torch.ones(2, 3))
    torch.func.grad(noting)(torch.ones(3))
    assert seen == [False, True, True]


def test_forward_mode_is_noticed() -> None:
    """Without it, a norm of dual numbers would lose their tangents."""
    with forward_ad.dual_level():
        assert torch_internals.must_be_transformable()
    assert not torch_internals.must_be_transformable()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.trace. is deprecated")
def test_tracing_and_compiling_are_noticed() -> None:
    """Without it, kernels that write into memory would stand in somebody's graph."""
    seen: list[bool] = []

    def noting(x: Tensor) -> Tensor:
        seen.append(torch_internals.must_be_traceable())
        return x + 1

    noting(torch.ones(3))
    torch.jit.trace(noting, torch.ones(3), check_trace=False)  # type: ignore[no-untyped-call]
    assert seen == [False, True]

    def one_more_if_compiled(x: Tensor) -> Tensor:
        return x + 1 if torch_internals.must_be_traceable() else x

    compiled: Any = torch.compile(one_more_if_compiled, backend="eager", fullgraph=True)
    assert torch.equal(compiled(torch.zeros(2)), torch.ones(2))


def test_wrapped_tensors_are_noticed() -> None:
    """Without it, batched gradients of one forward pass would reach a compiled kernel, which reads wrong memory."""
    seen: list[bool] = []

    class Noting(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
            return x.clone()

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ARG004
            seen.append(torch_internals.is_wrapped(grad))
            return grad.clone()

    x = torch.ones(3, requires_grad=True)
    y: Any = Noting.apply(x)
    torch.autograd.grad(y, x, torch.ones(3), retain_graph=True)
    torch.autograd.grad(y, x, torch.ones(2, 3), is_grads_batched=True, retain_graph=True)
    torch.func.vmap(lambda v: torch.autograd.grad(y, x, v, retain_graph=True)[0])(torch.ones(2, 3))
    assert seen == [False, True, True]


def test_a_dispatch_mode_is_noticed() -> None:
    """Without it, a mode that counts operations would see none of a compiled norm's."""

    class Silent(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return function(*args, **(kwargs or {}))

    assert not torch_internals.is_intercepted()
    with Silent():  # type: ignore[no-untyped-call]
        assert torch_internals.is_intercepted()


def test_a_recomputation_is_noticed() -> None:
    """Without it, activation checkpointing would move running statistics twice."""
    seen: list[bool] = []

    def noting(x: Tensor) -> Tensor:
        seen.append(torch_internals.is_recomputation())
        return x.sin()

    y: Any = checkpoint(noting, torch.ones(3, requires_grad=True), use_reentrant=False)
    y.sum().backward()
    assert seen == [False, True]


def test_a_function_is_applied_directly() -> None:
    """Without it, each call takes some microseconds more: a look at functorch and at the signature."""

    class Doubled(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
            return 2 * x

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ARG004
            return 2 * grad

    x = torch.ones(3, requires_grad=True)
    y: Tensor = torch_internals.apply_directly(Doubled)(x)
    torch.autograd.backward([y.sum()])
    assert x.grad is not None
    assert torch.equal(x.grad, 2 * torch.ones(3))


def test_a_function_is_taken_as_a_constant() -> None:
    """Without it, a compiled model would trace every line of a norm, and guard it in each call."""
    calls: list[int] = []

    @torch_internals.taken_as_constant
    def noting() -> bool:
        calls.append(1)
        return True

    def one_more(x: Tensor) -> Tensor:
        return x + 1 if noting() else x

    compiled: Any = torch.compile(one_more, backend="eager", fullgraph=True)
    for _ in range(3):
        compiled(torch.zeros(2))
    assert calls == [1]


def test_plain_types() -> None:
    """Without them, a tensor of a type of its own would lose it."""
    assert {type(torch.ones(1)), type(nn.Parameter(torch.ones(1)))} <= torch_internals.PLAIN_TYPES
    assert type(layers.BatchNorm1d(2).running_mean) in torch_internals.PLAIN_TYPES


@pytest.mark.parametrize(
    ("base", "kinds"),
    [
        (torch_internals.TorchBatchNorm, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)),
        (torch_internals.TorchInstanceNorm, (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)),
        (torch_internals.TorchTrackedNorm, (torch_internals.TorchBatchNorm, torch_internals.TorchInstanceNorm)),
    ],
    ids=["batch", "instance", "tracked"],
)
def test_the_bases_by_which_tools_find_norms(base: type, kinds: Sequence[type]) -> None:
    """Without them, SWA, ``update_bn`` and the conversion to synchronized norms would pass ours over in silence."""
    assert all(issubclass(kind, base) for kind in kinds)


def test_a_call_goes_through_what_runs_its_hooks() -> None:
    """``Norm`` overrides it: without it, hooks would run while torch.fx traces, and again when the graph runs."""
    calls: list[int] = []

    class Noting(nn.Module):
        def _call_impl(self, *arguments: Any, **named: Any) -> Any:
            calls.append(1)
            return super()._call_impl(*arguments, **named)  # type: ignore[no-untyped-call]

        def forward(self, x: Tensor) -> Tensor:
            return x

    Noting()(torch.ones(1))
    assert calls == [1]


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_the_structure_of_a_jagged_tensor() -> None:
    """Without it, what a norm makes of a jagged tensor could not be added to it."""
    x = torch.nested.nested_tensor([torch.randn(n, 3) for n in (2, 4)], layout=torch.jagged)
    y = torch_internals.jagged_like(x, 2 * x.values())
    assert torch.equal((x + y).values(), 3 * x.values())


def test_the_table_of_what_quantization_fuses() -> None:
    """Without it, ``torch.ao.quantization.fuse_modules`` would refuse a model with our norms."""
    fusers = torch_internals.quantization_fusers()
    assert (nn.Conv2d, nn.BatchNorm2d) in fusers
    assert (nn.Conv2d, layers.BatchNorm2d) in fusers


@pytest.mark.slow
def test_the_compiler() -> None:
    """Without its parts, the backend ``compiled`` would warn once and run eagerly."""
    parts = torch_internals.compiler()
    with parts.FakeTensorMode() as fakes:
        fake = fakes.from_tensor(torch.ones(3))
        graph = parts.trace(lambda x: [x * 2], decomposition_table=parts.decompositions())(fake)
    with torch.no_grad(), parts.settings.patch({"size_asserts": True}):
        run = parts.compile(graph, [fake])
    assert torch.equal(run([torch.ones(3)])[0], 2 * torch.ones(3))


def test_hooks_are_noticed() -> None:
    """Without it, a recurrence would leave out what somebody has hung on a norm, or on all modules."""
    module = nn.Identity()
    assert not torch_internals.has_hooks(module)
    for register in (
        module.register_forward_hook,
        module.register_forward_pre_hook,
        module.register_full_backward_hook,
        module.register_full_backward_pre_hook,
        nn.modules.module.register_module_forward_hook,
    ):
        handle = register(lambda *_: None)
        assert torch_internals.has_hooks(module)
        handle.remove()
        assert not torch_internals.has_hooks(module)


def test_many_tensors_move_at_once() -> None:
    """Without it, a batch norm for each time step would take two operations for each."""
    tensors, counters = [torch.zeros(2), torch.ones(3)], [torch.tensor(1), torch.tensor(4)]
    torch_internals.move_towards(tensors, [torch.ones(2), torch.full((3,), 5.0)], 0.25, counters)
    assert [each.tolist() for each in tensors] == [[0.25, 0.25], [2.0, 2.0, 2.0]]
    assert [int(counter) for counter in counters] == [2, 5]
    torch_internals.move_towards(tensors[:1], [torch.zeros(2)], 1.0, [])
    assert tensors[0].tolist() == [0.0, 0.0]


def test_slopes_of_gates_are_one_operation() -> None:
    """Without it, the gradient of a recurrence would take three for each."""
    g, y = torch.randn(2, 3, 4, dtype=torch.float64).unbind(0)
    for slope, expected in (
        (torch_internals.sigmoid_backward, y * (1 - y)),
        (torch_internals.tanh_backward, 1 - y * y),
    ):
        out = torch.empty(3, 8, dtype=torch.float64)[:, ::2]
        torch.testing.assert_close(slope(g, y, grad_input=out), g * expected)
        torch.testing.assert_close(out, g * expected)


def test_norms_of_torch_that_treat_samples_alone_are_known() -> None:
    """Without it, packed sequences would be refused with them."""
    x = torch.randn(3, 4)
    for norm in (nn.LayerNorm(4), nn.GroupNorm(2, 4), nn.RMSNorm(4), nn.BatchNorm1d(4)):
        is_known = isinstance(norm, torch_internals.TORCH_BATCH_INDEPENDENT)
        assert torch.allclose(norm(x)[:2], norm(x[:2])) == is_known


def test_what_is_called_after_loading() -> None:
    """Without it, steps of a recurrence share no parameters once a state is assigned, or cannot be stacked."""
    module, loaded = nn.Sequential(nn.Linear(2, 2)), list[float]()
    torch_internals.call_after_loading(module, lambda each, _: loaded.append(each[0].bias.sum().item()))
    module.register_load_state_dict_post_hook(lambda *_: loaded.append(0.0))  # type: ignore[no-untyped-call]
    nn.Sequential(module).load_state_dict({"0.0.weight": torch.ones(2, 2), "0.0.bias": torch.ones(2)}, assign=True)
    assert loaded == [2.0, 0.0]
    others = [torch.nn.Sequential() for _ in range(2)]
    for other in others:
        torch_internals.call_after_loading(other, print)
    assert others[0]._load_state_dict_post_hooks == others[1]._load_state_dict_post_hooks


def test_what_torch_compile_leaves_alone() -> None:
    """Without it, each step of a recurrence would be compiled; the compiler is not loaded for it."""
    graphs: list[object] = []

    def noting(graph: torch.fx.GraphModule, inputs: object) -> Any:  # noqa: ARG001
        graphs.append(graph)
        return graph.forward

    def computed(x: Tensor) -> Tensor:
        return x * 3

    def around(x: Tensor) -> Tensor:
        return torch_internals.call_uncompiled(computed, x)

    torch.compiler.reset()
    x = torch.ones(2)
    assert torch.compile(around, backend=noting)(x).equal(3 * x)
    assert not graphs
    script = "import sys, normzoo.layers; sys.exit('torch._dynamo' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
