"""What is shown while a matrix is trained: one live display in a terminal, plain lines elsewhere. Goes to stderr."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from normzoo.experiment.plan import Group, total_steps
from normzoo.experiment.records import EpochRecord, RunRecord
from normzoo.experiment.spec import RunSpec

SILENCE_SECONDS = 30
"""After which plain progress says how far it is."""


class LiveProgress:
    """An overall bar that counts optimizer steps, with the time left, and a line for each run in flight."""

    def __init__(self, groups: Sequence[Group], console: Console) -> None:
        self._steps = {run.key: group.steps for group in groups for run in group.runs}
        self._left = dict(self._steps)
        self._runs: dict[str, TaskID] = {}
        self._finished = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[status]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            speed_estimate_period=120,
        )
        self._overall = self._progress.add_task("runs", total=total_steps(groups), status=self._count())

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def started(self, spec: RunSpec) -> None:
        """Add a line for the run."""
        steps = self._steps[spec.key]
        self._runs[spec.key] = self._progress.add_task(spec.label, total=steps, status=f"epoch 0/{spec.epochs}")

    def epoch(self, spec: RunSpec, epoch: EpochRecord) -> None:
        """Move the run's line and the overall bar by an epoch."""
        steps = self._steps[spec.key] // spec.epochs
        status = f"epoch {epoch.epoch}/{spec.epochs} loss {epoch.train_loss:.2f}"
        self._progress.update(self._runs[spec.key], advance=steps, status=status)
        self._advance(spec.key, steps)

    def finished(self, record: RunRecord) -> None:
        """Take the run's line away; what it left undone counts as done."""
        key = record.spec.key
        if key in self._runs:
            self._progress.remove_task(self._runs.pop(key))
        self._advance(key, self._left[key])
        self._finished += 1
        self._progress.update(self._overall, status=self._count())
        if record.status != "ok":
            self._progress.console.print(_trouble(record), markup=False, highlight=False)

    def _advance(self, key: str, steps: int) -> None:
        self._left[key] -= steps
        self._progress.update(self._overall, advance=steps)

    def _count(self) -> str:
        return f"{self._finished}/{len(self._steps)}"


class PlainProgress:
    """A line per group of seeds, as its last run is over, one per run without a result, and one after long silence."""

    def __init__(self, groups: Sequence[Group], console: Console) -> None:
        self._console = console
        self._waiting = {group.runs[0].group_key: len(group.runs) for group in groups}
        self._accuracies: dict[str, list[float]] = {key: [] for key in self._waiting}
        self._total, self._finished = sum(self._waiting.values()), 0
        self._steps = {run.key: group.steps for group in groups for run in group.runs}
        self._all_steps, self._done_steps = total_steps(groups), 0
        self._left = dict(self._steps)
        self._start = self._spoken = time.monotonic()

    def __enter__(self) -> Self:
        self._print(f"{self._total} runs to train")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def started(self, spec: RunSpec) -> None:
        """Say nothing."""

    def epoch(self, spec: RunSpec, epoch: EpochRecord) -> None:  # noqa: ARG002
        """Say how far it is, if nothing was said for long."""
        self._advance(spec.key, self._steps[spec.key] // spec.epochs)
        if time.monotonic() - self._spoken > SILENCE_SECONDS:
            self._print(f"{self._finished}/{self._total} runs, {self._time_left()}")

    def finished(self, record: RunRecord) -> None:
        """Count the run, and say how its group did once that is over."""
        spec = record.spec
        self._finished += 1
        self._advance(spec.key, self._left[spec.key])
        self._waiting[spec.group_key] -= 1
        if record.test_accuracy is not None:
            self._accuracies[spec.group_key].append(record.test_accuracy)
        if record.status != "ok":
            self._print(_trouble(record))
        if self._waiting[spec.group_key] == 0:
            self._print(self._group_line(spec))

    def _group_line(self, spec: RunSpec) -> str:
        accuracies = self._accuracies[spec.group_key]
        mean = f"test accuracy {100 * sum(accuracies) / len(accuracies):.1f} %" if accuracies else "no result"
        place = spec.label.rpartition(",")[0]  # all but the seed
        return f"{self._finished}/{self._total} runs: {place}: {mean}, {self._time_left()}"

    def _advance(self, key: str, steps: int) -> None:
        self._left[key] -= steps
        self._done_steps += steps

    def _time_left(self) -> str:
        elapsed = time.monotonic() - self._start
        left = elapsed / self._done_steps * (self._all_steps - self._done_steps)
        return f"about {_duration(left)} left"

    def _print(self, line: str) -> None:
        self._spoken = time.monotonic()
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


Display = LiveProgress | PlainProgress


def progress_for(groups: Sequence[Group], console: Console) -> Display:
    """Return the display that suits the console."""
    return (LiveProgress if console.is_terminal else PlainProgress)(groups, console)


def _trouble(record: RunRecord) -> str:
    return f"{record.status}: {record.spec.label}: {record.error}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
