"""What the columns of a table hold: numbers, or text, and whether that is what it seems."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from normzoo.errors import DataError, counted

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]

ColumnKind = Literal["numbers", "categories"]
"""Of features: numbers, or texts."""

Decimal = Literal["point", "comma"]
"""What stands before decimals."""

MAX_CLASSES = 100
"""Up to so many different whole numbers as a target are classes where nobody says what is learned."""

MIN_ROWS_A_CLASS = 4
"""On average: fewer rows of each are numbers."""

MAX_CATEGORIES = 1000
"""A column of text with more is refused."""

_MAX_TEXTS = 10 * MAX_CATEGORIES
"""Different texts of such a column that are kept, to say what is wrong with it."""

_MANY_NUMBERS = 10
"""A column of text is meant to be one of numbers if so many different ones stand in it, and more than other texts."""

_DIGITS = 18
"""That 64 bits hold for sure."""

_DATE = r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})([ T].*)?"
_MAX_WHOLE = 2**53
"""Up to which float64 has every whole number."""

_WHOLE = r"[+-]?\d+"
_WITH_SEPARATORS = r"[+-]?(\d{1,3}([,.' ]\d{3})+([,.]\d+)?|\d+,\d+)"


class Column:
    """A column whose rows come in some at a time, and what there is to say of those that came.

    Args:
        source: what messages call the file.
        name: of the column.
        is_target: it is to be predicted; else it is a feature.
        trained: of a feature of a test set, that of the training set, whose texts keep their places.
        decimal: what stands before decimals in numbers; what is written otherwise comes as text.

    Attributes:
        places: of the different texts, numbers from 0 in the order in which they came.
        rows: how many came.
        missing: how many of them are missing.
        first_missing: the index of the first of those.
        counts_rows: each number is one more than that before it.
    """

    def __init__(
        self,
        source: str,
        name: str,
        *,
        is_target: bool = False,
        trained: "Column | None" = None,
        decimal: Decimal = "point",
    ) -> None:
        self.source, self.name, self.is_target, self._trained = source, name, is_target, trained
        self._decimal = decimal
        self.where = f"{source}: {'the target' if is_target else 'column'} '{name}'"
        self.way_out = f"leave it out {'' if trained is None else 'of both '}with drop={name}"
        if is_target:
            self.way_out = "name another column with target="
        self.places: dict[str, int] = {} if trained is None else dict(trained.places)
        self._times = [0] * len(self.places)
        self._first_rows = [0] * len(self.places)
        self.rows = self.missing = self.first_missing = 0
        self.counts_rows, self._last = True, np.nan
        self._kinds = set[str]()
        self._too_large, self._first_too_large = 0, ""
        self._lacks_numbers = False

    @property
    def kind(self) -> ColumnKind:
        """What it holds; where all is missing what it holds in training, and there numbers."""
        if self._trained is not None and (not self._kinds or self._trained.kind == "categories"):
            return self._trained.kind
        return "categories" if self._kinds & {"truth", "text"} else "numbers"

    @property
    def is_truth(self) -> bool:
        """Whether all its values are true or false."""
        return self._kinds == {"truth"}

    @property
    def is_mixed(self) -> bool:
        """Whether it reads as numbers in some rows, or as true and false, and as something else in others."""
        return len(self._kinds) > 1

    def add(self, rows: "pd.Series[Any]") -> Array:
        """Take in rows, and return them as float64: numbers, or the places of texts; NaN where missing.

        Raises:
            DataError: they are dates, or no single values; or there are far too many texts.
        """
        is_missing = rows.isna().to_numpy()
        self.rows += len(rows)
        if is_missing.any():
            self.first_missing = self.first_missing if self.missing else int(rows.index[is_missing.argmax()])
            self.missing += int(is_missing.sum())
            self.counts_rows = False
        if is_missing.all():
            return np.full(len(rows), np.nan)
        kind = _kind_of(self.where, rows, self.way_out)
        self._kinds.add(kind)
        if self._trained is not None and self._trained.kind == "categories" and kind == "numbers":
            return self._placed(rows.map(self._written, na_action="ignore"))
        if kind == "numbers":
            return self._numbers(rows)
        if self._trained is not None and self._trained.kind == "numbers":
            raise self._no_numbers(rows.dropna(), self._trained.source)
        return self._placed(rows)

    def _written(self, number: Any) -> str:
        """Write a number as training has it: whole ones, which are 1.0 beside missing ones, as 1."""
        text = str(number)
        return text if text in self.places or number % 1 != 0 else str(int(number))

    def _numbers(self, rows: "pd.Series[Any]") -> Array:
        self._refuse_ids(rows)
        numbers: Array = rows.to_numpy(dtype=np.float64, na_value=np.nan)
        with np.errstate(over="ignore"):
            wrong = np.flatnonzero(np.isinf(numbers.astype(np.float32)))
        if len(wrong) and not self._too_large:
            self._first_too_large = f"({numbers[wrong[0]]}) in row {row(rows.index[wrong[0]])}"
        self._too_large += len(wrong)
        if self.counts_rows:
            steps = np.diff(numbers, prepend=self._last)[int(np.isnan(self._last)) :]
            self.counts_rows, self._last = bool((steps == 1).all()), numbers[-1]
        return numbers

    def _refuse_ids(self, rows: "pd.Series[Any]") -> None:
        """Refuse whole numbers of which several would become one as float64."""
        if rows.dtype.kind in "iu":
            beyond = rows[(rows > _MAX_WHOLE) | (rows < -_MAX_WHOLE)].dropna()
            if len(beyond):
                raise DataError(
                    f"{self.where} holds whole numbers beyond 2^53 ('{beyond.iloc[0]}' in row {row(beyond.index[0])}), "
                    f"of which some would become the same; write them as text, or {self.way_out}"
                )

    def _no_numbers(self, texts: "pd.Series[Any]", training: str) -> DataError:
        import pandas as pd

        others = texts[pd.to_numeric(texts, errors="coerce").isna()]
        first = others if len(others) else texts
        return DataError(
            f"{self.where} holds text, as '{_short(first.iloc[0])}' in row {row(first.index[0])}, and in {training} it "
            f"holds numbers; correct it, or {self.way_out}"
        )

    def _placed(self, rows: "pd.Series[Any]") -> Array:
        """Return the places of texts; blanks around them do not count."""
        import pandas as pd

        codes, values = pd.factorize(rows)
        limit = None if self.is_target or self._trained is not None else _MAX_TEXTS
        _, first, counts = np.unique(codes[codes >= 0], return_index=True, return_counts=True)
        index = rows.index[codes >= 0]
        placed: Array = np.full(len(values) + 1, np.nan)  # the last is that of missing values, whose code is -1
        for code, value in enumerate(values):
            text = str(value).strip()
            if self._trained is not None and self._trained.is_truth and text.title() in ("True", "False"):
                text = text.title()  # as pandas reads them where all rows are true or false
            if text not in self.places:
                if limit is not None and len(self.places) >= limit and _is_number(text):
                    self._lacks_numbers = True  # as it is refused, for which those that are kept and the others will do
                    continue
                self.places[text] = len(self.places)
                self._first_rows.append(int(index[first[code]]))
                self._times.append(0)
            placed[code] = self.places[text]
            self._times[self.places[text]] += int(counts[code])
        if limit is not None and len(self.places) > 2 * limit:
            self.check(f"each of the first {self.rows:,} rows")
        result: Array = placed[codes]
        return result

    def check(self, every_row: str = "every row") -> None:
        """Refuse what is no feature of the training set.

        Args:
            every_row: words for all rows that came.

        Raises:
            DataError: it is empty, an id, or neither numbers nor categories.
        """
        if not self._kinds:
            raise DataError(f"{self.where} is empty; {self.way_out}")
        if self.kind == "numbers":
            self.check_numbers()
            return
        self.check_texts()
        different, first = len(self.places), _short(next(iter(self.places)))
        more = "" if every_row == "every row" and not self._lacks_numbers else "more than "
        if different == self.rows > 1:
            raise DataError(
                f"{self.where} holds another text in {every_row} ('{first}' in row 1), as an id does, from which "
                f"nothing can be learned; {self.way_out}"
            )
        if different > MAX_CATEGORIES:
            raise DataError(
                f"{self.where} holds {more}{different:,} different texts ('{first}' is "
                f"one), each of which would become a feature, and at most {MAX_CATEGORIES:,} may; group them, or "
                f"{self.way_out}"
            )

    def check_numbers(self) -> None:
        """Refuse numbers that float32 cannot hold as finite."""
        if self._too_large:
            raise DataError(
                f"{self.where} holds {counted(self._too_large, 'number')} infinite or too large for float32, the first "
                f"{self._first_too_large}; correct what is wrong, or {self.way_out}"
            )

    def check_texts(self) -> None:
        """Refuse texts that stand for something else: dates, and numbers written otherwise or with text among them."""
        import pandas as pd

        texts = pd.Series(list(self.places), index=self._first_rows, dtype=object)
        dates = texts[texts.str.fullmatch(_DATE)]
        if 2 * len(dates) > len(texts):
            raise _dates(self.where, dates, self.way_out)
        is_number = pd.to_numeric(texts, errors="coerce").notna() & ~texts.isin(("True", "False"))
        numbers, others = texts[is_number], texts[~is_number]
        separated = others[others.str.fullmatch(_WITH_SEPARATORS)]
        are_meant = 2 * (len(separated) + len(numbers)) > len(texts)
        pointed = numbers[numbers.str.contains(".", regex=False)]
        if self._decimal == "comma" and len(pointed) and are_meant:
            raise DataError(
                f"{self.where} holds numbers with points ('{pointed.iloc[0]}' in row {row(pointed.index[0])}), which "
                f"decimal=comma does not read as numbers; write all as 1234,5, or all as 1234.5 without decimal=comma, "
                f"or {self.way_out}"
            )
        if len(separated) and are_meant:
            raise DataError(
                f"{self.where} holds numbers with commas or separators of thousands ('{separated.iloc[0]}' in row "
                f"{row(separated.index[0])}), which are not read as numbers; write them as 1234.5, in CSV also as "
                f"1234,5 with decimal=comma, or {self.way_out}"
            )
        if len(numbers) == len(texts):  # which their file keeps as text, such as codes, or which are too long
            longest = max(numbers[numbers.str.fullmatch(_WHOLE)], key=len, default="")
            if len(longest.lstrip("+-")) > _DIGITS:
                raise DataError(
                    f"{self.where} holds whole numbers beyond 64 bits ('{_short(longest)}' in row "
                    f"{row(self._first_rows[self.places[longest]])}), as an id does; {self.way_out}"
                )
        elif len(numbers) >= _MANY_NUMBERS and 2 * len(numbers) > len(texts):
            times = sum(self._times[self.places[text]] for text in others)
            raise DataError(
                f"{self.where} holds numbers, and text in {counted(times, 'row')}, the first "
                f"'{_short(others.iloc[0])}' in row {row(others.index[0])}; correct it, empty the cell if the value is "
                f"missing, or {self.way_out}"
            )


@dataclass(frozen=True, eq=False)
class Target:
    """The column that is to be predicted.

    Attributes:
        name: of the column.
        kind: ``text``, ``truth``, ``whole`` numbers, or ``numbers``, which are not all whole, or beyond 2^53.
        values: ``(N,)``, numbers as float64; of texts, their places.
        texts: the different ones.
        is_named: somebody said that it is this one; else it is the last.
    """

    name: str
    kind: Literal["text", "truth", "whole", "numbers"]
    values: Array
    texts: Sequence[str]
    is_named: bool

    @property
    def task(self) -> str:
        """What is learned where nobody says so."""
        most = min(MAX_CLASSES, len(self.values) // MIN_ROWS_A_CLASS)
        is_number = self.kind == "numbers" or (self.kind == "whole" and len(np.unique(self.values)) > most)
        return "regression" if is_number else "classification"

    @property
    def note(self) -> str:
        """Which column it is, and what follows from its values."""
        different = f"{len(self.texts) or len(np.unique(self.values)):,} different"
        values = {
            "text": f"{different} texts",
            "truth": "true or false",
            "whole": f"{different} whole numbers",
            "numbers": "numbers that are not all whole" if (self.values % 1 != 0).any() else "numbers beyond 2^53",
        }[self.kind]
        last = "" if self.is_named else ", the last column"
        return f"target '{self.name}'{last}: {values}, so {self.task} unless --task says otherwise"


def target(column: Column, values: Array, *, is_named: bool, of_test: bool = False) -> Target:
    """Return the target column; that of a test set may hold a single value, or each once.

    Args:
        column: whose rows all came.
        values: what it returned of them.
        is_named: somebody said that it is this one.
        of_test: it is that of a test set.

    Raises:
        DataError: it is missing in a row, or holds nothing that could be predicted.
    """
    where, way_out = column.where, column.way_out
    if column.missing:
        raise DataError(
            f"{where} is missing in {counted(column.missing, 'row')}, the first is row {row(column.first_missing)}; "
            "fill it in, or take the rows out (NA, None and ? also mean missing: call a class otherwise)"
        )
    texts = list(column.places)
    first = texts[0] if texts else f"{values[0]:.17g}"
    is_judged = len(values) > 1 and not of_test
    if is_judged and (values == values[0]).all():
        raise DataError(f"{where} is {_short(first)} in every row, so there is nothing to learn; {way_out}")
    if not texts:
        column.check_numbers()
        is_whole = (values % 1 == 0).all() and np.abs(values).max() <= _MAX_WHOLE
        return Target(column.name, "whole" if is_whole else "numbers", values, (), is_named)
    column.check_texts()
    if is_judged and len(texts) == len(values):
        raise DataError(
            f"{where} holds another text in every row ('{_short(first)}' in row 1), so there are no classes; write "
            f"numbers without signs of a currency or a unit, or {way_out}"
        )
    return Target(column.name, "truth" if column.is_truth else "text", values.astype(np.int64), texts, is_named)


def _kind_of(where: str, rows: "pd.Series[Any]", way_out: str) -> Literal["numbers", "truth", "text"]:
    """Return what values are that are not all missing; refuse dates and what is no single value."""
    from pandas.api import types

    if types.is_numeric_dtype(rows.dtype) and not types.is_bool_dtype(rows.dtype):
        return "numbers"
    what, values = types.infer_dtype(rows, skipna=True), rows.dropna()
    if what.startswith(("date", "time", "period")):
        raise _dates(where, values, way_out)
    if what == "decimal":
        return "numbers"
    if what not in ("string", "boolean", "categorical", "integer", "mixed-integer"):
        raise DataError(
            f"{where} holds neither numbers nor text ({type(values.iloc[0]).__name__} in row {row(values.index[0])}); "
            f"{way_out}"
        )
    return "truth" if what == "boolean" else "text"


def _dates(where: str, dates: "pd.Series[Any]", way_out: str) -> DataError:
    return DataError(
        f"{where} holds dates or times ('{_short(dates.iloc[0])}' in row {row(dates.index[0])}), which are not read; "
        f"make numbers of them, such as year, month and day, or {way_out}"
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def row(index: Any) -> str:
    """Write the number of a row, from 1 on, of its index."""
    return f"{int(index) + 1:,}"


def _short(text: Any, length: int = 40) -> str:
    words = " ".join(str(text).split())
    return words if len(words) <= length else words[: length - 3] + "..."
