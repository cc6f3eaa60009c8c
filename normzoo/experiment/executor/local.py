"""Carries out tasks in processes of this machine: starts them, hands out, listens, notices a death. Torch-free."""

import os
import queue
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import connection, forkserver, get_context
from multiprocessing.context import ForkServerContext, ForkServerProcess, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace, TracebackType
from typing import Any, ClassVar, Self

from normzoo.errors import ConfigError
from normzoo.experiment.config.environment import available_cpus, package_version
from normzoo.experiment.config.execution import MAX_PER_GPU, Execution
from normzoo.experiment.executor.last_words import LastWords
from normzoo.experiment.executor.protocol import Slots
from normzoo.experiment.planning.facts import Prepared
from normzoo.experiment.planning.groups import Group
from normzoo.experiment.worker import process as worker_process
from normzoo.experiment.worker.messages import TOO_LONG, Checked, Message, OnDevice, Task, TaskDone, WorkerDied
from normzoo.interrupts import signal_name, terminal_blocked
from normzoo.memory import ALLOCATOR
from normzoo.registry.datasets import at_home

SMALL_STEP = 2**18
"""Input values of a step; where no group has more, ``MAX_PER_GPU`` workers may share a GPU."""

WORTH_SHARING = 60.0
"""Seconds of training on a GPU from which they do: workers take some ten seconds to be ready, and on one GPU they slow
each other down."""

CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"

WORKER_ENVIRONMENT = {
    **ALLOCATOR,
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "30000",
    CACHE_VARIABLE: str(at_home("~/.cache/normzoo/compiled")),
}
"""What workers start with, where the user's environment says nothing else. Threads that wait soon sleep: on a busy
machine, those that spin make short runs ten times as long; those that sleep at once double the steps of a network of
small operations. What is compiled is kept for later workers.
"""


_NVIDIA = (Path("/proc/driver/nvidia/gpus"), Path("/dev/nvidiactl"))
_OTHERS = (Path("/dev/kfd"), Path("/dev/dri"))
"""Where Linux shows GPUs: NVIDIA's, also in containers without all of /proc; AMD's for computing, and any for drawing,
as Intel's and most desktops'."""

_FOR_NVIDIA_OR_NONE = re.compile(r"[^+]*(\+(cu\d|cpu).*)?")
"""Versions of torch that use NVIDIA's GPUs or none: ``2.9.0``, ``2.9.0+cu130``; not ``2.9.0+rocm6.4`` or ``+xpu``."""


def machine_has_gpus() -> bool:
    """Whether the system knows of a GPU that torch may use, as far as can be told without loading torch."""
    if any(path.exists() for path in _NVIDIA):
        return True
    torch = package_version("torch") or ""
    return not _FOR_NVIDIA_OR_NONE.fullmatch(torch) and any(path.exists() for path in _OTHERS)


class _ForkedProcess(ForkServerProcess):
    """A process that is forked from our own server."""

    server: ClassVar[forkserver.ForkServer]

    @staticmethod
    def _Popen(process: BaseProcess) -> Any:  # noqa: N802  # multiprocessing's name
        """Start a process as multiprocessing does, with our server in the place of that of the whole process."""
        from multiprocessing import popen_forkserver  # which not every system has

        connect = _ForkedProcess.server.connect_to_new_process
        asked = SimpleNamespace(**{**vars(forkserver), "connect_to_new_process": connect})
        theirs: Any = popen_forkserver.Popen
        launch = FunctionType(theirs._launch.__code__, {**vars(popen_forkserver), "forkserver": asked})
        return type("Popen", (theirs,), {"_launch": launch})(process)


class _ForkingContext(ForkServerContext):
    """Forks processes from a server of ours, which has loaded torch.

    The one that multiprocessing has for a whole process is its user's: what that preloads, its environment and its
    signals are to stay. A process that was forked needs one of its own, as it is not the parent of the other.
    """

    Process = _ForkedProcess

    def __init__(self) -> None:
        super().__init__()
        self._make_server()
        os.register_at_fork(after_in_child=self._begin_again)

    def _begin_again(self) -> None:
        """Forget in a forked process what its parent was at: locks that it held, and workers that it was to start."""
        global _START, _TO_START, _starter
        _START, _TO_START, _starter = threading.Lock(), queue.SimpleQueue(), None
        self._make_server()

    def _make_server(self) -> None:
        _ForkedProcess.server = forkserver.ForkServer()
        self.set_forkserver_preload(["normzoo.experiment.worker.preloaded"])

    def set_forkserver_preload(self, module_names: list[str]) -> None:
        """Have the server import modules when it starts."""
        _ForkedProcess.server.set_forkserver_preload(module_names)


