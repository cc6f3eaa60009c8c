"""``normzoo bench``: measure the layers against their peers."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

from cyclopts import Group, Parameter
from pydantic import BaseModel, ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from normzoo.bench.lstm import LstmBenchSpec, how_measured, run_lstm_bench, table
from normzoo.bench.lstm import to_markdown as lstm_markdown
from normzoo.bench.run import run_bench
from normzoo.bench.spec import Bench, BenchSpec, problems
from normzoo.bench.summary import titled_table, to_markdown, to_rich
from normzoo.cli import EXIT_OK
from normzoo.cli._console import stderr_console, stdout_console
from normzoo.cli._flags import with_flags
from normzoo.errors import ConfigError
from normzoo.interrupts import interrupts_raised
from normzoo.outputs import check_output, marked, write_outputs
from normzoo.registry.backends import backend_of_process
from normzoo.report.files import MARKDOWN, check_report_path
from normzoo.visible import as_utf8, visible

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
    files = BenchFiles(to_markdown, json, report, force=force)
    with files.saying_what_is_kept("normzoo"), interrupts_raised(), progress_bar() as progress:
        task = progress.add_task("starting", total=len(spec.cases()))

        def show(so_far: Bench) -> None:
            done = so_far.measurements
            progress.update(task, completed=len(done), description=str(done[-1].case) if done else "cold starts")
            files.keep(so_far)

        bench = run_bench(spec, show)
    console = stdout_console()
    for part in to_rich(bench, every_case=details):
        console.print(part, highlight=False)
    files.write(bench)
    return EXIT_OK


@with_flags(Benchmark=LstmBenchSpec)
def lstm(*, json: JsonPath = None, report: ReportPath = None, force: ForceFlag = False, **settings: Any) -> int:
    """Measure the normalized LSTM, print its table, and write what was asked for."""
    spec = read_settings(LstmBenchSpec, settings)
    files = BenchFiles(lstm_markdown, json, report, force=force)
    with interrupts_raised():
        bench = run_lstm_bench(spec)
    files.keep(bench)  # even if the table cannot be printed
    console = stdout_console()
    for part in titled_table(table(bench)):
        console.print(part, highlight=False)
    console.print(how_measured(bench), style="dim", highlight=False)
    files.write(bench)
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


class BenchFiles:
    """The files that a benchmark was asked for: its JSON, and its report with the JSON of the report's name.

    Args:
        markdown: makes the report of what was measured, with the report's ``name`` and ``notes``.
        json: PATH of ``--json``.
        report: PATH of ``--report``.
        force: also write over what normzoo did not write.

    Raises:
        ConfigError: one cannot be written; so it is said before anything is measured for it.
    """

    def __init__(self, markdown: Callable[..., str], json: Path | None, report: Path | None, *, force: bool) -> None:
        self._markdown, self._report, self._force = markdown, report, force
        self._paths = [] if json is None else [json]
        self._kept: str | None = None
        if force and report is None and json is None:
            raise ConfigError("--force: writes over a file; name one with --report or --json")
        if report is not None:
            check_report_path(report, suffixes=(MARKDOWN,), force=force)
            check_output(report.with_suffix(".json"), "report", force=force)
            self._paths += [report.with_suffix(".json"), report]
        if json is not None:
            check_output(json, "json", force=force)

    def write(self, bench: BaseModel) -> None:
        """Write what was measured, and say where."""
        self._write(bench, self._paths)
        sys.stdout.write("".join(f"written: {path}\n" for path in dict.fromkeys(self._paths)))

    def keep(self, so_far: BaseModel) -> None:
        """Write what is measured so far; not into a pipe or a device, which gets all of it once."""
        files = [path for path in self._paths if path.is_file() or not path.exists()]
        self._write(so_far, files)
        if files:
            self._kept = f"what was measured so far is kept in {', '.join(map(str, dict.fromkeys(files)))}"

    @contextmanager
    def saying_what_is_kept(self, program: str) -> Iterator[None]:
        """Where the context ends early, say what is kept of its measurement: on stderr, or in an error's note."""
        try:
            yield
        except KeyboardInterrupt:
            said = self._kept or "nothing of the measurement is kept"
            sys.stderr.write(f"{program}: interrupted; {visible(said)}\n")
            raise
        except Exception as error:
            if self._kept:
                error.add_note(self._kept)
            raise

    def _write(self, bench: BaseModel, paths: Sequence[Path]) -> None:
        complete = {"incomplete"} if getattr(bench, "incomplete", None) is None else None
        measured = (bench.model_dump_json(indent=1, exclude=complete) + "\n").encode()
        files = dict.fromkeys(paths, measured)
        if self._report is not None and self._report in files:
            notes = self._report.with_suffix(".notes.txt")
            notes_text = notes.read_text(encoding="utf-8") if notes.exists() else ""
            files[self._report] = marked(self._markdown(bench, name=self._report.stem, notes=notes_text), MARKDOWN)
        write_outputs(files, "bench", force=self._force)
