"""Which learning rate a norm gets, of those that were tried: chosen on validation, before the test set is looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from normzoo.experiment.results.records import RunRecord, Status
from normzoo.report._numbers import Tried


@dataclass(frozen=True)
class Sweep:
    """A norm at a batch size, at every learning rate.

    Attributes:
        rate: the pick, at the reference batch size.
        runs: the records of the pick.
        tried: what every rate reached.
    """

    rate: float
    runs: list[RunRecord]
    tried: tuple[Tried, ...]

    @property
    def lost(self) -> int:
        """How many runs of the pick diverged or failed."""
        return sum(is_lost(record) for record in self.runs)


def is_lost(record: RunRecord) -> bool:
    """Whether a run diverged or failed."""
    return record.status is Status.DIVERGED or record.status.is_lost


def sweep(runs: Mapping[float, list[RunRecord]]) -> Sweep:
    """Choose the learning rate with the highest mean validation accuracy over seeds, after the last epoch.

    One with a diverged or failed run, or with fewer results than another, ranks behind those without; among equals
    the lower validation loss decides, then the smaller rate.
    """
    tried = {rate: _tried(rate, records) for rate, records in runs.items()}
    best = max(runs, key=lambda rate: (*_rank(tried[rate], runs[rate]), -rate))
    return Sweep(best, runs[best], tuple(tried.values()))


def _tried(rate: float, records: Sequence[RunRecord]) -> Tried:
    name = records[0].metric.name if records else ""
    ok = [record.epochs[-1] for record in records if record.status is Status.OK]
    return Tried(
        rate=rate,
        validation=fmean(epoch.validation[name] for epoch in ok) if ok else None,
        test=fmean(epoch.test[name] for epoch in ok) if ok else None,
        ok=len(ok),
        lost=sum(is_lost(record) for record in records),
    )


def _rank(tried: Tried, records: Sequence[RunRecord]) -> tuple[bool, bool, int, float, float]:
    losses = [record.epochs[-1].validation["loss"] for record in records if record.status is Status.OK]
    return (
        tried.validation is not None,
        tried.lost == 0,
        tried.ok,
        0.0 if tried.validation is None else tried.validation,
        -fmean(losses) if losses else 0.0,
    )
