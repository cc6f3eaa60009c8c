"""What is said while a matrix is trained where there is no terminal: a line now and then."""

import time
from collections.abc import Sequence
from statistics import fmean
from types import TracebackType
from typing import Self

from rich.console import Console

from normzoo.cli._account import Account, identify
from normzoo.experiment.config.spec import RunSpec
from normzoo.experiment.planning.groups import Group
from normzoo.experiment.results.records import EpochRecord, RunRecord

SILENCE_SECONDS = 30
"""After which it is said how far it is."""


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
        number = self._account.group_of[identify(spec)]
        self._waiting[number] -= 1
        if record.test_value is not None:
            self._accuracies[number].append(record.test_value)
        if record.status != "ok":
            self._print(record.trouble)
        if self._waiting[number] == 0:
            accuracies = self._accuracies[number]
            mean = f"test accuracy {100 * fmean(accuracies):.1f} %" if accuracies else "no result"
            self._print(f"{self._account.count} runs: {spec.place}: {mean}, {self._account.left}")

    def _print(self, line: str) -> None:
        self._spoken = time.monotonic()
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
