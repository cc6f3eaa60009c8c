"""Every name here that torch keeps to itself, and what a norm asks torch about the call at hand.

Each has a test in ``tests/layers/test_torch_internals.py`` that says what breaks without it. ``inductor`` alone imports
more of them, those of the compiler, which is not to be loaded before it is needed.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function, forward_ad
from torch.nn import Buffer, Parameter

PLAIN_TYPES = frozenset((Tensor, Parameter, Buffer))
"""The types of tensors that kernels take; any other has a way of its own to carry out operations."""


def must_be_traceable() -> bool:
    """Whether somebody else differentiates, maps, compiles, exports or traces this call.

    Then a layer is to be the plain operations that it consists of, which torch knows how to transform.
    """
    return torch.compiler.is_compiling() or must_be_transformable() or torch.jit.is_tracing()


def must_be_transformable() -> bool:
    """Whether this runs within a transformation of ``torch.func`` or in forward mode."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def is_wrapped(tensor: Tensor) -> bool:
    """Whether a tensor stands for several, or for one with a derivative, and has no values of its own to point at."""
    functorch = torch._C._functorch
    return functorch.is_functorch_wrapped_tensor(tensor) or functorch.is_legacy_batchedtensor(tensor)


def is_intercepted() -> bool:
    """Whether a dispatch mode, such as one that counts operations or fakes tensors, looks at each operation."""
    return torch._C._len_torch_dispatch_stack() > 0


def is_recomputation() -> bool:
    """Whether this runs inside a backward pass, where activation checkpointing repeats the forward pass."""
    return not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1


def apply_directly(function: type[Function]) -> Any:
    """Return ``function.apply`` without its look at functorch and at the signature, which takes longer than a norm."""
    return super(Function, function).apply


def taken_as_constant(function: Callable[[], bool]) -> Callable[[], bool]:
    """Have torch.compile call a function while it traces, and keep its result.

    What ``torch.compiler.assume_constant_result`` sets; to call that would load the compiler with every import.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function
