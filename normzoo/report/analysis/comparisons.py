"""What is compared: the norms of each block with one another, and how they depend on the batch size."""

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, median
from typing import NamedTuple

import numpy as np

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import RunRecord, Status
from normzoo.metric import Metric
from normzoo.report.analysis.numbers import CellSummary, Estimate, VsReference, to_target
from normzoo.report.analysis.selection import CellKey, LrSelection, diverged_or_failed, stands_nowhere, values_by_seed
from normzoo.report.statistics.differences import (
    PairedDifference,
    TwoWay,
    half_width,
    magnitude,
    paired,
    slopes,
    two_way,
)
from normzoo.report.statistics.family import Family, assess
from normzoo.report.statistics.standings import (
    DIVERGED,
    Contender,
    Verdict,
    collapse_scale,
    collapsed,
    judge,
    mean_ranks,
    seed_correlation,
    wins,
)

MIN_COLLAPSE = 0.05
"""How far a collapsed seed is from the median at least: as a part of all possible values, or else of the median."""

Values = Mapping[CellKey, Mapping[int, float]]
"""Values on the test set by cell and seed."""


class Pair(NamedTuple):
    """Two norms of a block: the first's values minus the second's."""

    template: str
    batch_size: int
    first: str
    second: str


class SlopePair(NamedTuple):
    """Two norms of a template: the first's slope over the batch size minus the second's."""

    template: str
    first: str
    second: str


@dataclass(frozen=True)
class Comparisons:
    """What was compared over a whole matrix; all that is tested is one family.

    Attributes:
        samples: the paired differences of every pair of norms in every block, by seed.
        pairs: their means.
        slopes: by template and norm, the effect of the batch size in every seed.
        contrasts: of every two norms' slopes.
        family: of the tests.
    """

    samples: Mapping[Pair, Mapping[int, float]]
    pairs: Mapping[Pair, PairedDifference]
    slopes: Mapping[tuple[str, str], Mapping[int, float]]
    contrasts: Mapping[SlopePair, PairedDifference]
    family: Family

    def between(self, template: str, batch_size: int, left: str, right: str) -> PairedDifference | None:
        """Return one norm minus another in a block; None where they share no seed."""
        found = self.pairs.get(Pair(template, batch_size, left, right))
        if found is not None:
            return found
        found = self.pairs.get(Pair(template, batch_size, right, left))
        return None if found is None else found.reversed()


def compare_norms(matrix: MatrixSpec, values: Values, partial: Set[CellKey] = frozenset()) -> Comparisons:
    """Compare all norms of every block with one another, and the effects of the batch size of every two norms.

    What involves a cell of ``partial``, in which runs diverged or failed, is over completed runs only and not tested.
    """
    samples = {
        Pair(template, size, first, second): paired(
            values[CellKey(template, first, size)], values[CellKey(template, second, size)]
        )
        for template in matrix.templates
        for size in matrix.batch_sizes
        for first, second in combinations(matrix.norms_in(template), 2)
    }
    effects, apart = _effects(matrix, values)
    partial_rows = {(cell.template, cell.norm) for cell in partial}
    skip = {
        pair
        for pair in samples
        if {CellKey(pair.template, norm, pair.batch_size) for norm in (pair.first, pair.second)} & partial
    } | {pair for pair in apart if {(pair.template, norm) for norm in (pair.first, pair.second)} & partial_rows}
    # A change over all batch sizes is of the size of a difference in a block; one per doubling is not.
    doublings = math.log2(matrix.batch_sizes[-1] / matrix.batch_sizes[0]) or 1.0
    changes = {pair: {seed: doublings * slope for seed, slope in sample.items()} for pair, sample in apart.items()}
    found, family = assess({**samples, **changes}, skip=skip)
    return Comparisons(
        samples,
        {pair: found[pair] for pair in samples if pair in found},
        effects,
        {pair: found[pair].scaled(1 / doublings) for pair in apart if pair in found},
        family,
    )


