"""The tables of a timed comparison in the terminal and in markdown. Torch-free."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from normzoo.bench.matrix.records import MatrixBench
from normzoo.bench.matrix.spec import Way
from normzoo.bench.matrix.summary import ratios, seconds
from normzoo.bench.show import machine, section, titled_table

METHODS: dict[Way, str] = {
    "normzoo": (
        "normzoo: the command `normzoo compare` as a user runs it, with an empty store and an empty cache of compiled "
        "code, timed from its start to its tables; its start-up is the time of the same command repeated at once, "
        "which then trains nothing; its training is the difference of the two."
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


def to_rich(bench: MatrixBench) -> Iterator[RenderableType]:
    """Yield what to print: the table of ratios, and how it was measured."""
    yield from titled_table(ratios(bench))
    yield Padding(Text(how_measured(bench), style="dim"), (1, 0, 0, 0), expand=False)


def to_markdown(bench: MatrixBench, *, name: str, notes: str = "") -> str:
    """Write the report.

    Args:
        bench: what was measured.
        name: of the report, and of the JSON file beside it that holds what was measured, without their endings.
        notes: what is to be said of the figures besides.
    """
    where = "a CPU" if bench.environment["device"] == "cpu" else bench.environment["device"]
    blocks = [
        f"# Speed of a whole comparison on {where}",
        "Ratios are times of the same work done in another way divided by normzoo's; above 1, normzoo is faster.",
        *section(ratios(bench), "##"),
        *([notes.strip()] if notes.strip() else []),
        *section(seconds(bench), "##"),
        "## How it was measured",
        how_measured(bench),
        *(f"- {METHODS[way]}" for way in bench.spec.ways),
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
