"""``normzoo bench``: measure the layers against their peers."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from cyclopts import Group, Parameter
from pydantic import BaseModel, ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from normzoo.bench.lstm import LstmBenchSpec, how_measured, run_lstm_bench, table
from normzoo.bench.lstm import to_markdown as lstm_markdown
from normzoo.bench.run import run_bench
from normzoo.bench.spec import BenchSpec, Measurement, problems
from normzoo.bench.summary import titled_table, to_markdown, to_rich
from normzoo.cli import EXIT_OK
from normzoo.cli._console import stderr_console, stdout_console
from normzoo.cli._flags import with_flags
from normzoo.errors import ConfigError
from normzoo.interrupts import interrupts_raised
from normzoo.outputs import check_output, marked, write_outputs
from normzoo.registry.backends import backend_of_process
from normzoo.report.files import MARKDOWN, check_report_path
from normzoo.visible import as_utf8

_COMMAND = Group("This command", sort_key=2)
_Spec = TypeVar("_Spec", bound=BaseModel)


def _own(text: str) -> Parameter:
    return Parameter(group=_COMMAND, help=text, negative="", show_default=False)


JsonPath = Annotated[Path | None, _own("Also write all that was measured to PATH, as JSON.")]
ReportPath = Annotated[Path | None, _own("Also write a report, NAME.md, and NAME.json; NAME.notes.txt goes into it.")]
ForceFlag = Annotated[bool, _own("Also overwrite files that normzoo did not write.")]


@with_flags(Benchmark=BenchSpec)
def layers(
    *,
    json: JsonPath = None,
    report: ReportPath = None,
    force: ForceFlag = False,
    details: Annotated[bool, _own("Also print every case.")] = False,
    **settings: Any,
) -> int:
    """Measure, print the tables, and write what was asked for."""
    spec = read_settings(BenchSpec, settings)
    if not spec.cases() and "cold" not in spec.parts:
        raise ConfigError("nothing to measure: these norms, sizes, types and formats have no case in common")
    check_paths(json, report, force=force)
    with interrupts_raised(), progress_bar() as progress:
        task = progress.add_task("starting", total=len(spec.cases()))

        def show(measurement: Measurement) -> None:
            progress.update(task, advance=1, description=str(measurement.case))

        bench = run_bench(spec, show)
    console = stdout_console()
    for part in to_rich(bench, every_case=details):
        console.print(part, highlight=False)
    write_files(
        bench, lambda name, notes: to_markdown(bench, name=name, notes=notes), json=json, report=report, force=force
    )
    return EXIT_OK


@with_flags(Benchmark=LstmBenchSpec)
def lstm(*, json: JsonPath = None, report: ReportPath = None, force: ForceFlag = False, **settings: Any) -> int:
    """Measure the normalized LSTM, print its table, and write what was asked for."""
    spec = read_settings(LstmBenchSpec, settings)
    check_paths(json, report, force=force)
    with interrupts_raised():
        bench = run_lstm_bench(spec)
    console = stdout_console()
    for part in titled_table(table(bench)):
        console.print(part, highlight=False)
    console.print(how_measured(bench), style="dim", highlight=False)
    write_files(
        bench, lambda name, notes: lstm_markdown(bench, name=name, notes=notes), json=json, report=report, force=force
    )
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
    except UnicodeEncodeError as error:  # what is wrong is said with half of a pair, which pydantic cannot write
        raise ConfigError(as_utf8(error.object)) from None


def check_paths(json: Path | None, report: Path | None, *, force: bool) -> None:
    """Refuse files that cannot be written, before anything is measured for them."""
    if report is not None:
        check_report_path(report, suffixes=(MARKDOWN,), force=force)
        check_output(report.with_suffix(".json"), "report", force=force)
    if json is not None:
        check_output(json, "json", force=force)


def progress_bar() -> Progress:
    """Return a progress bar on stderr that is gone when it ends; in a file or a pipe there is none."""
    console = stderr_console()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def write_files(
    bench: BaseModel, markdown: Callable[[str, str], str], *, json: Path | None, report: Path | None, force: bool
) -> None:
    """Write what was measured as JSON and as a report, where asked for; ``markdown`` makes it of its name and notes."""
    measured = (bench.model_dump_json(indent=1) + "\n").encode()
    files = {} if json is None else {json: measured}
    if report is not None:
        notes = report.with_suffix(".notes.txt")
        notes_text = notes.read_text(encoding="utf-8") if notes.exists() else ""
        files |= {
            report.with_suffix(".json"): measured,
            report: marked(markdown(report.stem, notes_text), MARKDOWN),
        }
    write_outputs(files, "bench", force=force)
    sys.stdout.write("".join(f"written: {path}\n" for path in files))
