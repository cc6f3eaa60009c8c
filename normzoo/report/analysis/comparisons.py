"""What is compared: every norm with the baseline, slopes with one another, and the norms of one batch size."""

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, median

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import RunRecord, Status
from normzoo.metric import Metric
from normzoo.report.analysis.numbers import CellSummary, Estimate, VsBaseline
from normzoo.report.analysis.selection import CellKey, LrSelection, diverged_or_failed, values_by_seed
from normzoo.report.statistics.differences import PairedDifference, half_width, magnitude, paired, slopes
from normzoo.report.statistics.family import Family, assess
from normzoo.report.statistics.standings import DIVERGED, Contender, Verdict, judge, mean_ranks, seed_correlation, wins

Values = Mapping[CellKey, Mapping[int, float]]
"""Values on the test set by cell and seed."""


@dataclass(frozen=True)
class Comparisons:
    """What was compared over a whole matrix.

    Attributes:
        samples: for each cell but those of the baseline, the paired differences from it.
        vs_baseline: their means, tested as one family.
        slopes: by template and norm, the effect of the batch size in every seed.
        contrasts: by template and two norms, the first's slope minus the second's, tested as one family.
    """

    samples: Mapping[CellKey, list[float]]
    vs_baseline: Mapping[CellKey, PairedDifference]
    vs_baseline_family: Family
    slopes: Mapping[tuple[str, str], Mapping[int, float]]
    contrasts: Mapping[tuple[str, str, str], PairedDifference]
    contrast_family: Family


def compare_norms(matrix: MatrixSpec, values: Values, partial: Set[CellKey] = frozenset()) -> Comparisons:
    """Compare every norm with the baseline at its batch size, and the effects of the batch size of every two norms.

    What involves a cell of ``partial``, in which runs diverged or failed, is over completed runs only and not tested.
    """
    samples = {
        cell: paired(own, values[cell._replace(norm=matrix.reference)])
        for cell, own in values.items()
        if cell.norm != matrix.reference
    }
    without_reference = {cell._replace(norm="") for cell in partial if cell.norm == matrix.reference}
    vs_baseline, vs_baseline_family = assess(
        samples, skip={cell for cell in samples if cell in partial or cell._replace(norm="") in without_reference}
    )
    rows = {
        (template, norm): [values[CellKey(template, norm, size)] for size in matrix.batch_sizes]
        for template in matrix.templates
        for norm in matrix.norms
    }
    effects = {row: slopes(matrix.batch_sizes, by_size) for row, by_size in rows.items()}
    sizes = {row: magnitude(_all(by_size)) for row, by_size in rows.items()}
    apart = {
        (template, first, second): paired(
            effects[template, first],
            effects[template, second],
            size=max(sizes[template, first], sizes[template, second]),
        )
        for template in matrix.templates
        for first, second in combinations(matrix.norms, 2)
    }
    partial_rows = {(cell.template, cell.norm) for cell in partial}
    contrasts, contrast_family = assess(
        apart,
        after=vs_baseline_family if vs_baseline_family.size else None,
        skip={key for key in apart if partial_rows & {(key[0], key[1]), (key[0], key[2])}},
    )
    return Comparisons(samples, vs_baseline, vs_baseline_family, effects, contrasts, contrast_family)


def _all(by_size: Iterable[Mapping[int, float]]) -> list[float]:
    return [value for by_seed in by_size for value in by_seed.values()]


