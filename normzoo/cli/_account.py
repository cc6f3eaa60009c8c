"""How far the training of a matrix is, and how long it still takes."""

import time
from collections.abc import Sequence

from normzoo.cli._duration import duration
from normzoo.experiment.config.spec import RunSpec
from normzoo.experiment.planning.groups import Group

PACE_COUNTS_FROM = 0.02
"""From which share of the work on the pace so far corrects what was expected."""

RunId = tuple[str, str, int, float, int]
"""Template, norm, batch size, learning rate and seed."""


def identify(spec: RunSpec) -> RunId:
    """Return what tells a run from the others of its matrix; cheaper than its key, which is a hash."""
    return spec.template, spec.norm, spec.batch_size, spec.lr, spec.seed


class Account:
    """How much of the expected time has been worked off, run by run, and how much is left.

    Args:
        groups: what is to be trained.
        jobs: by how many workers.

    Attributes:
        group_of: the position of each run's group.
        total: expected seconds of all there is to do, over all workers.
        done: expected seconds of what has been done.
        runs: how many there are.
        finished: how many are over.
    """

    def __init__(self, groups: Sequence[Group], jobs: int) -> None:
        self.group_of = {identify(run): number for number, group in enumerate(groups) for run in group.runs}
        self._cost = {identify(run): group.seconds / len(group.runs) for group in groups for run in group.runs}
        self._done = dict.fromkeys(self._cost, 0.0)
        self._jobs, self._start = jobs, time.monotonic()
        self.total, self.done = sum(self._cost.values()), 0.0
        self.runs, self.finished = len(self._cost), 0

    def begin(self, spec: RunSpec) -> None:
        """Count a run from its beginning, also one that is started again."""
        self._set(identify(spec), 0.0)

    def advance(self, spec: RunSpec) -> None:
        """Count an epoch of a run."""
        run = identify(spec)
        self._set(run, self._done[run] + self._cost[run] / spec.epochs)

    def finish(self, spec: RunSpec) -> None:
        """Count a run as done, however it ended."""
        run = identify(spec)
        self._set(run, self._cost[run])
        self.finished += 1

    def _set(self, run: RunId, done: float) -> None:
        self.done += done - self._done[run]
        self._done[run] = done

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._start

    @property
    def left(self) -> str:
        """How long it still takes, in words."""
        expected = max(0.0, self.total - self.done) / self._jobs
        share = min(1.0, self.done / self.total) if self.total else 1.0
        if share < PACE_COUNTS_FROM:
            return f"about {duration(expected)} left"
        return f"about {duration(self.elapsed * (1 - share) / share)} left"

    @property
    def count(self) -> str:
        """How many runs are over, of how many."""
        return f"{self.finished}/{self.runs}"
