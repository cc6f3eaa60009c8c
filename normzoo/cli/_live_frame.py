"""The live display as a picture of so many columns and lines: what went wrong, the table, and the bars. Pure."""

from collections.abc import Sequence

from rich.console import Group, RenderableType

from normzoo.cli._live_bars import bars
from normzoo.cli._live_table import accuracy_table
from normzoo.cli._room import Part, one_line
from normzoo.cli._standing import Standing

MOST_TROUBLES = 5

ROOM_PER_TROUBLE = 4
"""Lines beside the bars for each line of trouble: the rest is the table's."""


def frame(standing: Standing, width: int, height: int) -> RenderableType:
    """Return the display in at most ``height`` lines: bars in any case, the latest troubles, as much table as fits."""
    below = bars(standing, width, height)
    room = height - below.height
    above = _latest(standing.troubles, min(MOST_TROUBLES, room // ROOM_PER_TROUBLE))
    room -= above.height
    table = accuracy_table(standing, width, room - 1 - bool(above.height))
    parts = [part for part in (above, table, below) if part is not None and part.height]
    spaced = [each for part in parts for each in (part.renderable, "")]
    return Group(*spaced[:-1])


def _latest(troubles: Sequence[str], count: int) -> Part:
    shown = troubles[-count:] if count > 0 else ()
    return Part(Group(*(one_line(" ".join(trouble.split()), "") for trouble in shown)), len(shown))
