"""Tables of plain text, without markup; in a file or a pipe they are as wide as their contents."""

import os
from collections.abc import Collection, Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

GAP = 2
_BOUNDLESS = 100_000


def plain_console() -> Console:
    """Return a console on stdout as wide as the terminal; in a file or a pipe lines are as long as they get."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _BOUNDLESS
    return console


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
        table.add_row(*(Text(cell) for cell in row))
    return table


def facts(values: Iterable[tuple[str, ...]]) -> Padding:
    """Return names and what they are, without a header."""
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), show_header=False)
    for name, *cells in values:
        table.add_row(Text(name), *(Text(cell, overflow="fold") for cell in cells))
    return indented(table)


def indented(what: RenderableType) -> Padding:
    """Return it two characters to the right."""
    return Padding(what, (0, 0, 0, 2), expand=False)


def width_of(column: str, cells: Iterable[str]) -> int:
    """Return the width of a column without the gap behind it."""
    return max(cell_len(column), *(cell_len(cell) for cell in cells), 0)