def _effects(
    matrix: MatrixSpec, values: Values
) -> tuple[dict[tuple[str, str], dict[int, float]], dict[SlopePair, dict[int, float]]]:
    """Return the slopes by template and norm, and their paired differences."""
    rows = {
        (template, norm): [values[CellKey(template, norm, size)] for size in matrix.batch_sizes]
        for template in matrix.templates
        for norm in matrix.norms_in(template)
    }
    effects = {row: slopes(matrix.batch_sizes, by_size) for row, by_size in rows.items()}
    sizes = {row: magnitude(_all(by_size)) for row, by_size in rows.items()}
    apart = {
        SlopePair(template, first, second): paired(
            effects[template, first],
            effects[template, second],
            size=max(sizes[template, first], sizes[template, second]),
        )
        for template in matrix.templates
        for first, second in combinations(matrix.norms_in(template), 2)
    }
    return effects, apart


def _all(by_size: Iterable[Mapping[int, float]]) -> list[float]:
    return [value for by_seed in by_size for value in by_seed.values()]


def summarize_block(
    matrix: MatrixSpec,
    metrics: Sequence[Metric],
    template: str,
    batch_size: int,
    selections: Mapping[str, LrSelection],
    comparisons: Comparisons,
) -> dict[str, CellSummary]:
    """Return the cells of a block by norm.

    Args:
        matrix: what was asked for.
        metrics: of the task; the first decides.
        template: of the block.
        batch_size: of the block.
        selections: the runs by norm.
        comparisons: of all blocks.
    """
    sign, runs = metrics[0].sign, {norm: each.runs for norm, each in selections.items()}
    norms = [norm for norm, records in runs.items() if not stands_nowhere(norm, records)] or list(runs)

    def difference(left: int, right: int) -> PairedDifference | None:
        found = comparisons.between(template, batch_size, norms[left], norms[right])
        return None if found is None else found.scaled(sign)

    contenders = [
        Contender(_scores(runs[norm], sign), is_whole=not any(map(diverged_or_failed, runs[norm]))) for norm in norms
    ]
    verdicts = dict(zip(norms, judge(contenders, difference), strict=True))
    ranks = dict(zip(norms, mean_ranks([_scores(runs[norm], sign, with_diverged=True) for norm in norms]), strict=True))
    scale = collapse_scale([list(values_by_seed(records).values()) for records in runs.values()])
    return {
        norm: _cell(
            matrix,
            metrics,
            batch_size,
            selections[norm],
            verdicts.get(norm, Verdict(None)),
            ranks.get(norm),
            scale,
            _vs_reference(matrix, sign, runs, norm, comparisons.between(template, batch_size, norm, matrix.reference)),
        )
        for norm in runs
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
    scale: float,
    vs_reference: VsReference | None,
) -> CellSummary:
    records, planned = selection.runs, matrix.seeds
    by_seed = values_by_seed(records)
    values = list(by_seed.values())
    ok = [record for record in records if record.spec.seed in by_seed]
    constants = [record.constant_value for record in records if record.constant_value is not None]
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
        n_constant=_n_constant(ok, metrics[0]),
        constant=median(constants) if constants else None,
        n_collapsed=collapsed(
            [metrics[0].sign * value for value in values], scale, _least_collapse(metrics[0], values)
        ),
        mark=verdict.mark,
        behind=verdict.behind,
        vs_reference=vs_reference,
        rank=rank,
        seconds_per_epoch=_seconds_per_epoch(records),
        epochs={record.spec.seed: record.epochs for record in ok},
        rate=selection.rate if matrix.lrs else None,
        tried=selection.tried if matrix.lrs else (),
        further={
            metric.name: estimate
            for metric in metrics[1:]
            if (estimate := _estimate(_last(ok, metric.name))) is not None
        },
        eval_stats={
            stats: estimate
            for stats in ("running", *matrix.eval_stats[1:])
            if any(record.eval_stats for record in ok)
            and (estimate := _estimate(_evaluated(ok, stats, metrics[0].name))) is not None
        },
        places=next((record.places for record in records if record.places), ()),
        stands_nowhere=bool(records) and stands_nowhere(records[0].spec.norm, records),
        to_target=None if matrix.target is None else to_target(records, metrics[0], matrix.target),
    )


