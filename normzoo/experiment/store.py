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
from normzoo.experiment.config import Configuration
from normzoo.experiment.engines import Timing, TrainingEngine
from normzoo.experiment.execution import Execution
from normzoo.experiment.records import RunRecord, Status
from normzoo.experiment.spec import MatrixSpec
from normzoo.experiment.store_file import open_database, refusing, scalar

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Sweep:
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
        self._database = open_database(path, writable=writable)

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
        self._write(record.spec.key, record, "IGNORE" if record.status == "interrupted" else "REPLACE")

    def put(self, key: str, record: RunRecord) -> None:
        """Keep a record under the key that it has in another store, whatever was there.

        Keys hold the version of the training procedure; that of an older record cannot be computed from it.
        """
        self._write(key, record, "REPLACE")

    def _write(self, key: str, record: RunRecord, conflict: Literal["IGNORE", "REPLACE"]) -> None:
        spec = record.spec
        row = (
            key,
            record.status,
            spec.template,
            spec.norm,
            spec.dataset,
            spec.batch_size,
            spec.seed,
            record.model_dump_json(),
        )
        with refusing(self.path):
            self._database.execute(f"INSERT OR {conflict} INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608

    def add_sweep(self, command: str, configuration: Configuration, keys: Sequence[str]) -> int:
        """Keep what a command asked for, and return the sweep's number; repeating the last command adds nothing."""
        last = self.sweeps()[-1:]
        matrix, execution = configuration.matrix, configuration.execution
        if last and (last[0].command, last[0].matrix, last[0].keys) == (command, matrix, tuple(keys)):
            return last[0].id
        return self._write_sweep(
            Sweep(0, datetime.now(UTC).isoformat(timespec="seconds"), command, matrix, execution, tuple(keys))
        )

    def put_sweeps(self, sweeps: Sequence[Sweep]) -> int:
        """Keep those sweeps of another store that are not there yet, under new numbers; return how many."""
        there = [replace(sweep, id=0) for sweep in self.sweeps()]
        missing = [sweep for sweep in sweeps if replace(sweep, id=0) not in there]
        for sweep in missing:
            self._write_sweep(sweep)
        return len(missing)

    def _write_sweep(self, sweep: Sweep) -> int:
        row = (
            sweep.created_at,
            sweep.command,
            sweep.matrix.model_dump_json(),
            sweep.execution.model_dump_json(),
            json.dumps(list(sweep.keys)),
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

    def engines(self, statuses: Sequence[Status] = ("ok", "diverged")) -> dict[str, str]:
        """Return the engine of every run of these statuses, by its key: of those that have a result."""
        query = (
            "SELECT key, json_extract(record, '$.engine') FROM runs WHERE status IN (SELECT value FROM json_each(?))"
        )
        with refusing(self.path):
            return dict(self._database.execute(query, (json.dumps(list(statuses)),)))

    def timings(self) -> dict[tuple[str, TrainingEngine], Timing]:
        """Return what was timed, by key and engine."""
        with refusing(self.path):
            if scalar(self._database, "PRAGMA user_version") < 2:
                return {}
            rows: list[tuple[str]] = self._database.execute("SELECT timing FROM timings").fetchall()
        timings = [self._read(Timing, timing, "a timing") for (timing,) in rows]
        return {(timing.key, timing.engine): timing for timing in timings}

    def add_timing(self, timing: Timing) -> None:
        """Keep a timing, in place of an older one of the same."""
        row = (timing.key, timing.engine, timing.model_dump_json())
        with refusing(self.path):
            self._database.execute("INSERT OR REPLACE INTO timings VALUES (?, ?, ?)", row)

    def records(self, keys: Sequence[str]) -> dict[str, RunRecord]:
        """Return those records that there are, by key, in the order of ``keys``."""
        query = "SELECT key, record FROM runs WHERE key IN (SELECT value FROM json_each(?))"
        with refusing(self.path):
            found: dict[str, str] = dict(self._database.execute(query, (json.dumps(list(keys)),)))
        return {key: self._read(RunRecord, found[key], f"run {key}") for key in keys if key in found}

    def sweeps(self) -> list[Sweep]:
        """Return all sweeps, the oldest first."""
        with refusing(self.path):
            rows: list[Any] = self._database.execute(
                "SELECT id, created_at, command, matrix, execution, keys FROM sweeps ORDER BY id"
            ).fetchall()
        return [
            Sweep(
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
