"""The one differentiable op behind every norm."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function

from normzoo.layers._context import is_recomputation, must_be_traceable
from normzoo.layers._engine import Kernel, select
from normzoo.layers._normalize import Problem, Running, forward


def normalize(
    problem: Problem,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running: Running,
    mask: Tensor | None = None,
) -> Tensor:
    """Normalize; the arguments are those of ``_normalize.forward``.

    An ordinary call runs the engine's kernels and its analytic gradient, and saves no more for it than the input, the
    weight and the statistics. A call that somebody else transforms, compiles or exports, and a masked one, is the
    plain operations, whose gradient is autograd's.
    """
    traceable = mask is not None or must_be_traceable()
    if running.mean is not None and not problem.known and is_recomputation():
        running = Running()  # it was updated when the input first came by
    arguments = (x, weight, bias, *running)
    if traceable:
        return forward(problem, *arguments, mask)[0]
    kernel = select(problem, arguments)
    if torch.is_grad_enabled() and (
        x.requires_grad or (weight is not None and weight.requires_grad) or (bias is not None and bias.requires_grad)
    ):
        return _apply(x, weight, bias, kernel, arguments)
    return kernel.forward(arguments)[0]


class _Normalize(Function):
    """The op as autograd sees it: a kernel forward, its partner backward."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, kernel: Kernel, arguments: tuple[Any, ...]
    ) -> Tensor:
        y, *statistics = kernel.forward(arguments)
        problem = kernel.problem
        if problem.known:
            _, _, _, mean, var, _, _ = arguments
            if not ctx.needs_input_grad[1]:
                x = None  # the gradient does not depend on it
        else:
            mean, var = statistics if problem.centered else (None, statistics[0])
        ctx.save_for_backward(x, weight, mean, var)
        ctx.kernel = kernel
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        wanted = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled():
            gradients = _differentiable_gradients(ctx.kernel.problem, wanted, grad, ctx.saved_tensors)
        else:
            gradients = ctx.kernel.backward(wanted, (grad, *ctx.saved_tensors))
        remaining = iter(gradients)
        return *(next(remaining) if want else None for want in wanted), None, None


# Applying it directly leaves out a look at functorch's state and at the signature, which take longer than a small norm.
_apply = super(Function, _Normalize).apply


def _differentiable_gradients(
    problem: Problem, wanted: tuple[bool, bool, bool], grad: Tensor, saved: Sequence[Tensor | None]
) -> Sequence[Tensor]:
    """Return the gradients as autograd finds them, so that it can differentiate them in turn."""
    x, weight, mean, var = saved
    known = (mean, var) if problem.known else (None, None)
    if x is None:  # nor was the bias: no gradient depends on their values
        x = torch.zeros_like(grad, requires_grad=True)
    bias = torch.zeros_like(weight, requires_grad=True) if weight is not None and wanted[2] else None
    inputs = [tensor for tensor, want in zip((x, weight, bias), wanted, strict=True) if want and tensor is not None]
    y = forward(problem, x, weight, bias, *known, None, None)[0]
    return torch.autograd.grad(y, inputs, grad, create_graph=True)
