"""The recurrence of the GRU, step by step, and with a gradient worked out by hand.

    r, z = driven_t + norm_hh(h W_hr,hz' + b_hr,hz);   n = tanh(driven_t + r * (norm_hn(h W_hn') + b_hn))
    h = (1 - z) * n + z * h

The supplement of Ba, Kiros & Hinton (2016), "Layer Normalization", in torch.nn.GRU's words: its z is 1 - z there. The
two gates are normalized together, and the new state's transform apart. Without norms it is torch.nn.GRU's. See
``_lstm.py``, which is built alike.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from normzoo.layers._kernels.torch_internals import apply_directly, sigmoid_backward, tanh_backward
from normzoo.layers._recurrent._gradients import (
    can_run_at_once,
    gradient_of_parameter,
    gradient_of_weight,
    gradients_of,
    must_be_differentiable,
    products_of,
    scaled,
    transform,
)
from normzoo.layers._recurrent._step_pools import NormalizedSteps, StepGradients, StepPool
from normzoo.layers._recurrent._steps import StepNorms, place_of

NormOfStep = Callable[[int, Tensor], Tensor]
"""Normalizes the vectors of a time step."""

Pools = tuple[StepPool | None, StepPool | None]
"""How the gates and the new state's transform are normalized."""


def by_steps(
    driven: Sequence[Tensor],
    h: Tensor,
    bias: Tensor | None,
    transform: Callable[[Tensor], Tensor],
    norm_hh: NormOfStep,
    norm_hn: NormOfStep,
) -> Tensor:
    """Return the states of all steps, ``(T, *, H)``, in operations that torch can differentiate.

    Args:
        driven: what inputs and their biases add to the gates and the new state of each step, ``(*, 3H)``.
        h: the state before the first step, ``(*, H)``.
        bias: of the hidden-to-hidden transform, ``(3H,)``.
        transform: multiplies a state by the hidden-to-hidden weight.
        norm_hh: the norm of what of that is for the gates.
        norm_hn: the norm of what is for the new state.
    """
    states = []
    hidden = h.shape[-1]
    for step, drive in enumerate(driven):
        to_gates, to_new = transform(h).tensor_split([2 * hidden], -1)
        recurrent = torch.cat([norm_hh(step, to_gates), norm_hn(step, to_new)], -1)
        r, z, n = (recurrent if bias is None else recurrent + bias).chunk(3, -1)
        from_r, from_z, from_n = drive.chunk(3, -1)
        n = (from_n + (from_r + r).sigmoid() * n).tanh()
        h = n + (from_z + z).sigmoid() * (h - n)
        states.append(h)
    return torch.stack(states)


def gru(
    driven: Tensor,
    bias: Tensor | None,
    h: Tensor,
    weight: Tensor,
    norm_hh: StepNorms | None,
    norm_hn: StepNorms | None,
    masks: Sequence[Tensor | None],
) -> Tensor:
    """Return the states of all steps, ``(T, N, H)``.

    Args:
        driven: what inputs and their biases add to the gates and the new state, ``(T, N, 3H)``.
        bias: of the hidden-to-hidden transform, ``(3H,)``.
        h: the state before the first step, ``(N, H)``.
        weight: the hidden-to-hidden weight, ``(3H, H)``.
        norm_hh: normalizes what of the hidden-to-hidden transform is for the gates; None: nothing does.
        norm_hn: normalizes what is for the new state.
        masks: which samples have not ended at each step, ``(N,)``, or None. States of those that have mean nothing.
    """
    if can_run_at_once(driven, bias, h, weight):
        is_masked = any(counts is not None for counts in masks)
        hh, hn = (place_of(norms, driven, is_masked=is_masked) for norms in (norm_hh, norm_hn))
        if hh is not None and hn is not None:
            for_gates, for_new = (None, None) if bias is None else bias.tensor_split([2 * h.shape[-1]])
            biases = (_sum(for_gates, hh.bias), _sum(for_new, hn.bias))
            states: Tensor = _apply(driven, *biases, h, weight, hh.weight, hn.weight, (hh.pool, hn.pool))
            return states

    def normalized(norms: StepNorms | None, step: int, x: Tensor) -> Tensor:
        return x if norms is None else norms.at(step, x, masks[step])

    steps = partial(normalized, norm_hh), partial(normalized, norm_hn)
    return by_steps(driven.unbind(0), h, bias, lambda h: transform(h, weight), *steps)


