"""Values, curves and tables of plain text, without markup."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from normzoo.experiment.results.records import RunRecord
from normzoo.visible import visible

NOTHING = "-"
_BARS = (".:-=+*#@", "▁▂▃▄▅▆▇█")
_LONGEST_CURVE = 60


def format_value(value: object) -> str:
    """Format a value of a record.

    >>> format_value(0.1 + 0.2), format_value(None), format_value(True), format_value("cpu"), format_value("")
    ('0.3', '-', 'yes', 'cpu', '-')
    """
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def format_distinct(a: object, b: object) -> tuple[str, str]:
    """Format two different values, with as many digits as the difference needs.

    >>> format_distinct(0.5, 0.25), format_distinct(1.00000001, 1.00000002)
    (('0.5', '0.25'), ('1.00000001', '1.00000002'))
    """
    short = format_value(a), format_value(b)
    return short if short[0] != short[1] else (str(a), str(b))


def test_result(record: RunRecord) -> str:
    """Format the deciding metric on the test set with its unit; nothing where there is none."""
    value = record.test_value
    return NOTHING if value is None else f"{record.metric.write(value)} {record.metric.unit}".rstrip()


def moment(time: str) -> str:
    """Format an ISO 8601 time to the minute.

    >>> moment("2025-01-31T12:34:56+00:00")
    '2025-01-31 12:34'
    """
    return time[:16].replace("T", " ")


def curve(values: Sequence[float], lowest: float, highest: float, *, ascii_only: bool = False) -> str:
    """Draw values as bars on the scale from ``lowest`` to ``highest``, with ``x`` for one that is not finite.

    Of more values than fit in a line, evenly spread ones are drawn, the first and the last among them.

    >>> curve([0.0, 0.5, 1.0, float("nan")], 0.0, 1.0)
    '▁▅█x'
    """
    bars = _BARS[0] if ascii_only else _BARS[1]
    if len(values) > _LONGEST_CURVE:
        step = (len(values) - 1) / (_LONGEST_CURVE - 1)
        values = [values[round(index * step)] for index in range(_LONGEST_CURVE)]
    scale = (len(bars) - 1) / (highest - lowest) if highest > lowest else 0.0
    return "".join(bars[int(scale * (value - lowest) + 0.5)] if math.isfinite(value) else "x" for value in values)


GAP = 2


def plain_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Collection[str] = (), fold: Collection[str] = ()
) -> Table:
    """Return a table without lines; ``right`` names the columns of numbers, ``fold`` those that may take more lines."""
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            Text(column), justify="right" if column in right else "left", no_wrap=column not in fold, overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    return table


def table_lines(
    columns: Mapping[str, Sequence[str]], *, width: int, right: Collection[str] = (), fold: str = ""
) -> Iterator[str]:
    """Yield the lines of a table, the header first, as ``plain_table`` shows them, which takes a millisecond a row.

    Args:
        columns: their cells, by name.
        width: of the lines.
        right: the columns of numbers.
        fold: the column that takes more lines where they would be wider.
    """
    widths = {name: width_of(name, set(cells)) for name, cells in columns.items()}
    if fold in widths:
        beside = sum(widths.values()) - widths[fold] + GAP * (len(widths) - 1)
        widths[fold] = min(widths[fold], max(cell_len(fold), width - beside))
    parts = [
        {cell: _padded(cell, widths[name], right=name in right) for cell in {name, *cells}}
        for name, cells in columns.items()
    ]
    blanks = [" " * each for each in widths.values()]
    for row in chain([tuple(columns)], zip(*columns.values(), strict=True)):
        cells = [part[cell] for part, cell in zip(parts, row, strict=True)]
        for index in range(max(map(len, cells))):
            line = [each[index] if index < len(each) else blank for each, blank in zip(cells, blanks, strict=True)]
            yield (" " * GAP).join(line).rstrip()


def _padded(cell: str, width: int, *, right: bool) -> list[str]:
    """Return the lines of a cell, all of this width."""
    lines = chop_cells(visible(cell), width) or [""]
    return [" " * (width - cell_len(line)) + line if right else set_cell_size(line, width) for line in lines]


def facts(values: Iterable[tuple[str, ...]]) -> Padding:
    """Return names and what they are, without a header."""
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), show_header=False)
    for name, *cells in values:
        table.add_row(Text(visible(name)), *(Text(visible(cell), overflow="fold") for cell in cells))
    return indented(table)


def indented(what: RenderableType) -> Padding:
    """Return it two characters to the right."""
    return Padding(what, (0, 0, 0, 2), expand=False)


def width_of(column: str, cells: Iterable[str]) -> int:
    """Return the width of a column without the gap behind it."""
    return max(cell_len(column), *(cell_len(visible(cell)) for cell in cells), 0)
