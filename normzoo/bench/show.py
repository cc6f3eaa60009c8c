"""The benchmark's tables in the terminal and in markdown. Torch-free."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from normzoo.bench.records import Bench
from normzoo.bench.run import ALLOCATOR
from normzoo.bench.summary import Aim, TableData, aims, details, is_gpu, tables, two_digits


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
        "Ratios are times of ours divided by those of torch.nn's; below 1, ours are faster.",
        *(block for data in tables(bench) for block in section(data, "##")),
        *(
            ["## Aims", _pipe(("figure", "aim", "reached", ""), [_aim(aim) for aim in aims(bench)])]
            if bench.spec.is_whole()
            else []
        ),
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


def machine(environment: Mapping[str, Any]) -> str:
    """Return what is known of the machine and the versions as a table in markdown."""
    return _pipe(("", ""), [(name, f"{value}") for name, value in environment.items() if value is not None])


def section(data: TableData, level: str) -> list[str]:
    """Return a table as blocks of markdown: its title as a heading, the table, and what is said under it."""
    return [f"{level} {data.title}", _pipe(data.header, data.rows), *([data.note] if data.note else [])]


def _aim(aim: Aim) -> tuple[str, ...]:
    sense = "at least" if aim.at_least else "at most"
    verdict = {None: "not measured", True: "reached", False: "not reached"}[aim.reached]
    return aim.name, f"{sense} {aim.limit:g}", two_digits(aim.value), verdict


def _pipe(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, [":--", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
