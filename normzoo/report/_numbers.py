"""What a summary holds: numbers, in the shape of the tables that show them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from normzoo.experiment.spec import MatrixSpec
from normzoo.report._marks import Mark
from normzoo.report._statistics import Difference


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
class Cell:
    """A norm at a batch size.

    Attributes:
        planned: number of runs the matrix asks for; ``ok``, ``diverged``, ``failed`` and ``missing`` add up to it.
        failed: runs that failed, ran out of memory or out of time.
        missing: runs that were interrupted or have not been started.
        accuracies: test accuracy after the last epoch by seed, in 0..1, of the ok runs.
        half_width: half the width of the 95 % t interval of the mean; None for fewer than two runs.
        mark: how it stands to the best of its column; None where no run is ok.
        behind: the best of its column minus this cell, paired by seed; None for the best itself.
        seconds_per_epoch: median over the ok runs of their training seconds an epoch, timed while nothing else was
            trained; None where nothing was.
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
    mark: Mark | None
    behind: Difference | None
    seconds_per_epoch: float | None
    rate: float | None = None
    tried: tuple[Tried, ...] = ()


@dataclass(frozen=True)
class Row:
    """A norm, as the user wrote it, at every batch size.

    ``change`` is its accuracy at the smallest batch size minus that at the largest, paired by seed; None where
    there is one batch size only, or no seed is ok at both.
    """

    norm: str
    cells: tuple[Cell, ...]
    change: Difference | None


@dataclass(frozen=True)
class Table:
    """A template: one row per norm, and what a reader should know beside them."""

    template: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def cells(self) -> Iterator[Cell]:
        """All cells, row by row."""
        return (cell for row in self.rows for cell in row.cells)

    def column(self, index: int) -> list[tuple[str, Cell]]:
        """Return the norms and their cells at one batch size, by its position."""
        return [(row.norm, row.cells[index]) for row in self.rows]


@dataclass(frozen=True)
class Summary:
    """A matrix and its numbers: one table per template."""

    matrix: MatrixSpec
    tables: tuple[Table, ...]
