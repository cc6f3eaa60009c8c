"""What all figures share: panels in our style, lists of norms, a heading, a legend, and files with stable bytes."""

import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from normzoo.report.analysis.numbers import CellSummary, Summary, Table
from normzoo.report.plots import style


@contextmanager
def styled() -> Iterator[None]:
    """Draw in our style, whatever the user's own settings are; they are back afterwards."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(style.SETTINGS)
        yield


def panels(rows: int, columns: int, size: tuple[float, float], **shared: Any) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure of that size in inches with a grid of panels, which belongs to no window."""
    figure = Figure(figsize=size, dpi=style.DPI, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False, **shared)
    return figure, [list(row) for row in grid]


def heading(figure: Figure, text: str) -> None:
    """Put a heading above the panels, in as many lines as it takes."""
    figure.suptitle(textwrap.fill(text, _letters(figure)))


def legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """Put a legend below the panels, in as many lines as it takes."""
    longest = max((len(str(handle.get_label())) for handle in handles), default=0)
    columns = max(1, int(_letters(figure) / (longest + 8)))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(columns, max(1, len(handles))))


def norm_handles(norms: Sequence[str]) -> list[Line2D]:
    """Return what stands for every norm in a legend."""
    return [Line2D([], [], label=norm, **line_options(index)) for index, norm in enumerate(norms)]


def label_columns(axes: Sequence[Axes], label: str) -> None:
    """Put the label of the horizontal axis below the lowest panel of every column."""
    lowest: dict[int, Axes] = {}
    for axis in axes:
        place = axis.get_subplotspec()
        if place is not None:
            lowest[place.colspan.start] = axis
    for axis in lowest.values():
        axis.set_xlabel(label)


def line_options(index: int) -> dict[str, Any]:
    """Return how the line of the norm at that position of the matrix is drawn."""
    line = style.line_style(index)
    return {"color": line.color, "marker": line.marker, "linestyle": line.dashes}


def say(axis: Axes, text: str) -> None:
    """Write into the middle of an empty panel."""
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center")


def save(figure: Figure, png: Path, svg: Path | None = None) -> None:
    """Write a figure, on white as PNG and on nothing as SVG. The same figure gives the same bytes."""
    agg: Any = FigureCanvasAgg(figure)  # matplotlib does not annotate what is called on it
    with styled():
        agg.print_png(png, metadata={"Software": None})
        if svg is not None:
            figure.set_layout_engine("none")  # the places found for the other file hold for this one
            for patch in (figure.patch, *(axis.patch for axis in figure.axes)):
                patch.set_facecolor("none")
            outlines: Any = FigureCanvasSVG(figure)
            outlines.print_svg(svg, metadata={"Creator": None, "Date": None})


def _letters(figure: Figure) -> int:
    return int(figure.get_figwidth() / style.LETTER_WIDTH)


MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Line:
    """A row: how far down it stands, and the norm that it is of, by its position in the matrix."""

    place: int
    norm: int
    cell: CellSummary


def rows_figure(
    summary: Summary, norms: Sequence[str], number: Callable[[CellSummary], str], column: str, *, sharex: bool
) -> tuple[Figure, list[tuple[Axes, list[Line]]]]:
    """Make a figure with one panel per template, side by side, and a row per batch size and norm.

    Args:
        summary: the numbers.
        norms: which of its norms have a row.
        number: what stands at the right of a row.
        column: what stands above those numbers.
        sharex: whether the panels have one horizontal axis.

    Returns:
        The figure, and its panels with the rows that are to be drawn in each.
    """
    count = len(summary.tables)
    columns = min(count, 2)
    stacked = -(-count // columns)
    length = len(summary.matrix.batch_sizes) * (len(norms) + 1)
    size = (style.WIDTH if columns > 1 else style.NARROW_WIDTH, stacked * (style.LINE_HEIGHT * length + 0.6) + 1.0)
    figure, grid = panels(stacked, columns, size, sharex=sharex, sharey=True)
    axes = [axis for row in grid for axis in row]
    found = [(axis, _lines(table, norms)) for axis, table in zip(axes, summary.tables, strict=False)]
    for (axis, lines), table in zip(found, summary.tables, strict=True):
        axis.set_title(table.template)
        _label(axis, lines, summary)
        _write(axis, lines, number, column)
    for spare in axes[count:]:
        spare.remove()
    axes[0].set_ylim(length - 0.4, -0.6)
    return figure, found


def _lines(table: Table, norms: Sequence[str]) -> list[Line]:
    """Place the rows from the top; a batch size has a row of its own above those of its norms."""
    found = []
    for group in range(len(table.rows[0].cells)):
        cells = [(index, cell) for index, (norm, cell) in enumerate(table.at_batch_size(group)) if norm in norms]
        first = group * (len(cells) + 1) + 1
        found += [Line(first + step, index, cell) for step, (index, cell) in enumerate(cells)]
    return found


def _label(axis: Axes, lines: Sequence[Line], summary: Summary) -> None:
    """Name the rows and the batch sizes at the left."""
    names = {line.place: summary.matrix.norms[line.norm] for line in lines}
    sizes = {line.place - 1: f"batch size {line.cell.batch_size}" for line in lines if line.place - 1 not in names}
    axis.set_yticks([*sizes, *names], [*sizes.values(), *names.values()])
    for label in axis.get_yticklabels()[: len(sizes)]:
        label.set_fontweight("bold")
    axis.tick_params(axis="y", length=0)
    axis.grid(visible=False, axis="y")
    axis.spines["left"].set_visible(False)


def _write(axis: Axes, lines: Sequence[Line], number: Callable[[CellSummary], str], column: str) -> None:
    """Write the numbers at the right, below what they are."""
    right = axis.get_yaxis_transform()
    axis.text(1.02, 0.3, column.replace("-", MINUS), transform=right, va="bottom", fontsize=style.SMALL_SIZE)
    for line in lines:
        text = number(line.cell).replace("-", MINUS)
        axis.text(1.02, line.place, text, transform=right, va="center", fontsize=style.SMALL_SIZE)
