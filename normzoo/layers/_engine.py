"""Engines: how the op's arithmetic is carried out.

``eager``: operation by operation. ``compiled``: as one compiled function per kind of call. ``auto``: eagerly, until
a kind of call has taken as long as compiling it would; then compiled, unless that turns out slower.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, Literal, cast, final, get_args

import torch
from torch import Tensor
from torch.nn import Buffer, Parameter

from normzoo.errors import UnknownNameError
from normzoo.layers import _eager, _normalize
from normzoo.layers._context import is_intercepted, is_wrapped
from normzoo.layers._normalize import Problem, Running
from normzoo.layers._tuning import Variant

Engine = Literal["eager", "compiled", "auto"]
VARIABLE = "NORMZOO_ENGINE"
"""The environment variable that sets the engine of a process."""

MOST_KINDS = 4096
"""How many kinds of calls are kept account of; beyond, as with inputs of ever new sizes, calls are eager."""


def checked_engine(name: str) -> Engine:
    """Return the name of an engine as such.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name in get_args(Engine):
        return cast("Engine", name)
    raise UnknownNameError("engine", name, get_args(Engine))


_DEFAULT = checked_engine(os.environ.get(VARIABLE) or "auto")
_chosen: ContextVar[Engine] = ContextVar("engine", default=_DEFAULT)


@contextmanager
def engine(name: Engine) -> Iterator[None]:
    """Within the context, let norms run on the engine of that name; a backward pass uses that of its forward pass.

    Args:
        name: ``"eager"``, ``"compiled"`` or ``"auto"``. Outside any context it is that of the environment variable
            ``NORMZOO_ENGINE``, or ``"auto"``.

    Engines agree to rounding. ``auto`` may change over during training, at a moment that depends on the clock; so it
    stays eager where ``torch.use_deterministic_algorithms`` is on. On a GPU it measures how long calls take to launch.
    A thread starts outside any context; so does what a backward pass on a GPU recomputes of a checkpointed one.

    Raises:
        UnknownNameError: no such engine.

    >>> from normzoo.layers import LayerNorm
    >>> with engine("eager"):
    ...     y = LayerNorm(4)(torch.randn(2, 4))
    """
    token = _chosen.set(checked_engine(name))
    try:
        yield
    finally:
        _chosen.reset(token)


class Kernel:
    """Both directions of the op; here, operation by operation."""

    __slots__ = ("problem",)

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def forward(self, *arguments: Any) -> Sequence[Tensor]:
        """Return what ``_normalize.forward`` returns for an input, a weight, a bias and running statistics, flat."""
        return _flat_forward(_eager.forward, self.problem, *arguments)

    def backward(self, wanted: tuple[bool, bool, bool], grad: Tensor, *saved: Any) -> Sequence[Tensor]:
        """Return what ``_normalize.backward`` returns."""
        return _eager.backward(self.problem, wanted, grad, *saved)


def _flat_forward(
    forward: Callable[..., list[Tensor]],
    problem: Problem,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    *running: Any,
) -> list[Tensor]:
    """Call a forward function, with running statistics given one by one, as the compiler wants them."""
    return forward(problem, x, weight, bias, Running(*running))


