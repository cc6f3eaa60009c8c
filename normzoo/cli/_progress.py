"""What is shown while a matrix is trained: one live display in a terminal, plain lines elsewhere. Goes to stderr."""

import time
from collections.abc import Sequence
from statistics import fmean
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from normzoo.cli._duration import duration
from normzoo.experiment.plan import Group
from normzoo.experiment.records import EpochRecord, RunRecord
from normzoo.experiment.spec import RunSpec

SILENCE_SECONDS = 30
"""After which plain progress says how far it is."""

PACE_COUNTS_FROM = 0.02
"""From which share of the work on the pace so far corrects what was expected."""


class Account:
    """How much of the expected time has been worked off, run by run, and how much is left.

    Args:
        groups: what is to be trained.
        jobs: by how many workers.

    Attributes:
        total: expected seconds of all there is to do, over all workers.
        done: expected seconds of what has been done.
        runs: how many there are.
        finished: how many are over.
    """

    def __init__(self, groups: Sequence[Group], jobs: int) -> None:
        self.group_of = {run.key: number for number, group in enumerate(groups) for run in group.runs}
        self._cost = {run.key: group.seconds / len(group.runs) for group in groups for run in group.runs}
        self._done = dict.fromkeys(self._cost, 0.0)
        self._jobs, self._start = jobs, time.monotonic()
        self.total, self.done = sum(self._cost.values()), 0.0
        self.runs, self.finished = len(self._cost), 0

    def begin(self, spec: RunSpec) -> None:
        """Count a run from its beginning, also one that is started again."""
        self._set(spec, 0.0)

    def advance(self, spec: RunSpec) -> None:
        """Count an epoch of a run."""
        self._set(spec, self._done[spec.key] + self._cost[spec.key] / spec.epochs)

    def finish(self, spec: RunSpec) -> None:
        """Count a run as done, however it ended."""
        self._set(spec, self._cost[spec.key])
        self.finished += 1

    def _set(self, spec: RunSpec, done: float) -> None:
        key = spec.key
        self.done += done - self._done[key]
        self._done[key] = done

    @property
    def left(self) -> str:
        """How long it still takes, in words."""
        expected = max(0.0, self.total - self.done) / self._jobs
        share = min(1.0, self.done / self.total) if self.total else 1.0
        if share < PACE_COUNTS_FROM:
            return f"about {duration(expected)} left"
        elapsed = time.monotonic() - self._start
        return f"about {duration(elapsed * (1 - share) / share)} left"

    @property
    def count(self) -> str:
        """How many runs are over, of how many."""
        return f"{self.finished}/{self.runs}"


class LiveProgress:
    """An overall bar of the expected time, with the time left, and a line for each group in flight."""

    def __init__(self, groups: Sequence[Group], jobs: int, console: Console) -> None:
        self._groups, self._account = groups, Account(groups, jobs)
        self._lines: dict[int, TaskID] = {}
        self._flying: dict[int, dict[str, EpochRecord | None]] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=15),
            TextColumn("{task.fields[status]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        total = self._account.total
        self._overall = self._progress.add_task("runs", total=total, status=self._overall_status())

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def started(self, spec: RunSpec) -> None:
        """Add a line for the run's group, if it has none."""
        self._account.begin(spec)
        number = self._account.group_of[spec.key]
        self._flying.setdefault(number, {})[spec.key] = None
        if number not in self._lines:
            self._lines[number] = self._progress.add_task("", total=spec.epochs, status="")
        self._show(spec)

    def epoch(self, spec: RunSpec, epoch: EpochRecord) -> None:
        """Move the line of the group and the overall bar by an epoch."""
        self._account.advance(spec)
        self._flying[self._account.group_of[spec.key]][spec.key] = epoch
        self._show(spec)

    def finished(self, record: RunRecord) -> None:
        """Take the line away with the group's last run in flight; what that left undone counts as done."""
        spec = record.spec
        self._account.finish(spec)
        number = self._account.group_of[spec.key]
        flying = self._flying.get(number, {})
        flying.pop(spec.key, None)
        if not flying and number in self._lines:
            self._progress.remove_task(self._lines.pop(number))
        self._show_overall()
        if record.status != "ok":
            self._progress.console.print(record.trouble, markup=False, highlight=False)

    def _show(self, spec: RunSpec) -> None:
        flying = self._flying[self._account.group_of[spec.key]]
        known = [epoch for epoch in flying.values() if epoch is not None]
        epoch = max((each.epoch for each in known), default=0)
        loss = f" loss {fmean(each.train_loss for each in known):.2f}" if known else ""
        label = spec.label if len(flying) == 1 else f"{spec.place}, {len(flying)} runs"
        line = self._lines[self._account.group_of[spec.key]]
        self._progress.update(line, description=label, completed=epoch, status=f"epoch {epoch}/{spec.epochs}{loss}")
        self._show_overall()

    def _show_overall(self) -> None:
        self._progress.update(self._overall, completed=self._account.done, status=self._overall_status())

    def _overall_status(self) -> str:
        return f"{self._account.count}, {self._account.left}"


class PlainProgress:
    """A line per group, as its last run is over, one per run without a result, and one after long silence."""

    def __init__(self, groups: Sequence[Group], jobs: int, console: Console) -> None:
        self._console, self._account = console, Account(groups, jobs)
        self._waiting = [len(group.runs) for group in groups]
        self._accuracies: list[list[float]] = [[] for _ in groups]
        self._spoken = time.monotonic()

    def __enter__(self) -> Self:
        self._print(f"{self._account.runs} runs to train, {self._account.left}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def started(self, spec: RunSpec) -> None:
        """Say nothing."""
        self._account.begin(spec)

    def epoch(self, spec: RunSpec, epoch: EpochRecord) -> None:  # noqa: ARG002
        """Say how far it is, if nothing was said for long."""
        self._account.advance(spec)
        if time.monotonic() - self._spoken > SILENCE_SECONDS:
            self._print(f"{self._account.count} runs, {self._account.left}")

    def finished(self, record: RunRecord) -> None:
        """Count the run, and say how its group did once that is over."""
        spec = record.spec
        self._account.finish(spec)
        number = self._account.group_of[spec.key]
        self._waiting[number] -= 1
        if record.test_accuracy is not None:
            self._accuracies[number].append(record.test_accuracy)
        if record.status != "ok":
            self._print(record.trouble)
        if self._waiting[number] == 0:
            accuracies = self._accuracies[number]
            mean = f"test accuracy {100 * fmean(accuracies):.1f} %" if accuracies else "no result"
            self._print(f"{self._account.count} runs: {spec.place}: {mean}, {self._account.left}")

    def _print(self, line: str) -> None:
        self._spoken = time.monotonic()
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


Display = LiveProgress | PlainProgress


def progress_for(groups: Sequence[Group], jobs: int, console: Console) -> Display:
    """Return the display that suits the console."""
    return (LiveProgress if console.is_terminal else PlainProgress)(groups, jobs, console)