def summarize_batch_size(
    matrix: MatrixSpec,
    metrics: Sequence[Metric],
    batch_size: int,
    selections: Mapping[str, LrSelection],
    differences: Mapping[str, PairedDifference],
    after: Family | None,
) -> dict[str, CellSummary]:
    """Return the cells of one batch size by norm.

    Args:
        matrix: what was asked for.
        metrics: of the task; the first decides.
        batch_size: where.
        selections: the runs by norm.
        differences: from the baseline, by norm, tested before.
        after: the family they were tested in.
    """
    sign = metrics[0].sign
    runs = {norm: each.runs for norm, each in selections.items()}
    contenders = [
        Contender(_scores(records, sign), is_whole=not any(map(diverged_or_failed, records)))
        for records in runs.values()
    ]
    ranks = mean_ranks([_scores(records, sign, with_diverged=True) for records in runs.values()])
    return {
        norm: _cell(
            matrix,
            metrics,
            batch_size,
            selections[norm],
            verdict,
            rank,
            _vs_baseline(matrix, sign, runs, norm, differences.get(norm)),
        )
        for norm, verdict, rank in zip(matrix.norms, judge(contenders, after=after), ranks, strict=True)
    }


def _scores(records: Sequence[RunRecord], sign: int, *, with_diverged: bool = False) -> dict[int, float]:
    """Return by seed what is the better the higher it is; of a diverged run, where asked for, less than any."""
    scores = {seed: sign * value for seed, value in values_by_seed(records).items()}
    diverged = [record.spec.seed for record in records if record.status is Status.DIVERGED]
    return scores | dict.fromkeys(diverged if with_diverged else (), DIVERGED)


def _cell(
    matrix: MatrixSpec,
    metrics: Sequence[Metric],
    batch_size: int,
    selection: LrSelection,
    verdict: Verdict,
    rank: float | None,
    vs_baseline: VsBaseline | None,
) -> CellSummary:
    records, planned = selection.runs, matrix.seeds
    by_seed = values_by_seed(records)
    values = list(by_seed.values())
    ok = [record for record in records if record.spec.seed in by_seed]
    diverged = sum(record.status is Status.DIVERGED for record in records)
    failed = sum(record.status.is_lost for record in records)
    return CellSummary(
        batch_size=batch_size,
        planned=planned,
        ok=len(values),
        diverged=diverged,
        failed=failed,
        missing=planned - len(values) - diverged - failed,
        values=by_seed,
        mean=fmean(values) if values else None,
        half_width=half_width(values),
        median=median(values) if values else None,
        lowest=min(values, default=None),
        highest=max(values, default=None),
        mark=verdict.mark,
        behind=verdict.behind,
        vs_baseline=vs_baseline,
        rank=rank,
        seconds_per_epoch=_seconds_per_epoch(records),
        epochs={record.spec.seed: record.epochs for record in ok},
        rate=selection.rate if matrix.lrs else None,
        tried=selection.tried if matrix.lrs else (),
        further={
            metric.name: estimate for metric in metrics[1:] if (estimate := _estimate(ok, metric.name)) is not None
        },
    )


def _estimate(records: Sequence[RunRecord], name: str) -> Estimate | None:
    """Return the mean of a metric on the test set; None where a run has no finite value."""
    values = [record.epochs[-1].test.get(name, math.nan) for record in records]
    return Estimate(fmean(values), half_width(values)) if values and all(map(math.isfinite, values)) else None


def _vs_baseline(
    matrix: MatrixSpec,
    sign: int,
    runs: Mapping[str, Sequence[RunRecord]],
    norm: str,
    difference: PairedDifference | None,
) -> VsBaseline | None:
    if norm == matrix.reference:
        return None
    own, other = runs[norm], runs[matrix.reference]
    left, right = (_scores(records, sign, with_diverged=True) for records in (own, other))
    return VsBaseline(
        difference=difference,
        wins=wins(left, right),
        seeds=len(left.keys() & right.keys()),
        correlation=seed_correlation(values_by_seed(own), values_by_seed(other)),
        is_partial=any(map(diverged_or_failed, (*own, *other))),
    )


def _seconds_per_epoch(records: Sequence[RunRecord]) -> float | None:
    """Return the median training time of an epoch, of those that were timed while nothing else was trained."""
    seconds = [_seconds_alone(record) for record in records if record.test_value is not None]
    known = [value for value in seconds if value is not None]
    return median(known) if known else None


def _seconds_alone(record: RunRecord) -> float | None:
    return record.epoch_seconds_alone if record.contended else fmean(epoch.seconds for epoch in record.epochs)