@final
class _TunedKernel(Kernel):
    """Both directions of the op for one kind of call, each compiled at once or, if ``patient``, when that repays.

    Backward passes of one forward pass can differ in the layout of the gradient, and in what is wanted. Once a
    function is settled, it is called without a further look.
    """

    __slots__ = ("_forward", "_patient", "_settled", "_variants")

    def __init__(self, problem: Problem, variants: "dict[object, Variant]", *, patient: bool) -> None:
        super().__init__(problem)
        self._patient = patient
        self._variants = variants
        self._settled: dict[object, Callable[..., Sequence[Tensor]]] = {}
        self._forward: Callable[..., Sequence[Tensor]] | None = None

    def forward(self, *arguments: Any) -> Sequence[Tensor]:
        if self._forward is not None:
            return self._forward(*arguments)
        variant = self._variants.get(None)
        if variant is None:
            eager, functional = (
                partial(_flat_forward, forward, self.problem) for forward in (_eager.forward, _normalize.forward)
            )
            variant = self._variants[None] = Variant(eager, functional)
        outputs = variant(arguments, self._patient)
        self._forward = variant.settled(self._patient)
        return outputs

    def backward(self, wanted: tuple[bool, bool, bool], grad: Tensor, *saved: Any) -> Sequence[Tensor]:
        x, weight, mean, rstd = saved  # as hooks of the user's may have changed them
        key = (
            wanted,
            type(grad),
            grad.dtype,
            grad.stride(),
            x is None or (type(x), x.dtype, x.device, x.stride()),
            weight is None or (weight.dtype, weight.device),
            mean is None or (mean.dtype, mean.device),
            (rstd.dtype, rstd.device),
        )
        settled = self._settled.get(key)
        if settled is not None and not is_intercepted():
            return settled(grad, *saved)
        variant = self._variants.get(key)
        if variant is None or is_intercepted():
            if is_intercepted() or grad.is_neg() or not _belong_together(grad, *saved):
                return super().backward(wanted, grad, *saved)
            eager, functional = (
                partial(backward, self.problem, wanted) for backward in (_eager.backward, _normalize.backward)
            )
            variant = self._variants[key] = Variant(eager, functional)
        outputs = variant((grad, *saved), self._patient)
        function = variant.settled(self._patient)
        if function is not None:
            self._settled[key] = function
        return outputs


_kernels: dict[object, tuple[Kernel, Kernel]] = {}
"""For each kind of call the kernels of the engines ``compiled`` and ``auto``, which share what is compiled."""


def select(problem: Problem, x: Tensor, weight: Tensor | None, bias: Tensor | None, running: Running) -> Kernel:
    """Return what carries out the op for such arguments, on the engine chosen here and now."""
    name = _chosen.get()
    patient = name == "auto"
    if (
        name == "eager"
        or is_intercepted()
        or is_wrapped(x)
        or x.is_neg()
        or (patient and torch.are_deterministic_algorithms_enabled())
    ):
        return Kernel(problem)
    mean, var, batches, momentum = running
    key = (
        problem,
        torch.get_num_threads(),
        type(x),
        x.dtype,
        x.device,
        x.shape,
        x.stride(),
        weight is None or (type(weight), weight.dtype, weight.device, weight.shape, weight.is_contiguous()),
        bias is None or (type(bias), bias.dtype, bias.device, bias.shape, bias.is_contiguous()),
        mean is None or (type(mean), mean.dtype, mean.device, mean.is_contiguous()),
        var is None or (type(var), var.dtype, var.device, var.is_contiguous()),
        batches is None or (type(batches), batches.device),
        type(momentum),
    )
    kernels = _kernels.get(key)
    if kernels is None:
        if len(_kernels) >= MOST_KINDS or not _can_be_compiled(x, weight, bias, mean, var, batches):
            return Kernel(problem)
        variants: dict[object, Variant] = {}
        at_once, later = (_TunedKernel(problem, variants, patient=patient) for patient in (False, True))
        kernels = _kernels[key] = (at_once, later)
    return kernels[patient]


def _can_be_compiled(x: Tensor, *rest: Tensor | None) -> bool:
    """Whether these are inputs that the compiler serves: with their values close together, and nothing unusual."""
    return (
        _belong_together(x, *rest)
        and (x.is_contiguous() or (x.ndim in (4, 5) and x.movedim(1, -1).is_contiguous()))
        and all(t.is_contiguous() for t in rest if t is not None)
    )


def _belong_together(*tensors: Tensor | None) -> bool:
    """Whether all are ordinary tensors on one device that the compiler serves."""
    given = [t for t in tensors if t is not None]
    return given[0].device.type in ("cpu", "cuda") and all(
        type(t) in (Tensor, Parameter, Buffer) and t.device == given[0].device and not t.is_neg() and not is_wrapped(t)
        for t in given
    )
