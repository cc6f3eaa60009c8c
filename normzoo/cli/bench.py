"""``normzoo bench``: measure the layers against their peers."""

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from normzoo.bench.records import Measurement
from normzoo.bench.run import run_bench
from normzoo.bench.show import to_markdown, to_rich
from normzoo.bench.spec import BenchSpec
from normzoo.cli._flags import with_flags
from normzoo.cli._write_report import check_report_path
from normzoo.errors import ConfigError

_COMMAND = Group("This command", sort_key=2)


def _own(text: str) -> Parameter:
    return Parameter(group=_COMMAND, help=text, negative="", show_default=False)


@with_flags(Benchmark=BenchSpec)
def layers(
    *,
    json: Annotated[Path | None, _own("Also write all that was measured to PATH, as JSON.")] = None,
    report: Annotated[
        Path | None,
        _own("Also write a report, NAME.md, and NAME.json; NAME.notes.txt goes into it."),
    ] = None,
    details: Annotated[bool, _own("Also print every case.")] = False,
    **settings: Any,
) -> int:
    """Measure, print the tables, and write what was asked for."""
    spec = _resolve(settings)
    if not spec.cases() and "cold" not in spec.parts:
        raise ConfigError("nothing to measure: these norms, sizes, types and formats have no case in common")
    if report is not None:
        check_report_path(report)
    if json is not None and (json.is_dir() or not json.parent.is_dir()):
        raise ConfigError(f"json: '{json}' cannot be written: it must be a file in a folder that is there")
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with progress:
        task = progress.add_task("starting", total=len(spec.cases()))

        def show(measurement: Measurement) -> None:
            progress.update(task, advance=1, description=str(measurement.case))

        bench = run_bench(spec, show)
    console = Console()
    for part in to_rich(bench, every_case=details):
        console.print(part, highlight=False)
    text = bench.model_dump_json(indent=1) + "\n"
    if json is not None:
        _write(json, text)
    if report is not None:
        records = report.with_suffix(".json")
        _write(records, text)
        notes = report.with_suffix(".notes.txt")
        said = notes.read_text(encoding="utf-8") if notes.exists() else ""
        _write(report, to_markdown(bench, name=report.stem, notes=said))
    return 0


def _resolve(settings: dict[str, Any]) -> BenchSpec:
    given = {name: value for name, value in settings.items() if value is not None}
    try:
        return BenchSpec.model_validate(given)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, each['loc'][:1]))}: {each['msg']}" for each in error.errors()]
        raise ConfigError("; ".join(dict.fromkeys(lines))) from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"'{path}' cannot be written: {error.strerror or error}") from error
    sys.stdout.write(f"written: {path}\n")
