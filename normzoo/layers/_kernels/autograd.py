"""The one differentiable op behind every norm."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from normzoo.layers._kernels.dispatch import Check, Kernel, select
from normzoo.layers._kernels.reference import backward, forward
from normzoo.layers._kernels.spec import NO_RUNNING_STATS, NormSpec, Running, Wanted
from normzoo.layers._kernels.torch_internals import (
    PLAIN_TYPES,
    apply_directly,
    is_recomputation,
    is_wrapped,
    must_be_traceable,
    must_be_transformable,
    taken_as_constant,
)


def normalize(
    fields: tuple[Any, ...],
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running: Running | None,
    mask: Tensor | None,
    check: Check,
) -> Tensor:
    """Normalize; the arguments are those of ``reference.forward``, the first as the fields of a ``NormSpec``.

    An ordinary call runs the backend's kernels and their analytic gradient, and saves no more for it than the input,
    the weight and the statistics. Inside somebody's ``torch.compile`` the same op is traced. A call that is otherwise
    transformed, or masked, or of tensors of a type of their own, is the plain operations, whose gradient is autograd's.

    ``check`` raises an error where parameters or statistics are not of the shape that it is given; it is not called
    for a kind of call that has passed before.
    """
    if mask is None and torch.compiler.is_dynamo_compiling() and _is_taken_whole():
        check(weight, bias, running, x.shape[fields[0] : fields[1]])
        return _whole(x, weight, bias, None if running is None else tuple(running), fields)
    if running is None or (not fields[-1] and is_recomputation()):
        running = NO_RUNNING_STATS  # it was updated when the input first came by
    if mask is not None or must_be_traceable():
        check(weight, bias, running, x.shape[fields[0] : fields[1]])
        kernel = None
    else:
        kernel = select(fields, x, weight, bias, running, check)
    if kernel is None:
        return forward(NormSpec(*fields), x, weight, bias, running, mask)[0]
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
        spec, wanted = kernel.spec, ctx.needs_input_grad
        depends_on_x = wanted[1] or (wanted[0] and not spec.use_running_stats)
        mean = outputs[1] if spec.centered and not spec.use_running_stats else None
        if spec.use_running_stats and wanted[1] and running.mean is not None:
            mean = running.mean.clone()  # training may change it before the gradient is asked for
        ctx.save_for_backward(x if depends_on_x else None, weight, mean, outputs[-1])
        ctx.kernel = kernel
        return outputs[0]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        wanted = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled() or is_wrapped(grad) or must_be_traceable() or type(grad) not in PLAIN_TYPES:
            gradients = _differentiable_gradients(ctx.kernel.spec, wanted, grad, *ctx.saved_tensors)
        else:
            gradients = ctx.kernel.backward(wanted, grad, *ctx.saved_tensors)
        if all(wanted):
            return *gradients, None, None
        remaining = iter(gradients)
        return *(next(remaining) if want else None for want in wanted), None, None


_apply: Any = apply_directly(_Normalize)


def _differentiable_gradients(
    spec: NormSpec,
    wanted: Wanted,
    grad: Tensor,
    x: Tensor | None,
    weight: Tensor | None,
    mean: Tensor | None,
    rstd: Tensor,
) -> Sequence[Tensor]:
    """Return the gradients by operations that autograd records, so that it can differentiate them in turn."""
    if x is not None and not spec.use_running_stats:
        _, *statistics = forward(spec, x, weight, None, NO_RUNNING_STATS)  # once more, as functions of x
        mean, rstd = statistics[0] if spec.centered else None, statistics[-1]
    return backward(spec, wanted, grad, x, weight, mean, rstd)


class _TracedKernel(Kernel):
    """Both directions of the op as operations that can be traced."""

    __slots__ = ()

    def forward(self, x: Tensor, weight: Tensor | None, bias: Tensor | None, *running: Any) -> Sequence[Tensor]:
        return forward(self.spec, x, weight, bias, Running(*running))

    def backward(self, wanted: Wanted, grad: Tensor, *saved: Any) -> Sequence[Tensor]:
        return backward(self.spec, wanted, grad, *saved)


def _whole(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, statistics: tuple[Any, ...] | None, fields: tuple[Any, ...]
) -> Tensor:
    """Normalize as one operation of a graph, whose arguments can be tensors, numbers and tuples of them."""
    spec, running = NormSpec(*fields), NO_RUNNING_STATS if statistics is None else Running(*statistics)
    if must_be_transformable() or x.is_complex():
        return forward(spec, x, weight, bias, running)[0]
    y: Tensor = _apply(x, weight, bias, running, _TracedKernel(spec))
    return y


@taken_as_constant
def _is_taken_whole() -> bool:
    """Have torch.compile take ``_whole`` as one operation, rather than look at, and guard, each line of it."""
    torch.compiler.allow_in_graph(_whole)  # type: ignore[no-untyped-call]
    return True
