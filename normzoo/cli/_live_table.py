"""The table that fills in while a matrix is trained, cut to the room there is. Pure."""

from collections.abc import Iterable, Sequence
from statistics import fmean

from rich.console import Group
from rich.text import Text

from normzoo.cli._room import Part, left_out, most_wanted, one_line, rows_that_fit
from normzoo.cli._standing import Cell, Flight, Place, Standing

FLYING = "~"
"""Stands before a mean over the latest epochs of runs in flight."""

LOST = "!"
"""Stands after the number of runs that diverged or failed."""

NOTHING = "-"
GAP = 2
WIDEST_NORM, NARROWEST_NORM = 24, 8

Flying = dict[Place, list[float]]
"""By cell in flight, the test accuracy after the latest epoch of each run that has finished one."""


def accuracy_table(standing: Standing, width: int, height: int) -> Part | None:
    """Return as much of the tables as fits; None where that is not even one cell.

    Where something must be left out, the templates, norms and batch sizes in flight come first.
    """
    matrix, flying = standing.matrix, accuracies_in_flight(standing.flights.values())
    norm_width, size_width = _widths(standing, width)
    columns = (width - norm_width) // (GAP + size_width)
    sizes = most_wanted(matrix.batch_sizes, {size for _, _, size in flying}, columns)
    rows = _rows(standing, flying, height - 1)  # below what the numbers are
    hidden = len(matrix.batch_sizes) - len(sizes)
    if hidden or sum(map(len, rows.values())) < len(matrix.templates) * len(matrix.norms):
        rows = _rows(standing, flying, height - 2)
    if not sizes or not rows:
        return None
    lines = [one_line(caption(standing, width))]
    for template, norms in rows.items():
        headers = [Text(_header(size), "bold") for size in sizes]
        lines.append(_row(Text(template, "bold"), headers, norm_width, size_width))
        for norm in norms:
            places = [(template, standing.norms[norm], size) for size in sizes]
            cells = [cell_text(standing.cells[place], standing.planned, flying.get(place)) for place in places]
            lines.append(_row(Text(shortened(norm, norm_width)), cells, norm_width, size_width))
    note = left_out(matrix.templates, matrix.norms, hidden, rows)
    if note:
        lines.append(one_line(note))
    return Part(Group(*lines), len(lines))


def accuracies_in_flight(flights: Iterable[Flight]) -> Flying:
    """Return the cells in flight, with what their runs have reached."""
    flying: Flying = {}
    for flight in flights:
        flying.setdefault(flight.place, []).extend(epoch.test["accuracy"] for epoch in flight.known)
    return flying


def cell_text(cell: Cell, planned: int, flying: Sequence[float] | None) -> Text:
    """Write a cell: the mean of the runs that are in; until there are any, dimmed, that of those in flight.

    Args:
        cell: what is in.
        planned: how many runs there will be.
        flying: the accuracies of the runs in flight that have finished an epoch; None where none is in flight.
    """
    lost = f", {cell.lost}{LOST}" if cell.lost else ""
    count = f"({cell.ok}/{planned}{lost})"
    if cell.mean is not None:
        return Text(f"{100 * cell.mean:.1f} {count}", "yellow" if lost else "")
    if flying is not None:
        return Text(f"{FLYING}{100 * fmean(flying):.1f} {count}" if flying else f"{FLYING} {count}", "dim")
    return Text(f"{NOTHING} {count}", "yellow") if lost else Text(NOTHING, "dim")


def caption(standing: Standing, width: int) -> str:
    """Say what the numbers are, and as much of what the signs mean as fits."""
    over = ", over all learning rates" if standing.matrix.lrs else ""
    text = f"mean test accuracy in %{over} (runs in/planned)"
    signs = [f"{FLYING} in flight"] if standing.flights else []
    signs += [f"{LOST} diverged or failed"] if standing.lost else []
    for sign in signs:
        if len(text) + len(sign) + 2 <= width:
            text += f"; {sign}"
    return text


def shortened(name: str, width: int) -> str:
    """Take out the middle of a name that is too long: what tells it from others may be at either end.

    >>> shortened("group:groups=4,eps=1e-3", 12)
    'group…s=1e-3'
    """
    if len(name) <= width:
        return name
    tail = width // 2
    return f"{name[: width - tail - 1]}\N{HORIZONTAL ELLIPSIS}{name[-tail:]}"


def _row(first: Text, cells: Sequence[Text], first_width: int, cell_width: int) -> Text:
    """Put cells in a line; rich's tables take several times as long over it, which adds up where there are many."""
    first.align("left", first_width)
    for cell in cells:
        cell.align("right", cell_width)
    line = Text(" " * GAP).join([first, *cells])
    line.no_wrap, line.overflow = True, "crop"
    return line


def _rows(standing: Standing, flying: Flying, height: int) -> dict[str, list[str]]:
    matrix, places = standing.matrix, {place[:2] for place in flying}
    wanted = {
        template: {norm for norm, canonical in standing.norms.items() if (template, canonical) in places}
        for template in matrix.templates
    }
    return rows_that_fit(matrix.templates, matrix.norms, wanted, height)


def _widths(standing: Standing, width: int) -> tuple[int, int]:
    """Return the widths of the norms' column and of a batch size's, which hold from the beginning to the end."""
    matrix, planned = standing.matrix, standing.planned
    longest = max(map(len, (*matrix.norms, *matrix.templates)))
    count = f"({planned}/{planned}, {planned}{LOST})" if standing.lost else f"({planned}/{planned})"
    norm_width = min(longest, WIDEST_NORM, max(NARROWEST_NORM, width // 3))
    return norm_width, max(len(_header(matrix.batch_sizes[-1])), len(f"{FLYING}99.9 {count}"))


def _header(size: int) -> str:
    return f"batch {size}"
