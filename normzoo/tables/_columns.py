"""What the columns of a table hold: numbers, or text, and whether that is what it seems."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from normzoo.errors import DataError, counted

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["numbers", "categories"]
"""Of features: float64, NaN where missing; or texts, None where missing."""

MAX_CLASSES = 100
"""Up to so many different whole numbers as a target are classes where nobody says what is learned."""

MIN_ROWS_A_CLASS = 4
"""On average: fewer rows of each are numbers."""

MAX_CATEGORIES = 1000
"""A column of text with more is refused."""

_MANY_NUMBERS = 10
"""A column of text is meant to be one of numbers if so many different ones stand in it, and more than other texts."""

_DIGITS = 18
"""That 64 bits hold for sure."""

_DATE = r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})([ T].*)?"
_WITH_SEPARATORS = r"[+-]?(\d{1,3}([,.' ]\d{3})+([,.]\d+)?|\d+,\d+)"


@dataclass(frozen=True, eq=False)
class Target:
    """The column that is to be predicted.

    Attributes:
        name: of the column.
        kind: ``text``, ``truth``, ``whole`` numbers, or ``numbers``.
        values: texts, or numbers.
        is_named: somebody said that it is this one; else it is the last.
    """

    name: str
    kind: Literal["text", "truth", "whole", "numbers"]
    values: "pd.Series[Any]"
    is_named: bool

    @property
    def task(self) -> str:
        """What is learned where nobody says so."""
        most = min(MAX_CLASSES, len(self.values) // MIN_ROWS_A_CLASS)
        is_number = self.kind == "numbers" or (self.kind == "whole" and self.values.nunique() > most)
        return "regression" if is_number else "classification"

    @property
    def note(self) -> str:
        """Which column it is, and what follows from its values."""
        different = f"{self.values.nunique():,} different"
        values = {
            "text": f"{different} texts",
            "truth": "true or false",
            "whole": f"{different} whole numbers",
            "numbers": "numbers that are not all whole",
        }[self.kind]
        last = "" if self.is_named else ", the last column"
        return f"target '{self.name}'{last}: {values}, so {self.task} unless --task says otherwise"


def feature(source: str, column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column of the training set as float64 or as texts.

    Raises:
        DataError: it is empty, an id, or neither numbers nor categories.
    """
    where, way_out = f"{source}: column '{column.name}'", f"leave it out with drop={column.name}"
    if column.isna().all():
        raise DataError(f"{where} is empty; {way_out}")
    plain = _plain(where, column, way_out)
    if plain.dtype != object:
        return _checked_numbers(where, plain, way_out)
    _check_text(where, plain, way_out)
    different = plain.nunique()
    if different == len(plain) > 1:
        raise DataError(
            f"{where} holds another text in every row ('{_short(plain.iloc[0])}' in row 1), as an id does, from which "
            f"nothing can be learned; {way_out}"
        )
    if different > MAX_CATEGORIES:
        raise DataError(
            f"{where} holds {different:,} different texts ('{_short(plain.dropna().iloc[0])}' is one), each of which "
            f"would become a feature, and at most {MAX_CATEGORIES:,} may; group them, or {way_out}"
        )
    return plain


def feature_of_test(source: str, column: "pd.Series[Any]", kind: Kind, training: str) -> "pd.Series[Any]":
    """Return a column of the test set, which must be of the kind that it is of in training.

    Raises:
        DataError: it is not.
    """
    import pandas as pd

    where, way_out = f"{source}: column '{column.name}'", f"leave it out of both with drop={column.name}"
    if column.isna().all():
        return column.astype(object if kind == "categories" else "float64")
    plain = _plain(where, column, way_out)
    if kind == "categories":
        return plain if plain.dtype == object else _as_texts(plain)
    if plain.dtype == object:
        text = plain[plain.notna() & pd.to_numeric(plain, errors="coerce").isna()]
        raise DataError(
            f"{where} holds text, as '{_short(text.iloc[0])}' in row {row(text.index[0])}, and in {training} it holds "
            f"numbers; correct it, or {way_out}"
        )
    return _checked_numbers(where, plain, way_out)


def target(source: str, column: "pd.Series[Any]", *, is_named: bool, of_test: bool = False) -> Target:
    """Return the target column; that of a test set may hold a single value, or each once.

    Raises:
        DataError: it is missing in a row, or holds nothing that could be predicted.
    """
    name = str(column.name)
    where, way_out = f"{source}: the target '{name}'", "name another column with target="
    missing = column.index[column.isna()]
    if len(missing):
        raise DataError(
            f"{where} is missing in {counted(len(missing), 'row')}, the first is row {row(missing[0])}; fill it in, or "
            "take the rows out (NA, None and ? also mean missing: call a class otherwise)"
        )
    plain = _plain(where, column, way_out)
    is_judged = len(plain) > 1 and not of_test
    if is_judged and plain.nunique() == 1:
        raise DataError(f"{where} is {_short(plain.iloc[0])} in every row, so there is nothing to learn; {way_out}")
    if plain.dtype != object:
        plain = _checked_numbers(where, plain, way_out)
        is_whole = bool((plain % 1 == 0).all())
        return Target(name, "whole" if is_whole else "numbers", plain, is_named)
    _check_text(where, plain, way_out)
    if is_judged and plain.nunique() == len(plain):
        raise DataError(
            f"{where} holds another text in every row ('{_short(plain.iloc[0])}' in row 1), so there are no classes; "
            "write numbers without signs of a currency or a unit, or "
            f"{way_out}"
        )
    return Target(name, "truth" if column.dtype == bool else "text", plain, is_named)


