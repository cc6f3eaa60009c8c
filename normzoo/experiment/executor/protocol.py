"""What an executor is: a place where tasks are carried out, several at once. Torch-free."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from normzoo.experiment.planning.facts import Prepared
from normzoo.experiment.planning.groups import Group
from normzoo.experiment.worker.messages import Message, Task


@dataclass(frozen=True)
class Slots:
    """How much can be carried out at once.

    Attributes:
        count: tasks at a time.
        threads: of torch's, for each of them.
    """

    count: int
    threads: int


class Handle(Protocol):
    """Stands for a task that was started; compared by identity."""


class Executor(Protocol):
    """Carries out tasks, and tells what happens. Leaving its context ends whatever it is at.

    Every task that is started ends with one last message: ``TaskDone``, or ``WorkerDied`` where what carried it out is
    gone, with what was not told before, and ``killed_by`` if that need not be for the task. After ``cancel`` nothing
    more is heard of it.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def slots(self, prepared: Prepared, groups: Sequence[Group]) -> Slots:
        """Return how many of these groups can be trained at once."""

    def start(self, task: Task) -> Handle:
        """Start a task; the caller starts no more at a time than there are slots."""

    def wait(self, seconds: float | None = None) -> None:
        """Wait until there are events, at most so many seconds."""

    def events(self) -> Sequence[tuple[Handle, Message]]:
        """Return what has happened, without waiting; each message is told once."""

    def cancel(self, handle: Handle) -> None:
        """End a task, whatever it is at."""
