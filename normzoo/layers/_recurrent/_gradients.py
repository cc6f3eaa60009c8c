"""What the gradients of all recurrences have in common."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from normzoo.layers._kernels.torch_internals import PLAIN_TYPES, is_intercepted, is_wrapped, must_be_traceable

Outputs = tuple[Tensor, ...]


def transform(x: Tensor, weight: Tensor) -> Tensor:
    """Return ``x W'`` for ``(*, I)`` and ``(O, I)``; for members ``(*, N, M, I)`` and ``(M, O, I)``."""
    if weight.ndim == 2:
        return x @ weight.mT
    rows = x.movedim(-2, 0)
    y = torch.bmm(rows.flatten(1, -2), weight.mT)
    return y.view(*rows.shape[:-1], y.shape[-1]).movedim(0, -2)


def scaled(xhat: Tensor, weight: Tensor | None, bias: Tensor | None, out: Tensor) -> Tensor:
    """Return ``xhat * weight + bias`` in ``out``."""
    if weight is None:
        return out.copy_(xhat) if bias is None else torch.add(xhat, bias, out=out)
    return torch.mul(xhat, weight, out=out) if bias is None else torch.addcmul(bias, xhat, weight, out=out)


def products_of(weight: Tensor) -> tuple[Any, Any]:
    """Return torch's operations for the product of states and a matrix, and for one that is added to something."""
    return (torch.mm, torch.addmm) if weight.ndim == 2 else (torch.bmm, torch.baddbmm)


def gradient_of_weight(grad: Tensor, h: Tensor, states: Tensor) -> Tensor:
    """Return the gradient of a hidden-to-hidden weight, ``(*, G, H)``.

    Args:
        grad: that of its products at all steps, ``(T, *, N, G)``.
        h: the state before the first step, ``(*, N, H)``.
        states: those after each step, ``(T, *, N, H)``.
    """
    before = torch.cat([h.unsqueeze(0), states[:-1]])
    if grad.ndim == 3:
        return grad.flatten(0, 1).t() @ before.flatten(0, 1)
    rows, of_states = (each.movedim(0, 1).flatten(1, 2) for each in (grad, before))
    return torch.bmm(rows.mT, of_states)


def gradient_of_parameter(products: Tensor, parameter: Tensor | None) -> Tensor | None:
    """Sum over all steps and samples of ``(T, *, N, C)``; return it in the shape of a parameter, if there is one."""
    return (
        None if parameter is None else products.sum(0).sum(-2).view_as(parameter)
    )  # at once it takes many times as long


def can_run_at_once(*tensors: Tensor | None) -> bool:
    """Whether a recurrence of these tensors can run with a gradient by hand: nobody follows its operations.

    In low precision, where each operation chooses the type of its result, the definition is used.
    """
    given = [each for each in tensors if each is not None]
    first = given[0]
    return (
        not must_be_traceable()
        and not is_intercepted()
        and first.device.type != "meta"
        and not torch.is_autocast_enabled(first.device.type)
        and first.dtype in (torch.float32, torch.float64)
        and first.numel() > 0
        and all(
            type(each) in PLAIN_TYPES
            and each.dtype == first.dtype
            and each.device == first.device
            and not is_wrapped(each)
            and not each.is_neg()
            for each in given
        )
    )


def must_be_differentiable(grads: Sequence[Tensor | None]) -> bool:
    """Whether the gradients that a backward pass computes are to be differentiated themselves, or mapped."""
    return (
        torch.is_grad_enabled()
        or must_be_traceable()
        or any(is_wrapped(grad) or type(grad) not in PLAIN_TYPES for grad in grads if grad is not None)
    )


def gradients_of(
    function: Callable[..., Outputs], arguments: Sequence[Tensor | None], grads: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """Return the gradients of a function's tensors by autograd, which can be differentiated in turn."""
    wanted = {index: each for index, each in enumerate(arguments) if each is not None and each.requires_grad}
    with torch.enable_grad():
        outputs = function(*arguments)
        pairs = [(y, grad) for y, grad in zip(outputs, grads, strict=True) if grad is not None]
        found = torch.autograd.grad(
            [y for y, _ in pairs],
            list(wanted.values()),
            [grad for _, grad in pairs],
            create_graph=torch.is_grad_enabled(),
            allow_unused=True,
        )
    gradients: list[Tensor | None] = [None] * len(arguments)
    for index, gradient in zip(wanted, found, strict=True):
        gradients[index] = gradient
    return gradients