def _last(records: Sequence[RunRecord], name: str) -> list[float]:
    """Return a metric on the test set after the last epoch."""
    return [record.epochs[-1].test.get(name, math.nan) for record in records]


def _evaluated(records: Sequence[RunRecord], stats: str, name: str) -> list[float]:
    """Return a metric on the test set by some statistics; the running ones are those of every epoch."""
    if stats == "running":
        return _last(records, name)
    return [record.eval_stats.get(stats, {}).get(name, math.nan) for record in records]


def _estimate(values: Sequence[float]) -> Estimate | None:
    """Return the mean; None where a value is not finite."""
    return Estimate(fmean(values), half_width(values)) if values and all(map(math.isfinite, values)) else None


def _least_collapse(metric: Metric, values: Sequence[float]) -> float:
    """Return how far from the median a seed must be at least to be called collapsed."""
    if metric.lowest is not None and metric.highest is not None:
        return MIN_COLLAPSE * (metric.highest - metric.lowest)
    return MIN_COLLAPSE * abs(median(values)) if values else 0.0


def _n_constant(records: Sequence[RunRecord], metric: Metric) -> int:
    """Return how many runs are no better than constant outputs, but for the luck of the test samples."""
    count = 0
    for record in records:
        constant, value, samples = record.constant_value, record.test_value, record.test_samples
        if constant is None or value is None:
            continue
        luck = 2 * math.sqrt(constant * (1 - constant) / samples) if metric.is_share and samples else 0.0
        count += metric.sign * (value - constant) <= luck
    return count


def _vs_reference(
    matrix: MatrixSpec,
    sign: int,
    runs: Mapping[str, Sequence[RunRecord]],
    norm: str,
    difference: PairedDifference | None,
) -> VsReference | None:
    if norm == matrix.reference or matrix.reference not in runs:
        return None
    own, other = runs[norm], runs[matrix.reference]
    left, right = (_scores(records, sign, with_diverged=True) for records in (own, other))
    return VsReference(
        difference=difference,
        wins=wins(left, right),
        seeds=len(left.keys() & right.keys()),
        correlation=seed_correlation(values_by_seed(own), values_by_seed(other)),
        is_partial=any(map(diverged_or_failed, (*own, *other))),
        with_samples=_with_samples(own, other),
    )


def _with_samples(own: Sequence[RunRecord], other: Sequence[RunRecord]) -> TwoWay | None:
    """Return how sure a difference is over seeds and test samples, by which samples were right in both.

    None where there are folds, over which a seed has test samples of its own, and unless that is known of all seeds
    that both have.
    """
    if any(record.spec.folds > 1 for record in own):
        return None
    left, right = (
        {record.spec.seed: record.hits for record in records if record.hits is not None} for records in (own, other)
    )
    seeds = sorted(left.keys() & right.keys())
    paired = values_by_seed(own).keys() & values_by_seed(other).keys()
    if len(seeds) < max(2, len(paired)) or len({len(hits) for hits in (*left.values(), *right.values())}) != 1:
        return None
    return two_way(np.array([left[seed].astype(np.int8) - right[seed] for seed in seeds]))


def _seconds_per_epoch(records: Sequence[RunRecord]) -> float | None:
    """Return the median training time of an epoch, of those that were timed while nothing else was trained."""
    seconds = [_seconds_alone(record) for record in records if record.test_value is not None]
    known = [value for value in seconds if value is not None]
    return median(known) if known else None


def _seconds_alone(record: RunRecord) -> float | None:
    if record.contended:
        return record.epoch_seconds_alone
    seconds = [epoch.seconds for epoch in record.epochs[record.compiled :]]  # the step is compiled in the first
    return fmean(seconds) if seconds else None
