"""When Ctrl-C may be answered, and by whom. Torch-free."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Answer Ctrl-C and SIGTERM only at the end of the context, so that what is under way is done whole.

    Raises:
        KeyboardInterrupt: at the end, if one of them came in between.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        came.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


@contextmanager
def ctrl_c_blocked() -> Iterator[None]:
    """Block SIGINT in this thread, and for good in a process that is started meanwhile, where the system can."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # or the first process would start it, and that lets signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
