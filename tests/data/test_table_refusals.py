"""What of a table is refused, with the column, the row and the way out."""

import re
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from normzoo.errors import ComponentError
from normzoo.tasks import Classification, Regression

from .test_table import ROWS, frame, load, refusal, write

FILES: dict[str, tuple[Any, str, str]] = {
    "empty": ("", "", "it is empty; write a line with the names of the columns, then a row a line"),
    "header": ("a,b\n", "", "it has a header, and no rows below it"),
    "one row": ("a,b\n1,x\n", "", "it holds 1 row; give at least 20, as a fifth is held out"),
    "short": ("a,b,c\n1,2,x\n1,2\n", "", "row 2 has 2 values, and the header 3 names"),
    "long": ("a,b\n1,2\n1,2\n1,2,3\n", "", "row 3 has 3 values, and the header 2 names"),
    "separator": ("a;b\n1;2\n", "", "single column is read, 'a;b', .* divided by a semicolon, add sep=semicolon"),
    "a remark above": (
        "# by hand\na,b\n1,2\n",
        "",
        "a single column is read, '# by hand', and one is the target; if it is a remark, remove it: the first line "
        "holds the names of the columns",
    ),
    "one column": ("a\n1\n", "", "a single column is read, 'a', and one is the target; write at least two"),
    "latin": ("a,b\n1,2\n1,café\n".encode("latin-1"), "", "line 3 is not text in UTF-8; save the file as CSV in UTF-8"),
    "utf-16": ("a,b\n1,2\n".encode("utf-16"), "", "line 1 is not text in UTF-8"),
    "zip": (b"\x1f\x8b\x08\x00\xff\xfe", "", "line 1 is not text in UTF-8; .* unpack it if it is compressed"),
    "quotes": ('a,b\n1,2\n1,"2\n', "", "cannot be read .*; check its quotes"),
    "twice": ("a,b,a\n1,2,3\n", "", "columns 1 and 3 are all called 'a'; give each a name of its own"),
    "many": ("a," * 99 + "b\n", "", "columns 1 and 2 .* and 20 and more are all called 'a'"),
    "no name": ("a,,b\n1,2,3\n", "", "column 2 has no name; give it one, or take the column out of the file"),
    "no header": (
        "5.1,3.5,setosa\n4.9,3,setosa\n",
        "",
        "its first line holds numbers, such as '5.1', .*a line of names",
    ),
    "numbers": ("1,2\n3,4\n", "", "its first line holds numbers, such as '1'"),
    "target": (None, "target=clas", r"it has no column 'clas'; did you mean 'class'\? \(it has: age, fare"),
    "drop": (None, "drop=prot", r"it has no column to drop 'prot'; did you mean 'port'\?"),
    "both": (None, "target=age,drop=age", "'age' is the target, and is to be dropped; use one"),
    "all": (None, "drop=age+fare+port+alone", "besides the target 'class' there is no column to learn from"),
    "comma": (None, "sep=,", "its options 'sep=,' do not read; write them as key=value,key=value"),
    "two columns": (None, "drop=age,fare", "it has no option 'fare'"),
    "option": (None, "tagret=age", r"it has no option 'tagret'; did you mean 'target'\?"),
}


@pytest.mark.parametrize("case", FILES)
def test_files_that_do_not_read_are_refused(case: str, tmp_path: Path) -> None:
    """With the file, the place, and the way out."""
    content, options, message = FILES[case]
    path = write(tmp_path, frame() if content is None else content)
    text = refusal(path, options)
    assert text.startswith("csv 'mine.csv': ")
    assert re.search(message, text)


def changed(column: str, values: Any, *rows: int) -> pd.DataFrame:
    """Return the table with other values in a column, or in some of its rows, counted from 1."""
    table = frame()
    if not rows:
        table[column] = values
        return table[[*table.columns.drop("class"), "class"]]
    table[column] = table[column].astype(object)
    table.loc[[row - 1 for row in rows], column] = values
    return table


