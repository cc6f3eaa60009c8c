"""The cells of one batch size: each norm by itself, beside the best, beside the baseline, and among all."""

from collections.abc import Mapping, Sequence
from statistics import fmean, median

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import RunRecord, Status
from normzoo.report._numbers import Cell, Versus
from normzoo.report._places import accuracies
from normzoo.report._sweep import Sweep, is_lost
from normzoo.report.statistics.differences import Difference, half_width
from normzoo.report.statistics.family import Family
from normzoo.report.statistics.marks import Contender, Verdict, judge
from normzoo.report.statistics.standings import mean_ranks, seed_correlation, standings, wins


def column(
    matrix: MatrixSpec,
    batch_size: int,
    sweeps: Mapping[str, Sweep],
    differences: Mapping[str, Difference],
    after: Family | None,
) -> dict[str, Cell]:
    """Return the cells of one batch size by norm; ``differences`` are those from the baseline, tested before."""
    runs = {norm: each.runs for norm, each in sweeps.items()}
    contenders = [
        Contender(accuracies(records), is_whole=not any(is_lost(record) for record in records))
        for records in runs.values()
    ]
    ranks = mean_ranks([standings(records) for records in runs.values()])
    return {
        norm: _cell(batch_size, sweeps[norm], matrix, verdict, rank, _versus(matrix, runs, norm, differences.get(norm)))
        for norm, verdict, rank in zip(matrix.norms, judge(contenders, after=after), ranks, strict=True)
    }


def _cell(
    batch_size: int, chosen: Sweep, matrix: MatrixSpec, verdict: Verdict, rank: float | None, versus: Versus | None
) -> Cell:
    records, planned = chosen.runs, matrix.seeds
    reached = accuracies(records)
    values = list(reached.values())
    diverged, failed = _count(records, Status.DIVERGED), sum(record.status.is_lost for record in records)
    return Cell(
        batch_size=batch_size,
        planned=planned,
        ok=len(values),
        diverged=diverged,
        failed=failed,
        missing=planned - len(values) - diverged - failed,
        accuracies=reached,
        mean=fmean(values) if values else None,
        half_width=half_width(values),
        median=median(values) if values else None,
        lowest=min(values, default=None),
        highest=max(values, default=None),
        mark=verdict.mark,
        behind=verdict.behind,
        versus=versus,
        rank=rank,
        seconds_per_epoch=_seconds_per_epoch(records),
        epochs={record.spec.seed: record.epochs for record in records if record.spec.seed in reached},
        rate=chosen.rate if matrix.lrs else None,
        tried=chosen.tried if matrix.lrs else (),
    )


def _versus(
    matrix: MatrixSpec, runs: Mapping[str, Sequence[RunRecord]], norm: str, difference: Difference | None
) -> Versus | None:
    if norm == matrix.reference:
        return None
    own, other = runs[norm], runs[matrix.reference]
    left, right = standings(own), standings(other)
    return Versus(
        difference=difference,
        wins=wins(left, right),
        seeds=len(left.keys() & right.keys()),
        correlation=seed_correlation(accuracies(own), accuracies(other)),
        lost=any(is_lost(record) for record in (*own, *other)),
    )


def _count(records: Sequence[RunRecord], status: Status) -> int:
    return sum(record.status is status for record in records)


def _seconds_per_epoch(records: Sequence[RunRecord]) -> float | None:
    """Return the median training time of an epoch, of those that were timed while nothing else was trained."""
    seconds = [_seconds_alone(record) for record in records if record.test_value is not None]
    known = [value for value in seconds if value is not None]
    return median(known) if known else None


def _seconds_alone(record: RunRecord) -> float | None:
    return record.epoch_seconds_alone if record.contended else fmean(epoch.seconds for epoch in record.epochs)
