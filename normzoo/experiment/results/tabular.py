"""Records as rows of plain values, for other programs to read. Pure and torch-free."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from normzoo.experiment.results.records import RunRecord

Value = str | int | float | bool | None
Row = dict[str, Value]
TableKind = Literal["summary", "runs", "epochs"]
"""Of what there is a row: of every cell of the tables, every run, or every epoch of every run."""


def flat_run(key: str, record: RunRecord) -> Row:
    """Return everything there is to know of a run but its curves.

    The configuration and the record come by their own names (``options.hidden`` is what lies within ``options``), the
    metrics of the last finished epoch as ``last.train_loss``, ``last.test.accuracy`` and so on whatever the status, the
    deciding one on the test set as ``test`` for ok runs only, the machine as ``environment.torch`` and so on.
    """
    last = record.epochs[-1].model_dump() if record.epochs else {}
    return {
        "key": key,
        "status": record.status,
        **flat(record.spec.model_dump(mode="json")),
        "test": record.test_value,
        **flat({"last": last}),
        **flat(record.model_dump(exclude={"spec", "status", "epochs", "environment", "metrics", "loss", "places"})),
        **flat({"places": list(map(str, record.places))}),
        **flat({"environment": record.environment}),
    }


def flat_epochs(key: str, record: RunRecord) -> list[Row]:
    """Return a row for every finished epoch of a run: its metrics, behind the run's status and configuration."""
    run = {"key": key, "status": record.status, **flat(record.spec.model_dump(mode="json"))}
    return [{**run, **flat(epoch.model_dump())} for epoch in record.epochs]


def flat(values: Mapping[str, Any], prefix: str = "") -> Row:
    """Return values within values by their path, and lists as text.

    >>> flat({"lr": 0.1, "test": {"loss": 0.3}, "sizes": [32, 64]})
    {'lr': 0.1, 'test.loss': 0.3, 'sizes': '32,64'}
    """
    row: Row = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            row |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            is_text = any(isinstance(item, str) for item in value)
            row[prefix + name] = ("; " if is_text else ",").join(map(str, value))
        else:
            row[prefix + name] = value
    return row


class Rows:
    """Rows with the same columns each, in the order in which they first appear; None where one has none.

    They are made as they are read, so that they need not be in memory together.

    Args:
        make: makes all rows; called for the columns first, and then whenever the rows are read.
    """

    def __init__(self, make: Callable[[], Iterable[Row]]) -> None:
        self._make, self._number = make, 0
        columns: dict[str, None] = {}
        for row in make():
            columns |= dict.fromkeys(row)
            self._number += 1
        self.columns = tuple(columns)

    def __len__(self) -> int:
        """Return how many there are."""
        return self._number

    def __iter__(self) -> Iterator[Row]:
        """Make the rows."""
        return ({name: row.get(name) for name in self.columns} for row in self._make())
