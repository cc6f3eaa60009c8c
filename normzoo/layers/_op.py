"""The one differentiable op behind every norm."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from normzoo.layers._context import is_recomputation, is_wrapped, must_be_traceable, must_be_transformable
from normzoo.layers._engine import Kernel, select
from normzoo.layers._normalize import NOTHING, Problem, Running, backward, forward


def normalize(
    description: tuple[Any, ...],
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running: Running | None,
    mask: Tensor | None = None,
) -> Tensor:
    """Normalize; the arguments are those of ``_normalize.forward``, the first as the fields of a ``Problem``.

    An ordinary call runs the engine's kernels and their analytic gradient, and saves no more for it than the input,
    the weight and the statistics. Inside somebody's ``torch.compile`` the same op is traced. A call that is otherwise
    transformed, and a masked one, is the plain operations, whose gradient is autograd's.
    """
    if mask is None and torch.compiler.is_dynamo_compiling() and _is_taken_whole():
        return _whole(x, weight, bias, None if running is None else tuple(running), description)
    problem = Problem(*description)
    if running is None or (not problem.known and is_recomputation()):
        running = NOTHING  # it was updated when the input first came by
    if mask is not None or must_be_traceable():
        return forward(problem, x, weight, bias, running, mask)[0]
    kernel = select(problem, x, weight, bias, running)
    if torch.is_grad_enabled() and (
        x.requires_grad
        or (weight is not None and weight.requires_grad)
        or (bias is not None and bias.requires_grad)
    ):  # fmt: skip
        y: Tensor = _apply(x, weight, bias, running, kernel)
        return y
    return kernel.forward(x, weight, bias, *running)[0]


class _Normalize(Function):
    """The op as autograd sees it: a kernel forward, its partner backward."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        running: Running,
        kernel: Kernel,
    ) -> Tensor:
        outputs = kernel.forward(x, weight, bias, *running)
        problem, wanted = kernel.problem, ctx.needs_input_grad
        depends_on_x = wanted[1] or (wanted[0] and not problem.known)
        mean = running.mean if problem.known else outputs[1] if problem.centered else None
        ctx.save_for_backward(x if depends_on_x else None, weight, mean, outputs[-1])
        ctx.kernel = kernel
        ctx.shape = weight.shape if weight is not None else bias.shape if bias is not None else (0,)
        return outputs[0]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        wanted = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled() or is_wrapped(grad) or must_be_traceable():
            gradients = _differentiable_gradients(ctx.kernel.problem, wanted, grad, *ctx.saved_tensors)
        else:
            gradients = ctx.kernel.backward(wanted, grad, *ctx.saved_tensors)
        if len(ctx.shape) != 1 and (wanted[1] or wanted[2]):
            first = 1 if wanted[0] else 0
            gradients = [*gradients[:first], *(gradient.reshape(ctx.shape) for gradient in gradients[first:])]
        if all(wanted):
            return *gradients, None, None
        remaining = iter(gradients)
        return *(next(remaining) if want else None for want in wanted), None, None


# Applying it directly leaves out a look at functorch's state and at the signature, which take longer than a small norm.
_apply: Any = super(Function, _Normalize).apply


def _differentiable_gradients(
    problem: Problem,
    wanted: tuple[bool, bool, bool],
    grad: Tensor,
    x: Tensor | None,
    weight: Tensor | None,
    mean: Tensor | None,
    rstd: Tensor,
) -> Sequence[Tensor]:
    """Return the gradients by operations that autograd records, so that it can differentiate them in turn."""
    if x is not None and not problem.known:
        _, *statistics = forward(problem, x, weight, None, Running())  # anew, as functions of x
        mean, rstd = statistics[0] if problem.centered else None, statistics[-1]
    return backward(problem, wanted, grad, x, weight, mean, rstd)


class _TracedKernel(Kernel):
    """Both directions of the op as operations that can be traced."""

    __slots__ = ()

    def forward(self, x: Tensor, weight: Tensor | None, bias: Tensor | None, *running: Any) -> Sequence[Tensor]:
        return forward(self.problem, x, weight, bias, Running(*running))

    def backward(self, wanted: tuple[bool, bool, bool], grad: Tensor, *saved: Any) -> Sequence[Tensor]:
        return backward(self.problem, wanted, grad, *saved)


def _whole(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, statistics: tuple[Any, ...] | None, problem: tuple[Any, ...]
) -> Tensor:
    """Normalize as one operation of a graph, whose arguments can be tensors, numbers and tuples of them."""
    running = NOTHING if statistics is None else Running(*statistics)
    if must_be_transformable():
        return forward(Problem(*problem), x, weight, bias, running)[0]
    y: Tensor = _apply(x, weight, bias, running, _TracedKernel(Problem(*problem)))
    return y


def _is_taken_whole() -> bool:
    """Have torch.compile take ``_whole`` as one operation, rather than look at, and guard, each line of it."""
    torch.compiler.allow_in_graph(_whole)  # type: ignore[no-untyped-call]
    return True


# What torch.compiler.assume_constant_result sets; to call that would load the compiler with every import of a norm.
_is_taken_whole._dynamo_marked_constant = True  # type: ignore[attr-defined]
