"""The file of a store: the tables in it, and what is opened and what is refused. Torch-free."""

import itertools
import shlex
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from normzoo.errors import StoreError
from normzoo.visible import one_line

APPLICATION_ID = 0x6E7A6F6F
"""Marks an SQLite file as a normzoo store: ``nzoo`` in ASCII."""
SCHEMA_VERSION = 4
"""4: options are part of a component's spec, the strategy part of a run. What is older is read, and brought to this
version when it is written to."""

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
CREATE TABLE timings (
    key TEXT PRIMARY KEY,
    timing TEXT NOT NULL
) WITHOUT ROWID;
"""
"""A row of ``sweeps`` is a comparison that was asked for."""

_PREPARATIONS = """
CREATE TABLE IF NOT EXISTS preparations (
    request TEXT PRIMARY KEY,
    seal TEXT NOT NULL,
    prepared TEXT NOT NULL
) WITHOUT ROWID
"""
"""What saves time and holds no result: it came without a new version, as a store is whole without it."""

OPENING_SECONDS, WRITING_SECONDS = 30, 120
"""How long another program may have a store locked: when it is opened, and later, when there is something to lose."""

Migration = Callable[[sqlite3.Connection], None]
"""Brings the rows of an older file to this version."""


def open_database(path: Path, *, writable: bool, migrate: Migration) -> sqlite3.Connection:
    """Open a store's file, which is made if it is not there and ``writable``, and then brought to this version.

    Raises:
        StoreError: the file is no normzoo store, is from a newer version, or cannot be opened or written.
    """
    with as_store_errors(path):
        if path.is_dir():
            raise StoreError(f"store: '{path}' is a folder; name a file in it, such as {path / 'normzoo.sqlite'}")
        if not writable and not path.exists():
            raise StoreError(f"store: there is no '{path}'; `normzoo compare` makes one, --store names another")
        database = _connect(path, _mode(path, writable))
    try:
        with as_store_errors(path):
            is_new = _check(database, path)
            _check_schema(database, path, writable=writable)
            if writable:
                _prepare(database, is_new, migrate)
                database.execute(f"PRAGMA busy_timeout = {1000 * WRITING_SECONDS}")
            elif is_new:
                raise StoreError(f"store: '{path}' is empty; `normzoo compare` without --dry-run fills it")
            elif scalar(database, "PRAGMA user_version") < SCHEMA_VERSION:
                database = _upgraded_copy(database, migrate)
    except BaseException:
        database.close()
        raise
    return database


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{mode}"
    database = sqlite3.connect(uri, uri=True, timeout=OPENING_SECONDS, isolation_level=None)
    database.text_factory = _text
    database.execute("PRAGMA trusted_schema = OFF")
    return database


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells the file of a name from another that takes its place; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def stamp(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file is written to; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns


def rescue(database: sqlite3.Connection, path: Path) -> tuple[sqlite3.Connection, Path]:
    """Write what a database holds whose file has no name any more, or another, to a new file, and open that.

    Args:
        database: is closed. A file that was moved is whole then, and nothing is left that SQLite would take for a part
            of another file in its place.
        path: where it was. The new file is beside it, or where temporary files are, if that folder is gone, too.

    Raises:
        StoreError: it cannot be written.
    """
    folder = path.parent if path.parent.is_dir() else Path(tempfile.gettempdir())
    numbers = itertools.chain([""], map("-{}".format, itertools.count(2)))
    names = (f"{path.stem}-rescued{number}{path.suffix}" for number in numbers)
    fresh = folder / next(names)
    try:
        with as_store_errors(fresh):
            while not _is_made(fresh):
                fresh = folder / next(names)
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            rescued = _connect(fresh, "mode=rw")
            database.backup(rescued)
            _into_wal(rescued)
            database.close()
    except StoreError:
        for part in ("", "-journal", "-wal", "-shm"):  # which are ours, and hold nothing whole
            with suppress(OSError):
                fresh.with_name(f"{fresh.name}{part}").unlink()
        raise
    return rescued, fresh


def _is_made(path: Path) -> bool:
    """Make an empty file, unless there is one, perhaps of another command that rescues the same store now."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _upgraded_copy(database: sqlite3.Connection, migrate: Migration) -> sqlite3.Connection:
    """Return an older file that is only read as it would be in this version, in memory."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    copy.text_factory = _text
    try:
        database.backup(copy)
        database.close()
        for name in _names(copy, "type = 'trigger'"):
            copy.execute(f"DROP TRIGGER {_quoted(name)}")
        _prepare(copy, is_new=False, migrate=migrate)
    except BaseException:
        copy.close()
        raise
    return copy


_HINTS = {
    sqlite3.SQLITE_BUSY: "; another program writes to it for too long: repeat the command when that has ended",
    sqlite3.SQLITE_FULL: "; what was kept before is whole: make room, and the same command goes on from there",
    sqlite3.SQLITE_IOERR: "; what was kept before is whole unless the file was deleted; repeat the command",
}
"""What to do, by SQLite's code for what went wrong."""


