"""The recurrence of the LSTM, step by step, and with a gradient worked out by hand.

    i, f, g, o = driven_t + norm_hh(h W_hh')
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(norm_cell(c))

Ba, Kiros & Hinton (2016), "Layer Normalization", equations 20 to 22; without norms it is torch.nn.LSTM's. ``by_steps``
is the definition. ``all_steps`` does the same by ``_lstm_steps.py``, with few operations for a step; its backward pass
does in the loop what is recurrent, and the rest for all steps at once. Where each step is normalized by itself, it may
be compiled.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from normzoo.layers._kernels.dispatch import backend_here, carry_out
from normzoo.layers._kernels.torch_internals import apply_directly
from normzoo.layers._recurrent._gradients import (
    can_run_at_once,
    gradient_of_parameter,
    gradient_of_weight,
    gradients_of,
    must_be_differentiable,
    products_of,
    transform,
)
from normzoo.layers._recurrent._lstm_steps import (
    Pools,
    backward,
    compile_loop,
    forward,
    loop,
    loop_back,
    take_step,
    take_step_back,
)
from normzoo.layers._recurrent._step_pools import StepPool
from normzoo.layers._recurrent._steps import Place, StepNorms, for_samples, place_of
from normzoo.registry.backends import Backend

NormOfStep = Callable[[int, Tensor], Tensor]
"""Normalizes the vectors of a time step."""


def by_steps(
    driven: Sequence[Tensor],
    h: Tensor,
    c: Tensor,
    transform: Callable[[Tensor], Tensor],
    norm_hh: NormOfStep,
    norm_cell: NormOfStep,
    project: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the states and the cells of all steps, ``(T, *, H)``, in operations that torch can differentiate.

    Args:
        driven: what inputs and biases add to the gates of each step, ``(*, 4H)``.
        h: the state before the first step, ``(*, H)``, or of as many numbers as ``project`` returns.
        c: the cell before the first step, ``(*, H)``.
        transform: multiplies a state by the hidden-to-hidden weight.
        norm_hh: the norm of what comes of that.
        norm_cell: the norm of the cell.
        project: makes the next state of an output; None: it is that.
    """
    states, cells = [], []
    for step, drive in enumerate(driven):
        i, f, g, o = (drive + norm_hh(step, transform(h))).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * norm_cell(step, c).tanh()
        if project is not None:
            h = project(h)
        states.append(h)
        cells.append(c)
    return torch.stack(states), torch.stack(cells)


