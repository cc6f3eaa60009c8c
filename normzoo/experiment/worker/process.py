"""The worker process: waits for tasks, carries them out, sends back what happens. Imports torch, once."""

import atexit
import gc
import os
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path

from normzoo.experiment.worker.messages import Message, Task


def main(connection: "Connection[Message, Task]", environment: Mapping[str, str]) -> None:
    """Serve a parent, whose environment this is, until it closes the connection; Ctrl-C is the parent's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(environment)  # a process that is forked has that of the one it is forked from
    os.dup2(2, 1)  # what a user's norm prints goes to stderr: stdout is for the tables
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _serve(connection)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone


def _end_with_parent() -> None:
    """End this process once its parent is gone, even in the middle of an epoch, however long that is."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def load() -> None:
    """Import all that a worker needs."""
    gc.disable()  # looking for garbage among what is imported takes a sixth of the time
    import normzoo.experiment.worker.serve  # noqa: F401

    gc.freeze()
    gc.enable()
    atexit.register(gc.unfreeze)  # or libraries complain, when the process ends, of what was not cleared away


def _serve(connection: "Connection[Message, Task]") -> None:
    sys.path.append(str(Path.cwd()))  # where a user's own components may be
    load()
    from normzoo.experiment.worker.serve import Server

    server = Server(connection.send)
    while True:
        server.carry_out(connection.recv())
