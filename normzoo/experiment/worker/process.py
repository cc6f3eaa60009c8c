"""The worker process: waits for tasks, carries them out, sends back what happens. Imports torch, once."""

import atexit
import faulthandler
import gc
import io
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from normzoo.experiment.worker.messages import Loading, Message, Task, Trying
from normzoo.interrupts import FROM_TERMINAL, killed_with_parent

forked_from: int | None = None
"""The process that workers are forked from, if they are: set in that process, and known in what it forks."""


def main(
    connection: "Connection[Message, Task]",
    environment: Mapping[str, str],
    streams: Sequence["Connection[Any, Any]"] = (),
) -> None:
    """Serve a parent, whose environment this is, until it closes the connection.

    What a terminal sends is the parent's to answer, with whom this process ends, whatever it is at.

    Args:
        connection: to the parent.
        environment: of the parent.
        streams: where to write what goes to stderr, and what there is to say of this process's death.
    """
    for number in FROM_TERMINAL:
        signal.signal(number, signal.SIG_IGN)
    if killed_with_parent() and forked_from not in (None, os.getppid()):  # it ended before the system was told
        os._exit(1)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=partial(_disown, connection, [os.getpid()]))
    os.environ.update(environment)  # a process that is forked has that of the one it is forked from
    dump = 2
    if streams:
        os.dup2(streams[0].fileno(), 2)
        dump = streams[1].fileno()
    os.dup2(2, 1)  # what a user's norm prints goes to stderr: stdout is for the tables
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # or it would be lost when the process dies
    faulthandler.enable(dump, all_threads=False)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _serve(connection, _Watch(dump))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone
    except BaseException:
        os.write(dump, traceback.format_exc().encode(errors="backslashreplace"))
        raise SystemExit(1) from None


class _Watch:
    """Ends this process where a step takes longer than it may, and says where it was, even if that holds Python's lock.

    Args:
        file: the number of the file to write to.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._seconds: float | None = None

    def tell(self, message: Message) -> None:
        """Note what the parent is told: that a step begins, goes on, or is over."""
        if not isinstance(message, Loading):
            self._seconds = message.seconds if isinstance(message, Trying) else None
        if self._seconds is None:
            faulthandler.cancel_dump_traceback_later()
        else:
            faulthandler.dump_traceback_later(self._seconds, file=self._file, exit=True)


def _end_with_parent() -> None:
    """End this process once its parent is gone, also where the system does not, unless other code holds Python up."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _disown(connection: "Connection[Message, Task]", parents: list[int]) -> None:
    """Take from a process that a user's code forked what is the worker's alone, and have it end with its parent.

    Args:
        connection: the worker's.
        parents: the worker, and the processes between it and this one, which is added: it may fork, too.
    """
    connection.close()
    if killed_with_parent() and os.getppid() != parents[-1]:  # it ended before the system was told
        os._exit(1)
    parents.append(os.getpid())


def load() -> None:
    """Import all that a worker needs."""
    gc.disable()  # looking for garbage among what is imported takes a sixth of the time
    import normzoo.experiment.worker.serve  # noqa: F401

    if find_spec("tqdm"):
        from tqdm import tqdm  # type: ignore[import-untyped]

        # torch's compiler has a bar of it, whose lock between processes Python would miss when a worker is killed.
        tqdm.set_lock(threading.RLock())
    gc.freeze()
    gc.enable()
    # Of operations that torch maps one member at a time, such as attention: nothing that a user could change.
    warnings.filterwarnings("ignore", message=".*not yet implemented the batching rule")
    atexit.register(gc.unfreeze)  # or libraries complain, when the process ends, of what was not cleared away


def _serve(connection: "Connection[Message, Task]", watch: _Watch) -> None:
    sys.path.append(str(Path.cwd()))  # where a user's own components may be
    load()
    from normzoo.experiment.worker.serve import Server

    def send(message: Message) -> None:
        connection.send(message)
        watch.tell(message)

    server = Server(send)
    while True:
        server.carry_out(connection.recv())
