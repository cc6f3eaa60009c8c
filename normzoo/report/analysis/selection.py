"""Where records stand in their matrix, and which learning rate each cell gets, before the test set is looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from normzoo.errors import UsageError
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import RunRecord, Status
from normzoo.registry import FAMILIES, NORMS
from normzoo.report.analysis.numbers import LrTrial


class CellKey(NamedTuple):
    """A cell of the tables."""

    template: str
    norm: str
    batch_size: int


@dataclass(frozen=True)
class LrSelection:
    """A norm at a batch size, at every learning rate.

    Attributes:
        rate: the pick, at the reference batch size.
        runs: the records of the pick.
        tried: what every rate reached.
    """

    rate: float
    runs: list[RunRecord]
    tried: tuple[LrTrial, ...]

    @property
    def n_failed(self) -> int:
        """How many runs of the pick diverged or failed."""
        return sum(map(diverged_or_failed, self.runs))


_RunKey = tuple[str, str, int, float | None, int]
"""Template, norm, batch size, learning rate where there are several, seed."""


def selected_runs(matrix: MatrixSpec, records: Mapping[str, RunRecord]) -> dict[CellKey, LrSelection]:
    """Return the runs of every cell, at the learning rate selected for it; records outside the matrix are left out.

    Raises:
        UsageError: two records stand at the same place of the matrix, so they are not of one matrix.
    """
    runs = _by_run_key(records, has_rates=matrix.lrs is not None)

    def runs_of(cell: CellKey, rate: float) -> list[RunRecord]:
        lr = matrix.lr_at(cell.batch_size, rate) if matrix.lrs else None
        planned = [(*cell, lr, seed) for seed in matrix.seed_range]
        return [runs[each] for each in planned if each in runs]

    cells = [
        CellKey(template, norm, size)
        for template in matrix.templates
        for norm in matrix.norms_in(template)
        for size in matrix.batch_sizes
    ]
    return {cell: select_lr({rate: runs_of(cell, rate) for rate in matrix.rates}) for cell in cells}


def _by_run_key(records: Mapping[str, RunRecord], *, has_rates: bool) -> dict[_RunKey, RunRecord]:
    found: dict[_RunKey, RunRecord] = {}
    for key, record in records.items():
        spec = record.spec
        run_key = (spec.template, spec.norm, spec.batch_size, spec.lr if has_rates else None, spec.seed)
        if run_key in found:
            raise UsageError(
                f"two records of {spec.template}, {spec.norm}, batch size {spec.batch_size}, seed {spec.seed} "
                f"(the second is {key}): summarize the records of one matrix at a time"
            )
        found[run_key] = record
    return found


_DIGITS = 12
"""To which means are compared: those of the same values in another order differ beyond."""


def select_lr(runs: Mapping[float, list[RunRecord]]) -> LrSelection:
    """Choose the learning rate with the best mean validation value over seeds, after the last epoch.

    One with a diverged or failed run, or with fewer results than another, ranks behind those without; among equals
    the lower validation loss decides, then the smaller rate.
    """
    tried = {rate: _trial(rate, records) for rate, records in runs.items()}
    best = max(runs, key=lambda rate: (*_rank(tried[rate], runs[rate]), -rate))
    return LrSelection(best, runs[best], tuple(tried.values()))


def _trial(rate: float, records: Sequence[RunRecord]) -> LrTrial:
    name = records[0].metric.name if records else ""
    last = [record.epochs[-1] for record in records if record.status is Status.OK]
    return LrTrial(
        rate=rate,
        validation=fmean(epoch.validation[name] for epoch in last) if last else None,
        ok=len(last),
        n_failed=sum(map(diverged_or_failed, records)),
    )


def _rank(trial: LrTrial, records: Sequence[RunRecord]) -> tuple[bool, bool, int, float, float]:
    losses = [record.epochs[-1].validation["loss"] for record in records if record.status is Status.OK]
    return (
        trial.validation is not None,
        trial.n_failed == 0,
        trial.ok,
        0.0 if trial.validation is None else round(records[0].metric.sign * trial.validation, _DIGITS),
        -fmean(losses) if losses else 0.0,
    )


def diverged_or_failed(record: RunRecord) -> bool:
    """Whether a run diverged or failed."""
    return record.status is Status.DIVERGED or record.status.is_lost


WITHOUT_NORMS = frozenset({*FAMILIES["control"], *FAMILIES["weights"]})
"""Norms that are to stand nowhere among the activations."""


def stands_nowhere(norm: str, records: Sequence[RunRecord]) -> bool:
    """Whether a norm was left without any place in the network, so that it is one without norms."""
    places = next((record.places for record in records if record.places), ())
    is_norm = NORMS.parse(norm).target not in WITHOUT_NORMS
    return is_norm and bool(places) and not any(place.has_norm for place in places)


def values_by_seed(records: Sequence[RunRecord]) -> dict[int, float]:
    """Return the deciding metric on the test set after the last epoch by seed, of the ok runs."""
    by_seed = {record.spec.seed: record.test_value for record in records}
    return {seed: value for seed, value in by_seed.items() if value is not None}
