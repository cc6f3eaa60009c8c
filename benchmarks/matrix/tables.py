"""The tables and the report of a timed comparison, from its records. Pure and torch-free."""

import math
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from benchmarks.matrix.spec import CellSeconds, MatrixBench, Way
from normzoo.bench.summary import TableData, incomplete_note, machine, section, titled_table

METHODS: dict[Way, str] = {
    "normzoo": (
        "normzoo: the command `normzoo compare` as a user runs it, with an empty store and an empty cache of compiled "
        "code, timed from its start to its tables; its start-up is the time of the same command {start_up}; its "
        "training is the difference of the two."
    ),
    "lightning": (
        "lightning: one Lightning Trainer after the other, with the Trainer's defaults (logger, checkpoint, progress "
        "bar, model summary, sanity check), a DataLoader over tensors (num_workers=0), torchmetrics and self.log; all "
        "in one fresh process per template and batch size, timed without its imports, the loading of the data and a "
        "first batch of every norm."
    ),
    "bare": ("bare: one bare torch loop after the other, tensors in memory, fused sgd; timed in the same manner."),
    "process": (
        "process: one fresh process per run with the lightning script for that run alone, as a sweep of a Hydra "
        "multirun does it; timed from the process's start to its end."
    ),
}

START_UPS = {
    "repeated": "repeated at once, which then trains nothing",
    "planned": (
        "with --dry-run and an empty store, which starts a worker, loads the data, tries the networks and times steps, "
        "and trains nothing"
    ),
}
"""What stands for the start-up of a command."""


@dataclass(frozen=True)
class Row:
    """One row of both tables, in seconds; NaN where something was not measured yet.

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


def median(values: Iterable[float]) -> float:
    """Return the median; NaN of nothing.

    >>> median([1.0, 5.0, 2.0]), median([])
    (2.0, nan)
    """
    found = list(values)
    return statistics.median(found) if found else math.nan


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
    """Return a ratio in three digits; a question mark where there is nothing to divide by, nothing of NaN.

    >>> ratio_text(12.34, 1), ratio_text(1, 2), ratio_text(1, 0), ratio_text(math.nan, 1)
    ('12.3x', '0.50x', '?', '')
    """
    if math.isnan(theirs + ours):
        return ""
    if ours <= 0:
        return "?"
    ratio = theirs / ours
    return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:,.1f}x"


def seconds_text(value: float) -> str:
    """Return seconds to a tenth; nothing of NaN.

    >>> seconds_text(1234.56), seconds_text(math.nan)
    ('1,234.6', '')
    """
    return "" if math.isnan(value) else f"{value:,.1f}"


def to_rich(bench: MatrixBench) -> Iterator[RenderableType]:
    """Yield what to print: the table of ratios, and how it was measured."""
    yield from titled_table(ratios(bench))
    yield Padding(Text(how_measured(bench), style="dim"), (1, 0, 0, 0), expand=False)


def to_markdown(bench: MatrixBench, *, name: str, notes: str = "") -> str:
    """Write the report.

    Args:
        bench: what was measured.
        name: of the report, and of the JSON file beside it that holds what was measured, without their endings.
        notes: further remarks on the figures.
    """
    where = "a CPU" if bench.environment["device"] == "cpu" else bench.environment["device"]
    blocks = [
        f"# Speed of a whole comparison on {where}",
        *incomplete_note(bench.incomplete),
        "Ratios are times of the same work done in another way divided by normzoo's; above 1, normzoo is faster.",
        *section(ratios(bench), "##"),
        *([notes.strip()] if notes.strip() else []),
        *section(seconds(bench), "##"),
        "## How it was measured",
        how_measured(bench),
        *(f"- {METHODS[way].format(start_up=START_UPS[bench.start_up])}" for way in bench.spec.ways),
        f"What was measured in every round is in [{name}.json]({name}.json). To measure again:",
        f"```sh\n{bench.spec.command()} --report {name}.md\n```",
        "## Machine and versions",
        machine(bench.environment),
    ]
    return "\n\n".join(blocks) + "\n"


def how_measured(bench: MatrixBench) -> str:
    """Return in words what was measured, and where."""
    spec, environment = bench.spec, bench.environment
    device = environment["cpu"] if environment["device"] == "cpu" else environment["device"]
    rounds = "1 round" if spec.rounds == 1 else f"{spec.rounds} rounds, of which the median is shown"
    load = environment["load_before"]
    busy = "" if load is None else f" (load average before: {load:g})"
    return (
        f"{device}, {environment['cpu_count']} processors{busy}; torch {environment['torch']}, "
        f"lightning {environment['lightning']}; commit {environment['commit']}. "
        f"{spec.dataset}; norms {', '.join(spec.norms)}; {spec.seeds} seeds, {spec.epochs} epochs; all ways with the "
        "same networks, data, batch sizes, learning rates and evaluations (validation and test after every epoch; "
        "normzoo 100 samples of all seeds at once, the others 1000). In every cell the ways were timed by turns in "
        f"random order, {rounds}. {_seeds(bench)}"
        f"normzoo chooses its own workers, their threads and how to train; the others use torch's default, "
        f"{environment['peer_threads']} threads."
    )


def _seeds(bench: MatrixBench) -> str:
    """Return what was multiplied up, if anything was."""
    peers, timed, wanted = bench.spec.peers(), bench.spec.peer_seeds, bench.spec.seeds
    if not peers or timed == wanted:
        return ""
    return (
        f"normzoo trained all {wanted} seeds; the time of {', '.join(peers)} is that of {timed} of them multiplied by "
        f"{wanted / timed:g}, since they train every run alone. "
    )
