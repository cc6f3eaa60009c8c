"""What became of the norms of a model: a value, and a table of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

NAMES_SHOWN = 2
"""How many modules of a row are named in the table."""

WIDTH = 80
"""Characters of the table as text."""


@dataclass(frozen=True)
class Exchanged:
    """A norm that became another.

    Attributes:
        was: the class that stood there.
        became: the class that stands there now.
        channels: how many it normalizes.
        notes: what could not be kept, and what to know.
        to_know: those of the notes that also matter to a model that has learned nothing yet.
        also: further names of the same module, which is shared.
    """

    was: str
    became: str
    channels: int
    notes: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    to_know: tuple[str, ...] = ()


@dataclass(frozen=True)
class Left:
    """A norm that was left as it is.

    Attributes:
        was: its class.
        reason: why.
        also: further names of the same module, which is shared.
    """

    was: str
    reason: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConversionReport:
    """What became of the norms of a model; printed, a table.

    Attributes:
        norm: what was asked for.
        exchanged: by the name of the module, which is empty where the model itself is a norm.
        left: likewise.
    """

    norm: str
    exchanged: Mapping[str, Exchanged]
    left: Mapping[str, Left]

    @property
    def summary(self) -> str:
        """What was exchanged and what was left, in a line.

        >>> report = ConversionReport("group", {"bn1": Exchanged("BatchNorm2d", "GroupNorm", 64)}, {})
        >>> report.summary
        'norms exchanged: 1 BatchNorm2d'
        """
        exchanged = _counted(Counter(each.was for each in self.exchanged.values()))
        left = _counted(Counter(f"{each.was} ({each.reason})" for each in self.left.values()))
        return f"norms exchanged: {exchanged or 'none'}{f'; left: {left}' if left else ''}"

    def __rich__(self) -> Table | Text:
        """Return a table with a row for all norms of which the same is to be said."""
        title = f"Norms exchanged for {self.norm}"
        if not self.exchanged and not self.left:
            return Text(f"{title}: none, as none is found")
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("norms", justify="right")
        for header in ("was", "became", "where, and what to know"):
            table.add_column(header, overflow="fold")
        rows: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
        for name, each in self.exchanged.items():
            rows.setdefault((each.was, each.became, each.notes), []).append(name)
        for name, kept in self.left.items():
            rows.setdefault((kept.was, "left", (kept.reason,)), []).append(name)
        for (was, became, notes), names in rows.items():
            table.add_row(str(len(names)), was, became, "\n".join([_listed(names), *notes]))
        return table

    def __str__(self) -> str:
        """Return the table as text."""
        written = StringIO()
        Console(file=written, width=WIDTH, color_system=None).print(self)
        return "\n".join(line.rstrip() for line in written.getvalue().splitlines())


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def _listed(names: list[str]) -> str:
    shown = [name or "the model itself" for name in names[:NAMES_SHOWN]]
    return ", ".join([*shown, "..."] if len(names) > NAMES_SHOWN else shown)