def _plain(where: str, column: "pd.Series[Any]", way_out: str) -> "pd.Series[Any]":
    """Return a column as numbers, or as texts of type object; refuse dates and what is no single value."""
    import pandas as pd
    from pandas.api import types

    if types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype):
        return column
    what, first = types.infer_dtype(column, skipna=True), column.dropna()
    if what.startswith(("date", "time", "period")):
        raise _dates(where, first, way_out)
    if what == "decimal":
        return column.astype("float64")
    if what not in ("string", "boolean", "categorical", "integer", "mixed-integer"):
        raise DataError(
            f"{where} holds neither numbers nor text ({type(first.iloc[0]).__name__} in row {row(first.index[0])}); "
            f"{way_out}"
        )
    texts = [None if pd.isna(value) else str(value).strip() for value in column]
    return pd.Series(texts, index=column.index, name=column.name, dtype=object)


def _as_texts(numbers: "pd.Series[Any]") -> "pd.Series[Any]":
    """Write numbers as texts: where a test set has, of codes, those alone that are numbers."""
    import pandas as pd

    texts = [None if pd.isna(value) else str(value) for value in numbers]
    return pd.Series(texts, index=numbers.index, name=numbers.name, dtype=object)


def _checked_numbers(where: str, column: "pd.Series[Any]", way_out: str) -> "pd.Series[Any]":
    """Return numbers as float64; refuse those that float32 cannot hold as finite."""
    wide = column.astype("float64")
    with np.errstate(over="ignore"):
        wrong = wide[np.isinf(wide.astype("float32"))]
    if len(wrong):
        raise DataError(
            f"{where} holds {counted(len(wrong), 'number')} infinite or too large for float32, the first "
            f"({wrong.iloc[0]}) in row {row(wrong.index[0])}; correct what is wrong, or {way_out}"
        )
    return wide


def _dates(where: str, dates: "pd.Series[Any]", way_out: str) -> DataError:
    return DataError(
        f"{where} holds dates or times ('{_short(dates.iloc[0])}' in row {row(dates.index[0])}), which are not read; "
        f"make numbers of them, such as year, month and day, or {way_out}"
    )


def _check_text(where: str, column: "pd.Series[Any]", way_out: str) -> None:
    """Refuse texts that stand for something else: dates, and numbers written otherwise or with text among them."""
    import pandas as pd

    texts = column.dropna().drop_duplicates()
    dates = texts[texts.str.fullmatch(_DATE)]
    if 2 * len(dates) > len(texts):
        raise _dates(where, dates, way_out)
    numbers = texts[pd.to_numeric(texts, errors="coerce").notna() & ~texts.isin(("True", "False"))]
    separated = texts[texts.str.fullmatch(_WITH_SEPARATORS) & ~texts.isin(numbers)]
    if len(separated) and 2 * (len(separated) + len(numbers)) > len(texts):
        raise DataError(
            f"{where} holds numbers with commas or separators of thousands ('{separated.iloc[0]}' in row "
            f"{row(separated.index[0])}), which are not read as numbers; write them as 1234.5, in CSV also as 1234,5 "
            f"with decimal=comma, or {way_out}"
        )
    if len(numbers) == len(texts):  # which their file keeps as text, such as codes, or which are too long
        longest = max(numbers, key=len)
        if len(longest) > _DIGITS:
            raise DataError(
                f"{where} holds whole numbers beyond 64 bits ('{_short(longest)}' in row "
                f"{row(numbers.index[numbers == longest][0])}), as an id does; {way_out}"
            )
    elif len(numbers) >= _MANY_NUMBERS and 2 * len(numbers) > len(texts):
        others = column[column.notna() & ~column.isin(numbers)]
        raise DataError(
            f"{where} holds numbers, and text in {counted(len(others), 'row')}, the first '{_short(others.iloc[0])}' "
            f"in row {row(others.index[0])}; correct it, empty the cell if the value is missing, or {way_out}"
        )


def row(index: Any) -> str:
    """Write the number of a row, from 1 on, of its index."""
    return f"{int(index) + 1:,}"


def _short(text: Any, length: int = 40) -> str:
    words = " ".join(str(text).split())
    return words if len(words) <= length else words[: length - 3] + "..."
