"""Tables of the user's own: ``csv:PATH`` and ``parquet:PATH``.

How a file is read and what is refused of it is in ``normzoo.tables``. Here its rows are divided, and numbers are made
of its columns, as fitted to the training rows alone. Rows are kept in temporary files; some at a time are in memory.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

import numpy as np

from normzoo.data._dataset import Array, RawArrays
from normzoo.data._mapped import mapped
from normzoo.data._part import Part
from normzoo.data._splitting import hold_out
from normzoo.errors import DataError, counted
from normzoo.tables import Column, Layout, Table, Target, read_table, row
from normzoo.tasks import Classification, Regression, Task

TEST_FRACTION = 0.2
"""Of the rows that are the test set where no file of its own is."""

MIN_ROWS = 20
"""Of the training file: a fifth and a tenth of them are to be two or more."""

_SHOWN = 16
"""Columns that a note lists at most."""

_MANY = 50
"""Categories from which on a note names their column."""

_MISSING = "(missing)"
"""The category of missing values."""

Missing = Literal["refuse", "median"]


def load_csv(
    *,
    argument: str,
    task: Task | None = None,
    target: str | None = None,
    test: str | None = None,
    drop: str | None = None,
    missing: Missing = "refuse",
    sep: Literal["comma", "semicolon", "tab", "space", "bar"] = "comma",
    decimal: Literal["point", "comma"] = "point",
) -> RawArrays:
    """Read a CSV file in UTF-8, whose first line names its columns.

    Args:
        argument: the path of the rows to train on.
        task: what is to be learned; classification by default.
        target: the column that is to be predicted; the last one by default.
        test: the path of the test set; without one, a fifth of the rows is held out, always the same ones.
        drop: columns to leave out, ``id+name``.
        missing: what is done about missing numbers: they are refused, or the median of training takes their place.
        sep: what divides columns.
        decimal: what stands before decimals.

    Raises:
        DataError: a file is missing, or holds what cannot be learned from.
    """
    options = {"target": target, "drop": drop, "sep": sep, "decimal": decimal}
    return _load(Layout.of_options("csv", options), argument, test, task, missing)


def load_parquet(
    *,
    argument: str,
    task: Task | None = None,
    target: str | None = None,
    test: str | None = None,
    drop: str | None = None,
    missing: Missing = "refuse",
) -> RawArrays:
    """Read a Parquet file likewise.

    Args:
        argument: the path of the rows to train on.
        task: what is to be learned; classification by default.
        target: the column that is to be predicted; the last one by default.
        test: the path of the test set; without one, a fifth of the rows is held out, always the same ones.
        drop: columns to leave out, ``id+name``.
        missing: what is done about missing numbers: they are refused, or the median of training takes their place.

    Raises:
        DataError: a file is missing, or holds what cannot be learned from, or pyarrow is not installed.
    """
    return _load(Layout.of_options("parquet", {"target": target, "drop": drop}), argument, test, task, missing)


def _load(layout: Layout, path: str, test_path: str | None, task: Task | None, missing: Missing) -> RawArrays:
    task, keep = Classification() if task is None else task, partial(mapped, layout.source(path))
    table = read_table(path, layout, keep)
    if len(table) < MIN_ROWS:
        raise DataError(
            f"{table.source}: it holds {counted(len(table), 'row')}; give at least {MIN_ROWS}, as a fifth is held out "
            "for the test set and a tenth of the others for validation"
        )
    tested = None if test_path is None else read_table(test_path, layout, keep, training=table)
    for each in (table, tested):
        if each is not None:
            _check_missing(each, missing)
    targets = _targets(table, task)
    notes = [*table.notes, table.target.note, *_notes_on(table), *_notes_on_test(table, tested)]
    categories = {
        each.name: list(latest.places) if each.kind == "categories" else None
        for each, latest in zip(table.columns, (tested or table).columns, strict=True)
    }
    encoder = TableEncoder(categories, fills_in=missing == "median")
    if tested is not None:
        return RawArrays(
            x_train=table.values,
            y_train=targets,
            x_test=tested.values,
            y_test=_targets(tested, task),
            encoder=encoder,
            notes=tuple(notes),
        )
    task.prepare(table.source, {"train": targets})  # what is wrong is said before strata are made of them
    kept, held = hold_out(task.strata(targets), TEST_FRACTION)
    by_class = ", class by class" if isinstance(task, Classification) else ""
    notes.append(
        f"no test=, so {len(held):,} of {len(table):,} rows, a fifth{by_class}, always the same ones, are its own test "
        "set"
    )
    x_train, x_test = (
        keep(block for _, block in Part(table.values, indices=chosen).raw_blocks()) for chosen in (kept, held)
    )
    return RawArrays(
        x_train=x_train,
        y_train=targets[kept],
        x_test=x_test,
        y_test=targets[held],
        encoder=encoder,
        notes=tuple(notes),
    )


class TableEncoder:
    """Makes numbers of the rows of a table: numbers stay, and of each category there is one, 1 or 0.

    A category that training rows do not have is 0 in all of them; a missing one is a category of its own. So do
    scikit-learn's ``OneHotEncoder`` and ``SimpleImputer``, which want all rows in memory.

    Args:
        categories: by column, the texts whose places stand in its rows; None: its rows are numbers.
        fills_in: medians take the place of missing numbers; else there are none.
    """

    def __init__(self, categories: Mapping[str, Sequence[str] | None], *, fills_in: bool) -> None:
        self._categories, self._fills_in = categories, fills_in
        self._numbers = [index for index, texts in enumerate(categories.values()) if texts is None]
        self.content = np.frombuffer(repr(categories).encode(), np.uint8)

    def fit(self, train: Part) -> None:
        """Look at the rows of training, which say what features there are."""
        self._medians = [_median(train, index) for index in self._numbers] if self._fills_in else None
        self._known: dict[str, list[str]] = {}
        self._features: dict[int, Array] = {}
        names = [name for name, texts in self._categories.items() if texts is None]
        for index, (name, texts) in enumerate(self._categories.items()):
            if texts is not None:
                all_texts = [*texts, _MISSING]
                found = set().union(
                    *(np.unique(_places(block, index, texts)).tolist() for _, block in train.raw_blocks())
                )
                self._known[name] = sorted({all_texts[place] for place in found})
                of_text = {text: number for number, text in enumerate(self._known[name], len(names))}
                self._features[index] = np.array([of_text.get(text, -1) for text in all_texts])
                names += [f"{name}_{text}" for text in of_text]
        self.names = tuple(names)

    def __call__(self, inputs: Array) -> Array:
        """Return rows as float64 ``(N, F)``."""
        encoded, numbers = np.zeros((len(inputs), len(self.names))), inputs[:, self._numbers]
        if self._medians is not None:
            numbers = np.where(np.isnan(numbers), self._medians, numbers)
        encoded[:, : len(self._numbers)] = numbers
        for feature in self._features_of(inputs).values():
            rows = np.flatnonzero(feature >= 0)
            encoded[rows, feature[rows]] = 1
        return encoded

    def _features_of(self, inputs: Array) -> dict[str, Array]:
        """Return of each column of categories which features are 1, ``(N,)``; -1 where none is."""
        columns = list(self._categories.items())
        return {
            columns[index][0]: features[_places(inputs, index, columns[index][1] or ())]
            for index, features in self._features.items()
        }

    def notes(self, inputs: Mapping[str, Part]) -> tuple[str, ...]:
        """Say which features there are, and in how many rows a category is that training rows do not have."""
        unseen = {split: Counter[str]() for split in ("val", "test")}
        for split, counts in unseen.items():
            for _, block in inputs[split].raw_blocks():
                counts.update({name: int((each < 0).sum()) for name, each in self._features_of(block).items()})
        return (
            _features_note(list(self._categories), self._known, len(self.names)),
            *(
                f"'{name}' has categories that training does not have, in {unseen['val'][name]:,} rows of validation "
                f"and {unseen['test'][name]:,} of the test set, where all its features are 0"
                for name in self._known
                if any(counts[name] for counts in unseen.values())
            ),
        )


def _places(rows: Array, index: int, texts: Sequence[str]) -> Array:
    """Return the places of the texts of a column, ``(N,)``; missing ones come after the last."""
    return np.nan_to_num(rows[:, index], nan=len(texts)).astype(np.int64)


def _median(train: Part, index: int) -> float:
    """Return the median of a column of training; 0 where all of it is missing."""
    column = np.concatenate([block[:, index] for _, block in train.raw_blocks()])
    found = column[~np.isnan(column)]
    return float(np.median(found, overwrite_input=True)) if len(found) else 0.0


def _features_note(columns: Sequence[str], known: Mapping[str, Sequence[str]], features: int) -> str:
    """Say what the columns are, or how many of them there are if they are many."""
    if len(columns) > _SHOWN:
        return f"{counted(features, 'feature')} of {len(columns)} columns"
    shown = [f"{name} ({len(known[name])} categories)" if name in known else name for name in columns]
    return f"{counted(features, 'feature')}: {', '.join(shown)}"


def _check_missing(table: Table, missing: Missing) -> None:
    """Refuse missing numbers, unless something is to be done about them."""
    for column in table.columns:
        if column.kind == "numbers" and missing == "refuse" and column.missing:
            raise DataError(
                f"{column.where} is missing in {counted(column.missing, 'row')}, the first is row "
                f"{row(column.first_missing)}; add missing=median for the median of training, fill it in, or leave "
                f"it out with drop={column.name}"
            )


def _notes_on(table: Table) -> list[str]:
    """Say what is done about missing values, and which columns may be none to learn from."""
    notes = []
    for column in table.columns:
        name, categories = column.name, len(column.places)
        if column.missing:
            notes.append(f"'{name}' is missing in {counted(column.missing, 'row')}: {_instead(column)}")
        if categories >= _MANY:
            notes.append(f"'{name}' has {categories:,} categories, each of which becomes a feature")
        if column.kind == "numbers" and column.counts_rows:
            notes.append(f"'{name}' counts the rows, and is taken for a number; drop={name} leaves it out")
    return notes


def _notes_on_test(table: Table, tested: Table | None) -> list[str]:
    """Say what is done about values that are missing in the test set alone."""
    pairs = zip(table.columns, tested.columns, strict=True) if tested is not None else ()
    return [
        f"'{column.name}' is missing in {counted(other.missing, 'row')} of the test set: {_instead(column)}"
        for column, other in pairs
        if other.missing and not column.missing
    ]


def _instead(column: Column) -> str:
    return "the median of training takes its place" if column.kind == "numbers" else "a category of its own"


def _targets(table: Table, task: Task) -> Array:
    """Return the targets as a task takes them: classes as texts, which may have gaps where they are numbers."""
    target = table.target
    where = f"{table.source}: the target '{target.name}'"
    if isinstance(task, Classification):
        if target.kind == "numbers":
            not_whole = target.values % 1 != 0
            what = "not whole" if not_whole.any() else "beyond 2^53"
            first = not_whole.argmax() if not_whole.any() else np.abs(target.values).argmax()
            raise DataError(
                f"{where} holds numbers that are {what} ({target.values[first]:g} in row {row(first)}), which "
                "are no classes; use --task regression"
            )
        return _as_texts(target)
    if target.texts:
        if isinstance(task, Regression):
            raise DataError(
                f"{where} holds text ('{target.texts[target.values[0]]}' in row 1), and a regression needs numbers; "
                "use --task classification"
            )
        return _as_texts(target)
    return target.values.astype(np.int64 if target.kind == "whole" else np.float64)


def _as_texts(target: Target) -> Array:
    if target.texts:
        return np.array(target.texts)[target.values]
    numbers, places = np.unique(target.values, return_inverse=True)
    return np.array([str(int(each)) for each in numbers])[places]
