"""Rows of plain values as files for other programs: CSV, JSON, Parquet."""

import csv
import io
import json
import math
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Literal

from normzoo.errors import ConfigError
from normzoo.experiment.results.tabular import Rows, Value
from normzoo.outputs import MARK, write_outputs
from normzoo.visible import visible

Format = Literal["csv", "parquet", "json"]

_FORMATS: dict[str, Format] = {".csv": "csv", ".json": "json", ".parquet": "parquet"}


def format_of(path: Path) -> Format:
    """Return the format that the name of a file says.

    Raises:
        ConfigError: it says none.
    """
    if path.suffix.lower() not in _FORMATS:
        raise ConfigError(f"output: '{path}' does not say its format; end it in .csv, .json or .parquet")
    return _FORMATS[path.suffix.lower()]


def write_rows(rows: Rows, path: Path, written_as: Format, *, force: bool = False) -> None:
    """Write rows to a file.

    Raises:
        ConfigError: it must not be written (``check_output``) or cannot be, or pyarrow is not installed.
    """
    if written_as == "parquet":
        write_outputs({path: _to_parquet(rows)}, "output", force=force)
    else:
        lines = to_csv(rows) if written_as == "csv" else to_json(rows)
        write_outputs({path: (line.encode() for line in lines)}, "output", force=force)


def to_csv(rows: Rows) -> Iterator[str]:
    r"""Yield the lines of CSV: nothing is an empty field, a loss that is not finite is nan, inf or -inf.

    >>> "".join(to_csv(Rows(lambda: [{"loss": float("nan"), "error": None}])))
    'loss,error\nnan,\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header: list[Value] = [*map(visible, rows.columns or ("key",))]
    for cells in chain([header], (map(_shown, row.values()) for row in rows)):
        writer.writerow(cells)
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def to_json(rows: Rows) -> Iterator[str]:
    r"""Yield the lines of a JSON list of objects; JSON has no NaN, so what is not finite is a string.

    >>> "".join(to_json(Rows(lambda: [{"loss": float("inf"), "error": None}])))
    '[\n{"loss": "Infinity", "error": null}\n]\n'
    """
    before = "[\n"
    for row in rows:
        yield before + json.dumps({name: _finite(value) for name, value in row.items()}, allow_nan=False)
        before = ",\n"
    yield "\n]\n" if len(rows) else "[\n\n]\n"


def _shown(value: Value) -> Value:
    return visible(value) if isinstance(value, str) else value


def _finite(value: Value) -> Value:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _to_parquet(rows: Rows) -> bytes:
    """Write rows as Parquet: nothing is null, NaN is NaN; a column of more than one kind of value becomes text."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise ConfigError(
            "parquet needs pyarrow, which is not installed; `pip install 'normzoo[parquet]'`, or use csv"
        ) from error
    cells: dict[str, list[Value]] = {name: [] for name in rows.columns or ("key",)}
    for row in rows:
        for name, value in row.items():
            cells[name].append(sys.intern(visible(value)) if isinstance(value, str) else value)
    columns = {}
    for name in list(cells):
        values = cells.pop(name)
        name = visible(name)
        try:
            columns[name] = pyarrow.array(values)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
            columns[name] = pyarrow.array([None if value is None else str(value) for value in values])
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns, metadata={"comment": MARK}), file)
    return file.getvalue()
