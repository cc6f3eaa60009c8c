"""What a summary holds: numbers, in the shape of the tables that show them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import EpochRecord, Place, RunRecord
from normzoo.metric import CROSS_ENTROPY, Metric
from normzoo.report.statistics.differences import PairedDifference, TwoWay
from normzoo.report.statistics.family import Family
from normzoo.report.statistics.power import Power
from normzoo.report.statistics.standings import Mark


@dataclass(frozen=True, kw_only=True)
class LrTrial:
    """What a learning rate reached on the validation set: its mean over the ok runs after the last epoch.

    Attributes:
        rate: at the reference batch size.
        validation: None without any.
        ok: how many runs are.
        n_failed: how many diverged or failed.
    """

    rate: float
    validation: float | None
    ok: int
    n_failed: int


@dataclass(frozen=True, kw_only=True)
class VsReference:
    """A norm compared with the reference at the same batch size.

    Attributes:
        difference: its values minus those of the reference, paired by the seeds that are ok under both.
        wins: in how many seeds it is better; a tie counts a half, a diverged run is worse than every other.
        seeds: in how many both have a value or diverged.
        correlation: Pearson's, of both over the seeds that are ok under both; None where one of them is constant, or
            for fewer than three seeds.
        is_partial: runs diverged or failed on either side, so that the difference is over completed runs only.
        with_samples: how sure the difference is over other seeds and other test samples; None where it is not known
            which samples were right.
    """

    difference: PairedDifference | None
    wins: float
    seeds: int
    correlation: float | None
    is_partial: bool
    with_samples: TwoWay | None = None

    @property
    def probability(self) -> float | None:
        """The share of seeds in which the norm beats the reference, in 0..1."""
        return self.wins / self.seeds if self.seeds else None


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, with half the width of its 95 % t interval; None for fewer than two runs."""

    mean: float
    half_width: float | None


@dataclass(frozen=True, kw_only=True)
class ToTarget:
    """When the deciding metric reached the target on validation: at the end of the first epoch after which it had.

    Medians are over all runs that ended, one that did not reach it counting as later than all others.

    Attributes:
        runs: how many there are.
        reached: how many of them reached it.
        seconds: median of their training seconds, timed while nothing else was trained; None where half of them or more
            did not reach it, or where no time is known.
        updates: median of their optimizer steps; likewise.
    """

    runs: int
    reached: int
    seconds: float | None
    updates: float | None


def to_target(records: Sequence[RunRecord], metric: Metric, target: float) -> ToTarget:
    """Return when the runs of a cell reach the target; one that was interrupted is none of them."""
    ended = [record for record in records if record.status.is_final]
    epochs = [_epochs_to(record, metric, target) for record in ended]
    return ToTarget(
        runs=len(ended),
        reached=sum(count is not None for count in epochs),
        seconds=_median_to([_seconds_of(*each) for each in zip(ended, epochs, strict=True)]),
        updates=_median_to([_updates_of(*each) for each in zip(ended, epochs, strict=True)]),
    )


def _epochs_to(record: RunRecord, metric: Metric, target: float) -> int | None:
    """Return after how many epochs a run had reached the target on validation; None if it never had."""
    reached = (metric.sign * epoch.validation[metric.name] >= metric.sign * target for epoch in record.epochs)
    return next((count for count, has_reached in enumerate(reached, 1) if has_reached), None)


def _seconds_of(record: RunRecord, epochs: int | None) -> float | None:
    """Return the training seconds of the first epochs, of those that were timed while nothing else was trained."""
    if epochs is None:
        return math.inf
    if record.contended:
        return None if record.epoch_seconds_alone is None else epochs * record.epoch_seconds_alone
    return sum(epoch.seconds for epoch in record.epochs[:epochs])