@contextmanager
def as_store_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite refuses into a StoreError that names the file."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        reason = str(error)
        if "not a database" in reason or "malformed" in reason:
            raise StoreError(f"store: '{path}' is not a normzoo store ({reason})") from error
        hint = _HINTS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")
        raise StoreError(f"store: '{path}' cannot be opened or written: {reason}{hint}") from error
    except UnicodeDecodeError as error:  # SQLite quotes what is wrong with the file
        raise StoreError(f"store: '{path}' is not a normzoo store (its tables do not read)") from error
    except (OSError, ValueError) as error:  # a name that can be no file's
        if isinstance(error, StoreError):
            raise
        said = getattr(error, "strerror", None) or error
        raise StoreError(f"store: '{path}' cannot be opened or written: {said}") from error


def scalar(database: sqlite3.Connection, query: str) -> int:
    """Return the one number that a query asks for."""
    return int(database.execute(query).fetchone()[0])


def _check(database: sqlite3.Connection, path: Path) -> bool:
    """Refuse what is no store of ours, or too new; return whether nothing is in it yet."""
    database.execute("BEGIN")  # another command may be making the tables
    try:
        application_id, version, tables = (
            scalar(database, query)
            for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
        )
    finally:
        database.execute("ROLLBACK")
    is_new = (application_id, version, tables) == (0, 0, 0)
    if not is_new and application_id != APPLICATION_ID:
        raise StoreError(f"store: '{path}' is a database, but not a normzoo store; name another with --store")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"store: '{path}' is from a newer normzoo (format {version}, this one reads {SCHEMA_VERSION}); "
            "upgrade normzoo or name another with --store"
        )
    return is_new


_TABLES = ("runs", "sweeps", "timings", "preparations")


def _check_schema(database: sqlite3.Connection, path: Path, *, writable: bool) -> None:
    """Refuse what would run statements of somebody else's when tables are read or, by a trigger, written."""
    ours = ", ".join(f"'{name}'" for name in _TABLES)
    if odd := _names(database, f"name IN ({ours}) AND (type <> 'table' OR sql LIKE 'CREATE VIRTUAL%')"):
        raise StoreError(f"store: '{path}' is not a normzoo store: its {odd[0]} is no table of rows")
    if writable and (triggers := _names(database, "type = 'trigger'")):
        raise StoreError(
            f"store: '{path}' has a trigger, {one_line(triggers[0])}, which normzoo did not make and which would act on"
            f" what is written; take its results to a store without, by `normzoo merge {shlex.quote(str(path))} --into"
            " NEW.sqlite`"
        )


def _names(database: sqlite3.Connection, condition: str) -> list[str]:
    return [str(name) for (name,) in database.execute(f"SELECT name FROM sqlite_master WHERE {condition}")]  # noqa: S608


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_text = partial(str, encoding="utf-8", errors="backslashreplace")
"""Reads text of a database, also where it is no UTF-8."""


def _prepare(database: sqlite3.Connection, is_new: bool, migrate: Migration) -> None:
    """Make the tables that are not there yet, all or nothing."""
    _into_wal(database)
    database.execute("BEGIN IMMEDIATE")
    version = scalar(database, "PRAGMA user_version")
    try:
        if version < SCHEMA_VERSION:
            statements = list(filter(str.strip, _SCHEMA.split(";")))
            if not (is_new and version == 0):
                database.execute("DROP TABLE IF EXISTS timings")
                statements = [statement for statement in statements if "TABLE timings" in statement]
                migrate(database)
            for statement in statements:
                database.execute(statement)
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        database.execute(_PREPARATIONS)
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


def _into_wal(database: sqlite3.Connection) -> None:
    """Have a file written by a write-ahead log. SQLite itself does not wait for others that do so at the same time."""
    deadline = time.monotonic() + OPENING_SECONDS
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    database.execute("PRAGMA synchronous = FULL")


def _mode(path: Path, writable: bool) -> str:
    """Return how to open the file: one that nobody is writing to is read without leaving files beside it."""
    if writable:
        return "mode=rwc"
    return "mode=ro" if is_shared(path) else "mode=ro&immutable=1"


def is_shared(path: Path) -> bool:
    """Whether somebody writes to the file: then readers and writers keep out of one another's way."""
    return Path(f"{path}-wal").exists()
