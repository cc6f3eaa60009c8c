"""When a function is compiled: once it has taken as long as compiling it would, and for as long as that is faster."""

import time
import warnings
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, final

import torch
from torch import Tensor

from normzoo.layers._kernels.inductor import Compiled

Arguments = Sequence[Any]

STARTUP_SECONDS = 10.0
"""What the first compilation of a process costs at most: the compiler has to be loaded first."""

COMPILATION_SECONDS = 1.5
"""What a compilation costs, until this process has measured its own."""

TRIALS = 20
"""How many compiled calls are timed before they are compared with eager ones."""


class _Accounts:
    """What compiling has cost this process, and what not compiling has."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.eager_seconds = 0.0
        self.compilations = 0
        self.compilation_seconds = 0.0
        self.failures = 0
        self.in_vain = False  # nothing can be compiled here
        self.warned = False

    def repays(self, eager_seconds: float) -> bool:
        """Whether a kind of call has taken as long as compiling it would take."""
        if self.compilations == 0:
            return eager_seconds >= COMPILATION_SECONDS and self.eager_seconds >= STARTUP_SECONDS
        return eager_seconds >= self.compilation_seconds / self.compilations

    def fail(self, error: Exception) -> None:
        """Take note that something could not be compiled; the first time, warn."""
        self.failures += 1
        self.in_vain = self.failures > 1 and self.compilations == 0
        if not self.warned:
            self.warned = True
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            warnings.warn(f"norms cannot be compiled here and run eagerly: {reason}", RuntimeWarning, stacklevel=2)


_accounts = _Accounts()


@final
class Variant:
    """A function for one kind of arguments, eager or compiled.

    Args:
        eager: the function.
        compiling: compiles the same function for arguments like those it is given.
    """

    __slots__ = ("_best", "_compiled", "_compiling", "_eager", "_failed", "_seconds", "_slower", "_trials")

    def __init__(self, eager: Callable[..., list[Tensor]], compiling: Callable[[Arguments], Compiled]) -> None:
        self._eager = eager
        self._compiling = compiling
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
        with _accounts.lock:
            self._trials = max(0, self._trials - 1)
            if self._trials == 0:
                self._slower = self._best[1] > self._best[0]
        return outputs

    def _compile(self, arguments: Arguments) -> bool:
        """Compile it; where that fails, stay eager, and say so once."""
        is_on_gpu = any(isinstance(each, Tensor) and each.is_cuda for each in arguments)
        if is_on_gpu and torch.cuda.is_current_stream_capturing():
            return False  # the compiler would wait for the GPU, which ends the recording
        with _accounts.lock:
            if self._compiled is None and not self._failed:
                start = time.perf_counter()
                try:
                    self._compiled = self._compiling(arguments)
                except Exception as error:
                    self._failed = True
                    _accounts.fail(error)
                else:
                    _accounts.compilation_seconds += time.perf_counter() - start
                    _accounts.compilations += 1
                    if is_on_gpu:
                        self._trials = 0  # there a call is only launched, and its time says nothing
            return self._compiled is not None
