"""A recurrence whose step is compiled: one function, called for one time step after the other."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from normzoo.layers._kernels.inductor import Compiled, compile_function

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
