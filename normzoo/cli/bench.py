"""``normzoo bench``: measure the layers against their peers."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from cyclopts import Group, Parameter
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from normzoo.bench.run import run_bench
from normzoo.bench.spec import BenchSpec, Measurement, problems
from normzoo.bench.summary import to_markdown, to_rich
from normzoo.cli import EXIT_OK
from normzoo.cli._console import stdout_console
from normzoo.cli._flags import with_flags
from normzoo.errors import ConfigError
from normzoo.registry.backends import backend_of_process
from normzoo.report.files import MARKDOWN, check_report_path

_COMMAND = Group("This command", sort_key=2)
_Spec = TypeVar("_Spec", bound=BaseModel)


def _own(text: str) -> Parameter:
    return Parameter(group=_COMMAND, help=text, negative="", show_default=False)


JsonPath = Annotated[Path | None, _own("Also write all that was measured to PATH, as JSON.")]
ReportPath = Annotated[Path | None, _own("Also write a report, NAME.md, and NAME.json; NAME.notes.txt goes into it.")]


@with_flags(Benchmark=BenchSpec)
def layers(
    *,
    json: JsonPath = None,
    report: ReportPath = None,
    details: Annotated[bool, _own("Also print every case.")] = False,
    **settings: Any,
) -> int:
    """Measure, print the tables, and write what was asked for."""
    spec = read_settings(BenchSpec, settings)
    if not spec.cases() and "cold" not in spec.parts:
        raise ConfigError("nothing to measure: these norms, sizes, types and formats have no case in common")
    check_paths(json, report)
    with progress_bar() as progress:
        task = progress.add_task("starting", total=len(spec.cases()))

        def show(measurement: Measurement) -> None:
            progress.update(task, advance=1, description=str(measurement.case))

        bench = run_bench(spec, show)
    console = stdout_console()
    for part in to_rich(bench, every_case=details):
        console.print(part, highlight=False)
    write_files(bench, lambda name, notes: to_markdown(bench, name=name, notes=notes), json=json, report=report)
    return EXIT_OK


def read_settings(model: type[_Spec], settings: dict[str, Any]) -> _Spec:
    """Return the settings of a benchmark from its flags; those that are None keep their defaults.

    Raises:
        ConfigError: a setting, or NORMZOO_BACKEND, has no valid value.
    """
    backend_of_process()  # before a worker is started that would refuse it
    try:
        return model.model_validate({name: value for name, value in settings.items() if value is not None})
    except ValidationError as error:
        raise ConfigError(problems(error)) from None


def check_paths(json: Path | None, report: Path | None) -> None:
    """Refuse files that cannot be written, before anything is measured for them."""
    if report is not None:
        check_report_path(report, suffixes=(MARKDOWN,))
    if json is not None and (json.is_dir() or not json.parent.is_dir()):
        raise ConfigError(f"json: '{json}' cannot be written: it must be a file in a folder that is there")


def progress_bar() -> Progress:
    """Return a progress bar on stderr that is gone when it ends."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def write_files(
    bench: BaseModel, markdown: Callable[[str, str], str], *, json: Path | None, report: Path | None
) -> None:
    """Write what was measured as JSON and as a report, where asked for; ``markdown`` makes it of its name and notes."""
    text = bench.model_dump_json(indent=1) + "\n"
    if json is not None:
        _write(json, text)
    if report is not None:
        _write(report.with_suffix(".json"), text)
        notes = report.with_suffix(".notes.txt")
        notes_text = notes.read_text(encoding="utf-8") if notes.exists() else ""
        _write(report, markdown(report.stem, notes_text))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"'{path}' cannot be written: {error.strerror or error}") from error
    sys.stdout.write(f"written: {path}\n")
