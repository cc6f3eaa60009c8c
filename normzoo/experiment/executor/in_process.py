"""Carries out tasks in this process, one at a time. Torch-free until it is used."""

import atexit
import queue
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from normzoo.errors import error_line
from normzoo.experiment.config.environment import available_cpus
from normzoo.experiment.executor.protocol import Slots
from normzoo.experiment.planning.facts import Prepared
from normzoo.experiment.planning.groups import Group
from normzoo.experiment.worker.messages import Message, Task, TaskDone, WorkerDied

if TYPE_CHECKING:
    from normzoo.experiment.worker.serve import Server  # torch takes a while

_AT_WORK = threading.Lock()
"""Held by whoever carries out a task: all that trains in a process draws from the same random numbers, so that what was
cancelled, and takes a while to notice, must not be at it any more when the next begins."""


@contextmanager
def _as_in_a_worker() -> Iterator[None]:
    """Have random numbers that are not the session's, float32 by default, and the current folder's modules."""
    import torch

    before, folder = torch.get_default_dtype(), str(Path.cwd())
    torch.set_default_dtype(torch.float32)
    added = [] if folder in sys.path else [folder]
    sys.path.extend(added)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_default_dtype(before)
        for each in added:
            sys.path.remove(each)


class _Cancelled(BaseException):
    """Ends a task at the next thing that it tells."""


class InProcessExecutor:
    """A thread of this process, which knows all that the process knows: classes of a notebook, for instance.

    What is cancelled ends at the next thing that it would tell, which for training is the end of an epoch; the process
    does not end before.
    """

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[tuple[object, Task] | None] = queue.SimpleQueue()
        self._told: deque[tuple[object, Message]] = deque()
        self._something_told = threading.Event()
        self._wanted: set[object] = set()
        self._at: object = None
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def slots(self, prepared: Prepared, groups: Sequence[Group]) -> Slots:  # noqa: ARG002
        """Return one slot, with all processors."""
        return Slots(1, available_cpus())

    def start(self, task: Task) -> object:
        """Start a task, once those before it are over."""
        handle = object()
        self._wanted.add(handle)
        self._tasks.put((handle, task))
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, args=(self._tasks,), name="normzoo", daemon=True)
            self._thread.start()
        return handle

    def wait(self, seconds: float | None = None) -> None:
        """Wait until something is told; it stays to be told whatever interrupts the waiting."""
        self._something_told.wait(seconds)

    def events(self) -> list[tuple[object, Message]]:
        """Return what was told."""
        self._something_told.clear()
        found = []
        while self._told:
            handle, message = self._told.popleft()
            if handle in self._wanted:
                found.append((handle, message))
                if isinstance(message, TaskDone | WorkerDied):
                    self._wanted.discard(handle)
        return found

    def cancel(self, handle: object) -> None:
        """End a task at the next thing that it tells, of which nothing is heard any more."""
        self._wanted.discard(handle)

    def _end(self) -> None:
        """End the thread; what is started later has another, as this one may take a while to notice."""
        self._wanted.clear()
        self._tasks.put(None)
        self._tasks, self._thread = queue.SimpleQueue(), None

    def _serve(self, tasks: "queue.SimpleQueue[tuple[object, Task] | None]") -> None:
        thread = threading.current_thread()

        def end_at_exit() -> None:
            """Wait for the end: a thread that is at torch's code when the interpreter goes takes the process down."""
            self._wanted.clear()
            tasks.put(None)
            thread.join()

        atexit.register(end_at_exit)
        while (given := tasks.get()) is not None:
            with _AT_WORK:
                self._carry_out(*given)
        atexit.unregister(end_at_exit)

    def _carry_out(self, handle: object, task: Task) -> None:
        if handle not in self._wanted:
            return
        self._at = handle
        try:
            if self._server is None:
                from normzoo.experiment.worker.serve import Server

                self._server = Server(self._send)
            with _as_in_a_worker():
                self._server.carry_out(task)
        except _Cancelled:
            return
        except BaseException as error:  # what a process of its own would end with
            self._tell(WorkerDied(error_line(error)))

    def _send(self, message: Message) -> None:
        if self._at not in self._wanted:
            raise _Cancelled
        self._tell(message)

    def _tell(self, message: Message) -> None:
        self._told.append((self._at, message))
        self._something_told.set()
