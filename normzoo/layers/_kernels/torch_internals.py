"""Every name here that torch keeps to itself, and what a norm asks torch about the call at hand.

Each has a test in ``tests/layers/test_torch_internals.py`` that says what breaks without it.
"""

import sys
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd import Function, forward_ad
from torch.jit import TracerWarning, is_tracing  # type: ignore[attr-defined]
from torch.nn import Buffer, Parameter
from torch.nn.modules.batchnorm import _BatchNorm as TorchBatchNorm
from torch.nn.modules.batchnorm import _NormBase as TorchTrackedNorm
from torch.nn.modules.instancenorm import _InstanceNorm as TorchInstanceNorm
from torch.nn.modules.module import _has_any_global_hook as has_any_global_hook

__all__ = [
    "PLAIN_TYPES",
    "TORCH_BATCH_INDEPENDENT",
    "TorchBatchNorm",
    "TorchInstanceNorm",
    "TorchTrackedNorm",
    "TracerWarning",
    "apply_directly",
    "call_after_loading",
    "call_uncompiled",
    "compiler",
    "has_hooks",
    "has_values",
    "is_intercepted",
    "is_jit_tracing",
    "is_recomputation",
    "is_wrapped",
    "jagged_like",
    "move_towards",
    "must_be_traceable",
    "must_be_transformable",
    "quantization_fusers",
    "sigmoid_backward",
    "taken_as_constant",
    "tanh_backward",
]

is_jit_tracing: Callable[[], bool] = is_tracing
"""Whether ``torch.jit.trace`` follows this call; by its very function, which torch.compile knows."""

PLAIN_TYPES = frozenset((Tensor, Parameter, Buffer))
"""The types of tensors that kernels take; any other has a way of its own to carry out operations."""


TORCH_BATCH_INDEPENDENT = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
"""Norms of torch.nn in which no sample depends on another."""

sigmoid_backward: Callable[..., Tensor] = torch.ops.aten.sigmoid_backward.grad_input
"""``(g, y, grad_input=out)``: the product g * y * (1 - y) in one operation."""

tanh_backward: Callable[..., Tensor] = torch.ops.aten.tanh_backward.grad_input
"""``(g, y, grad_input=out)``: the product g * (1 - y^2) in one operation."""


def must_be_traceable() -> bool:
    """Whether somebody else differentiates, maps, compiles, exports or traces this call.

    Then a layer is to be the plain operations that it consists of, which torch knows how to transform.
    """
    return torch.compiler.is_compiling() or must_be_transformable() or is_jit_tracing()


def must_be_transformable() -> bool:
    """Whether this runs within a transformation of ``torch.func`` or in forward mode."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def has_hooks(module: nn.Module) -> bool:
    """Whether calling a module calls more than its forward pass."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or has_any_global_hook()  # type: ignore[no-untyped-call]
    )


def call_after_loading(module: nn.Module, hook: Callable[[Any, object], None]) -> None:
    """Have a function called once a module's state and that of its parts is loaded.

    As ``register_load_state_dict_post_hook`` does, which numbers hooks, so that no two modules would be alike.
    """
    module._load_state_dict_post_hooks[-1] = hook


Result = TypeVar("Result")


def call_uncompiled(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function which torch.compile, if this is within what it compiles, is to leave alone; an export is not.

    As ``torch.compiler.disable`` has it, which would load the compiler with every import, and this at the first call.
    """
    if torch.compiler.is_exporting() or "torch._dynamo" not in sys.modules:
        return function(*arguments)
    result: Result = _apart(function, *arguments)
    return result


def _call(function: Callable[..., Result], *arguments: Any) -> Result:
    return function(*arguments)


_apart: Callable[..., Any] = torch._compile._disable_dynamo(_call)


def is_wrapped(tensor: Tensor) -> bool:
    """Whether a tensor stands for several, or for one with a derivative, and has no values of its own to point at."""
    functorch = torch._C._functorch
    return functorch.is_functorch_wrapped_tensor(tensor) or functorch.is_legacy_batchedtensor(tensor)


def has_values(tensor: Tensor) -> bool:
    """Whether the values of a tensor can be looked at: they are there, and no CUDA graph is being recorded."""
    if tensor.is_meta or type(tensor) not in PLAIN_TYPES:
        return False
    return not (tensor.is_cuda and torch.cuda.is_current_stream_capturing())


def is_intercepted() -> bool:
    """Whether a dispatch mode, such as one that counts operations or fakes tensors, looks at each operation."""
    return torch._C._len_torch_dispatch_stack() > 0


def is_recomputation() -> bool:
    """Whether this runs inside a backward pass, where activation checkpointing repeats the forward pass."""
    return not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1


def move_towards(tensors: Sequence[Tensor], newer: Sequence[Tensor], share: float, counters: Sequence[Tensor]) -> None:
    """Move each of many tensors by a share of its way to a newer one, and count each counter up, in two calls."""
    torch._foreach_lerp_(list(tensors), list(newer), share)
    if counters:
        torch._foreach_add_(list(counters), 1)


def apply_directly(function: type[Function]) -> Any:
    """Return ``function.apply`` without its look at functorch and at the signature, which takes longer than a norm."""
    return super(Function, function).apply  # type: ignore[misc]


def taken_as_constant(function: Callable[[], bool]) -> Callable[[], bool]:
    """Have torch.compile call a function while it traces, and keep its result.

    What ``torch.compiler.assume_constant_result`` sets; to call that would load the compiler with every import.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


def jagged_like(x: Tensor, values: Tensor) -> Tensor:
    """Return a jagged tensor of other values with the structure of ``x``, so that the two can be added."""
    like: Any = x
    return torch.nested.nested_tensor_from_jagged(
        values, like.offsets(), like.lengths(), like._ragged_idx, like._maybe_min_seqlen, like._maybe_max_seqlen
    )


def quantization_fusers() -> dict[tuple[type, ...], Callable[..., Any]]:
    """Return the table by which ``torch.ao.quantization`` finds what fuses a sequence of layers, by their types."""
    try:
        from torch.ao.quantization.fuser_method_mappings import _DEFAULT_OP_LIST_TO_FUSER_METHOD as FUSERS
    except ImportError:  # torch has announced that the package will go
        return {}
    return FUSERS


def compiler() -> SimpleNamespace:
    """Load torch's compiler, and return its parts that compile a graph without wrapping each call of it.

    ``settings``, ``FakeTensorMode``, ``trace`` (makes a graph of a function), ``compile`` (makes a function of a graph,
    which takes a list of inputs) and ``decompositions`` (returns how ``trace`` is to take operations apart).
    """
    from torch._inductor import config
    from torch._inductor.compile_fx import compile_fx_inner
    from torch._inductor.decomposition import select_decomp_table
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.proxy_tensor import make_fx

    def compile_graph(graph: Any, inputs: Sequence[Tensor]) -> Callable[[list[Tensor]], Sequence[Tensor]]:
        compiled: Any = compile_fx_inner(graph, inputs)
        run: Callable[[list[Tensor]], Sequence[Tensor]] = compiled.current_callable
        return run

    return SimpleNamespace(
        settings=config,
        FakeTensorMode=FakeTensorMode,
        trace=make_fx,
        compile=compile_graph,
        decompositions=select_decomp_table,
    )
