"""The store: one SQLite file in WAL mode, written as results come in. Torch-free."""

import gc
import json
import shlex
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, TypeVar

from pydantic import BaseModel, RootModel, ValidationError
from pydantic_core import PydanticSerializationError

from normzoo.errors import StoreError
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import MAX_RUNS, Configuration, count_runs
from normzoo.experiment.config.spec import PROTOCOL, MatrixSpec
from normzoo.experiment.planning.facts import Timing
from normzoo.experiment.planning.kept import Kept
from normzoo.experiment.results.records import RunRecord, Status
from normzoo.experiment.results.store_file import as_store_errors, identity, is_shared, open_database, rescue, stamp
from normzoo.visible import as_utf8

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
    template: str = ""
    norm: str = ""
    started_at: str = ""


_PLACES = ", ".join("?" * 8)
_STATUSES = frozenset(Status)

_AT_ONCE = 500
"""How many records are read at once where they are read one after the other."""


def _row(key: str, record: RunRecord) -> tuple[Any, ...]:
    """Return the row of a run, with what it is looked up by in columns of their own."""
    spec = record.spec
    named = (*map(as_utf8, (spec.template, spec.norm, spec.dataset)), spec.batch_size, spec.seed)
    return (key, record.status.value, *named, _written(record))


def _written(model: BaseModel) -> str:
    """Return a model as JSON; also one with text that UTF-8 does not have, such as the names of some files."""
    try:
        return model.model_dump_json()
    except PydanticSerializationError:
        return json.dumps(model.model_dump(mode="json"), allow_nan=False)


def _read(model: type[_Model], text: str) -> _Model:
    """Read what ``_written`` wrote."""
    try:
        return model.model_validate_json(text)
    except ValidationError:
        if "\\ud" not in text.lower():
            raise
    return model.model_validate(json.loads(text))


