"""What a layer asks torch about the call at hand.

Here, in ``_compiler`` and at the end of ``_op`` names are used that torch keeps to itself.
"""

import torch
from torch import Tensor
from torch.autograd import forward_ad


def must_be_traceable() -> bool:
    """Whether somebody else differentiates, maps, compiles or exports this call.

    Then a layer is to be the plain operations that it consists of, which torch knows how to transform.
    """
    return torch.compiler.is_compiling() or must_be_transformable() or torch._C._is_tracing()


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
