"""From a file to columns as they stand in it: CSV by pandas, Parquet by pyarrow."""

import csv
import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from normzoo.errors import MAX_LISTED, DataError, error_text
from normzoo.registry.datasets import at_home, not_there
from normzoo.tables._columns import Decimal

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "space": " ", "bar": "|"}
"""What may divide columns, by the words in which options say so."""

MISSING_MARKS = ("?",)
"""What also stands for a missing value, besides an empty cell and what pandas takes for one, such as NA and NaN."""

_VALUES = 1 << 17
"""That are read at a time: some MB, so that reading takes little beside what it makes."""

_LONGEST = 2**26
"""Characters of a line: a row of a million columns has a few million."""

_NAMELESS = re.compile(r"__index_level_\d+__")
"""What pandas calls an index without a name in Parquet."""


@dataclass(frozen=True)
class Layout:
    """How a file is written, and which of its columns is what.

    Attributes:
        format: ``csv`` or ``parquet``.
        target: the column that is to be predicted; the last one by default.
        drop: columns that are left out.
        sep: what divides columns, a word of ``SEPARATORS``.
        decimal: what stands before decimals.
    """

    format: str
    target: str | None = None
    drop: tuple[str, ...] = ()
    sep: str = "comma"
    decimal: Decimal = "point"

    @classmethod
    def of_options(cls, format: str, options: Mapping[str, Any]) -> "Layout":  # noqa: A002
        """Make one of the options of a dataset, of which it takes what it needs.

        Raises:
            DataError: there is no such separator.
        """
        sep = str(options.get("sep", "comma"))
        if sep not in SEPARATORS:
            word = next((word for word, sign in SEPARATORS.items() if sign == sep), "")
            raise DataError(
                f"{format}: sep must be one of {', '.join(SEPARATORS)}, got '{sep}'"
                + (f"; write sep={word}" if word else "")
            )
        dropped = str(options.get("drop") or "").split("+")
        return cls(
            format=format,
            target=None if options.get("target") is None else str(options["target"]),
            drop=tuple(name for name in dropped if name and not (format == "parquet" and _NAMELESS.fullmatch(name))),
            sep=sep,
            decimal="comma" if options.get("decimal") == "comma" else "point",
        )

    def source(self, path: str) -> str:
        """Return what messages call a file."""
        return f"{self.format} '{path}'"


def column_names(path: str, layout: Layout) -> list[str]:
    """Return the names of all columns; the first of a CSV file is empty where it has none and counts the rows.

    Raises:
        DataError: there is no such file, or its columns have no names of their own.
    """
    source, file = layout.source(path), at_home(path)
    if not file.is_file():
        raise not_there(source, layout.format, file)
    if layout.format == "parquet":
        names = _parquet_names(source, file)
        return _checked(source, names, are_in_rows=False)
    rows = _rows(source, file, layout)
    header = next(rows, None)
    if header is None:
        raise DataError(f"{source}: it is empty; write a line with the names of the columns, then a row a line")
    names = [name.strip() for name in header]
    if len(names) == 1:
        _refuse_one_column(source, names[0])
    if not names[0] and all(row[0].strip() == str(number) for number, row in enumerate(rows)):
        return ["", *_checked(source, names[1:], first=2)]  # as pandas.DataFrame.to_csv writes its index
    return _checked(source, names)


