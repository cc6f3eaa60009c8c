"""From measurements to the ratios that are shown, in the terminal and in markdown. Torch-free."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from normzoo.bench.spec import AUTO, EAGER, REFERENCE, Bench, Case, ColdStart, Measurement
from normzoo.memory import ALLOCATOR

MIB = 2**20
LARGE_BYTES = 128 * MIB
"""From this size of an input on, a GPU's caches do not hold it, and its time is that of moving it."""


@dataclass(frozen=True)
class TableData:
    """A table as text: what it shows, its columns, its rows, and a line under it."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Aim:
    """A figure to reach, and what was reached; None: not measured.

    Attributes:
        limit: what it may be at most, or at least.
        at_least: it is to be that large, rather than that small.
    """

    name: str
    limit: float
    value: float | None
    at_least: bool = False

    @property
    def reached(self) -> bool | None:
        """True or False; None if it was not measured."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def ratio(measurement: Measurement, contender: str) -> float:
    """Return the time of a contender as a multiple of torch.nn's."""
    return measurement.timings[contender].median / measurement.timings[REFERENCE].median


def geometric_mean(values: Iterable[float]) -> float | None:
    """Return the geometric mean; None of nothing.

    >>> geometric_mean([0.5, 2.0])
    1.0
    """
    logs = [math.log(value) for value in values]
    return math.exp(math.fsum(logs) / len(logs)) if logs else None


def tables(bench: Bench) -> list[TableData]:
    """Return the tables that sum the measurements up."""
    return [table for table in (_norms(bench), _kinds(bench), _peers(bench), _cold(bench.cold)) if table.rows]


def aims(bench: Bench) -> list[Aim]:
    """Return the figures to reach, on a CPU or a GPU, with those reached."""
    gpu = is_gpu(bench)
    train = list(_chosen(bench, _is_plain_float32("train")))
    evaluation = list(_chosen(bench, _is_plain_float32("eval")))
    compiled = list(_chosen(bench, lambda case: case.place == "compiled"))
    ratios = [ratio(each, AUTO) for each in train]
    pair = [ratio(each, AUTO) for each in train if each.case.norm in ("batch", "instance")]
    found = [
        Aim("train, geometric mean", 0.9 if gpu else 0.8, geometric_mean(ratios)),
        Aim("train, batch and instance alone", 0.9 if gpu else 0.6, geometric_mean(pair)),
        Aim("train, worst norm and shape", 1.2 if gpu else 1.5, max(ratios, default=None)),
        Aim("train, backend eager", 2.0 if gpu else 1.8, geometric_mean(ratio(each, EAGER) for each in train)),
        Aim("train, inside torch.compile", 1.0, geometric_mean(ratio(each, AUTO) for each in compiled)),
        Aim("eval", 1.0 if gpu else 0.8, geometric_mean(ratio(each, AUTO) for each in evaluation)),
    ]
    if gpu:
        shares = [bandwidth_share(bench, each) for each in train if each.moved_bytes >= 5 * LARGE_BYTES]
        found.append(Aim("train, share of copy bandwidth, large shapes", 0.8, min(shares, default=None), at_least=True))
    return found


def is_gpu(bench: Bench) -> bool:
    """Return True if the benchmark ran on a GPU."""
    return bool(bench.environment["device"] != "cpu")


def bandwidth_share(bench: Bench, measurement: Measurement) -> float:
    """Return the speed at which the least bytes that must be moved were moved, as a part of a copy's."""
    return measurement.moved_bytes / measurement.timings[AUTO].median / bench.copy_bytes_per_second


def details(bench: Bench) -> list[TableData]:
    """Return a table of all cases for each place and mode."""
    found = []
    for place, mode, title in (
        ("plain", "train", "Forward and backward pass"),
        ("plain", "eval", "Forward pass in evaluation"),
        ("compiled", "train", "Forward and backward pass inside torch.compile"),
    ):
        chosen = list(_chosen(bench, lambda case, p=place, m=mode: case.place == p and case.mode == m))  # type: ignore[misc]
        if chosen:
            found.append(_detail(bench, title, chosen))
    return found


def _detail(bench: Bench, title: str, measurements: list[Measurement]) -> TableData:
    others = sorted({name for each in measurements for name in each.timings} - {REFERENCE, AUTO, EAGER})
    shown = [name for name in (AUTO, EAGER, *others) if any(name in each.timings for each in measurements)]
    saves, gpu = any(each.saved_bytes for each in measurements), is_gpu(bench)
    rows = []
    for each in measurements:
        case = each.case
        kind = case.dtype if case.format == "contiguous" else f"{case.dtype}, channels last"
        row = [case.norm, "x".join(map(str, case.shape)), kind, f"{each.timings[REFERENCE].median * 1e6:,.1f}"]
        row += [two_digits(ratio(each, name)) if name in each.timings else "" for name in shown]
        if saves:
            row += [two_digits(each.saved_bytes[AUTO] / each.saved_bytes[REFERENCE])]
        if gpu:
            row += [f"{100 * bandwidth_share(bench, each):.0f} %"]
        rows.append(tuple(row))
    header = ["norm", "shape", "input", "us", *shown]
    header += (["saved"] if saves else []) + (["of copy bandwidth"] if gpu else [])
    note = "us: microseconds of torch.nn's; the others as multiples of it" + (
        "; saved: bytes kept for the backward pass, ours / torch.nn's." if saves else "."
    )
    return TableData(title, tuple(header), tuple(rows), note)


