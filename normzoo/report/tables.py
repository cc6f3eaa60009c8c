"""What is printed in the terminal: the tables, and what their numbers are."""

from collections.abc import Iterator
from dataclasses import replace

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from normzoo.report._captions import effect_title, sweep_title, title, training, versus_title
from normzoo.report._cells import PICK
from normzoo.report._grid import least_width, rich_tables
from normzoo.report._grids import Grid, accuracy_grid, effect_grid, sweep_grid, trend_column, versus_grid
from normzoo.report._legends import effect_legend, legend, power_sentence, untested_note, versus_legend
from normzoo.report._numbers import Summary, Table


def to_rich(summary: Summary, *, width: int = 80) -> list[RenderableType]:
    """Return what to print: per template its tables and notes, then what the numbers are.

    A table with more columns than fit in ``width`` characters is continued below itself.
    """
    shown: list[RenderableType] = []
    for table in summary.tables:
        shown += _template(summary, table, width)
    shown.append(_paragraph(legend(summary), "dim"))
    if _has_effect(summary):
        shown.append(
            _paragraph("trend: the means over the batch sizes, between the table's lowest and highest.", "dim")
        )
    if _has_baseline(summary):
        shown.append(_paragraph(versus_legend(summary), "dim"))
    if _has_effect(summary):
        shown.append(_paragraph(effect_legend(summary), "dim"))
    return [*shown, _paragraph(training(summary.matrix), "dim")]


def _template(summary: Summary, table: Table, width: int) -> Iterator[RenderableType]:
    # Not the tables' own titles, which would wrap at the width of a narrow table.
    yield _paragraph(title(summary.matrix, table.template), "bold")
    yield from rich_tables(_with_trend(accuracy_grid(summary, table), table, width), width)
    for note in table.notes:
        yield _paragraph(note, "yellow")
    if summary.matrix.lrs:
        yield _paragraph(f"{sweep_title(summary.matrix, table.template)}; {PICK} chosen", "bold")
        yield from rich_tables(sweep_grid(summary, table), width)
    if _has_baseline(summary):
        yield _paragraph(versus_title(summary.matrix, table.template), "bold")
        yield from rich_tables(versus_grid(summary, table), width)
        yield from _noted(untested_note(summary.versus, f"differences from {summary.matrix.reference}"), "yellow")
        yield from _noted(power_sentence(summary, table), "")
    if _has_effect(summary):
        yield _paragraph(effect_title(table.template), "bold")
        yield from rich_tables(effect_grid(table), width)
        yield from _noted(untested_note(summary.contrasts, "contrasts"), "yellow")


def _with_trend(grid: Grid, table: Table, width: int) -> Grid:
    """Add the trend where it does not push a number off the table."""
    wider = replace(grid, columns=[trend_column(table), *grid.columns])
    return wider if len(table.rows[0].cells) > 1 and least_width(wider) <= width else grid


def _has_baseline(summary: Summary) -> bool:
    """Whether there is a norm to hold against the baseline."""
    return len(summary.matrix.norms) > 1


def _has_effect(summary: Summary) -> bool:
    """Whether there is more than one batch size."""
    return len(summary.matrix.batch_sizes) > 1


def _noted(text: str | None, style: str) -> Iterator[RenderableType]:
    if text is not None:
        yield _paragraph(text, style)


def _paragraph(text: str, style: str) -> Padding:
    """Set a text off by a blank line above it."""
    return Padding(Text(text, style=style), (1, 0, 0, 0), expand=False)
