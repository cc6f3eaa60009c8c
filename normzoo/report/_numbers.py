"""What a summary holds: numbers, in the shape of the tables that show them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import EpochRecord
from normzoo.report.statistics.differences import Difference
from normzoo.report.statistics.family import Family
from normzoo.report.statistics.marks import Mark
from normzoo.report.statistics.power import Power


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What a learning rate reached: means over the ok runs after the last epoch, in 0..1; None without any.

    Attributes:
        rate: at the reference batch size.
        ok: how many runs are.
        lost: how many diverged or failed.
    """

    rate: float
    validation: float | None
    test: float | None
    ok: int
    lost: int


@dataclass(frozen=True, kw_only=True)
class Versus:
    """A norm beside the baseline at the same batch size.

    Attributes:
        difference: its accuracies minus the baseline's, paired by the seeds that are ok under both.
        wins: in how many seeds it is ahead; a tie counts a half, a diverged run is behind every other.
        seeds: in how many both have an accuracy or diverged.
        correlation: Pearson's, of both over the seeds that are ok under both; None where one of them is constant, or
            for fewer than three seeds.
        lost: runs without a result stand on either side, so that the difference is that of survivors.
    """

    difference: Difference | None
    wins: float
    seeds: int
    correlation: float | None
    lost: bool

    @property
    def probability(self) -> float | None:
        """The share of seeds in which the norm beats the baseline, in 0..1."""
        return self.wins / self.seeds if self.seeds else None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A norm at a batch size.

    Attributes:
        planned: number of runs the matrix asks for; ``ok``, ``diverged``, ``failed`` and ``missing`` add up to it.
        failed: runs that failed, ran out of memory or out of time.
        missing: runs that were interrupted or have not been started.
        accuracies: test accuracy after the last epoch by seed, in 0..1, of the ok runs.
        half_width: half the width of the 95 % t interval of the mean; None for fewer than two runs.
        median, lowest, highest: of the accuracies.
        mark: how it stands to the best of its column; None where no run is ok.
        behind: the best of its column minus this cell, paired by seed; None for the best itself.
        versus: how it stands to the baseline; None for the baseline itself.
        rank: mean over seeds of its rank in the column, 1 the best, ties shared, a diverged run last; None without
            a seed in which all norms of the column that have a result have one.
        seconds_per_epoch: median over the ok runs of their training seconds an epoch, timed while nothing else was
            trained; None where nothing was.
        epochs: the metrics of every epoch by seed, of the ok runs.
        rate: the learning rate chosen on validation, at the reference batch size; None where there was no choice.
        tried: what each learning rate reached, if there was a choice.
    """

    batch_size: int
    planned: int
    ok: int
    diverged: int
    failed: int
    missing: int
    accuracies: Mapping[int, float]
    mean: float | None
    half_width: float | None
    median: float | None = None
    lowest: float | None = None
    highest: float | None = None
    mark: Mark | None
    behind: Difference | None
    versus: Versus | None = None
    rank: float | None = None
    seconds_per_epoch: float | None
    epochs: Mapping[int, tuple[EpochRecord, ...]] = field(default_factory=dict)
    rate: float | None = None
    tried: tuple[Tried, ...] = ()

    @property
    def lost(self) -> int:
        """How many runs diverged or failed."""
        return self.diverged + self.failed

    @property
    def is_of_survivors(self) -> bool:
        """Whether the mean leaves out runs that diverged or failed."""
        return self.mean is not None and self.lost > 0


@dataclass(frozen=True)
class Row:
    """A norm, as the user wrote it, at every batch size.

    Attributes:
        change: its accuracy at the smallest batch size minus that at the largest, paired by seed; None where there
            is one batch size only, or no seed is ok at both.
        slope: the mean over seeds of the least-squares slope of accuracy against the base-2 logarithm of the batch
            size: accuracy gained with each doubling. Of the seeds that are ok at every batch size; None without any.
    """

    norm: str
    cells: tuple[Cell, ...]
    change: Difference | None
    slope: Difference | None = None

    @property
    def is_of_survivors(self) -> bool:
        """Whether runs diverged or failed, so that what is said over all batch sizes leaves them out."""
        return any(cell.lost for cell in self.cells)


@dataclass(frozen=True)
class Contrast:
    """How differently two norms depend on the batch size: the first's slope minus the second's, paired by seed."""

    first: str
    second: str
    difference: Difference


@dataclass(frozen=True)
class Table:
    """A template: one row per norm, what follows from them, and what a reader should know beside them."""

    template: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    contrasts: tuple[Contrast, ...] = ()
    powers: tuple[Power, ...] = ()

    @property
    def cells(self) -> Iterator[Cell]:
        """All cells, row by row."""
        return (cell for row in self.rows for cell in row.cells)

    def column(self, index: int) -> list[tuple[str, Cell]]:
        """Return the norms and their cells at one batch size, by its position."""
        return [(row.norm, row.cells[index]) for row in self.rows]


@dataclass(frozen=True)
class Summary:
    """A matrix and its numbers: one table per template.

    Attributes:
        versus: the family of all differences from the baseline, over all templates and batch sizes.
        contrasts: the family of all contrasts between two norms' slopes, over all templates.
        train_samples, test_samples: the sizes of the training and the test set; None where no record tells.
    """

    matrix: MatrixSpec
    tables: tuple[Table, ...]
    versus: Family
    contrasts: Family
    train_samples: int | None = None
    test_samples: int | None = None