def lstm(
    driven: Tensor,
    biases: Sequence[Tensor],
    h: Tensor,
    c: Tensor,
    weight: Tensor,
    norm_hh: StepNorms | None,
    norm_cell: StepNorms | None,
    masks: Sequence[Tensor | None],
    projection: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the states and the cells of all steps, ``(T, N, *, H)``, where ``*`` is nothing or the members of a stack.

    Args:
        driven: what inputs add to the gates, ``(T, N, *, 4H)``.
        biases: what else is added to the gates, ``(*, 4H)`` each.
        h: the state before the first step, ``(N, *, H)``.
        c: the cell before the first step.
        weight: the hidden-to-hidden weight, ``(*, 4H, H)``.
        norm_hh: normalizes the hidden-to-hidden transform; None: nothing does.
        norm_cell: normalizes the cell.
        masks: which samples have not ended at each step, ``(N, *)``, or None. States of those that have mean nothing.
        projection: the weight that makes the next state of an output, ``(P, H)``.
    """
    if projection is None and can_run_at_once(driven, h, c, weight, *biases):
        is_masked = any(counts is not None for counts in masks)
        hh, cell = (place_of(norms, driven, is_masked=is_masked) for norms in (norm_hh, norm_cell))
        if hh is not None and cell is not None:
            return _at_once(driven, biases, h, c, weight, hh, cell)

    def normalized(norms: StepNorms | None, step: int, x: Tensor) -> Tensor:
        return x if norms is None else norms.at(step, x, masks[step])

    return by_steps(
        (driven + sum(biases) if biases else driven).unbind(0),
        h,
        c,
        lambda h: transform(h, weight),
        partial(normalized, norm_hh),
        partial(normalized, norm_cell),
        None if projection is None else lambda h: transform(h, projection),
    )


def _at_once(
    driven: Tensor, biases: Sequence[Tensor], h: Tensor, c: Tensor, weight: Tensor, hh: Place, cell: Place
) -> tuple[Tensor, Tensor]:
    """Do as ``lstm``, where no module need be called; members come before samples then."""
    if weight.ndim == 3:
        driven, h, c = driven.transpose(1, 2), h.transpose(0, 1), c.transpose(0, 1)
    h, c = h.contiguous(), c.contiguous()  # as the states of later steps are
    biases = [*biases, *([] if hh.bias is None else [hh.bias])]
    # Summed before they are given a dimension of samples: views of one gradient would be taken for each one's own.
    bias = for_samples(sum(biases[1:], biases[0])) if biases else None
    states, cells = all_steps(
        driven, bias, h, c, weight, hh.weight, cell.weight, for_samples(cell.bias), hh=hh.pool, cell=cell.pool
    )
    return (states, cells) if weight.ndim == 2 else (states.transpose(1, 2), cells.transpose(1, 2))


def all_steps(
    driven: Tensor,
    bias: Tensor | None,
    h: Tensor,
    c: Tensor,
    weight: Tensor,
    hh_weight: Tensor | None,
    cell_weight: Tensor | None,
    cell_bias: Tensor | None,
    *,
    hh: StepPool | None,
    cell: StepPool | None,
) -> tuple[Tensor, Tensor]:
    """Return the states and the cells of all steps, ``(T, *, N, H)``, where ``*`` is nothing or the members of a stack.

    Args:
        driven: what inputs add to the gates, ``(T, *, N, 4H)``.
        bias: all that is added to the gates at every step, also by the norm: ``(4H,)`` or ``(*, 1, 4H)``.
        h: the state before the first step, ``(*, N, H)``.
        c: the cell before the first step.
        weight: ``(*, 4H, H)``.
        hh_weight: of the hidden-to-hidden norm: ``(4H,)`` or ``(*, 1, 4H)``.
        cell_weight: of the norm of the cell.
        cell_bias: of the norm of the cell.
        hh: how the hidden-to-hidden transform is normalized; None: it is not.
        cell: how the cell is normalized.
    """
    states, cells = _apply(driven, bias, h, c, weight, hh_weight, cell_weight, cell_bias, (hh, cell))
    return states, cells


def _defined(
    pools: Pools,
    driven: Tensor,
    bias: Tensor | None,
    h: Tensor,
    c: Tensor,
    weight: Tensor,
    hh_weight: Tensor | None,
    cell_weight: Tensor | None,
    cell_bias: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Do as ``all_steps``, by the definition."""
    hh, cell = pools
    return by_steps(
        (driven if bias is None else driven + bias).unbind(0),
        h,
        c,
        lambda h: h @ weight.mT,
        lambda step, x: x if hh is None else hh.normalized(step, x, hh_weight, None),
        lambda step, x: x if cell is None else cell.normalized(step, x, cell_weight, cell_bias),
    )


class _Lstm(Function):
    @staticmethod
    def forward(
        ctx: Any,
        driven: Tensor,
        bias: Tensor | None,
        h: Tensor,
        c: Tensor,
        weight: Tensor,
        hh_weight: Tensor | None,
        cell_weight: Tensor | None,
        cell_bias: Tensor | None,
        pools: Pools,
    ) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        given = (driven, bias, h, c, weight, hh_weight, cell_weight, cell_bias)
        ctx.pools, ctx.backend = pools, backend_here() if all(_is_by_itself(pool) for pool in pools) else "eager"
        computed = carry_out(
            ctx.backend,
            ("lstm", *pools),
            partial(forward, pools),
            partial(compile_loop, partial(take_step, pools), partial(loop, pools)),
            (driven if bias is None else driven + bias, h, c, weight, hh_weight, cell_weight, cell_bias),
        )
        of_norms = iter(computed[4:])
        saved = [None if pool is None else next(of_norms) for pool in pools for _ in range(2)]
        ctx.save_for_backward(*given, *computed[:4], *saved)
        return computed[3], computed[2]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        saved = ctx.saved_tensors
        given, computed = saved[:8], saved[8:]
        if must_be_differentiable(grads):
            return *gradients_of(partial(_defined, ctx.pools), given, grads), None
        return *_gradients(ctx.backend, ctx.pools, given, computed, *grads), None


_apply: Any = apply_directly(_Lstm)


def _is_by_itself(pool: StepPool | None) -> bool:
    return pool is None or pool.is_by_itself


def _gradients(
    name: Backend,
    pools: Pools,
    given: Sequence[Any],
    computed: Sequence[Any],
    grad_states: Tensor | None,
    grad_cells: Tensor | None,
) -> list[Tensor | None]:
    """Return the gradients of the tensors that ``all_steps`` is given."""
    _, bias, h, c, weight, hh_weight, cell_weight, cell_bias = given
    gates, squashed, cells, states, *of_norms = computed
    grad_gates, grad_normalized, passed_on, *products = carry_out(
        name,
        ("gradients of lstm", *pools),
        partial(backward, pools),
        partial(compile_loop, partial(take_step_back, pools), partial(loop_back, pools)),
        (
            torch.zeros_like(states) if grad_states is None else grad_states,
            grad_cells,
            gates,
            squashed,
            torch.cat([c.unsqueeze(0), cells[:-1]]),
            *of_norms,
            weight,
            hh_weight,
            cell_weight,
        ),
    )
    grad_products = products[0] if products else grad_gates
    multiply, _ = products_of(weight)
    return [
        grad_gates,
        gradient_of_parameter(grad_gates, bias),
        multiply(grad_products[0], weight),
        passed_on[0],
        gradient_of_weight(grad_products, h, states),
        None if hh_weight is None else gradient_of_parameter(grad_gates * of_norms[0], hh_weight),
        None if cell_weight is None else gradient_of_parameter(grad_normalized * of_norms[2], cell_weight),
        gradient_of_parameter(grad_normalized, cell_bias),
    ]
