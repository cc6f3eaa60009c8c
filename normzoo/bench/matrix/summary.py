"""From the seconds measured to the tables of ratios and seconds. Pure and torch-free."""

from dataclasses import dataclass
from statistics import median

from normzoo.bench.matrix.records import CellSeconds, MatrixBench
from normzoo.bench.matrix.spec import Way
from normzoo.bench.summary import TableData


@dataclass(frozen=True)
class Row:
    """One row of both tables, in seconds.

    Attributes:
        names: the template and the batch size, or what the row sums up.
        ours: what the others are divided by.
        peers: by way, multiplied up to all seeds.
    """

    names: tuple[str, str]
    ours: float
    peers: dict[Way, float]


def rows(bench: MatrixBench) -> list[Row]:
    """Return a row for each cell, then their sums, then those against one command for the whole matrix."""
    found = [
        Row((each.cell.template, str(each.cell.batch_size)), training_seconds(each), peer_seconds(bench, each))
        for each in bench.cells
    ]
    sums = {way: sum(row.peers[way] for row in found) for way in bench.spec.peers()}
    if len(found) > 1:
        found.append(Row(("all", "sum"), sum(row.ours for row in found), sums))
        found.append(Row(("whole matrix", "training"), median(each.training for each in bench.whole), sums))
    found.append(Row(("whole matrix", "with start-up"), median(each.wall for each in bench.whole), sums))
    return found


def training_seconds(cell: CellSeconds) -> float:
    """Return normzoo's seconds of training: the median over rounds."""
    return median(each.training for each in cell.normzoo)


def peer_seconds(bench: MatrixBench, cell: CellSeconds) -> dict[Way, float]:
    """Return the seconds of each way for all seeds: the median over rounds, multiplied up."""
    factor = bench.spec.seeds / bench.spec.peer_seeds
    return {way: median(cell.peers[way]) * factor for way in bench.spec.peers()}


def ratios(bench: MatrixBench) -> TableData:
    """Return the table of ratios."""
    shown = [
        (*row.names, seconds_text(row.ours), *(ratio_text(row.peers[way], row.ours) for way in bench.spec.peers()))
        for row in rows(bench)
    ]
    return TableData(
        "Time of the same comparison done otherwise / normzoo's time",
        ("template", "batch size", "normzoo s", *bench.spec.peers()),
        tuple(shown),
        "normzoo s: seconds of training, or of the whole command in the last row; the others as multiples of it, "
        "without their start-up except for process. all: sums over the rows above; whole matrix: one command for all "
        "of it against the same sums.",
    )


def seconds(bench: MatrixBench) -> TableData:
    """Return the table of seconds."""
    commands = [each.normzoo for each in bench.cells] + [bench.whole]
    shown = []
    whole = ("whole matrix", "one command")
    names = [(each.cell.template, str(each.cell.batch_size)) for each in bench.cells]
    peers = [peer_seconds(bench, each) for each in bench.cells]
    sums = {way: sum(each[way] for each in peers) for way in bench.spec.peers()}
    for name, command, others in zip([*names, whole], commands, [*peers, sums], strict=True):
        walls = (median(each.wall for each in command), median(each.start_up for each in command))
        training = median(each.training for each in command)
        ours = map(seconds_text, (*walls, training))
        shown.append((*name, *ours, *(seconds_text(others[way]) for way in bench.spec.peers())))
    return TableData(
        "Seconds",
        ("template", "batch size", "normzoo wall", "start-up", "training", *bench.spec.peers()),
        tuple(shown),
        f"The other ways' seconds are multiplied up to {bench.spec.seeds} seeds; in the last row they are sums.",
    )


def ratio_text(theirs: float, ours: float) -> str:
    """Return a ratio in three digits; a question mark where there is nothing to divide by.

    >>> ratio_text(12.34, 1), ratio_text(1, 2), ratio_text(1, 0)
    ('12.3x', '0.50x', '?')
    """
    if ours <= 0:
        return "?"
    ratio = theirs / ours
    return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:,.1f}x"


def seconds_text(value: float) -> str:
    """Return seconds to a tenth.

    >>> seconds_text(1234.56)
    '1,234.6'
    """
    return f"{value:,.1f}"
