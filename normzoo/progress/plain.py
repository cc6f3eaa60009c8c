"""The progress of a comparison as plain lines, where there is no terminal."""

import time
from collections.abc import Sequence
from statistics import fmean
from types import TracebackType
from typing import Self

from rich.console import Console

from normzoo.errors import counted
from normzoo.experiment.config.spec import RunSpec
from normzoo.experiment.results.records import EpochRecord, RunRecord
from normzoo.progress.state import ProgressState

MAX_SILENT_SECONDS = 30
"""The number of seconds without a line after which an epoch prints one."""


class PlainProgress:
    """Prints a line per finished group, one per failed run, and one after a long silence."""

    def __init__(self, state: ProgressState, console: Console) -> None:
        self._state, self._console = state, console
        self._last_line_at = time.monotonic()

    def __enter__(self) -> Self:
        self._print(f"{counted(self._state.n_runs, 'run')} to train, {self._state.time_left}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def started(self, spec: RunSpec) -> None:
        """Print nothing."""
        self._state.started(spec)

    def epoch(self, spec: RunSpec, epoch: EpochRecord) -> None:
        """Print how many runs are finished, if nothing was printed for long."""
        self._state.epoch(spec, epoch)
        if time.monotonic() - self._last_line_at > MAX_SILENT_SECONDS:
            self._print(f"{self._state.count} runs, {self._state.time_left}")

    def finished(self, record: RunRecord) -> None:
        """Print why the run failed, if it did, and the mean score of its group once all of that is finished."""
        n_known = len(self._state.failures)
        group = self._state.finished(record)
        for failure in self._state.failures[n_known:]:
            self._print(failure)
        if group.n_left == 0 and record.status.is_final:  # what was interrupted is not over
            metric = self._state.metric
            result = "no result"
            if group.scores:
                result = f"test {metric.title} {metric.write(fmean(group.scores))} {metric.unit}".rstrip()
            self._print(f"{self._state.count} runs: {group.cell_label}: {result}, {self._state.time_left}")

    def tried_again(self, specs: Sequence[RunSpec], killed_by: str) -> None:
        """Print it."""
        self._print(self._state.tried_again(specs, killed_by))

    def _print(self, line: str) -> None:
        self._last_line_at = time.monotonic()
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
