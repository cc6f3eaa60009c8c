"""Rows of plain values as files for other programs: CSV, JSON, Parquet."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from normzoo.errors import ConfigError
from normzoo.experiment.results.tabular import Value
from normzoo.outputs import MARK, write_outputs
from normzoo.visible import visible

Format = Literal["csv", "parquet", "json"]
Rows = Sequence[Mapping[str, Value]]
"""With the same columns each."""

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
        content = _to_parquet(rows)
    else:
        content = (to_csv(rows) if written_as == "csv" else to_json(rows)).encode()
    write_outputs({path: content}, "output", force=force)


def to_csv(rows: Rows) -> str:
    r"""Write rows as CSV: nothing is an empty field, a loss that is not finite is nan, inf or -inf.

    >>> to_csv([{"loss": float("nan"), "error": None}])
    'loss,error\nnan,\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(visible, rows[0]) if rows else ["key"])
    writer.writerows(map(_shown, row.values()) for row in rows)
    return text.getvalue()


def to_json(rows: Rows) -> str:
    r"""Write rows as a JSON list of objects, one a line; JSON has no NaN, so what is not finite is a string.

    >>> to_json([{"loss": float("inf"), "error": None}])
    '[\n{"loss": "Infinity", "error": null}\n]\n'
    """
    lines = [json.dumps({name: _finite(value) for name, value in row.items()}, allow_nan=False) for row in rows]
    return "[\n" + ",\n".join(lines) + "\n]\n"


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
    columns = {}
    for name in rows[0] if rows else ["key"]:
        values = [_shown(row[name]) for row in rows]
        name = visible(name)
        try:
            columns[name] = pyarrow.array(values)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
            columns[name] = pyarrow.array([None if value is None else str(value) for value in values])
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns, metadata={"comment": MARK}), file)
    return file.getvalue()
