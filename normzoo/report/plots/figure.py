"""What all figures share: panels in our style, lists of norms, a heading, a legend, and files with stable bytes."""

import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO, StringIO
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from normzoo.outputs import MARK, marked
from normzoo.report.analysis.numbers import Summary
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


def looks(summary: Summary) -> dict[str, style.LineStyle]:
    """Return how every norm is drawn, by what it is called."""
    return dict(zip(summary.norms, style.line_styles(summary.matrix.norms).values(), strict=True))


def norm_handles(summary: Summary) -> list[Line2D]:
    """Return what stands for every norm in a legend."""
    return [Line2D([], [], label=norm, **line_options(line)) for norm, line in looks(summary).items()]


def label_columns(axes: Sequence[Axes], label: str) -> None:
    """Put the label of the horizontal axis below the lowest panel of every column."""
    lowest: dict[int, Axes] = {}
    for axis in axes:
        place = axis.get_subplotspec()
        if place is not None:
            lowest[place.colspan.start] = axis
    for axis in lowest.values():
        axis.set_xlabel(label)


def line_options(line: style.LineStyle) -> dict[str, Any]:
    """Return how a line of that style is drawn."""
    return {"color": line.color, "marker": line.marker, "linestyle": line.dashes}


def say(axis: Axes, text: str) -> None:
    """Write into the middle of an empty panel."""
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center")


def drawn(figure: Figure) -> tuple[bytes, bytes]:
    """Return a figure on nothing as SVG and on white as PNG. The same figure gives the same bytes."""
    png, svg = BytesIO(), StringIO()
    agg: Any = FigureCanvasAgg(figure)  # matplotlib does not annotate what is called on it
    with styled(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # a frame stands for what the font lacks
        agg.print_png(png, metadata={"Software": None, "Comment": MARK})
        figure.set_layout_engine("none")  # the places found for the other file hold for this one
        for patch in (figure.patch, *(axis.patch for axis in figure.axes)):
            patch.set_facecolor("none")
        outlines: Any = FigureCanvasSVG(figure)
        outlines.print_svg(svg, metadata={"Creator": None, "Date": None})
    return marked(svg.getvalue(), ".svg"), png.getvalue()


def _letters(figure: Figure) -> int:
    return int(figure.get_figwidth() / style.LETTER_WIDTH)