def _sum(bias: Tensor | None, other: Tensor | None) -> Tensor | None:
    return other if bias is None else bias if other is None else bias + other


def _defined(
    pools: Pools,
    driven: Tensor,
    gate_bias: Tensor | None,
    new_bias: Tensor | None,
    h: Tensor,
    weight: Tensor,
    hh_weight: Tensor | None,
    hn_weight: Tensor | None,
) -> tuple[Tensor]:
    """Return what ``_Gru`` returns, by the definition."""

    def normalized(pool: StepPool | None, scale: Tensor | None, bias: Tensor | None, step: int, x: Tensor) -> Tensor:
        y = x if pool is None else pool.normalized(step, x, scale, None)
        return y if bias is None else y + bias

    norms = partial(normalized, pools[0], hh_weight, gate_bias), partial(normalized, pools[1], hn_weight, new_bias)
    return (by_steps(driven.unbind(0), h, None, lambda h: h @ weight.mT, *norms),)


class _Gru(Function):
    """The states of all steps; the biases of the two gates, and of the new state's transform, are with their norms'."""

    @staticmethod
    def forward(
        ctx: Any,
        driven: Tensor,
        gate_bias: Tensor | None,
        new_bias: Tensor | None,
        h: Tensor,
        weight: Tensor,
        hh_weight: Tensor | None,
        hn_weight: Tensor | None,
        pools: Pools,
    ) -> Tensor:
        ctx.set_materialize_grads(False)
        given = (driven, gate_bias, new_bias, h, weight, hh_weight, hn_weight)
        hidden = h.shape[-1]
        drive_gates, drive_new = driven.tensor_split([2 * hidden], -1)
        drive_gates = drive_gates if gate_bias is None else drive_gates + gate_bias
        gates = torch.empty_like(drive_gates, memory_format=torch.contiguous_format)
        inner, new, states = (driven.new_empty((*driven.shape[:-1], hidden)) for _ in range(3))
        norm_hh, norm_hn = (
            None if pool is None else NormalizedSteps(pool, each)
            for pool, each in zip(pools, (gates, new), strict=True)
        )
        multiply, add_product = products_of(weight)
        to_gates, to_new = weight.mT.tensor_split([2 * hidden], -1)
        of_all = (drive_gates, drive_new, gates, *gates.chunk(2, -1), inner, new, states)
        for step, (drive_g, drive_n, gate, r, z, q, n, new_h) in enumerate(
            zip(*(each.unbind(0) for each in of_all), strict=True)
        ):
            if norm_hh is None:
                add_product(drive_g, h, to_gates, out=gate)
            else:
                multiply(h, to_gates, out=norm_hh.at[step])
                scaled(norm_hh.normalize(step), hh_weight, drive_g, out=gate)
            gate.sigmoid_()
            if norm_hn is None:
                multiply(h, to_new, out=q)
                if new_bias is not None:
                    q.add_(new_bias)
            else:
                multiply(h, to_new, out=norm_hn.at[step])
                scaled(norm_hn.normalize(step), hn_weight, new_bias, out=q)
            torch.addcmul(drive_n, r, q, out=n).tanh_()
            h = torch.lerp(n, h, z, out=new_h)
        saved: list[Tensor | None] = []
        for norm in (norm_hh, norm_hn):
            saved += [None, None] if norm is None else [norm.values, norm.rstd]
            if norm is not None:
                norm.update_running()
        ctx.pools = pools
        ctx.save_for_backward(*given, gates, inner, new, states, *saved)
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        saved = ctx.saved_tensors
        given, computed = saved[:7], saved[7:]
        if grads[0] is None:
            return (None,) * 8
        if must_be_differentiable(grads):
            return *gradients_of(partial(_defined, ctx.pools), given, grads), None
        return *_gradients(ctx.pools, given, computed, grads[0]), None


