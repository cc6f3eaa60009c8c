"""The store: one SQLite file in WAL mode, written as results come in. Torch-free."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from normzoo.errors import StoreError
from normzoo.experiment.config import Configuration
from normzoo.experiment.engines import Timing, TrainingEngine
from normzoo.experiment.execution import Execution
from normzoo.experiment.records import RunRecord, Status
from normzoo.experiment.spec import MatrixSpec

APPLICATION_ID = 0x6E7A6F6F
"""Marks an SQLite file as a normzoo store: ``nzoo`` in ASCII."""
SCHEMA_VERSION = 2

_SCHEMA = """
CREATE TABLE runs (
    key TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    template TEXT NOT NULL,
    norm TEXT NOT NULL,
    dataset TEXT NOT NULL,
    batch_size INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    record TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE sweeps (
    id INTEGER PRIMARY KEY,
    created_at TEXT NOT NULL,
    command TEXT NOT NULL,
    matrix TEXT NOT NULL,
    execution TEXT NOT NULL,
    keys TEXT NOT NULL
);
"""
_TIMINGS = """
CREATE TABLE IF NOT EXISTS timings (
    key TEXT NOT NULL,
    engine TEXT NOT NULL,
    timing TEXT NOT NULL,
    PRIMARY KEY (key, engine)
) WITHOUT ROWID;
"""
"""Since version 2 of the schema; an older file gets it when it is written to."""


@dataclass(frozen=True)
class Sweep:
    """One call of ``normzoo compare``: its command, resolved configuration, and the keys of its runs."""

    id: int
    created_at: str
    command: str
    matrix: MatrixSpec
    execution: Execution
    keys: tuple[str, ...]


class Store:
    """Records by run key, and the sweeps that asked for them. Use as a context manager.

    Every record is on disk when ``add`` returns: a kill at any moment loses none that was added.

    Args:
        path: the file; made if it is not there and ``writable``.
        writable: False opens an existing store for reading.

    Raises:
        StoreError: the file is no normzoo store, is from a newer version, or cannot be opened or written.
    """

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self.path = path
        if path.is_dir():
            raise StoreError(f"store: '{path}' is a folder; name a file in it, such as {path / 'normzoo.sqlite'}")
        if not writable and not path.exists():
            raise StoreError(f"store: there is no '{path}'; `normzoo compare` makes one, --store names another")
        with self._refusing():
            uri = f"{path.absolute().as_uri()}?{_mode(path, writable)}"
            self._database = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)
        try:
            with self._refusing():
                self._open(writable)
        except BaseException:
            self._database.close()
            raise

    def _open(self, writable: bool) -> None:
        application_id, version, tables = (
            self._scalar(query)
            for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
        )
        is_new = (application_id, version, tables) == (0, 0, 0)
        if not is_new and application_id != APPLICATION_ID:
            raise StoreError(f"store: '{self.path}' is a database, but not a normzoo store; name another with --store")
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"store: '{self.path}' is from a newer normzoo (format {version}, this one reads {SCHEMA_VERSION}); "
                "upgrade normzoo or name another with --store"
            )
        if not writable:
            if is_new:
                raise StoreError(f"store: '{self.path}' is empty; `normzoo compare` without --dry-run fills it")
            return
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("BEGIN IMMEDIATE")
        if is_new and self._scalar("PRAGMA user_version") == 0:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                self._database.execute(statement)
            self._database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        if self._scalar("PRAGMA user_version") < SCHEMA_VERSION:
            self._database.execute(_TIMINGS)
            self._database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self._database.execute("COMMIT")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the write-ahead log is merged into it."""
        self._database.close()

    def add(self, record: RunRecord) -> None:
        """Keep a record, in place of an older one of the same run; but an interruption takes the place of nothing."""
        spec = record.spec
        row = (
            spec.key,
            record.status,
            spec.template,
            spec.norm,
            spec.dataset,
            spec.batch_size,
            spec.seed,
            record.model_dump_json(),
        )
        with self._refusing():
            conflict = "IGNORE" if record.status == "interrupted" else "REPLACE"
            self._database.execute(f"INSERT OR {conflict} INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608

    def add_sweep(self, command: str, configuration: Configuration, keys: Sequence[str]) -> int:
        """Keep what a command asked for, and return the sweep's number; repeating the last command adds nothing."""
        last = self.sweeps()[-1:]
        matrix, execution = configuration.matrix, configuration.execution
        if last and (last[0].command, last[0].matrix, last[0].keys) == (command, matrix, tuple(keys)):
            return last[0].id
        row = (
            datetime.now(UTC).isoformat(timespec="seconds"),
            command,
            matrix.model_dump_json(),
            execution.model_dump_json(),
            json.dumps(list(keys)),
        )
        with self._refusing():
            query = "INSERT INTO sweeps (created_at, command, matrix, execution, keys) VALUES (?, ?, ?, ?, ?)"
            return int(self._database.execute(query, row).lastrowid or 0)

    def statuses(self) -> dict[str, str]:
        """Return the status of every run by its key."""
        with self._refusing():
            return dict(self._database.execute("SELECT key, status FROM runs"))

    def engines(self, statuses: Sequence[Status] = ("ok", "diverged")) -> dict[str, str]:
        """Return the engine of every run of these statuses, by its key: of those that have a result."""
        query = (
            "SELECT key, json_extract(record, '$.engine') FROM runs WHERE status IN (SELECT value FROM json_each(?))"
        )
        with self._refusing():
            return dict(self._database.execute(query, (json.dumps(list(statuses)),)))

    def timings(self) -> dict[tuple[str, TrainingEngine], Timing]:
        """Return what was timed, by key and engine."""
        if self._scalar("PRAGMA user_version") < 2:
            return {}
        with self._refusing():
            rows: list[tuple[str]] = self._database.execute("SELECT timing FROM timings").fetchall()
        timings = [Timing.model_validate_json(timing) for (timing,) in rows]
        return {(timing.key, timing.engine): timing for timing in timings}

    def add_timing(self, timing: Timing) -> None:
        """Keep a timing, in place of an older one of the same."""
        row = (timing.key, timing.engine, timing.model_dump_json())
        with self._refusing():
            self._database.execute("INSERT OR REPLACE INTO timings VALUES (?, ?, ?)", row)

    def records(self, keys: Sequence[str]) -> dict[str, RunRecord]:
        """Return those records that there are, by key, in the order of ``keys``."""
        query = "SELECT key, record FROM runs WHERE key IN (SELECT value FROM json_each(?))"
        with self._refusing():
            found: dict[str, str] = dict(self._database.execute(query, (json.dumps(list(keys)),)))
        return {key: RunRecord.model_validate_json(found[key]) for key in keys if key in found}

    def sweeps(self) -> list[Sweep]:
        """Return all sweeps, the oldest first."""
        with self._refusing():
            rows: list[Any] = self._database.execute(
                "SELECT id, created_at, command, matrix, execution, keys FROM sweeps ORDER BY id"
            ).fetchall()
        return [
            Sweep(
                id=number,
                created_at=created_at,
                command=command,
                matrix=MatrixSpec.model_validate_json(matrix),
                execution=Execution.model_validate_json(execution),
                keys=tuple(json.loads(keys)),
            )
            for number, created_at, command, matrix, execution, keys in rows
        ]

    def _scalar(self, query: str) -> int:
        return int(self._database.execute(query).fetchone()[0])

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Turn what SQLite refuses into a StoreError that names the file."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            reason = str(error)
            if "not a database" in reason or "malformed" in reason:
                raise StoreError(f"store: '{self.path}' is not a normzoo store ({reason})") from error
            raise StoreError(f"store: '{self.path}' cannot be opened or written: {reason}") from error


def _mode(path: Path, writable: bool) -> str:
    """Return how to open the file: one that nobody is writing to is read without leaving files beside it."""
    if writable:
        return "mode=rwc"
    return "mode=ro" if Path(f"{path}-wal").exists() else "mode=ro&immutable=1"