def _norms(bench: Bench) -> TableData:
    """One row per norm, in float32, contiguous; and one for all."""
    names = list(dict.fromkeys(each.case.norm for each in bench.measurements))
    rows = []
    for name in [*names, "all"]:
        norms = names if name == "all" else [name]
        train = [each for each in _chosen(bench, _is_plain_float32("train")) if each.case.norm in norms]
        evaluation = [each for each in _chosen(bench, _is_plain_float32("eval")) if each.case.norm in norms]
        compiled = [each for each in bench.measurements if each.case.place == "compiled" and each.case.norm in norms]
        saved = [each.saved_bytes[AUTO] / each.saved_bytes[REFERENCE] for each in train]
        rows.append(
            (
                name,
                _mean(train, AUTO),
                two_digits(max((ratio(each, AUTO) for each in train), default=None)),
                _mean(train, EAGER),
                _mean(evaluation, AUTO),
                _mean(compiled, AUTO),
                two_digits(max(saved, default=None)),
            )
        )
    header = ("norm", "train", "worst", "eager", "eval", "in compile", "saved")
    return TableData(
        "Time of ours / time of torch.nn's, float32",
        header,
        tuple(rows),
        "train: forward and backward, backend auto when warm, geometric mean over shapes; worst: of these; "
        "eager: the same on the backend eager; eval: forward without gradients; in compile: ours and torch.nn's inside "
        "torch.compile; saved: bytes kept for the backward pass, at most.",
    )


def _kinds(bench: Bench) -> TableData:
    """One row per type and memory format, over all norms."""
    plain = [each for each in bench.measurements if each.case.place == "plain"]
    rows = []
    for kind in dict.fromkeys((each.case.dtype, each.case.format) for each in plain):
        chosen = [each for each in plain if (each.case.dtype, each.case.format) == kind]
        train = [each for each in chosen if each.case.mode == "train"]
        evaluation = [each for each in chosen if each.case.mode == "eval"]
        rows.append((*kind, _mean(train, AUTO), _mean(train, EAGER), _mean(evaluation, AUTO), _mean(evaluation, EAGER)))
    header = ("type", "format", "train", "train, eager", "eval", "eval, eager")
    return TableData("The same by type and memory format, all norms", header, tuple(rows) if len(rows) > 1 else ())


def _peers(bench: Bench) -> TableData:
    """One row per library other than torch.nn, on the cases that it has."""
    names = dict.fromkeys(name for each in bench.measurements for name in each.timings)
    rows = []
    for name in [name for name in names if name not in (REFERENCE, AUTO, EAGER)]:
        for mode in ("train", "eval"):
            shared = [each for each in bench.measurements if name in each.timings and each.case.mode == mode]
            rows.append((name, mode, str(len(shared)), _mean(shared, name), _mean(shared, AUTO)))
    header = ("library", "mode", "cases", "theirs / torch.nn", "ours / torch.nn")
    return TableData("Other libraries, on the norms they have", header, tuple(rows))


def _cold(starts: tuple[ColdStart, ...]) -> TableData:
    """One row per process."""
    caches = {1: "first, empty cache", 2: "second, same cache"}
    rows = [
        (
            caches[start.process],
            f"{start.import_seconds:.1f}",
            f"{start.eager_seconds:.3f}",
            f"{start.compiled_seconds:.1f}",
            f"{start.another_seconds:.1f}",
            f"{start.warm_seconds:.4f}",
        )
        for start in starts
    ]
    header = ("process", "import", "eager", "compiled", "another norm", "warm")
    return TableData(
        "Cold start: seconds of a process's first calls",
        header,
        tuple(rows),
        "import: normzoo.layers with torch; eager, compiled: first call of batch norm, forward and backward; "
        "another norm: first compiled call of group norm; warm: batch norm, later.",
    )


def _chosen(bench: Bench, wanted: Callable[[Case], bool]) -> Iterator[Measurement]:
    return (each for each in bench.measurements if wanted(each.case))


def _is_plain_float32(mode: str) -> Callable[[Case], bool]:
    def is_it(case: Case) -> bool:
        kind = (case.place, case.mode, case.dtype, case.format)
        return kind == ("plain", mode, "float32", "contiguous")

    return is_it


