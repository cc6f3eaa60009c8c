"""The store: one SQLite file in WAL mode, written as results come in. Torch-free."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ValidationError

from normzoo.errors import StoreError
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import PROTOCOL, MatrixSpec
from normzoo.experiment.planning.kept import Kept
from normzoo.experiment.planning.timing import Timing
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.store_file import open_database, refusing

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class StoredComparison:
    """One call of ``normzoo compare``: its command, resolved configuration, and the keys of its runs."""

    id: int
    created_at: str
    command: str
    matrix: MatrixSpec
    execution: Execution
    keys: tuple[str, ...]


class Listed(NamedTuple):
    """What a list of runs is filtered and sorted by."""

    key: str
    status: str
    template: str
    norm: str
    started_at: str


_PLACES = ", ".join("?" * 8)


def _row(key: str, record: RunRecord) -> tuple[Any, ...]:
    """Return the row of a run, with what it is looked up by in columns of their own."""
    spec = record.spec
    named = (spec.template, spec.norm, spec.dataset, spec.batch_size, spec.seed)
    return (key, record.status.value, *named, record.model_dump_json())


class Store:
    """Records by run key, and the comparisons that asked for them. Use as a context manager.

    Every record is on disk when ``add`` returns: a kill at any moment loses none that was added.

    Args:
        path: the file; made if it is not there and ``writable``.
        writable: False opens an existing store for reading.

    Raises:
        StoreError: the file is no normzoo store, is from a newer version, or cannot be opened or written.
    """

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self.path, self.is_writable = path, writable
        self._database = open_database(path, writable=writable, migrate=self._migrate)

    def _migrate(self, database: sqlite3.Connection) -> None:
        """Bring the rows of an older file to this version: specs in their new form, and runs under their new keys.

        A run of another training procedure keeps its key, under which nothing looks for it any more.
        """
        keys: dict[str, str] = {}
        rows = []
        for key, text in database.execute("SELECT key, record FROM runs").fetchall():
            record = self._read(RunRecord, text, f"run {key}")
            keys[key] = record.spec.key if record.environment.get("protocol") == PROTOCOL else key
            rows.append(_row(keys[key], record))
        database.execute("DELETE FROM runs")
        database.executemany(f"INSERT OR IGNORE INTO runs VALUES ({_PLACES})", rows)  # noqa: S608
        query = "SELECT id, matrix, execution, keys FROM sweeps"
        for number, matrix, execution, listed in database.execute(query).fetchall():
            values = (
                self._read(MatrixSpec, matrix, f"comparison {number}").model_dump_json(),
                self._read(Execution, execution, f"comparison {number}").model_dump_json(),
                json.dumps([keys.get(key, key) for key in json.loads(listed)]),
            )
            database.execute("UPDATE sweeps SET matrix = ?, execution = ?, keys = ? WHERE id = ?", (*values, number))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the write-ahead log is merged into it."""
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all that is written within, or, after an error, nothing of it."""
        with refusing(self.path):
            self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            with refusing(self.path):
                self._database.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.DatabaseError):  # SQLite may have rolled back by itself
                self._database.execute("ROLLBACK")
            raise

    def add(self, record: RunRecord) -> None:
        """Keep a record, in place of an older one of the same run; but an interruption takes the place of nothing."""
        self._write(record.spec.key, record, "REPLACE" if record.status.is_final else "IGNORE")

    def put(self, key: str, record: RunRecord) -> None:
        """Keep a record under the key that it has in another store, whatever was there.

        Keys hold the version of the training procedure; that of an older record cannot be computed from it.
        """
        self._write(key, record, "REPLACE")

    def _write(self, key: str, record: RunRecord, conflict: Literal["IGNORE", "REPLACE"]) -> None:
        with refusing(self.path):
            self._database.execute(f"INSERT OR {conflict} INTO runs VALUES ({_PLACES})", _row(key, record))  # noqa: S608

    def add_comparison(self, command: str, configuration: Configuration, keys: Sequence[str]) -> int:
        """Keep what was asked for, and return the comparison's number; repeating the last one adds nothing."""
        last = self.comparisons()[-1:]
        matrix, execution = configuration.matrix, configuration.execution
        if last and (last[0].command, last[0].matrix, last[0].keys) == (command, matrix, tuple(keys)):
            return last[0].id
        return self._write_comparison(
            StoredComparison(
                0, datetime.now(UTC).isoformat(timespec="seconds"), command, matrix, execution, tuple(keys)
            )
        )

    def put_comparisons(self, comparisons: Sequence[StoredComparison]) -> int:
        """Keep those comparisons of another store that are not there yet, under new numbers; return how many."""
        there = [replace(comparison, id=0) for comparison in self.comparisons()]
        missing = [comparison for comparison in comparisons if replace(comparison, id=0) not in there]
        for comparison in missing:
            self._write_comparison(comparison)
        return len(missing)

    def _write_comparison(self, comparison: StoredComparison) -> int:
        row = (
            comparison.created_at,
            comparison.command,
            comparison.matrix.model_dump_json(),
            comparison.execution.model_dump_json(),
            json.dumps(list(comparison.keys)),
        )
        with refusing(self.path):
            query = "INSERT INTO sweeps (created_at, command, matrix, execution, keys) VALUES (?, ?, ?, ?, ?)"
            return int(self._database.execute(query, row).lastrowid or 0)

    def statuses(self) -> dict[str, str]:
        """Return the status of every run by its key."""
        with refusing(self.path):
            return dict(self._database.execute("SELECT key, status FROM runs"))

    def listed(self) -> list[Listed]:
        """Return what there is to know of every run without reading its record, in the order in which they began."""
        query = (
            "SELECT key, status, template, norm, json_extract(record, '$.started_at') AS started_at FROM runs "
            "ORDER BY started_at, template, norm, batch_size, seed, key"
        )
        with refusing(self.path):
            return [Listed(*row) for row in self._database.execute(query)]

    def timings(self) -> dict[str, Timing]:
        """Return what was timed, by key."""
        with refusing(self.path):
            rows: list[tuple[str]] = self._database.execute("SELECT timing FROM timings").fetchall()
        timings = [self._read(Timing, timing, "a timing") for (timing,) in rows]
        return {timing.key: timing for timing in timings}

    def add_timing(self, timing: Timing) -> None:
        """Keep a timing, in place of an older one of the same."""
        with refusing(self.path):
            self._database.execute(
                "INSERT OR REPLACE INTO timings VALUES (?, ?)", (timing.key, timing.model_dump_json())
            )

    def preparation(self, request: str) -> Kept | None:
        """Return what was found out of a request; None where nothing was, or it cannot be read."""
        query = "SELECT request, seal, prepared FROM preparations WHERE request = ?"
        try:
            row = self._database.execute(query, (request,)).fetchone()
        except sqlite3.DatabaseError:  # of a store that was never written to since there is such a table, for one
            return None
        return Kept(*row) if row else None

    def keep_preparation(self, kept: Kept) -> None:
        """Keep what was found out, in place of what was found out of the same request before."""
        with refusing(self.path):
            self._database.execute("INSERT OR REPLACE INTO preparations VALUES (?, ?, ?)", kept)

    def records(self, keys: Sequence[str]) -> dict[str, RunRecord]:
        """Return those records that there are, by key, in the order of ``keys``."""
        query = "SELECT key, record FROM runs WHERE key IN (SELECT value FROM json_each(?))"
        with refusing(self.path):
            found: dict[str, str] = dict(self._database.execute(query, (json.dumps(list(keys)),)))
        return {key: self._read(RunRecord, found[key], f"run {key}") for key in keys if key in found}

    def comparisons(self) -> list[StoredComparison]:
        """Return all comparisons, the oldest first."""
        with refusing(self.path):
            rows: list[Any] = self._database.execute(
                "SELECT id, created_at, command, matrix, execution, keys FROM sweeps ORDER BY id"
            ).fetchall()
        return [
            StoredComparison(
                id=number,
                created_at=created_at,
                command=command,
                matrix=self._read(MatrixSpec, matrix, f"comparison {number}"),
                execution=self._read(Execution, execution, f"comparison {number}"),
                keys=tuple(json.loads(keys)),
            )
            for number, created_at, command, matrix, execution, keys in rows
        ]

    def _read(self, model: type[_Model], text: str, what: str) -> _Model:
        try:
            return model.model_validate_json(text)
        except ValidationError as error:
            detail = error.errors()[0]
            place = ".".join(map(str, detail["loc"]))
            raise StoreError(
                f"store: '{self.path}' holds {what}, which does not read ({place}: {detail['msg']}); "
                "if it is from a newer normzoo, upgrade"
            ) from error
