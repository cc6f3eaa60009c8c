"""A table: a file's features and its target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normzoo.errors import MAX_LISTED, DataError, nearest
from normzoo.tables._columns import Kind, Target, feature, feature_of_test, target
from normzoo.tables._file import Layout, column_names, read_columns

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Table:
    """What a file holds.

    Attributes:
        source: what messages call the file.
        features: a column each.
        kinds: of the features, by name.
        target: the column that is to be predicted.
        notes: what a reader of the results should know of it.
    """

    source: str
    features: "pd.DataFrame"
    kinds: Mapping[str, Kind]
    target: Target
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.features)


def read_table(path: str, layout: Layout, *, training: Table | None = None) -> Table:
    """Read a file.

    Args:
        path: where it is.
        layout: how it is written.
        training: where this is a test set, the training set: both must have the same columns, in any order.

    Raises:
        DataError: it cannot be read, or cannot be learned from; the message names the file, the column and the row.
    """
    import pandas as pd

    source, names = layout.source(path), column_names(path, layout)
    if training is not None:
        _check_same_columns(source, names, layout, training)
    name = _target_name(source, names, layout) if training is None else training.target.name
    wanted = [each for each in names if each and (each == name or each not in layout.drop)]
    if len(wanted) < 2:
        raise DataError(f"{source}: besides the target '{name}' there is no column to learn from")
    frame = read_columns(path, layout, names, wanted, as_text=[] if training is None else _texts(training))
    if not len(frame):
        raise DataError(f"{source}: it has a header, and no rows below it")
    learned = target(source, frame[name], is_named=layout.target is not None, of_test=training is not None)
    kinds: Mapping[str, Kind]
    if training is None:
        columns = {each: feature(source, frame[each]) for each in wanted if each != name}
        kinds = {each: "categories" if column.dtype == object else "numbers" for each, column in columns.items()}
    else:
        kinds = training.kinds
        columns = {each: feature_of_test(source, frame[each], kind, training.source) for each, kind in kinds.items()}
    notes = () if all(names) else ("the first column, which has no name and counts the rows, is left out",)
    return Table(source, pd.DataFrame(columns), kinds, learned, notes)


def read_target(path: str, layout: Layout) -> Target:
    """Read the target column of a file alone.

    Raises:
        DataError: it cannot be read.
    """
    source, names = layout.source(path), column_names(path, layout)
    name = _target_name(source, names, layout)
    frame = read_columns(path, layout, names, [name])
    if not len(frame):
        raise DataError(f"{source}: it has a header, and no rows below it")
    return target(source, frame[name], is_named=layout.target is not None)


def _texts(table: Table) -> list[str]:
    """Return the columns of texts, which stay texts in a test set, also where all of them read as numbers there."""
    categories = [name for name, kind in table.kinds.items() if kind == "categories"]
    texts = [name for name in categories if not table.features[name].dropna().isin(("True", "False")).all()]
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
    expected = [*training.features, training.target.name]
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
