"""Backends: what carries out the op's arithmetic, and how one is chosen for a call.

``eager``: operation by operation. ``compiled``: as one compiled function per kind of call. ``auto``: eagerly, until
a kind of call has taken as long as compiling it would; then compiled, unless that turns out slower.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, final

import torch
from torch import Tensor

from normzoo.layers._kernels import eager, reference
from normzoo.layers._kernels.autotune import Variant
from normzoo.layers._kernels.inductor import Compiled, compile_function
from normzoo.layers._kernels.spec import NormSpec, Running, Wanted
from normzoo.layers._kernels.torch_internals import PLAIN_TYPES, is_intercepted, is_wrapped
from normzoo.registry.backends import Backend, backend_of_process, checked_backend

MAX_KINDS = 4096
"""How many kinds of calls are kept account of; beyond, as with inputs of ever new sizes, calls are eager."""


_DEFAULT = backend_of_process()
_chosen: ContextVar[Backend] = ContextVar("backend", default=_DEFAULT)


@contextmanager
def backend(name: Backend) -> Iterator[None]:
    """Within the context, let norms run on the backend of that name; a backward pass uses that of its forward pass.

    Backends agree to rounding. ``auto`` switches to compiled code based on measured time; so it stays eager where
    ``torch.use_deterministic_algorithms`` is on. On a GPU it measures how long calls take to launch.
    A thread starts outside any context; so does what a backward pass on a GPU recomputes of a checkpointed one.

    Args:
        name: ``"eager"``, ``"compiled"`` or ``"auto"``. Outside any context it is that of the environment variable
            ``NORMZOO_BACKEND``, or ``"auto"``.

    Raises:
        UnknownNameError: no such backend.

    >>> from normzoo.layers import LayerNorm
    >>> with backend("eager"):
    ...     y = LayerNorm(4)(torch.randn(2, 4))
    """
    token = _chosen.set(checked_backend(name))
    try:
        yield
    finally:
        _chosen.reset(token)


class Kernel:
    """Both directions of the op; here, operation by operation."""

    __slots__ = ("spec",)

    def __init__(self, spec: NormSpec) -> None:
        self.spec = spec

    def forward(self, *arguments: Any) -> Sequence[Tensor]:
        """Return what ``reference.forward`` returns for an input, a weight, a bias and running statistics, flat."""
        return _flat_forward(eager.forward, self.spec, *arguments)

    def backward(self, wanted: Wanted, grad: Tensor, *saved: Any) -> Sequence[Tensor]:
        """Return what ``reference.backward`` returns."""
        return eager.backward(self.spec, wanted, grad, *saved)


def _flat_forward(
    forward: Callable[..., list[Tensor]],
    spec: NormSpec,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    *running: Any,
) -> list[Tensor]:
    """Call a forward function, with running statistics given one by one, as the compiler wants them."""
    return forward(spec, x, weight, bias, Running(*running))


@final
class _TunedKernel(Kernel):
    """Both directions of the op for one kind of call, each compiled at once or, if ``patient``, when that repays.

    Backward passes of one forward pass can differ in the layout of the gradient, and in what is wanted. Once a
    function is settled, it is called without a further look.
    """

    __slots__ = ("_forward", "_patient", "_settled", "_variants")

    def __init__(self, spec: NormSpec, variants: "dict[object, Variant]", *, patient: bool) -> None:
        super().__init__(spec)
        self._patient = patient
        self._variants = variants
        self._settled: dict[object, Callable[..., Sequence[Tensor]]] = {}
        self._forward: Callable[..., Sequence[Tensor]] | None = None

    def forward(self, *arguments: Any) -> Sequence[Tensor]:
        if self._forward is not None:
            return self._forward(*arguments)
        variant = self._variants.get(None)
        if variant is None:
            at_hand, definition = (
                partial(_flat_forward, forward, self.spec) for forward in (eager.forward, reference.forward)
            )
            variant = self._variants[None] = Variant(at_hand, partial(compile_function, definition))
        outputs = variant(arguments, self._patient)
        self._forward = variant.settled(self._patient)
        return outputs

    def backward(self, wanted: Wanted, grad: Tensor, *saved: Any) -> Sequence[Tensor]:
        x, weight, mean, rstd = saved  # as hooks of the user's may have changed them
        key = (
            wanted,
            type(grad),
            grad.dtype,
            grad.stride(),
            grad.is_neg(),
            x is None or (type(x), x.dtype, x.device, x.stride(), x.is_neg()),
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
            at_hand, definition = (
                partial(backward, self.spec, wanted) for backward in (eager.backward, reference.backward)
            )
            variant = self._variants[key] = Variant(at_hand, partial(compile_function, definition))
        outputs = variant((grad, *saved), self._patient)
        function = variant.settled(self._patient)
        if function is not None:
            self._settled[key] = function
        return outputs


Check = Callable[[Tensor | None, Tensor | None, Running | None, Sequence[int]], None]
"""Raises an error where a weight, a bias or statistics do not have the shape given last."""

_kernels: dict[object, tuple[Kernel, Kernel]] = {}
"""For each kind of call the kernels of the backends ``compiled`` and ``auto``, which share what is compiled."""


def select(
    fields: tuple[Any, ...],
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running: Running,
    check: Check,
) -> Kernel | None:
    """Return what carries out the op for such arguments, on the backend chosen here and now.

    None: they are tensors of another type, or complex, for which there are only the plain operations.
    """
    name = _chosen.get()
    patient = name == "auto"
    mean, var, batches, momentum, skipped = running
    key: tuple[object, ...] | None = None
    if not (
        name == "eager"
        or is_intercepted()
        or is_wrapped(x)
        or x.is_neg()
        or (patient and torch.are_deterministic_algorithms_enabled())
    ):
        key = (
            fields,
            torch.get_num_threads(),
            type(x),
            x.dtype,
            x.device,
            x.shape,
            x.stride(),
            weight is None or (type(weight), weight.dtype, weight.device, weight.shape, weight.is_contiguous()),
            bias is None or (type(bias), bias.dtype, bias.device, bias.shape, bias.is_contiguous()),
            mean is None or (type(mean), mean.dtype, mean.device, mean.shape, mean.is_contiguous()),
            var is None or (type(var), var.dtype, var.device, var.shape, var.is_contiguous()),
            batches is None or (type(batches), batches.device),
            type(momentum),
            skipped is None or (type(skipped), skipped.device),
        )
        kernels = _kernels.get(key)
        if kernels is not None:
            return kernels[patient]
    check(weight, bias, running, x.shape[fields[0] : fields[1]])
    if x.is_complex() or not all(type(t) in PLAIN_TYPES for t in (x, weight, bias) if t is not None):
        return None
    spec = NormSpec(*fields)
    if key is None or len(_kernels) >= MAX_KINDS or not _can_be_compiled(x, weight, bias, mean, var, batches, skipped):
        return Kernel(spec)
    variants: dict[object, Variant] = {}
    at_once, later = (_TunedKernel(spec, variants, patient=patient) for patient in (False, True))
    kernels = _kernels[key] = (at_once, later)
    return kernels[patient]


_variants: dict[object, Variant] = {}
"""Functions other than the op that may be compiled, by their name and kind of arguments."""


def backend_here() -> Backend:
    """Return the backend that is chosen here and now, or ``eager`` where nothing is to be compiled."""
    name = _chosen.get()
    return "eager" if is_intercepted() or (name == "auto" and torch.are_deterministic_algorithms_enabled()) else name


def carry_out(
    name: Backend,
    kind: tuple[object, ...],
    eager: Callable[..., list[Tensor]],
    compiling: Callable[[Sequence[Any]], Compiled],
    arguments: Sequence[Tensor | None],
) -> Sequence[Tensor]:
    """Return ``eager(*arguments)``, or what the same function returns compiled, as a backend has it.

    Args:
        name: the backend.
        kind: says which function it is.
        eager: the function, which depends on nothing but ``kind`` and its arguments.
        compiling: compiles it for arguments like those that it is given.
        arguments: ordinary tensors, which lie on one device.
    """
    if name == "eager" or is_intercepted():
        return eager(*arguments)
    key = (
        kind,
        torch.get_num_threads(),
        *(t is None or (t.dtype, t.device, t.shape, t.stride()) for t in arguments),
    )
    variant = _variants.get(key)
    if variant is None:
        if len(_variants) >= MAX_KINDS or not _belong_together(*arguments):
            return eager(*arguments)
        variant = _variants[key] = Variant(eager, compiling)
    return variant(arguments, name == "auto")


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
        type(t) in PLAIN_TYPES and t.device == given[0].device and not t.is_neg() and not is_wrapped(t) for t in given
    )