class Store:
    """Records by run key, and the comparisons that asked for them. Use as a context manager.

    Every record is on disk when ``add`` returns: a kill at any moment loses none that was added. A row that does not
    read, such as one that was damaged or that another program made, is passed over.

    A file that is deleted, moved or replaced while it is written to is noticed when it is next written or read, or
    closed. All that it held is then in a new one, which ``path`` names and where whatever follows is kept.

    Args:
        path: the file; made if it is not there and ``writable``.
        writable: False opens an existing store for reading.

    Attributes:
        passed_over: what was passed over so far, and why, such as ``run 5c12806...: is no text``.

    Raises:
        StoreError: the file is no normzoo store, is from a newer version, cannot be opened or written, or has been
            deleted, moved or replaced.
    """

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self.path, self.is_writable = path, writable
        self.passed_over: dict[str, str] = {}
        with as_store_errors(path):
            self._read_as = None if writable or is_shared(path) else stamp(path)
        self._database = open_database(path, writable=writable, migrate=self._migrate)
        self._identity = identity(path)

    def _migrate(self, database: sqlite3.Connection) -> None:
        """Bring the rows of an older file to this version: specs in their new form, and runs under their new keys.

        A run of another training procedure keeps its key, under which nothing looks for it any more; what does not
        read stays as it is.
        """
        keys: dict[str, str] = {}
        rows = []
        for key, text in database.execute("SELECT key, record FROM runs").fetchall():
            if (record := self._record(key, text)) is not None:
                keys[key] = record.spec.key if record.environment.get("protocol") == PROTOCOL else key
                rows.append(_row(keys[key], record))
        database.executemany("DELETE FROM runs WHERE key = ?", [(key,) for key in keys])
        database.executemany(f"INSERT OR IGNORE INTO runs VALUES ({_PLACES})", rows)  # noqa: S608
        for each in self._comparisons(database):
            values = (
                _written(each.matrix),
                _written(each.execution),
                json.dumps([keys.get(key, key) for key in each.keys]),
            )
            database.execute("UPDATE sweeps SET matrix = ?, execution = ?, keys = ? WHERE id = ?", (*values, each.id))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the write-ahead log is merged into it.

        Raises:
            StoreError: another command began to write to it while it was read, which may have been in parts.
        """
        try:
            self._check_place()
        finally:
            self._database.close()
        if self._read_as is not None and stamp(self.path) not in (None, self._read_as):
            raise StoreError(f"store: '{self.path}' was written to while it was read; repeat the command")

    def _check_place(self) -> None:
        """Refuse to go on with a file that has lost its name, once all that it held is kept under another."""
        if not self.is_writable or identity(self.path) == self._identity or self._database.in_transaction:
            return
        gone = self.path
        self._database, self.path = rescue(self._database, gone)
        self._identity = identity(self.path)
        quoted = shlex.quote(str(self.path))
        raise StoreError(
            f"store: '{gone}' was deleted, moved or replaced while it was in use; all that it held is kept in "
            f"'{self.path}': go on with --store {quoted}, or put it in its place"
        )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all that is written within, or, after an error, nothing of it."""
        if self._database.in_transaction:
            yield
            return
        with as_store_errors(self.path):
            self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            with as_store_errors(self.path):
                self._database.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.DatabaseError):  # SQLite may have rolled back by itself
                self._database.execute("ROLLBACK")
            raise
        self._check_place()

    def add(self, record: RunRecord, *, replaces: bool = True) -> None:
        """Keep a record, in place of an older one of the same run; but an interruption takes the place of nothing.

        Without ``replaces`` a result stays, such as that of another command that trained the same at the same time.
        """
        with self.transaction():
            status = self._database.execute("SELECT status FROM runs WHERE key = ?", (record.spec.key,)).fetchone()
            has_result = status is not None and status[0] in (Status.OK, Status.DIVERGED)
            if status is None or (record.status.is_final and (replaces or not has_result)):
                self.put(record.spec.key, record)

    def put(self, key: str, record: RunRecord) -> None:
        """Keep a record under the key that it has in another store, whatever was there.

        Keys hold the version of the training procedure; that of an older record cannot be computed from it.
        """
        with as_store_errors(self.path):
            self._database.execute(f"INSERT OR REPLACE INTO runs VALUES ({_PLACES})", _row(key, record))  # noqa: S608
        self._check_place()

    def add_comparison(self, command: str, configuration: Configuration, keys: Sequence[str]) -> int:
        """Keep what was asked for, and return the comparison's number; repeating the last one adds nothing."""
        matrix, execution, command = configuration.matrix, configuration.execution, as_utf8(command)
        with self.transaction():
            last = self.comparisons()[-1:]
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
            as_utf8(comparison.command),
            _written(comparison.matrix),
            _written(comparison.execution),
            json.dumps(list(comparison.keys)),
        )
        with as_store_errors(self.path):
            query = "INSERT INTO sweeps (created_at, command, matrix, execution, keys) VALUES (?, ?, ?, ?, ?)"
            return int(self._database.execute(query, row).lastrowid or 0)

    def damage(self) -> list[str]:
        """Return what SQLite finds wrong with the file, at most ten things."""
        with as_store_errors(self.path):
            found = [str(text) for (text,) in self._database.execute("PRAGMA quick_check(10)")]
        return [] if found == ["ok"] else found

    def statuses(self) -> dict[str, str]:
        """Return the status of every run by its key."""
        with as_store_errors(self.path):
            rows = self._database.execute("SELECT key, status FROM runs ORDER BY key")
            return {key: status for key, status in rows if self._is_listable(Listed(key, status))}

    def listed(self) -> list[Listed]:
        """Return what there is to know of every run without reading its record, in the order in which they began."""
        began = "CASE WHEN json_valid(record) THEN CAST(json_extract(record, '$.started_at') AS TEXT) END"
        query = (
            f"SELECT key, status, template, norm, coalesce({began}, '') AS started_at FROM runs "  # noqa: S608
            "ORDER BY started_at, template, norm, batch_size, seed, key"
        )
        with as_store_errors(self.path):
            return [row for row in map(Listed._make, self._database.execute(query)) if self._is_listable(row)]

    def _is_listable(self, row: Listed) -> bool:
        if set(map(type, row)) != {str}:
            return self._pass_over(f"run {_shortened(row.key)}", "its key, status, template or norm is no text")
        if row.status not in _STATUSES:
            return self._pass_over(f"run {row.key}", f"its status is {_shortened(row.status)}")
        return True

    def _pass_over(self, what: str, why: str) -> Literal[False]:
        self.passed_over[what] = why
        return False

    def timings(self) -> dict[str, Timing]:
        """Return what was timed, by key."""
        with as_store_errors(self.path):
            rows: list[tuple[str, str]] = self._database.execute("SELECT key, timing FROM timings").fetchall()
        timings = [self._read(Timing, text, f"timing {_shortened(key)}") for key, text in rows]
        return {timing.key: timing for timing in timings if timing is not None}

    def add_timing(self, timing: Timing) -> None:
        """Keep a timing, in place of an older one of the same."""
        with as_store_errors(self.path):
            self._database.execute("INSERT OR REPLACE INTO timings VALUES (?, ?)", (timing.key, _written(timing)))

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
        with as_store_errors(self.path):
            self._database.execute("INSERT OR REPLACE INTO preparations VALUES (?, ?, ?)", kept)

    def records(self, keys: Sequence[str]) -> dict[str, RunRecord]:
        """Return those records that there are, by key, in the order of ``keys``."""
        collects = gc.isenabled()
        gc.disable()  # to look for cycles among so many new objects, which have none, takes longer than to read them
        try:
            return dict(self.each_record(keys))
        finally:
            if collects:
                gc.enable()

    def each_record(self, keys: Sequence[str]) -> Iterator[tuple[str, RunRecord]]:
        """Yield those records that there are, with their keys, in this order; few of them are in memory at a time."""
        self._check_place()
        query = "SELECT key, record FROM runs WHERE key IN (SELECT value FROM json_each(?))"
        for start in range(0, len(keys), _AT_ONCE):
            wanted = keys[start : start + _AT_ONCE]
            with as_store_errors(self.path):
                found: dict[str, str] = dict(self._database.execute(query, (json.dumps(wanted),)))
            for key in wanted:
                if key in found and (record := self._record(key, found[key])) is not None:
                    yield key, record

    def record(self, key: str) -> RunRecord:
        """Return the record of a run.

        Raises:
            StoreError: there is none, or it does not read.
        """
        records = self.records([key])
        if key in records:
            return records[key]
        why = self.passed_over.get(f"run {key}", "it is not there")
        raise StoreError(f"store: '{self.path}' holds no run {key} that reads: {why}")

    def _record(self, key: str, text: str) -> RunRecord | None:
        record = self._read(RunRecord, text, f"run {_shortened(key)}")
        if record is not None and (why := record.flaw):
            self._pass_over(f"run {_shortened(key)}", why)
            return None
        return record

    def comparisons(self) -> list[StoredComparison]:
        """Return all comparisons, the oldest first."""
        return self._comparisons(self._database)

    def _comparisons(self, database: sqlite3.Connection) -> list[StoredComparison]:
        query = "SELECT id, created_at, command, matrix, execution, keys FROM sweeps ORDER BY id"
        with as_store_errors(self.path):
            rows: list[Any] = database.execute(query).fetchall()
        return [each for row in rows if (each := self._comparison(*row)) is not None]

    def _comparison(
        self, number: int, created_at: str, command: str, matrix: str, execution: str, keys: str
    ) -> StoredComparison | None:
        what = f"comparison {number}"
        if not all(isinstance(text, str) for text in (created_at, command)):
            self._pass_over(what, "its command or time is no text")
            return None
        asked, executed = self._read(MatrixSpec, matrix, what), self._read(Execution, execution, what)
        runs = self._read(_Keys, keys, what)
        if asked is None or executed is None or runs is None:
            return None
        if (count := count_runs(asked)) > MAX_RUNS:
            self._pass_over(what, f"it is of {count:,} runs, and one has at most {MAX_RUNS:,}")
            return None
        return StoredComparison(number, created_at, command, asked, executed, runs.root)

    def _read(self, model: type[_Model], text: str, what: str) -> _Model | None:
        """Read a row; pass it over where it does not read."""
        if not isinstance(text, str):
            self._pass_over(what, "it is no text")
            return None
        try:
            return _read(model, text)
        except ValidationError as error:
            detail = error.errors()[0]
            place = ".".join(map(str, detail["loc"]))
            why = f"{place}: {detail['msg']}" if place else str(detail["msg"])
        except (ValueError, RecursionError) as error:  # of the other way to read JSON
            why = str(error)
        self._pass_over(what, f"it does not read ({_shortened(why, 200)}); if it is from a newer normzoo, upgrade")
        return None


class _Keys(RootModel[tuple[str, ...]]):
    """The keys of a comparison's runs."""


def _shortened(value: object, most: int = 40) -> str:
    text = str(value)
    return text if len(text) <= most else f"{text[:most]}..."