COLUMNS: dict[str, tuple[pd.DataFrame, str]] = {
    "missing": (
        changed("fare", "", 4, 9),
        "column 'fare' is missing in 2 rows, the first is row 4; add missing=median",
    ),
    "nan": (
        changed("fare", "NaN", 4),
        "column 'fare' is missing in 1 row, the first is row 4; .*, fill it in, or leave",
    ),
    "question mark": (changed("fare", "?", 4), "column 'fare' is missing in 1 row"),
    "infinite": (changed("fare", "-inf", 4), r"column 'fare' holds 1 number infinite .*, the first \(-inf\) in row 4"),
    "too large": (
        changed("fare", "1e300", 4, 5),
        r"holds 2 numbers .*too large for float32, the first \(1e\+300\) in row 4",
    ),
    "mixed": (
        changed("fare", "much", 4),
        "'fare' holds numbers, and text in 1 row, the first 'much' in row 4; correct it",
    ),
    "decimal commas": (
        changed("fare", [f"{row},5" for row in range(ROWS)]),
        r"'fare' holds numbers with commas or separators of thousands \('0,5' in row 1\), .* decimal=comma",
    ),
    "thousands": (
        changed("fare", [f"{row * 1000:,}" for row in range(ROWS)]),
        r"'fare' holds numbers with commas or separators of thousands \('1,000' in row 2\), .*write them as 1234.5",
    ),
    "huge": (
        changed("id", [10**25 + row for row in range(ROWS)]),
        r"'id' holds whole numbers beyond 64 bits \('1000.* row 1",
    ),
    "id": (
        changed("id", [f"p{row}" for row in range(ROWS)]),
        r"'id' holds another text in every row \('p0' in row 1\), as an id does, .* leave it out with drop=id",
    ),
    "dates": (
        changed("day", pd.date_range("2020-01-31", periods=ROWS).astype(str)),
        r"'day' holds dates or times \('2020-01-31' in row 1\), .* make numbers of them, .* drop=day",
    ),
    "their dates": (changed("day", "31.12.2020"), r"'day' holds dates or times \('31.12.2020' in row 1\)"),
    "empty": (changed("note", ""), "column 'note' is empty; leave it out with drop=note"),
    "no target": (
        changed("class", "", 3, 8),
        "the target 'class' is missing in 2 rows, the first is row 3; fill it in",
    ),
    "one class": (changed("class", "yes"), "the target 'class' is yes in every row, so there is nothing to learn"),
    "id as target": (
        changed("class", [f"p{row}" for row in range(ROWS)]),
        "the target 'class' holds another text in every row .*no classes; write numbers without .*another column with "
        "target=",
    ),
    "dates as target": (changed("class", "2020-01-31"), "the target 'class' .*nothing to learn"),
}


@pytest.mark.slow_but_one
@pytest.mark.parametrize("case", COLUMNS)
def test_columns_that_are_not_what_they_seem_are_refused(case: str, tmp_path: Path) -> None:
    """With the column, how many of its rows, the first of them, and the way out."""
    table, message = COLUMNS[case]
    assert re.search(message, refusal(write(tmp_path, table)))


def test_very_many_categories_are_refused(tmp_path: Path) -> None:
    table = frame(1300).assign(street=[f"street {row % 1200}" for row in range(1300)])
    message = refusal(write(tmp_path, table), "target=class")
    assert "'street' holds 1,200 different texts ('street 0' is one), each of which would become a feature" in message


@pytest.mark.parametrize(
    ("fares", "first"),
    [
        ([f"{row}.5" for row in range(ROWS)], "'0.5' in row 1"),
        ([f"{row}{'.' if row == 3 else ','}5" for row in range(ROWS)], "'3.5' in row 4"),
        ([f"{row}.5" if row else "" for row in range(ROWS)], "'1.5' in row 2"),
    ],
    ids=["all", "one", "one missing"],
)
def test_numbers_with_points_beside_decimal_commas_are_refused(fares: list[str], first: str, tmp_path: Path) -> None:
    """They would be texts, each a category of its own."""
    text = frame().assign(fare=fares).to_csv(index=False, sep=";", decimal=",")
    message = refusal(write(tmp_path, text.encode()), "sep=semicolon,decimal=comma")
    assert f"column 'fare' holds numbers with points ({first}), which decimal=comma does not read" in message


def test_a_target_with_points_beside_decimal_commas_is_refused(tmp_path: Path) -> None:
    text = frame().assign(fare=[f"{row}.5" for row in range(ROWS)]).to_csv(index=False, sep=";", decimal=",")
    message = refusal(write(tmp_path, text.encode()), "sep=semicolon,decimal=comma,target=fare")
    assert "the target 'fare' holds numbers with points ('0.5' in row 1), which decimal=comma does not" in message