def _context() -> "_ForkingContext | SpawnContext":
    """Return how processes are started: forked from one that has loaded torch, which then all need not; or each afresh.

    The latter where a GPU is, as a process that has seen one cannot be forked, and where the system does not fork well.
    """
    if sys.platform != "linux" or machine_has_gpus():
        return get_context("spawn")
    return _ForkingContext()


_CONTEXT = _context()
_START = threading.Lock()
_TO_START: "queue.SimpleQueue[_Worker]" = queue.SimpleQueue()
_starter: threading.Thread | None = None


def _start_soon(worker: "_Worker") -> None:
    """Have a worker started by a thread that lives as long as this process: with a thread its children may end."""
    global _starter
    _TO_START.put(worker)
    if _starter is None or not _starter.is_alive():  # as in a process that was forked
        _starter = threading.Thread(target=_start_them, name="normzoo starter", daemon=True)
        _starter.start()


def _start_them() -> None:
    while True:
        _TO_START.get().start()


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


@contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Hide the script that this process runs from a process that is started, which would run it once more.

    It is needed for nothing: what workers are to import, they import by name.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _make_cache() -> None:
    """Make the folder in which workers keep what they compile: where torch cannot, it does not import.

    Raises:
        ConfigError: it cannot be made.
    """
    folder = os.environ.get(CACHE_VARIABLE, WORKER_ENVIRONMENT[CACHE_VARIABLE])
    try:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103  # as torch does, which takes no empty name for this folder
    except OSError as error:
        raise ConfigError(
            f"the folder '{folder}', for what is compiled, cannot be made ({error.strerror}); name another in "
            f"{CACHE_VARIABLE}, or in HOME"
        ) from error


class _Worker:
    """One worker process and the pipe to it.

    The process is started by a thread, as it may take seconds to be there; what it is sent meanwhile waits.
    It ends with this process, whatever it is at, where the system has means for that.
    """

    def __init__(self, number: int, environment: Mapping[str, str]) -> None:
        self.number = number
        self.connection, self._theirs = _CONTEXT.Pipe()
        self._words = LastWords(_CONTEXT.Pipe)
        self._process = _CONTEXT.Process(
            target=worker_process.main,
            args=(self._theirs, environment, self._words.theirs),
            name=f"normzoo worker {number}",
            daemon=True,
        )
        self._is_started = self._is_unwanted = False
        self._problem = ""
        self._killed_by: str | None = None
        self._was_tried = threading.Event()
        _start_soon(self)

    def start(self) -> None:
        """Start the process."""
        try:
            with _START, terminal_blocked(), _main_module_hidden(), _environment(WORKER_ENVIRONMENT):
                self._process.start()  # with Ctrl-C blocked for good: it is the parent's to answer
                self._is_started = True
                if self._is_unwanted:
                    self._process.kill()
        except (OSError, EOFError) as error:
            gone = "what it is forked from is gone, as where memory is short"
            self._problem = gone if isinstance(error, EOFError) else str(error)
            self._killed_by = FORK_SERVER if isinstance(error, EOFError | ConnectionError) else None
        finally:
            self._was_tried.set()
            for each in (self._theirs, *self._words.theirs):
                each.close()

    def send(self, task: Task) -> None:
        """Hand out a task; a worker that is gone is noticed when it is listened to."""
        self._words.begin()
        try:
            self.connection.send(task)
        except (BrokenPipeError, ConnectionResetError):
            return

    def recv(self) -> Message:
        """Return the next message; ``WorkerDied`` once the process is gone and all it said was heard."""
        try:
            message: Message = self.connection.recv()
        except (EOFError, OSError):  # OSError: it ended in the middle of a message
            self._was_tried.wait()
            if not self._is_started:
                reason = f"the worker process could not be started: {self._problem}"
                return WorkerDied(reason, killed_by=self._killed_by)
            with _START:  # which looks for processes that have ended, too, and an exit code is told only once
                self._process.join()
            self._words.end()
            died = _death(self._process.exitcode)
            if self._words.is_overdue:
                died = WorkerDied(TOO_LONG)
            return replace(died, reason=f"{died.reason}{self._words.place}", last_words=self._words.text)
        return message

    def poll(self) -> bool:
        """Whether ``recv`` would return at once."""
        return self.connection.poll()

    def kill(self) -> None:
        """End the process now, and wait until it is gone; one that is still being started ends once it is there."""
        self.connection.close()
        self._is_unwanted = True
        if self._is_started:
            self._process.kill()
            self._process.join()
            self._words.end()


