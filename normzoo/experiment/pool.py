"""The parent's side of its worker processes: start, hand out tasks, hear what happens, notice a death. Torch-free."""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import connection, get_context
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from types import TracebackType
from typing import Self

from normzoo.experiment import worker as worker_process
from normzoo.experiment.interrupts import ctrl_c_blocked
from normzoo.experiment.messages import Message, Task, WorkerDied

ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": str(2**32), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
"""Have glibc keep freed memory: otherwise each large tensor's pages are fetched from the system anew."""

WORKER_ENVIRONMENT = {
    **ALLOCATOR,
    "OMP_WAIT_POLICY": "PASSIVE",
    "TORCHINDUCTOR_CACHE_DIR": str(Path.home() / ".cache" / "normzoo" / "compiled"),
}
"""What workers start with, where the user's environment says nothing else. Threads that wait sleep: on a busy machine,
those that spin make short runs ten times as long. What is compiled is kept for later workers.
"""


_GPUS = Path("/proc/driver/nvidia/gpus")


def machine_has_gpus() -> bool:
    """Whether the system knows of a GPU, as far as can be told without torch."""
    return _GPUS.exists()


def _context() -> ForkServerContext | SpawnContext:
    """Return how processes are started: forked from one that has loaded torch, which then all need not; or each anew.

    The latter where a GPU is, as a process that has seen one cannot be forked, and where the system does not fork well.
    """
    if sys.platform != "linux" or machine_has_gpus():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(["normzoo.experiment.preloaded"])
    return context


_CONTEXT = _context()
_START = threading.Lock()


@contextmanager
def _environment(defaults: Mapping[str, str]) -> Iterator[None]:
    """Add variables to the environment that a process inherits."""
    added = {name: value for name, value in defaults.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


class Worker:
    """One worker process and the pipe to it.

    The process is started by a thread, as it may take seconds to be there; what it is sent meanwhile waits.
    """

    def __init__(self, number: int, environment: Mapping[str, str]) -> None:
        self.number = number
        self.connection, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(
            target=worker_process.main, args=(theirs, environment), name=f"normzoo worker {number}", daemon=True
        )
        self._is_started = self._is_unwanted = False
        self._problem = ""
        self._starting = threading.Thread(target=self._start, args=(theirs,), daemon=True)
        self._starting.start()

    def _start(self, theirs: "connection.Connection[Message, Task]") -> None:
        try:
            with _START, ctrl_c_blocked(), _environment(WORKER_ENVIRONMENT):
                self._process.start()  # with Ctrl-C blocked for good: it is the parent's to answer
                self._is_started = True
                if self._is_unwanted:
                    self._process.kill()
        except (OSError, EOFError) as error:
            self._problem = str(error) or "what it is forked from is gone"
        finally:
            theirs.close()

    def send(self, task: Task) -> None:
        """Hand out a task; a worker that is gone is noticed when it is heard."""
        try:
            self.connection.send(task)
        except (BrokenPipeError, ConnectionResetError):
            return

    def hear(self) -> Message:
        """Return the next message; ``WorkerDied`` once the process is gone and all it said was heard."""
        try:
            message: Message = self.connection.recv()
        except (EOFError, OSError):  # OSError: it ended in the middle of a message
            self._starting.join()
            if not self._is_started:
                return WorkerDied(f"the worker process could not be started: {self._problem}")
            with _START:  # which looks for processes that have ended, too, and an exit code is told only once
                self._process.join()
            return WorkerDied(_death(self._process.exitcode))
        return message

    def has_message(self, seconds: float = 0.0) -> bool:
        """Whether ``hear`` would return at once; waits for that so many seconds."""
        return self.connection.poll(seconds)

    def kill(self) -> None:
        """End the process now, and wait until it is gone; one that is still being started ends once it is there."""
        self.connection.close()
        self._is_unwanted = True
        if self._is_started:
            self._process.kill()
            self._process.join()


class WorkerPool:
    """Starts workers as they are needed, and ends them all on leaving its context."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self._count = 0
        self._environment = dict(os.environ)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers:
            worker.kill()
        self.workers.clear()

    def start(self) -> Worker:
        """Start one more worker."""
        self._count += 1
        worker = Worker(self._count, self._environment)
        self.workers.append(worker)
        return worker

    def end(self, worker: Worker) -> None:
        """End one worker."""
        worker.kill()
        self.workers.remove(worker)

    def wait(self, seconds: float | None = None) -> list[Worker]:
        """Return the workers that have something to say, at the latest after so many seconds."""
        by_connection = {worker.connection: worker for worker in self.workers}
        ready = connection.wait(list(by_connection), seconds)
        return [by_connection[each] for each in ready if isinstance(each, connection.Connection)]


def _death(exit_code: int | None) -> str:
    """Return how a process ended, in words."""
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = "; perhaps the system ran out of memory" if name == "SIGKILL" else ""
        return f"the worker process was killed by {name}{hint}"
    return f"the worker process ended with exit code {exit_code}"
