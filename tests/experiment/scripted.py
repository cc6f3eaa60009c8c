"""An executor that carries out nothing: it tells what a script has in it for each task, and remembers the tasks."""

import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from normzoo.experiment.config.spec import RunSpec
from normzoo.experiment.executor.protocol import Slots
from normzoo.experiment.planning.facts import Prepared
from normzoo.experiment.planning.groups import Group
from normzoo.experiment.results.records import EpochRecord, RunRecord
from normzoo.experiment.worker.messages import Message, Task


class ScriptedExecutor:
    """Tells of the first task what the first script holds, of the second what the second holds, and so on.

    It is silent where a script ends. ``wait`` may be told to raise: an exception in a script is raised once everything
    before it can be heard.
    """

    def __init__(self, *scripts: Sequence[Message | BaseException], slots: Slots | None = None) -> None:
        self._scripts, self._slots = deque(map(deque, scripts)), slots or Slots(1, 1)
        self._told: list[tuple[object, Message]] = []
        self._at: dict[object, deque[Message | BaseException]] = {}
        self.tasks: list[Task] = []
        self.cancelled: list[object] = []
        self.waited: list[float | None] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def slots(self, prepared: Prepared, groups: Sequence[Group]) -> Slots:  # noqa: ARG002
        return self._slots

    def start(self, task: Task) -> object:
        handle = object()
        self.tasks.append(task)
        self._at[handle] = self._scripts.popleft() if self._scripts else deque()
        return handle

    def wait(self, seconds: float | None = None) -> None:
        self.waited.append(seconds)
        raised: BaseException | None = None
        for handle, script in self._at.items():
            while script and raised is None:
                said = script.popleft()
                if isinstance(said, BaseException):
                    raised = said
                else:
                    self._told.append((handle, said))
        if raised is not None:
            raise raised
        if not self._told:
            assert seconds is not None, "nothing more is told, and nothing limits how long to wait"
            time.sleep(seconds)

    def events(self) -> list[tuple[object, Message]]:
        told, self._told = self._told, []
        return [(handle, message) for handle, message in told if handle in self._at]

    def cancel(self, handle: object) -> None:
        del self._at[handle]
        self.cancelled.append(handle)


class Listening:
    """Notes what it is told, in a few words, and raises when it is told what it is to raise at."""

    def __init__(self, *, raises_at: str = "") -> None:
        self.heard: list[str] = []
        self._raises_at = raises_at

    def started(self, spec: RunSpec) -> None:
        self._note(f"started {spec.seed}")

    def epoch(self, spec: RunSpec, epoch: EpochRecord) -> None:
        self._note(f"epoch {epoch.epoch} of {spec.seed}")

    def finished(self, record: RunRecord) -> None:
        self._note(f"{record.status} {record.spec.seed}")

    def tried_again(self, specs: Sequence[RunSpec], killed_by: str) -> None:
        self._note(f"tried again {' '.join(str(spec.seed) for spec in specs)} ({killed_by})")

    def _note(self, what: str) -> None:
        self.heard.append(what)
        if what == self._raises_at:
            self._raises_at = ""
            raise KeyboardInterrupt