def _mean(measurements: list[Measurement], contender: str) -> str:
    return two_digits(geometric_mean(ratio(each, contender) for each in measurements if contender in each.timings))


def two_digits(value: float | None) -> str:
    """Return a ratio as text; nothing for None."""
    return "" if value is None else f"{value:.2f}"


def to_rich(bench: Bench, *, every_case: bool = False) -> Iterator[RenderableType]:
    """Yield what to print: the tables that sum up, or also those of every case."""
    for data in [*tables(bench), *(details(bench) if every_case else [])]:
        yield from titled_table(data)
    yield Padding(Text(how_measured(bench), style="dim"), (1, 0, 0, 0), expand=False)


def titled_table(data: TableData) -> Iterator[RenderableType]:
    """Yield a table's title, the table and what is said under it."""
    yield Padding(Text(data.title, style="bold"), (1, 0, 0, 0), expand=False)
    yield _rich_table(data)
    if data.note:
        yield Text(data.note, style="dim")


def _rich_table(data: TableData) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, name in enumerate(data.header):
        is_text = any(row[column] and not row[column][0].isdigit() for row in data.rows)
        table.add_column(name, justify="left" if is_text or column == 0 else "right", overflow="fold")
    for row in data.rows:
        table.add_row(*row)
    return table


def to_markdown(bench: Bench, *, name: str, notes: str = "") -> str:
    """Write the report.

    Args:
        bench: what was measured.
        name: of the report, and of the JSON file beside it that holds what was measured, without their endings.
        notes: what is to be said of the figures besides, such as what was tried for those not reached.
    """
    where = bench.environment["device"] if is_gpu(bench) else "a CPU"
    blocks = [
        f"# Speed of the layers on {where}",
        *incomplete_note(bench.incomplete),
        "Ratios are times of ours divided by those of torch.nn's; below 1, ours are faster.",
        *(block for data in tables(bench) for block in section(data, "##")),
        *(aims_table(aims(bench)) if bench.spec.is_whole() and bench.incomplete is None else []),
        *([notes.strip()] if notes.strip() else []),
        "## How it was measured",
        how_measured(bench),
        f"All numbers with their quartiles are in [{name}.json]({name}.json). To measure again:",
        f"```sh\n{bench.spec.command()} --report {name}.md\n```",
        "## Every case",
        *(block for data in details(bench) for block in section(data, "###")),
        "## Machine and versions",
        machine(bench.environment),
    ]
    return "\n\n".join(blocks) + "\n"


def how_measured(bench: Bench) -> str:
    """Return in words how it was measured, and where."""
    environment = bench.environment
    rounds = [each.rounds for each in bench.measurements] or [0]
    where = environment["device"] if is_gpu(bench) else f"{environment['cpu']}, {environment['threads']} threads"
    allocator = ", ".join(f"{name}={value}" for name, value in ALLOCATOR.items())
    return (
        f"{where}; torch {environment['torch']}; commit {environment['commit']}. In every case all contenders were "
        "first checked to compute the same output and gradients, then timed in one process by turns in random order, "
        f"{min(rounds)} to {max(rounds)} rounds of some calls each; the time is the median over rounds. A call in "
        "training is the forward pass and the backward pass for input, weight and bias. Auto is warm: what it would "
        "compile is compiled, and it has chosen what is faster. "
        f"A copy of a large tensor moves {bench.copy_bytes_per_second / 1e9:.1f} GB/s. "
        f"The allocator keeps freed memory ({allocator})."
    )


def incomplete_note(incomplete: str | None) -> list[str]:
    """Return a block of markdown that says how much was measured, where not all was."""
    return [] if incomplete is None else [f"**Incomplete: {incomplete} measured.** What is left out or empty was not."]


def machine(environment: Mapping[str, Any]) -> str:
    """Return what is known of the machine and the versions as a table in markdown."""
    return _pipe(("", ""), [(name, f"{value}") for name, value in environment.items() if value is not None])


def section(data: TableData, level: str) -> list[str]:
    """Return a table as blocks of markdown: its title as a heading, the table, and what is said under it."""
    return [f"{level} {data.title}", _pipe(data.header, data.rows), *([data.note] if data.note else [])]


def aims_table(figures: Sequence[Aim]) -> list[str]:
    """Return figures to reach as blocks of markdown."""
    return ["## Aims", _pipe(("figure", "aim", "reached", ""), [_aim(aim) for aim in figures])]


def _aim(aim: Aim) -> tuple[str, ...]:
    sense = "at least" if aim.at_least else "at most"
    verdict = {None: "not measured", True: "reached", False: "not reached"}[aim.reached]
    return aim.name, f"{sense} {aim.limit:g}", two_digits(aim.value), verdict


def _pipe(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, [":--", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
