"""Carries out tasks in this process, one at a time. Torch-free until it is used."""

import queue
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from normzoo.experiment.config.environment import available_cpus
from normzoo.experiment.executor.protocol import Slots
from normzoo.experiment.planning.facts import Prepared
from normzoo.experiment.planning.groups import Group
from normzoo.experiment.worker.messages import Message, Task, WorkerDied


class _Cancelled(BaseException):
    """Ends a task at the next thing that it tells."""


class InProcessExecutor:
    """A thread of this process, which knows all that the process knows: classes of a notebook, for instance.

    What is cancelled ends at the next thing that it would tell, which for training is the end of an epoch.
    """

    def __init__(self) -> None:
        self._tasks: queue.Queue[tuple[object, Task] | None] = queue.Queue()
        self._told: queue.Queue[tuple[object, Message]] = queue.Queue()
        self._heard: list[tuple[object, Message]] = []
        self._cancelled: set[object] = set()
        self._at: object = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cancelled.add(self._at)
        self._tasks.put(None)

    def slots(self, prepared: Prepared, groups: Sequence[Group]) -> Slots:  # noqa: ARG002
        """Return one slot, with all processors."""
        return Slots(1, available_cpus())

    def start(self, task: Task) -> object:
        """Start a task, once those before it are over."""
        handle = object()
        self._tasks.put((handle, task))
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="normzoo", daemon=True)
            self._thread.start()
        return handle

    def wait(self, seconds: float | None = None) -> None:
        """Wait until something is told."""
        if not self._heard:
            try:
                self._heard.append(self._told.get(timeout=seconds))
            except queue.Empty:
                return

    def events(self) -> list[tuple[object, Message]]:
        """Return what was told."""
        while not self._told.empty():
            self._heard.append(self._told.get())
        heard, self._heard = self._heard, []
        return [(handle, message) for handle, message in heard if handle not in self._cancelled]

    def cancel(self, handle: object) -> None:
        """End a task at the next thing that it tells, of which nothing is heard any more."""
        self._cancelled.add(handle)

    def _serve(self) -> None:
        from normzoo.experiment.worker.serve import Server  # torch takes a while

        def send(message: Message) -> None:
            if self._at in self._cancelled:
                raise _Cancelled
            self._told.put((self._at, message))

        server = Server(send)
        while (given := self._tasks.get()) is not None:
            self._at, task = given
            try:
                server.carry_out(task)
            except _Cancelled:
                continue
            except BaseException as error:  # what a process of its own would end with
                self._told.put((self._at, WorkerDied(f"{type(error).__name__}: {error}")))
