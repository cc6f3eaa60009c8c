"""Files that commands write for the user: whole or not at all, and never over what normzoo did not write.

Whether normzoo wrote a file is read off the file itself: text has a comment as its last line, PNG and Parquet a mark in
their metadata, and exported rows and measurements a beginning that nothing else has. An SQLite database, such as a
store, is never written over, whatever its name and whoever asks.
"""

import re
import secrets
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from normzoo.errors import ConfigError
from normzoo.interrupts import interrupts_raised

MARK = "written by normzoo"
_COMMENTS = {".md": "\n<!-- {} -->\n", ".html": "<!-- {} -->\n", ".svg": "<!-- {} -->\n", ".tex": "% {}\n"}
"""How the mark stands at the end of a file of text, by its suffix: a comment, which nobody sees."""

_BEGINNINGS = {
    ".csv": rb"(key,status,template,norm,|template,norm,batch_size,metric,|key\n$)",
    ".json": rb'(\[\n\{"key": "[^"]*", "status": |\[\n\{"template": "[^"]*", "norm": |\[\n\n\]\n$'
    rb'|\{\n "spec": \{\n|\{\n "benchmark": ")',
}
"""What exported rows, also none, and a benchmark's measurements begin with."""

_PNG, _PARQUET = b"\x89PNG\r\n\x1a\n", b"PAR1"
_DATABASE = b"SQLite format 3\0"
_LOGS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", b"\x18\xe2\x2d\x00", b"\x00\x2d\xe2\x18", b"\xd9\xd5\x05\xf9")
"""What a database's write-ahead log, its index and its rollback journal begin with."""

_LOOKED_AT = 4096
"""How many bytes at either end of a file are looked at."""


def marked(text: str, suffix: str) -> bytes:
    r"""Return text as the content of a file that is known as normzoo's own by its last line.

    >>> marked("# Norms\n", ".md").decode()
    '# Norms\n\n<!-- written by normzoo -->\n'
    """
    return (text + _COMMENTS[suffix].format(MARK)).encode()


def check_output(path: Path, what: str, *, force: bool = False) -> None:
    """Refuse a file that must not be written.

    Args:
        path: the file.
        what: by which it was asked for, for the message.
        force: also overwrite what normzoo did not write; never a database.

    Raises:
        ConfigError: it is a folder or in none, belongs to a database, or is there and normzoo did not write it.
    """
    try:
        if path.is_dir() or not path.parent.is_dir():
            raise ConfigError(f"{what}: '{path}' cannot be written: it must be a file in a folder that is there")
        if database := _database(path):
            raise ConfigError(f"{what}: '{path}' {database}, and is never overwritten; name another file")
        if path.is_file() and not force and not is_ours(path):
            raise ConfigError(
                f"{what}: '{path}' is there and was not written by normzoo; name another file, or overwrite it with "
                "--force (in Python force=True)"
            )
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise _unwritable(path, what, error) from error


def write_outputs(files: Mapping[Path, bytes | Iterable[bytes]], what: str, *, force: bool = False) -> None:
    """Write files, all of them or, where one cannot be written, none: what was there stays as it was.

    A content may be made as it is written, in parts.

    Raises:
        ConfigError: one must not be written (``check_output``), or cannot be.
    """
    for path in files:
        check_output(path, what, force=force)
    parts: dict[Path, Path] = {}
    path = Path()
    with interrupts_raised():
        try:
            for path, content in files.items():
                written = [content] if isinstance(content, bytes) else content
                if path.exists() and not path.is_file():  # a pipe or a device takes what it is given
                    with path.open("wb") as file:
                        file.writelines(written)
                    continue
                target = path.resolve()
                parts[target] = target.with_name(f".normzoo-{secrets.token_hex(8)}")
                with parts[target].open("xb") as file:
                    file.writelines(written)
                if target.exists():
                    shutil.copymode(target, parts[target])
            for path, part in parts.items():
                part.replace(path)
        except OSError as error:
            raise _unwritable(path, what, error) from error
        finally:
            for part in parts.values():
                with suppress(OSError):
                    part.unlink(missing_ok=True)


def is_ours(path: Path) -> bool:
    """Whether normzoo wrote the file, or nothing is in it."""
    head, tail = _ends(path)
    suffix = path.suffix.lower()
    if not head:
        return True
    if head.startswith(_PNG):
        return MARK.encode() in head
    if head.startswith(_PARQUET):
        return MARK.encode() in _footer(path)
    if suffix in _COMMENTS:
        return tail.rstrip().endswith(_COMMENTS[suffix].format(MARK).strip().encode())
    return any(re.match(_BEGINNINGS[each], head) for each in _BEGINNINGS if suffix not in _BEGINNINGS or each == suffix)


def _database(path: Path) -> str:
    """Say which database a file is or belongs to; nothing where it is none."""
    real = path.resolve()
    base = re.sub(r"-(wal|shm|journal)$", "", real.name)
    if base and base != real.name and _head(real.with_name(base)).startswith(_DATABASE):
        return f"belongs to the database '{real.with_name(base)}'"
    head = _head(real)
    return "is an SQLite database" if head.startswith(_DATABASE) else "belongs to a database" * head.startswith(_LOGS)


def _head(path: Path) -> bytes:
    return _ends(path)[0] if path.is_file() else b""


def _ends(path: Path) -> tuple[bytes, bytes]:
    with path.open("rb") as file:
        head = file.read(_LOOKED_AT)
        file.seek(max(0, path.stat().st_size - _LOOKED_AT))
        return head, file.read(_LOOKED_AT)


def _footer(path: Path) -> bytes:
    """Return the metadata of a Parquet file, whose length stands before the last four bytes."""
    with path.open("rb") as file:
        file.seek(-min(8, path.stat().st_size), 2)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-min(8 + length, path.stat().st_size), 2)
        return file.read(length)


def _unwritable(path: Path, what: str, error: Exception) -> ConfigError:
    return ConfigError(f"{what}: '{path}' cannot be written: {getattr(error, 'strerror', None) or error}")