def read_rows(
    path: str, layout: Layout, names: Sequence[str], wanted: Sequence[str], *, as_text: Collection[str] = ()
) -> "Iterator[pd.DataFrame]":
    """Yield some columns of a file, some rows at a time; their index counts them from 0 through the whole file.

    What values of a column are is taken from the rows at hand: it may be numbers here, and text there.

    Args:
        path: where it is.
        layout: how it is written.
        names: of all its columns.
        wanted: those to be read.
        as_text: those whose values stay texts, also where they read as numbers; Parquet says itself what they are.

    Raises:
        DataError: it cannot be read.
    """
    source, file, rows = layout.source(path), at_home(path), max(1, _VALUES // len(wanted))
    if layout.format == "parquet":
        yield from _parquet_rows(source, file, list(wanted), rows)
        return
    import pandas as pd

    try:
        with pd.read_csv(
            file,
            sep=SEPARATORS[layout.sep],
            decimal="," if layout.decimal == "comma" else ".",
            header=0,
            names=list(names),
            index_col=False,
            usecols=list(wanted),
            dtype={name: str for name in wanted if name in as_text},
            na_values=list(MISSING_MARKS),
            skipinitialspace=True,
            low_memory=False,
            encoding="utf-8-sig",
            chunksize=rows,
        ) as reader:
            while (frame := _next(reader)) is not None:
                yield frame[list(wanted)]
    except (ValueError, OSError) as error:
        raise DataError(f"{source}: cannot be read ({error_text(error)}); check its quotes") from error


def _next(reader: Any) -> "pd.DataFrame | None":
    """Read the next rows; that some are longer than the header is for ``check_rows`` to say."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.ParserWarning)
        return next(reader, None)


def check_rows(path: str, layout: Layout) -> None:
    """Refuse a CSV file with a row that is too short or too long, which pandas fills up or cuts.

    Raises:
        DataError: there is one; the message says which.
    """
    if layout.format == "csv":
        for _ in _rows(layout.source(path), at_home(path), layout):
            pass


def _refuse_one_column(source: str, header: str) -> None:
    other = next((word for word, sign in SEPARATORS.items() if sign in header), None)
    way_out = f"if its columns are divided by a {other}, add sep={other}" if other else "write at least two"
    if header.startswith("#"):
        way_out = "if it is a remark, remove it: the first line holds the names of the columns"
    shown = header if len(header) <= 40 else f"{header[:40]}..."
    raise DataError(f"{source}: a single column is read, '{shown}', and one is the target; {way_out}")


def _checked(source: str, names: list[str], first: int = 1, *, are_in_rows: bool = True) -> list[str]:
    """Refuse names that are numbers as in a row, that are none, or that are the same."""
    numbers = [name for name in names if _has_digits(name)] if are_in_rows else []
    if numbers and (len(numbers) == len(names) or any("." in name for name in numbers)):
        raise DataError(
            f"{source}: its first line holds numbers, such as '{numbers[0]}', where the names of the columns are "
            "expected; write a line of names above it"
        )
    for number, name in enumerate(names, first):
        if not name:
            raise DataError(f"{source}: column {number} has no name; give it one, or take the column out of the file")
    for name, count in Counter(names).items():
        if count > 1:
            places = [str(number) for number, each in enumerate(names, first) if each == name]
            where = " and ".join([*places[:MAX_LISTED], *(["more"] if count > MAX_LISTED else [])])
            raise DataError(f"{source}: columns {where} are all called '{name}'; give each a name of its own")
    return names


def _has_digits(text: str) -> bool:
    """Whether a text is a number that is written in digits.

    >>> _has_digits("-5.1"), _has_digits("nan"), _has_digits("x2")
    (True, False, False)
    """
    try:
        float(text)
    except ValueError:
        return False
    return any(sign.isdigit() for sign in text)


def _rows(source: str, file: Path, layout: Layout) -> Iterator[list[str]]:
    """Yield the header and the rows of a CSV file as texts; each must have as many values as the header."""
    width, number = None, 0
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            bounded = _bounded(source, lines)
            for row in csv.reader(bounded, delimiter=SEPARATORS[layout.sep], skipinitialspace=True, strict=True):
                if not row:
                    continue
                width = len(row) if width is None else width
                if len(row) != width:
                    raise DataError(
                        f"{source}: row {number:,} has {_values(len(row))}, and the header {width} names; give it as "
                        "many, and put a value that holds the separator into quotes"
                    )
                yield row
                number += 1
    except UnicodeDecodeError as error:
        raise DataError(
            f"{source}: line {_line_not_in_utf_8(file):,} is not text in UTF-8; save the file as CSV in UTF-8, and "
            "unpack it if it is compressed"
        ) from error
    except csv.Error as error:
        where = f"row {number:,}" if number else "the header"
        raise DataError(f"{source}: {where} cannot be read ({error}); check its quotes") from error
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror})") from error


def _bounded(source: str, file: TextIO) -> Iterator[str]:
    """Yield the lines of a file, none of which is longer than a row of a table can be."""
    number = 0
    while line := file.readline(_LONGEST):
        number += 1
        if len(line) == _LONGEST:
            raise DataError(
                f"{source}: line {number:,} is longer than {_LONGEST:,} characters; write one line for each row"
            )
        yield line


def _values(number: int) -> str:
    return f"{number} value{'' if number == 1 else 's'}"


def _line_not_in_utf_8(file: Path) -> int:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1


_NO_PYARROW = "reading Parquet needs pyarrow; install it with pip install 'normzoo[parquet]', or write the table as CSV"


def _parquet_names(source: str, file: Path) -> list[str]:
    """Return the names of the columns, with the index that pandas kept first, as in CSV; one without a name is none."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DataError(f"{source}: {_NO_PYARROW}") from error
    try:
        schema = pq.read_schema(file)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source}: cannot be read as Parquet ({error_text(error)}); write it again") from error
    columns = list(map(str, schema.names))
    try:
        kept = [each for each in (schema.pandas_metadata or {})["index_columns"] if isinstance(each, str)]
    except (KeyError, TypeError, ValueError):  # somebody else wrote it
        kept = []
    index = [name for name in columns if name in kept or _NAMELESS.fullmatch(name)]  # which come last
    named = [name for name in index if not _NAMELESS.fullmatch(name)]
    names = [*named, *(name for name in columns if name not in index)]
    if len(names) < 2:
        _refuse_one_column(source, "".join(names))
    return names


def _parquet_rows(source: str, file: Path, wanted: list[str], rows: int) -> "Iterator[pd.DataFrame]":
    """Yield rows; what pandas wrote as an index is a column like the others, if it is wanted."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    start = 0
    try:
        with pq.ParquetFile(file, pre_buffer=False) as opened:  # or it would hold a group of rows, which may be all
            for batch in opened.iter_batches(rows, columns=wanted, use_threads=False):
                frame: pd.DataFrame = batch.to_pandas(ignore_metadata=True)[wanted]
                frame.index += start
                start += len(frame)
                yield frame
    except (pa.ArrowException, ValueError, OSError) as error:
        raise DataError(f"{source}: cannot be read as Parquet ({error_text(error)}); write it again") from error
