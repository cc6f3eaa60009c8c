"""What all steps of the LSTM's recurrence give, and their gradients: with few operations for a step, or compiled.

``forward`` and ``backward`` write into tensors of all steps. ``take_step`` and ``take_step_back`` say what one step of
them is, and are only there to be compiled (``compile_loop``): one function, called for one time step after the other.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from normzoo.layers._kernels.inductor import Compiled, compile_function
from normzoo.layers._kernels.torch_internals import sigmoid_backward, tanh_backward
from normzoo.layers._recurrent._gradients import products_of, scaled
from normzoo.layers._recurrent._step_pools import NormalizedSteps, StepGradients, StepPool, affine

Pools = tuple[StepPool | None, StepPool | None]
"""How products and cells are normalized."""

Step = Callable[..., list[Tensor]]
"""Writes what a time step gives; called with what ``Loop.steps`` yields."""


class Loop(NamedTuple):
    """The tensors of a recurrence.

    Attributes:
        each: what differs from step to step, ``(T, ...)``, or None.
        state: what the first step is given by none before it.
        fixed: what is the same for all steps, or None.
        outs: what the steps write, ``(T, ...)``.
        carried: which of ``outs`` are the state of the next step.
        is_reversed: whether the last step comes first.
    """

    each: Sequence[Tensor | None]
    state: Sequence[Tensor]
    fixed: Sequence[Tensor | None]
    outs: Sequence[Tensor]
    carried: Sequence[int]
    is_reversed: bool = False

    def steps(self) -> Iterator[list[Any]]:
        """Yield the arguments of each step: of ``each``, the state, ``fixed``, and where to write."""
        state: Sequence[Tensor] = self.state
        count = len(self.outs[0])
        given = [(None,) * count if each is None else each.unbind(0) for each in self.each]
        of_all = list(zip(*given, *(out.unbind(0) for out in self.outs), strict=True))
        for at in reversed(of_all) if self.is_reversed else of_all:
            outs = at[len(given) :]
            yield [*at[: len(given)], *state, *self.fixed, *outs]
            state = [outs[index] for index in self.carried]


def compile_loop(step: Step, loop_of: Callable[..., Loop], arguments: Sequence[Any]) -> Compiled:
    """Compile the step of a recurrence for arguments like these; return a function that takes all steps.

    Args:
        step: a time step.
        loop_of: makes a loop of the arguments, with new tensors to write to, which are what the function returns.
        arguments: those of the recurrence.
    """
    compiled = compile_function(step, next(loop_of(*arguments).steps()))

    def take_all_steps(*arguments: Any) -> Sequence[Tensor]:
        loop = loop_of(*arguments)
        for given in loop.steps():
            compiled(*given)
        return loop.outs

    return take_all_steps


def forward(
    pools: Pools,
    driven: Tensor,
    h: Tensor,
    c: Tensor,
    weight: Tensor,
    hh_weight: Tensor | None,
    cell_weight: Tensor | None,
    cell_bias: Tensor | None,
) -> list[Tensor]:
    """Return of all steps the gates, tanh of the normalized cells, cells, states, and of each norm xhat and rstd.

    ``driven`` has the bias in it.
    """
    hidden = c.shape[-1]
    gates = driven.new_empty(driven.shape)
    squashed, cells, states = (driven.new_empty((*driven.shape[:-1], hidden)) for _ in range(3))
    norm_hh, norm_cell = (
        None if pool is None else NormalizedSteps(pool, each) for pool, each in zip(pools, (gates, cells), strict=True)
    )
    multiply, add_product = products_of(weight)
    transposed = weight.mT
    parts = [part.unbind(0) for part in gates.chunk(4, -1)]
    first_two = gates[..., : 2 * hidden].unbind(0)
    of_all = (driven, gates, squashed, cells, states)
    for step, (drive, gate, u, new_c, new_h) in enumerate(zip(*(each.unbind(0) for each in of_all), strict=True)):
        if norm_hh is None:
            add_product(drive, h, transposed, out=gate)
        else:
            multiply(h, transposed, out=norm_hh.at[step])
            scaled(norm_hh.normalize(step), hh_weight, drive, out=gate)
        first_two[step].sigmoid_()
        i, f, g, o = (part[step] for part in parts)
        torch.mul(f, c, out=new_c).addcmul_(i, g.tanh_())
        if norm_cell is None:
            torch.tanh(new_c, out=u)
        else:
            scaled(norm_cell.normalize(step, new_c), cell_weight, cell_bias, out=u).tanh_()
        h, c = torch.mul(o.sigmoid_(), u, out=new_h), new_c
    outputs = [gates, squashed, cells, states]
    for norm in (norm_hh, norm_cell):
        if norm is not None:
            norm.update_running()
            outputs += [norm.values, norm.rstd]
    return outputs


def loop(pools: Pools, driven: Tensor, h: Tensor, c: Tensor, *parameters: Tensor | None) -> Loop:
    """Return what ``take_step`` is called with to do as ``forward``."""
    gates = torch.empty_like(driven, memory_format=torch.contiguous_format)
    squashed, cells, states = (driven.new_empty((*driven.shape[:-1], c.shape[-1])) for _ in range(3))
    room = [
        each for pool, like in zip(pools, (gates, cells), strict=True) if pool is not None for each in pool.room(like)
    ]
    return Loop([driven], [h, c], parameters, [gates, squashed, cells, states, *room], [3, 2])


def take_step(
    pools: Pools,
    drive: Tensor,
    h: Tensor,
    c: Tensor,
    weight: Tensor,
    hh_weight: Tensor | None,
    cell_weight: Tensor | None,
    cell_bias: Tensor | None,
    *outs: Tensor,
) -> list[Tensor]:
    """Write what a step of ``forward`` gives; to be compiled."""
    products, of_norms = h @ weight.mT, []
    if pools[0] is not None:
        products, rstd = pools[0].by_own(products)
        of_norms += [products, rstd]
        products = affine(products, hh_weight, None)
    i, f, g, o = (drive + products).chunk(4, -1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    c = f * c + i * g
    normalized = c
    if pools[1] is not None:
        normalized, rstd = pools[1].by_own(c)
        of_norms += [normalized, rstd]
        normalized = affine(normalized, cell_weight, cell_bias)
    squashed = normalized.tanh()
    *gates, squashed_out, cell_out, state_out = (*outs[0].chunk(4, -1), *outs[1:4])
    written = [i, f, g, o, squashed, c, o * squashed, *of_norms]
    for out, value in zip([*gates, squashed_out, cell_out, state_out, *outs[4:]], written, strict=True):
        out.copy_(value)
    return []


def backward(
    pools: Pools,
    grad_states: Tensor,
    grad_cells: Tensor | None,
    gates: Tensor,
    squashed: Tensor,
    cells_before: Tensor,
    hh: Tensor | None,
    hh_rstd: Tensor | None,
    cell: Tensor | None,
    cell_rstd: Tensor | None,
    weight: Tensor,
    hh_weight: Tensor | None,
    cell_weight: Tensor | None,
) -> list[Tensor]:
    """Return of all steps the gradients of the gates, the normalized cells, the cells before, and the products.

    Those of the products only where these are normalized: else they are the gates'. Of the cells before, only that
    before the first step is there.

    Args:
        pools: how products and cells are normalized.
        grad_states: what gradients of the states come from elsewhere.
        grad_cells: what gradients of the cells come from elsewhere.
        gates: of all steps.
        squashed: tanh of the normalized cells.
        cells_before: the cells of the steps before.
        hh: xhat of the products.
        hh_rstd: their rstd.
        cell: xhat of the cells.
        cell_rstd: their rstd.
        weight: hidden-to-hidden.
        hh_weight: that of the norm of the products.
        cell_weight: that of the norm of the cells.
    """
    # What the gradient of a state or a cell is multiplied by, on its way to the gates.
    slopes, grad_gates = torch.empty_like(gates), torch.empty_like(gates)
    i, f, g, o = gates.chunk(4, -1)
    of_i, of_f, of_g, of_o = slopes.chunk(4, -1)
    sigmoid_backward(g, i, grad_input=of_i)
    sigmoid_backward(cells_before, f, grad_input=of_f)
    tanh_backward(i, g, grad_input=of_g)
    sigmoid_backward(squashed, o, grad_input=of_o)
    of_cell = tanh_backward(o, squashed, grad_input=torch.empty_like(squashed))
    factors: Sequence[Tensor] = ()
    into_cell, norm_hh, norm_cell = of_cell, None, None
    if pools[0] is not None and hh is not None and hh_rstd is not None:
        norm_hh, factors = StepGradients(pools[0], hh), pools[0].factor(hh, hh_rstd, hh_weight).unbind(0)
    if pools[1] is not None and cell is not None and cell_rstd is not None:
        norm_cell, into_cell = StepGradients(pools[1], cell), of_cell * pools[1].factor(cell, cell_rstd, cell_weight)

    grad_h, grad_c, passed_on = (
        torch.zeros_like(squashed),
        torch.empty_like(squashed[0]),
        torch.zeros_like(squashed[:1]),
    )
    grad_c_of_three = grad_c.unsqueeze(-2)
    grad_products: Tensor = grad_gates if norm_hh is None else norm_hh.values
    grad_products_at, (_, add_product) = grad_products.unbind(0), products_of(weight)
    slopes_of_three, grads_of_three = (
        each.view(*each.shape[:-1], 4, -1)[..., :3, :].unbind(0) for each in (slopes, grad_gates)
    )
    grad_o = grad_gates.chunk(4, -1)[3].unbind(0)
    of_all = (grad_states, grad_h, of_o, into_cell, f, grad_gates)
    views, passed = list(zip(*(each.unbind(0) for each in of_all), strict=True)), passed_on[0]
    for step in range(len(views) - 1, -1, -1):
        from_above, dh, slope_o, slope_cell, forget, dgates = views[step]
        if step == len(views) - 1:
            dh.copy_(from_above)
        else:
            add_product(from_above, grad_products_at[step + 1], weight, out=dh)
        torch.mul(dh, slope_o, out=grad_o[step])
        if norm_cell is None:
            torch.addcmul(passed, dh, slope_cell, out=grad_c)
        else:
            torch.mul(dh, slope_cell, out=norm_cell.at[step])
            torch.add(norm_cell.through(step), passed, out=grad_c)
        if grad_cells is not None:
            grad_c.add_(grad_cells[step])
        torch.mul(grad_c_of_three, slopes_of_three[step], out=grads_of_three[step])
        torch.mul(grad_c, forget, out=passed)
        if norm_hh is not None:
            torch.mul(dgates, factors[step], out=norm_hh.at[step])
            norm_hh.through(step)
    return [grad_gates, of_cell.mul_(grad_h), passed_on, *([] if norm_hh is None else [grad_products])]


def loop_back(pools: Pools, *arguments: Any) -> Loop:
    """Return what ``take_step_back`` is called with to do as ``backward``."""
    each, fixed = arguments[:9], arguments[9:]
    gates, squashed = each[2:4]
    outs = [torch.empty_like(like) for like in (gates, squashed, squashed, *([] if pools[0] is None else [gates]))]
    after = torch.zeros_like(gates[0]), torch.zeros_like(squashed[0])
    return Loop(each, after, fixed, outs, (0 if pools[0] is None else 3, 2), is_reversed=True)


def take_step_back(
    pools: Pools,
    grad_state: Tensor,
    grad_cell: Tensor | None,
    gates: Tensor,
    squashed: Tensor,
    cell_before: Tensor,
    hh: Tensor | None,
    hh_rstd: Tensor | None,
    cell: Tensor | None,
    cell_rstd: Tensor | None,
    grad_products: Tensor,
    passed_on: Tensor,
    weight: Tensor,
    hh_weight: Tensor | None,
    cell_weight: Tensor | None,
    *outs: Tensor,
) -> list[Tensor]:
    """Write what a step of ``backward`` gives; to be compiled. ``grad_products`` are those of the step after it."""
    i, f, g, o = gates.chunk(4, -1)
    dh = grad_state + grad_products @ weight
    grad_normalized = dc = dh * o * (1 - squashed * squashed)
    if pools[1] is not None and cell is not None and cell_rstd is not None:
        dc = pools[1].through(dc * pools[1].factor(cell, cell_rstd, cell_weight), cell)
    dc = dc + passed_on
    dc = dc if grad_cell is None else dc + grad_cell
    of_gates = (dc * g * i * (1 - i), dc * cell_before * f * (1 - f), dc * i * (1 - g * g), dh * squashed * o * (1 - o))
    dgates = torch.cat(of_gates, -1)
    written = [dgates, grad_normalized, dc * f]
    if pools[0] is not None and hh is not None and hh_rstd is not None:
        written.append(pools[0].through(dgates * pools[0].factor(hh, hh_rstd, hh_weight), hh))
    for out, value in zip(outs, written, strict=True):
        out.copy_(value)
    return []
