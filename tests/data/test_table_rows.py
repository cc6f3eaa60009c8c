"""Tables whose rows are read some at a time: all is as if they were read at once."""

import errno
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from normzoo.data import load_dataset
from normzoo.errors import DataError
from normzoo.tables import _columns, _file

from .test_table import frame, load, refusal, write

COLUMNS = 5
"""Of the table ``frame``."""


@pytest.fixture(params=[7, pytest.param(1, marks=pytest.mark.slow)], ids=["seven rows", "a row at a time"])
def few(request: pytest.FixtureRequest) -> Iterator[Callable[[], None]]:
    """Return what has few rows of five columns be read at a time from then on."""
    with pytest.MonkeyPatch.context() as patch:
        yield lambda: patch.setattr(_file, "_VALUES", request.param * COLUMNS)


def varied() -> pd.DataFrame:
    """Columns that look otherwise from row to row: whole and other numbers, truth and text, missing values."""
    table = frame()
    table["fare"] = [str(row) if row % 3 else f"{row}.5" for row in range(len(table))]
    table["port"] = ["01"] * 20 + ["02"] * 20 + ["1.0", "x", "", "TRUE", "true"] * 4
    table["alone"] = ["", "True", "False"] * 20
    return table


@pytest.mark.slow
def test_a_dataset_is_the_same_however_many_rows_are_read_at_a_time(few: Callable[[], None], tmp_path: Path) -> None:
    """Texts stay as they are written, also in rows in which all of them read as numbers."""
    path = write(tmp_path, varied())
    expected = load(path)
    assert "12 features: age, fare, port (7 categories), alone (3 categories)" in expected.notes
    few()
    assert load(path).checksum == expected.checksum
    assert load(path).notes == expected.notes


def test_so_is_one_of_parquet(few: Callable[[], None], tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    expected = load(write(tmp_path, frame()))
    frame().to_parquet(tmp_path / "mine.parquet", row_group_size=13)
    few()
    assert load(tmp_path / "mine.parquet").checksum == expected.checksum


@pytest.mark.slow
def test_so_are_folds(few: Callable[[], None], tmp_path: Path) -> None:
    """Whose checksum is that of all rows; another name of a category makes another one."""
    path, other = write(tmp_path, varied()), write(tmp_path, frame(20, seed=1), "test.csv")
    spec = f"csv:{path}:test={other}"
    expected = load_dataset(spec, folds=3).checksum
    few()
    assert {load_dataset(spec, folds=3, fold=fold).checksum for fold in range(3)} == {expected}
    write(tmp_path, varied().replace("x", "y"))
    assert load_dataset(spec, folds=3).checksum != expected


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("fare", {44: "much"}, "'fare' holds numbers, and text in 1 row, the first 'much' in row 44; correct it"),
        ("fare", {44: "", 50: "?"}, "column 'fare' is missing in 2 rows, the first is row 44; add missing=median"),
        ("fare", {44: "1e300", 45: "inf"}, "'fare' holds 2 numbers infinite .* the first (1e+300) in row 44; correct"),
        ("class", {44: "", 45: ""}, "the target 'class' is missing in 2 rows, the first is row 44; fill it in"),
    ],
)
def test_rows_are_counted_through_the_file(
    few: Callable[[], None], column: str, values: dict[int, str], message: str, tmp_path: Path
) -> None:
    few()
    table = frame().astype({column: object})
    table.loc[[row - 1 for row in values], column] = list(values.values())
    before, _, after = message.partition(" .* ")
    text = refusal(write(tmp_path, table))
    assert before in text
    assert after in text


def test_a_test_set_with_text_among_numbers_is_refused_by_its_row(few: Callable[[], None], tmp_path: Path) -> None:
    few()
    test = frame().astype({"fare": object})
    test.loc[43, "fare"] = "much"
    text = refusal(write(tmp_path, frame()), f"test={write(tmp_path, test, 'test.csv')}")
    assert "column 'fare' holds text, as 'much' in row 44, and in csv " in text


@pytest.mark.parametrize(
    ("street", "message"),
    [
        (lambda row: f"street {row}", "another text in each of the first 21 rows ('street 0' in row 1), as an id does"),
        (lambda row: f"street {row // 2}", "holds more than 21 different texts ('street 0' is one), each of which"),
    ],
)
def test_far_too_many_texts_are_refused_before_all_is_read(
    street: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would take memory that nothing is said of."""
    monkeypatch.setattr(_file, "_VALUES", 7 * 6)
    monkeypatch.setattr(_columns, "_MAX_TEXTS", 10)
    monkeypatch.setattr(_columns, "MAX_CATEGORIES", 5)
    table = frame()
    table.insert(0, "street", [street(row) for row in range(len(table))])
    assert message in refusal(write(tmp_path, table))


@pytest.mark.slow
def test_of_numbers_among_texts_few_are_kept_and_the_rest_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a column of numbers holds a text, its numbers are read as texts, too, to say so."""
    monkeypatch.setattr(_file, "_VALUES", 7 * 5)
    monkeypatch.setattr(_columns, "_MAX_TEXTS", 10)
    table = frame().astype({"fare": object})
    table.loc[[43, 58], "fare"] = "much"
    assert "and text in 2 rows, the first 'much' in row 44" in refusal(write(tmp_path, table))


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_: object) -> None: ...

        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    with pytest.raises(DataError, match=r"its rows cannot be kept in '.*' \(No space left on device\); make room"):
        load(write(tmp_path, frame()))