def _updates_of(record: RunRecord, epochs: int | None) -> float | None:
    """Return the optimizer steps of the first epochs; None where the size of the training set is not known."""
    if epochs is None:
        return math.inf
    return None if record.train_samples is None else epochs * (record.train_samples // record.spec.batch_size)


def _median_to(values: Sequence[float | None]) -> float | None:
    """Return the median of what is known; None where it is beyond what was trained."""
    known = [value for value in values if value is not None]
    found = median(known) if known else math.inf
    return found if math.isfinite(found) else None


@dataclass(frozen=True, kw_only=True)
class CellSummary:
    """A norm at a batch size.

    Attributes:
        planned: number of runs the matrix asks for; ``ok``, ``diverged``, ``failed`` and ``missing`` add up to it.
        failed: runs that failed, ran out of memory or out of time.
        missing: runs that were interrupted or have not been started.
        values: the metric on the test set after the last epoch by seed, of the ok runs.
        half_width: half the width of the 95 % t interval of the mean; None for fewer than two runs.
        median, lowest, highest: of the values.
        n_constant: how many seeds are no better than constant outputs.
        constant: what those reach; None where that is not known.
        n_collapsed: how many seeds lie far on the bad side of the median.
        mark: how it stands to the best of its block; None where no run is ok, and where it stands nowhere.
        behind: how much worse it is than the best of its block, paired by seed; None for the best itself.
        vs_reference: how it stands to the reference; None for the reference itself.
        rank: mean over seeds of its rank in the block, 1 the best, ties shared, a diverged run last; None without
            a seed in which all norms of the block that have a result have one, and where it stands nowhere.
        seconds_per_epoch: median over the ok runs of their training seconds an epoch, timed while nothing else was
            trained; None where nothing was.
        epochs: the metrics of every epoch by seed, of the ok runs.
        rate: the learning rate chosen on validation, at the reference batch size; None where there was no choice.
        tried: what each learning rate reached, if there was a choice.
        further: the other metrics of the task by name, on the test set after the last epoch.
        eval_stats: the metric on the test set by the statistics that it was evaluated with, where that was asked for.
        places: where the norm stands in the network, and at how many values it takes each statistic.
        stands_nowhere: the network has no norm at all, as it does not fit in any place.
        to_target: when the target was reached; None where none was asked for.
    """

    batch_size: int
    planned: int
    ok: int
    diverged: int
    failed: int
    missing: int
    values: Mapping[int, float]
    mean: float | None
    half_width: float | None
    median: float | None = None
    lowest: float | None = None
    highest: float | None = None
    n_collapsed: int = 0
    n_constant: int = 0
    constant: float | None = None
    mark: Mark | None
    behind: PairedDifference | None
    vs_reference: VsReference | None = None
    rank: float | None = None
    seconds_per_epoch: float | None
    epochs: Mapping[int, tuple[EpochRecord, ...]] = field(default_factory=dict)
    rate: float | None = None
    tried: tuple[LrTrial, ...] = ()
    further: Mapping[str, Estimate] = field(default_factory=dict)
    eval_stats: Mapping[str, Estimate] = field(default_factory=dict)
    places: tuple[Place, ...] = ()
    stands_nowhere: bool = False
    to_target: ToTarget | None = None

    @property
    def n_failed(self) -> int:
        """How many runs diverged or failed."""
        return self.diverged + self.failed

    @property
    def is_partial(self) -> bool:
        """Whether the mean is over completed runs only, as others diverged or failed."""
        return self.mean is not None and self.n_failed > 0


@dataclass(frozen=True)
class Row:
    """A norm at every batch size.

    Attributes:
        norm: as it is called in the tables.
        change: its value at the smallest batch size minus that at the largest, paired by seed; None where there
            is one batch size only, or no seed is ok at both.
        slope: the mean over seeds of the least-squares slope of the value against the base-2 logarithm of the batch
            size: the change with each doubling. Of the seeds that are ok at every batch size; None without any.
    """

    norm: str
    cells: tuple[CellSummary, ...]
    change: PairedDifference | None
    slope: PairedDifference | None = None

    @property
    def is_partial(self) -> bool:
        """Whether runs diverged or failed, so that what is said over all batch sizes leaves them out."""
        return any(cell.n_failed for cell in self.cells)

    @property
    def stands_nowhere(self) -> bool:
        """Whether the network has no norm at all, as this one does not fit in any place."""
        return any(cell.stands_nowhere for cell in self.cells)

    @property
    def least_mean(self) -> float:
        """The absolute mean that is closest to zero, by whose size differences are written; zero without any."""
        return min((abs(cell.mean) for cell in self.cells if cell.mean is not None), default=0.0)


@dataclass(frozen=True)
class Contrast:
    """How differently two norms depend on the batch size: the first's slope minus the second's, paired by seed."""

    first: str
    second: str
    difference: PairedDifference


@dataclass(frozen=True)
class Table:
    """A template, as it is called in the tables: one row per norm, what follows from them, and notes for the reader."""

    template: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    contrasts: tuple[Contrast, ...] = ()
    powers: tuple[Power, ...] = ()

    @property
    def ranked(self) -> tuple[Row, ...]:
        """The rows that are compared with one another: without those whose norm stands nowhere, if there are others."""
        return tuple(row for row in self.rows if not row.stands_nowhere) or self.rows

    @property
    def cells(self) -> Iterator[CellSummary]:
        """All cells, row by row."""
        return (cell for row in self.rows for cell in row.cells)

    def at_batch_size(self, index: int) -> list[tuple[str, CellSummary]]:
        """Return the norms and their cells at one batch size, by its position."""
        return [(row.norm, row.cells[index]) for row in self.rows]


@dataclass(frozen=True)
class Summary:
    """A matrix and its numbers: one table per template.

    Attributes:
        metrics: of the task, as the records name them; the first decides.
        family: all that was tested: every two norms of every block, and every two norms' slopes.
        train_samples, test_samples: the sizes of the training and the test set; None where no record tells.
        loss: what the runs were trained by.
        labels: what norms and templates are called in the tables, where that is not their spec.
        title: what the comparison is called; empty for a name by its parts.
        looks: the numbers of seeds at which the same was tested before, in that order.
        chosen_from: of how many differences that were tested together before these are a part; 0 if of none.
    """

    matrix: MatrixSpec
    metrics: tuple[Metric, ...]
    tables: tuple[Table, ...]
    family: Family
    train_samples: int | None = None
    test_samples: int | None = None
    loss: Metric = CROSS_ENTROPY
    labels: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    looks: tuple[int, ...] = ()
    chosen_from: int = 0

    @property
    def norms(self) -> tuple[str, ...]:
        """The norms, as they are called in the tables."""
        return tuple(self.labels.get(norm, norm) for norm in self.matrix.norms)

    @property
    def templates(self) -> tuple[str, ...]:
        """The templates, as they are called in the tables."""
        return tuple(self.labels.get(template, template) for template in self.matrix.templates)

    @property
    def reference(self) -> str:
        """The norm that the others are compared with, as it is called in the tables."""
        return self.labels.get(self.matrix.reference, self.matrix.reference)

    @property
    def metric(self) -> Metric:
        """What decides."""
        return self.metrics[0]

    @property
    def cells(self) -> Iterator[CellSummary]:
        """All cells, table by table."""
        return (cell for table in self.tables for cell in table.cells)


Record = dict[str, str | int | float | None]


def summary_rows(summary: Summary) -> list[Record]:
    """Return a row for every template, norm and batch size, in the order of the tables.

    Values are in the metric's own unit, as they are recorded. ``low`` and ``high`` are the ends of the 95 % interval of
    the mean, ``vs_...`` the difference from the reference norm and ``p`` its adjusted p value, where there was a test.
    """
    return [
        {"template": template, "norm": norm, **_record(summary, cell)}
        for template, table in zip(summary.matrix.templates, summary.tables, strict=True)
        for norm, row in zip(summary.matrix.norms_in(template), table.rows, strict=True)
        for cell in row.cells
    ]


def _record(summary: Summary, cell: CellSummary) -> Record:
    half = cell.half_width
    difference = cell.vs_reference.difference if cell.vs_reference else None
    return {
        "batch_size": cell.batch_size,
        "metric": summary.metric.name,
        "n": cell.ok,
        "n_failed": cell.n_failed,
        "n_missing": cell.missing,
        "mean": cell.mean,
        "low": None if cell.mean is None or half is None else cell.mean - half,
        "high": None if cell.mean is None or half is None else cell.mean + half,
        "median": cell.median,
        "reference": summary.matrix.reference,
        "vs_reference": difference.mean if difference else None,
        "vs_reference_half_width": difference.half_width if difference else None,
        "p": difference.p_value if difference else None,
        "rank": cell.rank,
        "seconds_per_epoch": cell.seconds_per_epoch,
        "lr": cell.rate,
        **_target_record(summary.matrix.target, cell.to_target),
        **{name: estimate.mean for name, estimate in cell.further.items()},
    }


def _target_record(target: float | None, found: ToTarget | None) -> Record:
    """Return the columns of the target; none without one."""
    if found is None:
        return {}
    return {
        "target": target,
        "n_reached": found.reached,
        "seconds_to_target": found.seconds,
        "updates_to_target": found.updates,
    }
