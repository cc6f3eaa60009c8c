"""Engines: how the op's arithmetic is carried out.

``eager``: operation by operation. ``compiled``: as one compiled function per kind of call. ``auto``: eagerly, until
a kind of call has taken as long as compiling it would; then compiled, unless that turns out slower.
"""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from threading import Lock
from typing import Any, Literal, cast, final, get_args

import torch
from torch import Tensor
from torch.nn import Buffer, Parameter

from normzoo.errors import UnknownNameError
from normzoo.layers import _eager, _normalize
from normzoo.layers._compiler import Compiled, compile_function
from normzoo.layers._context import is_intercepted
from normzoo.layers._normalize import Problem, Running

Engine = Literal["eager", "compiled", "auto"]
Arguments = Sequence[Any]

VARIABLE = "NORMZOO_ENGINE"
"""The environment variable that sets the engine of a process."""

STARTUP_SECONDS = 10.0
"""What the first compilation of a process costs at most: the compiler has to be loaded first."""

COMPILATION_SECONDS = 1.5
"""What a compilation costs, until this process has measured its own."""

TRIALS = 20
"""How many compiled calls are timed before they are compared with eager ones."""

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
    stays eager where ``torch.use_deterministic_algorithms`` is on.

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

    def __init__(self, problem: Problem, variants: "dict[object, _Variant]", *, patient: bool) -> None:
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
            variant = self._variants[None] = _Variant(eager, functional)
        outputs = variant(arguments, self._patient)
        self._forward = variant.settled(self._patient)
        return outputs

    def backward(self, wanted: tuple[bool, bool, bool], grad: Tensor, *saved: Any) -> Sequence[Tensor]:
        key = (wanted, grad.stride(), grad.dtype, type(grad))
        settled = self._settled.get(key)
        if settled is not None:
            return settled(grad, *saved)
        variant = self._variants.get(key)
        if variant is None:
            if type(grad) is not Tensor:
                return super().backward(wanted, grad, *saved)
            eager, functional = (
                partial(backward, self.problem, wanted) for backward in (_eager.backward, _normalize.backward)
            )
            variant = self._variants[key] = _Variant(eager, functional)
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
    if name == "eager" or is_intercepted() or (patient and torch.are_deterministic_algorithms_enabled()):
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
        weight is None or (type(weight), weight.dtype, weight.device, weight.is_contiguous()),
        bias is None or (type(bias), bias.dtype, bias.device, bias.is_contiguous()),
        mean is None or (type(mean), mean.dtype, mean.device, mean.is_contiguous()),
        var is None or (type(var), var.dtype, var.device, var.is_contiguous()),
        batches is None or (type(batches), batches.device),
        momentum is None,
    )
    kernels = _kernels.get(key)
    if kernels is None:
        if len(_kernels) >= MOST_KINDS or not _can_be_compiled(x, weight, bias, mean, var, batches):
            return Kernel(problem)
        variants: dict[object, _Variant] = {}
        at_once, later = (_TunedKernel(problem, variants, patient=patient) for patient in (False, True))
        kernels = _kernels[key] = (at_once, later)
    return kernels[patient]


def _can_be_compiled(x: Tensor, *rest: Tensor | None) -> bool:
    """Whether all are ordinary tensors on one device that the compiler serves, with their values close together."""
    others = [t for t in rest if t is not None]
    return (
        x.device.type in ("cpu", "cuda")
        and all(type(t) in (Tensor, Parameter, Buffer) and t.device == x.device for t in (x, *others))
        and (x.is_contiguous() or (x.ndim in (4, 5) and x.movedim(1, -1).is_contiguous()))
        and all(t.is_contiguous() for t in others)
    )


class _Accounts:
    """What compiling has cost this process, and what not compiling has."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.eager_seconds = 0.0
        self.compilations = 0
        self.compilation_seconds = 0.0
        self.in_vain = False  # nothing can be compiled here
        self.warned = False

    def repays(self, eager_seconds: float) -> bool:
        """Whether a kind of call has taken as long as compiling it would take."""
        if self.compilations == 0:
            return eager_seconds >= COMPILATION_SECONDS and self.eager_seconds >= STARTUP_SECONDS
        return eager_seconds >= self.compilation_seconds / self.compilations

    def fail(self, error: Exception) -> None:
        """Take note that something could not be compiled; the first time, warn."""
        self.in_vain = self.compilations == 0
        if not self.warned:
            self.warned = True
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            warnings.warn(f"norms cannot be compiled here and run eagerly: {reason}", RuntimeWarning, stacklevel=2)


_accounts = _Accounts()


@final
class _Variant:
    """A function for one kind of arguments, eager or compiled."""

    __slots__ = ("_best", "_compiled", "_eager", "_failed", "_functional", "_seconds", "_slower", "_trials")

    def __init__(self, eager: Callable[..., list[Tensor]], functional: Callable[..., list[Tensor]]) -> None:
        self._eager = eager
        self._functional = functional
        self._compiled: Compiled | None = None
        self._failed = False
        self._seconds = 0.0
        self._best = [float("inf"), float("inf")]  # seconds of a call: eager, compiled
        self._trials = TRIALS
        self._slower = False

    def __call__(self, arguments: Arguments, patient: bool) -> Sequence[Tensor]:
        """Call it, eagerly or compiled, and find out what is better."""
        function = self.settled(patient)
        if function is not None:
            return function(*arguments)
        if self._compiled is not None:
            return self._try(self._compiled, arguments)
        if (not patient or _accounts.repays(self._seconds)) and self._compile(arguments):
            return self(arguments, patient)
        start = time.perf_counter()
        outputs = self._eager(*arguments)
        elapsed = time.perf_counter() - start
        self._seconds += elapsed
        self._best[0] = min(self._best[0], elapsed)
        _accounts.eager_seconds += elapsed
        return outputs

    def settled(self, patient: bool) -> Callable[..., Sequence[Tensor]] | None:
        """Return what is to be called from now on; None while that is open."""
        if self._failed or (self._compiled is None and _accounts.in_vain) or (patient and self._slower):
            return self._eager
        return None if patient and self._trials else self._compiled

    def _try(self, compiled: Compiled, arguments: Arguments) -> Sequence[Tensor]:
        """Call it compiled and take the time; after some calls, go back to eager if that was faster."""
        start = time.perf_counter()
        outputs = compiled(*arguments)
        self._best[1] = min(self._best[1], time.perf_counter() - start)
        self._trials -= 1
        self._slower = self._trials == 0 and self._best[1] > self._best[0]
        return outputs

    def _compile(self, arguments: Arguments) -> bool:
        """Compile it; where that fails, stay eager, and say so once."""
        with _accounts.lock:
            if self._compiled is None and not self._failed:
                start = time.perf_counter()
                try:
                    self._compiled = compile_function(self._functional, arguments)
                except Exception as error:
                    self._failed = True
                    _accounts.fail(error)
                else:
                    _accounts.compilations += 1
                    _accounts.compilation_seconds += time.perf_counter() - start
            return self._compiled is not None
