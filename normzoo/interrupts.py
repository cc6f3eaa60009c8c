"""How a process is ended: by signals, which may have to wait, and with its parent. Torch-free, and quick to load."""

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTS = tuple(
    signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if name in signal.Signals.__members__
)
"""What asks for an end: Ctrl-C, the system, a terminal that closes."""

FROM_TERMINAL = tuple(
    signal.Signals[name] for name in ("SIGINT", "SIGQUIT", "SIGHUP") if name in signal.Signals.__members__
)
"""What a terminal sends to all processes of a command at once."""

SCREEN_TAKEN = threading.Event()
"""Is set while the terminal shows its alternate screen."""

TOGETHER = 1.0
"""Seconds within which several interrupts count as one."""

_raised_at = -math.inf
"""When an interrupt was last raised, by the clock of ``time.monotonic``."""

_LEAVE_SCREEN, _SHOW_CURSOR = b"\x1b[?1049l", b"\x1b[?25h"
_PARENT_DEATH_SIGNAL = 1
"""``PR_SET_PDEATHSIG`` of Linux."""


def end_at_once() -> None:
    """Have signals end this process from now on, as they do by themselves, but with the terminal left as it was.

    No exception is raised that a library could swallow, or that comes as a traceback of whatever is imported just then.
    Where something must be put in order, ``interrupts_raised`` holds.
    """
    for number in {*INTERRUPTS, *FROM_TERMINAL}:
        if _is_to_be_answered(number):
            signal.signal(number, _end)


def _is_to_be_answered(number: signal.Signals) -> bool:
    """Whether a signal is neither ignored, as of a job in the background, nor what a program around Python answers."""
    return signal.getsignal(number) not in (signal.SIG_IGN, None)


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    if number in INTERRUPTS and _is_answered():
        return
    leave_terminal()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _is_answered() -> bool:
    """Whether an interrupt counts as one with that which was raised before."""
    return time.monotonic() - _raised_at < TOGETHER


def leave_terminal() -> None:
    """Leave a terminal on stderr as it was, and let nothing more be drawn there: the process is about to end."""
    try:
        if not os.isatty(2) or os.environ.get("TERM") in ("dumb", "unknown"):
            return
        terminal, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.write(terminal, (_LEAVE_SCREEN if SCREEN_TAKEN.is_set() else b"") + _SHOW_CURSOR)
    except OSError:  # the terminal is gone
        return


@contextmanager
def interrupts_raised() -> Iterator[None]:
    """Answer interrupts by ``KeyboardInterrupt`` within the context; several within a second count as one.

    So what the first one ends is put in order undisturbed, and one that a library swallowed is not the last.
    """
    global _raised_at
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _raised_at = -math.inf

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        global _raised_at
        if not _is_answered():
            _raised_at = time.monotonic()
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in INTERRUPTS if _is_to_be_answered(number)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Answer interrupts only at the end of the context, so that what is under way is done whole.

    Raises:
        KeyboardInterrupt: at the end, if one came in between that is not ignored, and nothing else is raised.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        global _raised_at
        if not _is_answered():
            _raised_at = time.monotonic()
            came.append(number)

    before = {number: signal.signal(number, note) for number in INTERRUPTS if _is_to_be_answered(number)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


@contextmanager
def terminal_blocked() -> Iterator[None]:
    """Block what a terminal sends in this thread, and for good in a process that is started meanwhile.

    It is for the parent to answer, whose end is theirs. Where the system has no masks, nothing is blocked.
    """
    if sys.platform == "win32":
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # or the first process would start it, and that lets signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, FROM_TERMINAL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def killed_with_parent() -> bool:
    """Have the system kill this process at the end of the thread that started it; whether it can, as Linux does.

    It holds also while the process is stopped or runs code that hears of nothing, and not for those that it forks.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    result: int = ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    return result == 0


def signal_name(number: int) -> str:
    """Return the name of a signal; those of real time have none.

    >>> signal_name(9), signal_name(40)
    ('SIGKILL', 'signal 40')
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
