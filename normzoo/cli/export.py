"""``normzoo export``: stored results as a table for other programs."""

import csv
import io
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from normzoo.cli import EXIT_OK
from normzoo.cli._tables import counted
from normzoo.errors import ConfigError
from normzoo.experiment.results.lookup import find_comparison
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.store import Store
from normzoo.experiment.results.tabular import Row, Value, even, flat_epochs, flat_run

Format = Literal["csv", "parquet", "json"]


def export(
    *,
    store: Annotated[Path, Parameter(help="File in which results are kept.")] = Path("normzoo.sqlite"),
    format_: Annotated[
        Format | None, Parameter(name="--format", help="By default what the name of the file says, or csv.")
    ] = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"], help="File to write; stdout by default.")] = None,
    epochs: Annotated[bool, Parameter(help="A row for every epoch of every run.", negative="")] = False,
    comparison: Annotated[int | None, Parameter(help="Only runs of the comparison of this number.")] = None,
) -> int:
    """Write a row for every run, or for every epoch of every run."""
    chosen = _format(format_, output)
    if output is not None:
        _check(output, store)
    with Store(store, writable=False) as opened:
        listed = [run.key for run in opened.listed()]
        if comparison is not None:
            of_comparison = set(find_comparison(comparison, opened.comparisons(), store).keys)
            _tell(len(of_comparison.difference(listed)), f"of comparison {comparison} not there yet, and not written")
            listed = [key for key in listed if key in of_comparison]
        records = opened.records(listed)
    rows = _rows(records, epochs=epochs)
    _write(rows, chosen, output)
    if output is not None:
        sys.stdout.write(f"written: {output} ({counted(len(rows), 'row')})\n")
    return EXIT_OK


def _format(asked: Format | None, output: Path | None) -> Format:
    """Return the format asked for, or the one that the file's name says."""
    if asked == "parquet" and output is None:
        raise ConfigError("--format parquet is not for a terminal; name a file with --output")
    if asked is not None:
        return asked
    if output is None:
        return "csv"
    formats: dict[str, Format] = {".csv": "csv", ".json": "json", ".parquet": "parquet"}
    if output.suffix.lower() not in formats:
        raise ConfigError(
            f"output: '{output}' does not say its format; end it in .csv, .json or .parquet, or use --format"
        )
    return formats[output.suffix.lower()]


def _check(output: Path, store: Path) -> None:
    """Refuse a file that cannot be written, and above all the store itself, before anything is read."""
    if output.exists() and store.exists() and output.samefile(store):
        raise ConfigError(f"output: '{output}' is the store itself; name another file")
    if output.is_dir() or not output.parent.is_dir():
        raise ConfigError(f"output: '{output}' cannot be written: it must be a file in a folder that is there")


def _rows(records: Mapping[str, RunRecord], *, epochs: bool) -> list[Row]:
    if not epochs:
        return even(flat_run(key, record) for key, record in records.items())
    _tell(sum(not record.epochs for record in records.values()), "without a finished epoch, and not written")
    return even(row for key, record in records.items() for row in flat_epochs(key, record))


def _tell(runs: int, what: str) -> None:
    if runs:
        sys.stderr.write(f"normzoo: {counted(runs, 'run')} {what}\n")


def _write(rows: Sequence[Row], chosen: Format, output: Path | None) -> None:
    try:
        if chosen == "parquet" and output is not None:
            _write_parquet(rows, output)
            return
        text = to_csv(rows) if chosen == "csv" else to_json(rows)
        if output is None:
            sys.stdout.write(text)
        else:
            output.write_text(text, encoding="utf-8", newline="")
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ConfigError(f"output: '{output}' cannot be written: {error.strerror or error}") from error


def to_csv(rows: Sequence[Row]) -> str:
    r"""Write rows as CSV: nothing is an empty field, a loss that is not finite is nan, inf or -inf.

    >>> to_csv([{"loss": float("nan"), "error": None}])
    'loss,error\nnan,\n'
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["key"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def to_json(rows: Sequence[Row]) -> str:
    r"""Write rows as a JSON list of objects, one a line; JSON has no NaN, so what is not finite is a string.

    >>> to_json([{"loss": float("inf"), "error": None}])
    '[\n{"loss": "Infinity", "error": null}\n]\n'
    """
    lines = [json.dumps({name: _finite(value) for name, value in row.items()}, allow_nan=False) for row in rows]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _finite(value: Value) -> Value:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _write_parquet(rows: Sequence[Row], output: Path) -> None:
    """Write rows as Parquet: nothing is null, NaN is NaN; a column of more than one kind of value becomes text."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise ConfigError(
            "--format parquet needs pyarrow, which is not installed; `pip install 'normzoo[parquet]'`, or use csv"
        ) from error
    columns = {}
    for name in rows[0] if rows else ["key"]:
        values = [row[name] for row in rows]
        try:
            columns[name] = pyarrow.array(values)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
            columns[name] = pyarrow.array([None if value is None else str(value) for value in values])
    pyarrow.parquet.write_table(pyarrow.table(columns), output)