_apply: Any = apply_directly(_Gru)


def _gradients(pools: Pools, given: Sequence[Any], computed: Sequence[Any], grad_states: Tensor) -> list[Tensor | None]:
    """Return the gradients of the tensors that ``_Gru`` is given."""
    driven, gate_bias, new_bias, h, weight, hh_weight, hn_weight = given
    gates, inner, new, states, *of_norms = computed
    hidden = h.shape[-1]

    # What the gradient of a state is multiplied by, on its way to the new state and to z; and that of the new to r.
    r, z = gates.chunk(2, -1)
    of_new = tanh_backward(1 - z, new, grad_input=torch.empty_like(new))
    of_z = sigmoid_backward(torch.cat([h.unsqueeze(0), states[:-1]]).sub_(new), z, grad_input=torch.empty_like(new))
    of_r = sigmoid_backward(inner, r, grad_input=torch.empty_like(new))

    grad_driven = torch.empty_like(driven, memory_format=torch.contiguous_format)
    grad_products = torch.empty_like(grad_driven)
    grad_gates, grad_new = grad_driven.tensor_split([2 * hidden], -1)
    into_gates, into_new = grad_products.tensor_split([2 * hidden], -1)
    norm_hh = None if pools[0] is None else StepGradients(pools[0], of_norms[0], values=into_gates)
    norm_hn = None if pools[1] is None else StepGradients(pools[1], of_norms[2], values=into_new)
    grad_inner = into_new if norm_hn is None else torch.empty_like(new)
    factors, new_factors = (
        () if pool is None else pool.factor(xhat, rstd, each).unbind(0)
        for pool, xhat, rstd, each in zip(pools, of_norms[::2], of_norms[1::2], (hh_weight, hn_weight), strict=True)
    )
    _, add_product = products_of(weight)
    of_all = (grad_states, of_new, of_z, of_r, r, z, *grad_gates.chunk(2, -1), grad_new, grad_gates, grad_inner)
    views = list(zip(*(each.unbind(0) for each in (*of_all, grad_products, into_gates)), strict=True))
    dh, passed_on = grad_states[-1], torch.empty_like(h)
    for step in range(len(views) - 1, -1, -1):
        _, slope_n, slope_z, slope_r, reset, keep, dr, dz, dn, dgates, dinner, dproducts, dproducts_of_gates = views[
            step
        ]
        torch.mul(dh, slope_n, out=dn)
        torch.mul(dh, slope_z, out=dz)
        torch.mul(dn, slope_r, out=dr)
        torch.mul(dn, reset, out=dinner)
        if norm_hh is None:
            dproducts_of_gates.copy_(dgates)
        else:
            torch.mul(dgates, factors[step], out=norm_hh.at[step])
            norm_hh.through(step)
        if norm_hn is not None:
            torch.mul(dinner, new_factors[step], out=norm_hn.at[step])
            norm_hn.through(step)
        if step:
            torch.addcmul(views[step - 1][0], dh, keep, out=passed_on)
        else:
            torch.mul(dh, keep, out=passed_on)
        dh = add_product(passed_on, dproducts, weight)
    return [
        grad_driven,
        gradient_of_parameter(grad_gates, gate_bias),
        gradient_of_parameter(grad_inner, new_bias),
        dh,
        gradient_of_weight(grad_products, h, states),
        None if hh_weight is None else gradient_of_parameter(grad_gates * of_norms[0], hh_weight),
        None if hn_weight is None else gradient_of_parameter(grad_inner * of_norms[2], hn_weight),
    ]
