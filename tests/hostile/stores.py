"""Stores that were damaged, or made by somebody who means harm: generators of what their rows can hold."""

import json
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cli.in_process import fill
from report.synthetic import filled

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.store import Store

MATRIX = MatrixSpec(templates="cnn", norms="batch,none", batch_sizes="2", seeds=2)

ESCAPES = "\x1b]0;PWNED\x07\x1b[2J\x1b[31m\u202egnp\u2066.exe\x9b31m\r\x08\0"
"""A title, a cleared screen, a colour, text that runs backwards, an eighth bit's escape, and what moves the cursor."""

COMMAND = "loop; touch PWNED"
"""What a shell would take for a second command."""

VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    10**30,
    1e308,
    "NaN",
    "Infinity",
    "-Infinity",
    "",
    COMMAND,
    ESCAPES,
    "\ud800",
    "a" * 5000,
    "[red]x[/red][/]",
    "<script>alert(1)</script>",
    [],
    {},
    [[[[]]]],
    {"a": {"b": {}}},
    [None],
    ["x"],
    {"x": "y"},
    {"loss": 1e308, "accuracy": 1e308},
]
"""What stands where something else belongs."""


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


TEXTS: list[Any] = [
    None,
    b"\0\xff",
    b"",
    "",
    "null",
    "{}",
    "[]",
    "1",
    '"x"',
    "{",
    "NaN",
    "\x00",
    nested(1_000),
    nested(100_000),
    '{"a":' * 5_000 + "1" + "}" * 5_000,
    '["\\ud800"]',
    "[1, 2]",
    "[null]",
    '[["a"]]',
    "9" * 10_000,
    7,
    1.5,
]
"""What stands where JSON belongs."""


def make_store(path: Path) -> Path:
    """Write a store of four good runs and their comparison."""
    return fill(path, *filled(MATRIX, lambda *_: 0.5).values())


def change(path: Path, statement: str, *values: Any) -> None:
    """Change a store behind normzoo's back."""
    database = sqlite3.connect(path)
    with database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute(statement, values)
    database.close()


def first_record(path: Path) -> tuple[str, Any]:
    """Return the key and the record of one of the runs."""
    database = sqlite3.connect(path)
    key, text = database.execute("SELECT key, record FROM runs ORDER BY key").fetchone()
    database.close()
    return key, json.loads(text)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all there is within a value."""
    found = [path] if path else []
    if isinstance(value, dict):
        found += [each for name, inner in value.items() for each in places(inner, (*path, name))]
    elif isinstance(value, list):
        found += [each for index, inner in enumerate(value) for each in places(inner, (*path, index))]
    return found


def put(value: Any, path: tuple[Any, ...], new: Any) -> None:
    """Put something in the place of what is there."""
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = new


def odd_field(path: Path, chance: random.Random) -> str:
    """Put an odd value into a place of a record."""
    key, record = first_record(path)
    where, value = chance.choice(places(record)), chance.choice(VALUES)
    put(record, where, value)
    change(path, "UPDATE runs SET record = ? WHERE key = ?", json.dumps(record), key)
    return f"record {where} = {str(value)[:30]!r}"


def odd_setting(path: Path, chance: random.Random) -> str:
    """Put an odd value into what a comparison asked for."""
    column = chance.choice(["matrix", "execution"])
    database = sqlite3.connect(path)
    settings = json.loads(database.execute(f"SELECT {column} FROM sweeps").fetchone()[0])  # noqa: S608
    database.close()
    where, value = chance.choice(places(settings)), chance.choice([*VALUES, 10**9])
    put(settings, where, value)
    change(path, f"UPDATE sweeps SET {column} = ?", json.dumps(settings))  # noqa: S608
    return f"{column} {where} = {str(value)[:30]!r}"


def odd_text(path: Path, chance: random.Random) -> str:
    """Put something that is no JSON, or not of ours, into a column of JSON."""
    table, column = chance.choice(
        [("runs", "record"), ("sweeps", "keys"), ("sweeps", "matrix"), ("sweeps", "execution")]
    )
    value = chance.choice([each for each in TEXTS if each is not None])
    where = "WHERE key = (SELECT min(key) FROM runs)" if table == "runs" else ""
    change(path, f"UPDATE {table} SET {column} = ? {where}", value)  # noqa: S608
    return f"{table}.{column} = {str(value)[:30]!r}"


def odd_column(path: Path, chance: random.Random) -> str:
    """Put something odd into a column by which rows are looked up."""
    columns = [("runs", name) for name in ("key", "status", "template", "norm", "dataset", "batch_size", "seed")]
    table, column = chance.choice([*columns, ("sweeps", "created_at"), ("sweeps", "command")])
    value = chance.choice([b"\0\xff", b"", "", ESCAPES, COMMAND, "weird", 7, 1.5, "a" * 5000])
    where = "WHERE key = (SELECT min(key) FROM runs)" if table == "runs" else ""
    change(path, f"UPDATE {table} SET {column} = ? {where}", value)  # noqa: S608
    return f"{table}.{column} = {str(value)[:30]!r}"


def not_utf8(path: Path, chance: random.Random) -> str:
    """Put bytes that are no text into a column of text."""
    table, column = chance.choice([("runs", "norm"), ("runs", "record"), ("sweeps", "command"), ("sweeps", "keys")])
    change(path, f"UPDATE {table} SET {column} = CAST(x'22ff80fe22' AS TEXT)")  # noqa: S608
    return f"{table}.{column} is no UTF-8"


def flipped_bytes(path: Path, chance: random.Random) -> str:
    """Change some bytes of the file."""
    content = bytearray(path.read_bytes())
    places = [chance.randrange(100, len(content)) for _ in range(chance.choice([1, 10, 200]))]
    for place in places:
        content[place] = chance.randrange(256)
    path.write_bytes(content)
    return f"bytes {places[:3]}..."


def cut(path: Path, chance: random.Random) -> str:
    """Cut the file off."""
    content = path.read_bytes()
    length = chance.randrange(len(content))
    path.write_bytes(content[:length])
    return f"cut to {length}"


KINDS: list[Callable[[Path, random.Random], str]] = [
    odd_field,
    odd_field,
    odd_field,
    odd_setting,
    odd_text,
    odd_column,
    not_utf8,
    flipped_bytes,
    cut,
]


def poison(path: Path, number: int) -> str:
    """Make a store that has something wrong, the same for the same number, and say what."""
    make_store(path)
    chance = random.Random(number)
    return f"{number}: {chance.choice(KINDS)(path, chance)}"


def seeds(path: Path) -> list[int]:
    """Return the seeds of the runs in a store."""
    with Store(path, writable=False) as store:
        return sorted(record.spec.seed for record in store.records(list(store.statuses())).values())
