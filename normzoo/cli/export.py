"""``normzoo export``: stored results as a table for other programs, or in an experiment tracker."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.progress import track

from normzoo.cli._console import stderr_console
from normzoo.cli._flags import Force
from normzoo.cli._stores import all_flag, chosen_comparisons, comparisons_flag, tell_passed_over
from normzoo.errors import ConfigError, counted
from normzoo.experiment.results.lookup import find_comparison
from normzoo.experiment.results.store import Store, StoredComparison
from normzoo.experiment.results.tabular import Row, Rows, TableKind, flat_epochs, flat_run
from normzoo.experiment.results.union import Numbers, read_comparison
from normzoo.export.files import Format, format_of, to_csv, to_json, write_rows
from normzoo.export.trackers import parse_target, tracked, write_runs
from normzoo.outputs import check_output


def export(
    *,
    store: Annotated[Path, Parameter(help="File in which results are kept.")] = Path("normzoo.sqlite"),
    kind: Annotated[
        TableKind | None,
        Parameter(help="A row for every run (the default), for every epoch of every run, or for every cell."),
    ] = None,
    format_: Annotated[
        Format | None, Parameter(name="--format", help="By default what the name of the file says, or csv.")
    ] = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"], help="File to write; stdout by default.")] = None,
    to: Annotated[
        str | None, Parameter(help="A tracker to write runs to: tensorboard:DIR, mlflow:URI or wandb:PROJECT.")
    ] = None,
    comparison: Annotated[
        list[int] | None,
        comparisons_flag("Only that of this number, or those of several, 1,3; a summary is of the latest by default."),
    ] = None,
    all_: Annotated[bool, all_flag("All comparisons; a summary is of all as one.")] = False,
    force: Force = False,
) -> int:
    """Write a row for every run, epoch or cell to a file, or runs to a tracker."""
    numbers = chosen_comparisons(comparison, all_)
    if to is not None:
        for flag, value in (("--kind", kind), ("--format", format_), ("--output", output)):
            if value is not None:
                raise ConfigError(f"{flag}: is for files, and --to for trackers; use one")
        if force:
            raise ConfigError("--force: is for files; a tracker's run is replaced where it has changed")
        return _to_tracker(to, store, numbers)
    chosen = _format(format_, output)
    if output is None and force:
        raise ConfigError("--force: writes over a file; name one with --output")
    if output is not None:
        check_output(output, "output", force=force)
    with Store(store, writable=False) as opened:
        rows = _summary(opened, numbers) if kind == "summary" else _rows(opened, numbers, by_epoch=kind == "epochs")
        if output is None:
            sys.stdout.writelines(to_csv(rows) if chosen == "csv" else to_json(rows))
        else:
            write_rows(rows, output, chosen, force=force)
            sys.stdout.write(f"written: {output} ({counted(len(rows), 'row')})\n")
    return tell_passed_over(opened)


def _to_tracker(to: str, store: Path, numbers: Numbers) -> int:
    name, place = parse_target(to)
    path = Path(place.removeprefix("sqlite:///"))
    if path.exists() and store.exists() and path.samefile(store):
        raise ConfigError(f"--to: '{to}' is the store itself; name another place")
    console = stderr_console()
    with Store(store, writable=False) as opened:
        keys = _keys(opened, numbers)
        of_run: dict[str, list[int]] = {}
        for each in opened.comparisons():
            for key in each.keys:
                of_run.setdefault(key, []).append(each.id)
        runs = (tracked(key, record, of_run.get(key, [])) for key, record in opened.each_record(keys))
        written = write_runs(name, place, runs)
        is_silent = not console.is_terminal
        done = list(track(written, to, len(keys), console=console, transient=True, disable=is_silent))
    there = f", {done.count(False):,} there already" if False in done else ""
    sys.stdout.write(f"written: {to} ({counted(done.count(True), 'run')}{there})\n")
    return tell_passed_over(opened)


def _format(asked: Format | None, output: Path | None) -> Format:
    """Return the format asked for, or the one that the file's name says."""
    if asked == "parquet" and output is None:
        raise ConfigError("--format parquet needs a file; name one with --output")
    if asked is not None:
        return asked
    return "csv" if output is None else format_of(output)


def _summary(store: Store, numbers: Numbers) -> Rows:
    from normzoo.report import summarize, summary_rows  # scipy takes a while

    rows = summary_rows(summarize(*read_comparison(store, numbers)))
    return Rows(lambda: rows)


def _rows(store: Store, numbers: Numbers, *, by_epoch: bool) -> Rows:
    """Return a row for every run or epoch; records are read one by one."""
    keys, without = _keys(store, numbers), set[str]()

    def make() -> Iterator[Row]:
        for key, record in store.each_record(keys):
            if not by_epoch:
                yield flat_run(key, record)
                continue
            yield from flat_epochs(key, record)
            if not record.epochs:
                without.add(key)

    rows = Rows(make)
    _tell(len(without), "without a finished epoch, and not written")
    return rows


def _keys(store: Store, numbers: Numbers) -> list[str]:
    """Return the runs in the order in which they began: all, or those of some comparisons, as far as they are there."""
    listed = [run.key for run in store.listed()]
    if isinstance(numbers, list):
        known = store.comparisons()
        asked: list[StoredComparison] = [find_comparison(number, known, store.path) for number in numbers]
        wanted = {key for each in asked for key in each.keys}
        named = ", ".join(str(each.id) for each in asked)
        _tell(len(wanted.difference(listed)), f"of comparison {named} not there yet, and not written")
        listed = [key for key in listed if key in wanted]
    return listed


def _tell(runs: int, what: str) -> None:
    if runs:
        sys.stderr.write(f"normzoo: {counted(runs, 'run')} {what}\n")
