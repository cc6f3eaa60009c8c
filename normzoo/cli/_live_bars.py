"""The bars of the live display: how far all of it is, and each group in flight. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import fmean

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from normzoo.cli._room import Part, one_line
from normzoo.cli._standing import Flight, Standing

OVERALL_BAR, BAR = 30, 15
TIME = 7
GAP = 1

READABLE = 28
"""Characters of the longest label that are worth more than bars and times."""

SCANT = 6
"""Characters of a label that are worth nothing."""


@dataclass(frozen=True)
class _Line:
    label: str
    done: float
    total: float
    status: str
    seconds: float


def bars(standing: Standing, width: int, height: int) -> Part:
    """Return the overall bar and one for each group in flight; where these are too many, how many more there are."""
    account = standing.account
    overall = _Line("runs", account.done, account.total, f"{account.count}, {account.left}", account.elapsed)
    flights = list(standing.flights.values())
    shown = flights if len(flights) < height else flights[: max(0, height - 2)]
    parts: list[RenderableType] = [_grid([overall], width, OVERALL_BAR)]
    if shown:
        parts.append(_grid([_line(flight) for flight in shown], width, BAR))
    if len(shown) < len(flights) and height > 1:
        parts.append(one_line(f"and {len(flights) - len(shown)} more in flight"))
    return Part(Group(*parts), min(height, 1 + len(flights)))


def _line(flight: Flight) -> _Line:
    spec, known, count = flight.spec, flight.known, len(flight.epochs)
    epoch = max((each.epoch for each in known), default=0)
    loss = f" loss {fmean(each.train_loss for each in known):.2f}" if known else ""
    label = spec.label if count == 1 else f"{spec.place}, {count} runs"
    return _Line(label, epoch, spec.epochs, f"epoch {epoch}/{spec.epochs}{loss}", flight.elapsed)


def _grid(lines: Sequence[_Line], width: int, bar: int) -> Table:
    """Leave out first the times, then the bars, then the labels where the width is too small for all."""
    longest, status = max(len(line.label) for line in lines), max(len(line.status) for line in lines)
    room = width - status - GAP - min(longest, READABLE)
    has_bar, has_time = room >= GAP + bar, room >= GAP + bar + GAP + TIME
    label = min(longest, width - status - GAP - has_bar * (GAP + bar) - has_time * (GAP + TIME))
    has_label = label >= min(longest, SCANT)
    grid = Table.grid(padding=(0, GAP, 0, 0))
    for column in (*[label] * has_label, *[bar] * has_bar, min(status, width), *[TIME] * has_time):
        grid.add_column(width=column, no_wrap=True)
    for line in lines:
        cells: list[RenderableType] = [Text(line.label)] * has_label
        cells += [ProgressBar(line.total, line.done, bar)] * has_bar
        cells += [Text(line.status)]
        cells += [Text(str(timedelta(seconds=int(line.seconds))), "progress.elapsed")] * has_time
        grid.add_row(*cells)
    return grid