TESTS: dict[str, tuple[pd.DataFrame, str]] = {
    "lacking": (frame().drop(columns="fare"), "'test.csv': it has no column 'fare', which training has"),
    "without target": (frame().drop(columns="class"), "'test.csv': it has no column 'class', the target"),
    "more": (
        frame().assign(more=1),
        "'test.csv': it has a column 'more', which csv .* does not; give both the same columns",
    ),
    "renamed": (frame().rename(columns={"fare": "fares"}), r"it has no column 'fare', .*; did you mean 'fares'\?"),
    "text": (
        changed("fare", "much", 4),
        "'test.csv': column 'fare' holds text, as 'much' in row 4, and in csv .* numbers",
    ),
    "missing": (changed("fare", "", 4), "'test.csv': column 'fare' is missing in 1 row, the first is row 4"),
    "another class": (changed("class", "other", 4), "y_test holds the class 'other', which y_train does not"),
}


@pytest.mark.slow_but_one
@pytest.mark.parametrize("case", TESTS)
def test_a_test_file_that_does_not_fit_is_refused(case: str, tmp_path: Path) -> None:
    test, message = TESTS[case]
    assert re.search(message, refusal(write(tmp_path, frame()), f"test={write(tmp_path, test, 'test.csv')}"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.csv").startswith("csv 'none.csv': no such file; check the path")
    assert "csv 'none.csv': no such file" in refusal(write(tmp_path, frame()), f"test={tmp_path / 'none.csv'}")
    with pytest.raises(ComponentError, match="missing must be one of refuse, median, got 'mean'"):
        load(write(tmp_path, frame()), "missing=mean")


def test_a_target_that_does_not_suit_the_task_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, frame())
    text = refusal(path, task=Regression())
    assert (
        "the target 'class' holds text ('no' in row 1), and a regression needs numbers; use --task classification"
        in text
    )
    numbers = refusal(path, "target=fare", Classification())
    assert "holds numbers that are not whole (" in numbers
    assert numbers.endswith("in row 1), which are no classes; use --task regression")


@pytest.mark.parametrize("values", [[[1, 2]] * ROWS, [b"x"] * ROWS, pd.date_range("2020", periods=ROWS)])
def test_parquet_of_what_is_neither_number_nor_text_is_refused(values: Any, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "mine.parquet"
    frame().assign(odd=values)[["age", "odd", "class"]].to_parquet(path)
    assert refusal(path).startswith("parquet 'mine.parquet': column 'odd' holds ")


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = write(tmp_path, b"\x80\x04].", "mine.parquet")  # an empty list as a pickle
    assert refusal(path).startswith("parquet 'mine.parquet': cannot be read as Parquet (")


def test_without_pyarrow_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = refusal(write(tmp_path, b"PAR1", "mine.parquet"))
    assert message.endswith("install it with pip install 'normzoo[parquet]', or write the table as CSV")


def test_a_parquet_file_without_rows_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path, other = tmp_path / "mine.parquet", tmp_path / "other.parquet"
    frame().iloc[:0].to_parquet(path)
    frame().to_parquet(other)
    assert refusal(path) == "parquet 'mine.parquet': it has a header, and no rows below it"
    assert refusal(other, f"test={path}") == "parquet 'mine.parquet': it has a header, and no rows below it"


def test_long_decimals_that_are_text_are_no_whole_numbers(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "mine.parquet"
    frame().assign(fare=[str(0.1234567890123456 + row) for row in range(ROWS)]).to_parquet(path)
    assert "'fare' holds another text in every row ('0.1234567890123456' in row 1)" in refusal(path)


@pytest.mark.parametrize("column", ["age", "class"])
@pytest.mark.parametrize("sign", [1, -1])
def test_whole_numbers_that_float64_has_not_are_refused(column: str, sign: int, tmp_path: Path) -> None:
    """Some would become the same, and classes one."""
    values = [sign * (2**53 + row % 4) for row in range(ROWS)]
    where = "the target" if column == "class" else "column"
    message = refusal(write(tmp_path, frame().assign(**{column: values})))
    beginning = f"{where} '{column}' holds whole numbers beyond 2^53 ('{values[1]}' in row 2), of which some would"
    assert beginning in message