class LocalExecutor:
    """Worker processes of this machine, started as they are needed.

    Args:
        execution: how many there may be.
        early: how many to start beyond the first with the first task, as they take seconds to be ready.
    """

    def __init__(self, execution: Execution | None = None, *, early: int = 0) -> None:
        self._execution, self._early = execution or Execution(), early
        self._workers: list[_Worker] = []
        self._tasks: dict[_Worker, object] = {}
        self._indices: dict[object, int] = {}
        self._accelerators = 0
        self._count = 0
        self._environment = dict(os.environ)

    def __enter__(self) -> Self:
        _make_cache()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.kill()
        self._workers.clear()
        self._tasks.clear()

    def slots(self, prepared: Prepared, groups: Sequence[Group]) -> Slots:
        """Return a slot per processor, or per GPU; several on a GPU that small steps would keep busy for long."""
        values = max((group.values_per_step(prepared.dataset.shape) for group in groups), default=0)
        is_long = sum(group.seconds for group in groups) >= WORTH_SHARING * max(1, prepared.accelerators)
        per_gpu = MAX_PER_GPU if values <= SMALL_STEP and is_long else 1
        count = self._execution.jobs_for(prepared.device, len(groups), prepared.accelerators, per_gpu)
        return Slots(count, max(1, available_cpus() // count))

    def start(self, task: Task) -> object:
        """Hand a task to a worker that is idle, or to a new one."""
        for worker in [worker for worker in self._workers if worker not in self._tasks]:
            if worker.poll():  # one that is idle has nothing to say but its end
                self._end(worker)
        idle = [worker for worker in self._workers if worker not in self._tasks]
        worker = idle[0] if idle else self._new_worker()
        handle = self._tasks[worker] = object()
        if isinstance(task, OnDevice):
            busy = list(self._indices.values())
            self._indices[handle] = min(range(max(1, self._accelerators)), key=busy.count)
            task = replace(task, index=self._indices[handle])
        worker.send(task)
        while self._early > 0:
            self._early -= 1
            self._new_worker()
        return handle

    def wait(self, seconds: float | None = None) -> None:
        """Wait until a worker has something to say."""
        connection.wait([worker.connection for worker in self._workers], seconds)

    def events(self) -> list[tuple[object, Message]]:
        """Return what workers have said."""
        found = []
        for worker in list(self._workers):
            while worker in self._workers and worker.poll():
                message, handle = worker.recv(), self._tasks.get(worker)
                if isinstance(message, Checked):
                    self._accelerators = message.prepared.accelerators
                if isinstance(message, TaskDone | WorkerDied):
                    self._tasks.pop(worker, None)
                    self._indices.pop(handle, None)
                if isinstance(message, WorkerDied):
                    self._end(worker)
                if handle is not None:
                    found.append((handle, message))
        return found

    def cancel(self, handle: object) -> None:
        """End the worker that is at a task."""
        for worker, task in list(self._tasks.items()):
            if task is handle:
                del self._tasks[worker]
                self._indices.pop(handle, None)
                self._end(worker)

    def _new_worker(self) -> _Worker:
        self._count += 1
        worker = _Worker(self._count, self._environment)
        self._workers.append(worker)
        return worker

    def _end(self, worker: _Worker) -> None:
        worker.kill()
        self._workers.remove(worker)


_HINTS = {
    "SIGKILL": "; perhaps the system ran out of memory",
    "SIGBUS": "; perhaps a file of the data was cut short while it was read",
}


FORK_SERVER = "with the process that it is forked from"
LOST = 255
"""The exit code of a process whose own is not known, since the process that it was forked from is gone."""


def _death(exit_code: int | None) -> WorkerDied:
    """Return how a process ended."""
    if exit_code is not None and exit_code < 0:
        name = signal_name(-exit_code)
        reason = f"the worker process was killed by {name}{_HINTS.get(name, '')}"
        return WorkerDied(reason, killed_by=f"signal {-exit_code}")
    if exit_code == LOST:
        return WorkerDied(
            f"the worker process ended with exit code {LOST}, or was killed {FORK_SERVER}", killed_by=FORK_SERVER
        )
    return WorkerDied(f"the worker process ended with exit code {exit_code}")
