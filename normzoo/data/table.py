"""Tables of the user's own: ``csv:PATH`` and ``parquet:PATH``.

How a file is read and what is refused of it is in ``normzoo.tables``. Here its rows are divided, and numbers are made
of its columns by scikit-learn, as fitted to the training rows alone.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from normzoo.data._dataset import Array, RawArrays
from normzoo.data._hold_out import hold_out
from normzoo.errors import DataError, counted
from normzoo.tables import Layout, Table, Target, read_table, row
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
    task = Classification() if task is None else task
    table = read_table(path, layout)
    if len(table) < MIN_ROWS:
        raise DataError(
            f"{table.source}: it holds {counted(len(table), 'row')}; give at least {MIN_ROWS}, as a fifth is held out "
            "for the test set and a tenth of the others for validation"
        )
    tested = None if test_path is None else read_table(test_path, layout, training=table)
    for each in (table, tested):
        if each is not None:
            _check_missing(each, missing)
    targets = _targets(table, task)
    notes = [*table.notes, table.target.note, *_notes_on(table)]
    fit = partial(TableEncoder, kinds=table.kinds, missing=missing)
    if tested is not None:
        return RawArrays(
            x_train=table.features,
            y_train=targets,
            x_test=tested.features,
            y_test=_targets(tested, task),
            fit=fit,
            notes=tuple(notes),
        )
    task.prepare(table.source, {"train": targets})  # what is wrong is said before strata are made of them
    kept, held = hold_out(task.strata(targets), TEST_FRACTION)
    by_class = ", class by class" if isinstance(task, Classification) else ""
    notes.append(
        f"no test=, so {len(held):,} of {len(table):,} rows, a fifth{by_class}, always the same ones, are its own test "
        "set"
    )
    return RawArrays(
        x_train=table.features.iloc[kept],
        y_train=targets[kept],
        x_test=table.features.iloc[held],
        y_test=targets[held],
        fit=fit,
        notes=tuple(notes),
    )


class TableEncoder:
    """Makes numbers of the rows of a table: numbers stay, and of each category there is one, 1 or 0.

    A category that training rows do not have is 0 in all of them; a missing one is a category of its own.

    Args:
        train: the rows that it is fitted to.
        kinds: of the columns, by name.
        missing: what is done about missing numbers.
    """

    def __init__(self, train: Any, *, kinds: Mapping[str, str], missing: Missing) -> None:
        from sklearn.compose import ColumnTransformer
        from sklearn.impute import SimpleImputer
        from sklearn.preprocessing import OneHotEncoder

        numbers = [name for name, kind in kinds.items() if kind == "numbers"]
        self._categories = [name for name, kind in kinds.items() if kind == "categories"]
        imputer = SimpleImputer(strategy="median", keep_empty_features=True)
        self._transformer = ColumnTransformer(
            [
                ("numbers", imputer if missing == "median" else "passthrough", numbers),
                ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), self._categories),
            ],
            verbose_feature_names_out=False,
        )
        self._transformer.fit(self._filled(train))
        self._columns = list(kinds)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the features: a column's, or a column's with a category."""
        return tuple(map(str, self._transformer.get_feature_names_out()))

    def __call__(self, inputs: Any) -> Array:
        """Return rows as float64 ``(N, F)``."""
        return np.asarray(self._transformer.transform(self._filled(inputs)), dtype=np.float64)

    def notes(self, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        """Say which features there are, and in how many rows a category is that training rows do not have."""
        known = self._known()
        return (_features_note(self._columns, known, len(self.names)), *_unseen_notes(inputs, known))

    def _known(self) -> dict[str, list[str]]:
        """Return the categories of training rows, by column."""
        if not self._categories:
            return {}
        found = self._transformer.named_transformers_["categories"].categories_
        return {name: list(each) for name, each in zip(self._categories, found, strict=True)}

    def _filled(self, rows: Any) -> Any:
        return rows.fillna(dict.fromkeys(self._categories, _MISSING)) if self._categories else rows


def _features_note(columns: Sequence[str], known: Mapping[str, Sequence[str]], features: int) -> str:
    """Say what the columns are, or how many of them there are if they are many."""
    if len(columns) > _SHOWN:
        return f"{counted(features, 'feature')} of {len(columns)} columns"
    shown = [f"{name} ({len(known[name])} categories)" if name in known else name for name in columns]
    return f"{counted(features, 'feature')}: {', '.join(shown)}"


def _unseen_notes(rows: Mapping[str, Any], known: Mapping[str, Sequence[str]]) -> list[str]:
    notes = []
    for name, categories in known.items():
        values = {split: rows[split][name].fillna(_MISSING) for split in ("val", "test")}
        unseen = {split: int((~each.isin(categories)).sum()) for split, each in values.items()}
        if any(unseen.values()):
            notes.append(
                f"'{name}' has categories that training does not have, in {unseen['val']:,} rows of validation and "
                f"{unseen['test']:,} of the test set, where all its features are 0"
            )
    return notes


def _check_missing(table: Table, missing: Missing) -> None:
    """Refuse missing numbers, unless something is to be done about them."""
    for name, kind in table.kinds.items():
        column = table.features[name]
        if kind == "numbers" and missing == "refuse" and (count := int(column.isna().sum())):
            raise DataError(
                f"{table.source}: column '{name}' is missing in {counted(count, 'row')}, the first is row "
                f"{row(column.isna().argmax())}; add missing=median for the median of training, fill it in, or leave "
                f"it out with drop={name}"
            )


def _notes_on(table: Table) -> list[str]:
    """Say what is done about missing values, and which columns may be none to learn from."""
    notes = []
    for name, kind in table.kinds.items():
        column, count = table.features[name], int(table.features[name].isna().sum())
        if count:
            done = "the median of training takes its place" if kind == "numbers" else "a category of its own"
            notes.append(f"'{name}' is missing in {counted(count, 'row')}: {done}")
        if kind == "categories" and (categories := column.nunique()) >= _MANY:
            notes.append(f"'{name}' has {categories:,} categories, each of which becomes a feature")
        if kind == "numbers" and not count and (np.diff(column) == 1).all():
            notes.append(f"'{name}' counts the rows, and is taken for a number; drop={name} leaves it out")
    return notes


def _targets(table: Table, task: Task) -> Array:
    """Return the targets as a task takes them: classes as texts, which may have gaps where they are numbers."""
    target = table.target
    where = f"{table.source}: the target '{target.name}'"
    if isinstance(task, Classification):
        if target.kind == "numbers":
            first = (target.values % 1 != 0).argmax()
            raise DataError(
                f"{where} holds numbers that are not whole ({target.values.iloc[first]:g} in row {row(first)}), which "
                "are no classes; use --task regression"
            )
        return _as_texts(target)
    if target.kind in ("text", "truth"):
        if isinstance(task, Regression):
            raise DataError(
                f"{where} holds text ('{target.values.iloc[0]}' in row 1), and a regression needs numbers; use --task "
                "classification"
            )
        return _as_texts(target)
    return np.asarray(target.values, dtype=np.int64 if target.kind == "whole" else np.float64)


def _as_texts(target: Target) -> Array:
    is_whole = target.kind == "whole"
    return np.array([str(int(value)) if is_whole else str(value) for value in target.values])
