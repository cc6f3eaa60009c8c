"""A table: a file's features and its target."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from normzoo.errors import MAX_LISTED, DataError, nearest
from normzoo.tables._columns import Array, Column, Target, target
from normzoo.tables._file import Layout, check_rows, column_names, read_rows

Keep = Callable[[Iterable[Array]], Array]
"""Returns blocks of rows as one array."""


@dataclass(frozen=True, eq=False)
class Table:
    """What a file holds.

    Attributes:
        source: what messages call the file.
        values: of the features, float64 ``(N, columns)``: numbers, or the places of texts; NaN where missing.
        columns: the features.
        target: the column that is to be predicted.
        notes: what a reader of the results should know of it.
    """

    source: str
    values: Array
    columns: Sequence[Column]
    target: Target
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)


def read_table(path: str, layout: Layout, keep: Keep, *, training: Table | None = None) -> Table:
    """Read a file.

    Args:
        path: where it is.
        layout: how it is written.
        keep: is given its rows, some at a time.
        training: where this is a test set, the training set: both must have the same columns, in any order.

    Raises:
        DataError: it cannot be read, or cannot be learned from; the message names the file, the column and the row.
    """
    source, names = layout.source(path), column_names(path, layout)
    if training is not None:
        _check_same_columns(source, names, layout, training)
    name = _target_name(source, names, layout) if training is None else training.target.name
    trained = {} if training is None else {each.name: each for each in training.columns}
    features = [each for each in trained or names if each and each != name and each not in layout.drop]
    if not features:
        raise DataError(f"{source}: besides the target '{name}' there is no column to learn from")

    def begin() -> list[Column]:
        of_features = [Column(source, each, trained=trained.get(each), decimal=layout.decimal) for each in features]
        return [*of_features, Column(source, name, is_target=True, decimal=layout.decimal)]

    as_text = () if training is None else _texts(training)
    (*columns, last), values = _read(path, layout, names, begin, keep, as_text)
    check_rows(path, layout)
    learned = target(last, np.array(values[:, -1]), is_named=layout.target is not None, of_test=training is not None)
    for column in columns:
        if training is None:
            column.check()
        else:
            column.check_numbers()
    notes = () if all(names) else ("the first column, which has no name and counts the rows, is left out",)
    return Table(source, values[:, :-1], columns, learned, notes)


def read_target(path: str, layout: Layout) -> Target:
    """Read the target column of a file alone.

    Raises:
        DataError: it cannot be read.
    """
    source, names = layout.source(path), column_names(path, layout)
    name = _target_name(source, names, layout)
    (column,), values = _read(
        path,
        layout,
        names,
        begin=lambda: [Column(source, name, is_target=True, decimal=layout.decimal)],
        keep=lambda blocks: np.concatenate(list(blocks)),
    )
    if column.missing:
        check_rows(path, layout)
    return target(column, values[:, 0], is_named=layout.target is not None)


def _read(
    path: str,
    layout: Layout,
    names: Sequence[str],
    begin: Callable[[], list[Column]],
    keep: Keep,
    as_text: Collection[str] = (),
) -> tuple[list[Column], Array]:
    """Read columns; where one reads as numbers in some rows and as text in others, once more, with all of it as text.

    Raises:
        DataError: it cannot be read, or there are no rows.
    """
    columns = begin()
    values = keep(_blocks(path, layout, names, columns, as_text))
    mixed = {each.name for each in columns if each.is_mixed} - set(as_text)
    if mixed:
        return _read(path, layout, names, begin, keep, mixed.union(as_text))
    return columns, values


def _blocks(
    path: str, layout: Layout, names: Sequence[str], columns: Sequence[Column], as_text: Collection[str]
) -> Iterator[Array]:
    """Yield the rows of a file, some at a time, as the columns return them; at least some.

    Raises:
        DataError: it cannot be read, or there are no rows.
    """
    for rows in read_rows(path, layout, names, [each.name for each in columns], as_text=as_text):
        yield np.stack([each.add(rows[each.name]) for each in columns], -1)
    if not columns[0].rows:
        raise DataError(f"{layout.source(path)}: it has a header, and no rows below it")


def _texts(table: Table) -> list[str]:
    """Return the columns of texts, which stay texts in a test set, also where all of them read as numbers there."""
    texts = [each.name for each in table.columns if each.kind == "categories" and not each.is_truth]
    return [*texts, table.target.name] if table.target.kind == "text" else texts


def _target_name(source: str, names: Sequence[str], layout: Layout) -> str:
    """Return the name of the target column, and refuse names of columns that are not there."""
    for what, name in (("column", layout.target), *(("column to drop", each) for each in layout.drop)):
        if name is not None and name not in names:
            listed = ", ".join([*names[:MAX_LISTED], *(["..."] if len(names) > MAX_LISTED else [])])
            raise DataError(f"{source}: it has no {what} '{name}'{nearest(name, names)} (it has: {listed})")
    if layout.target in layout.drop:
        raise DataError(f"{source}: '{layout.target}' is the target, and is to be dropped; use one")
    left = [name for name in names if name and name not in layout.drop]
    if not left:
        raise DataError(f"{source}: all its columns are to be dropped; leave at least two")
    return layout.target or left[-1]


def _check_same_columns(source: str, names: Sequence[str], layout: Layout, training: Table) -> None:
    """Refuse a test set that has other columns than the training set."""
    expected = [*(each.name for each in training.columns), training.target.name]
    lacking = [name for name in expected if name not in names]
    more = [name for name in names if name and name not in expected and name not in layout.drop]
    if lacking:
        what = "the target" if lacking[0] == training.target.name else "which training has"
        has = ", ".join(names)
        raise DataError(
            f"{source}: it has no column '{lacking[0]}', {what}{nearest(lacking[0], more)} (it has: {has}); "
            f"give it the columns of {training.source}"
        )
    if more:
        raise DataError(
            f"{source}: it has a column '{more[0]}', which {training.source} does not; give both the same columns, or "
            "take it out of the file"
        )
