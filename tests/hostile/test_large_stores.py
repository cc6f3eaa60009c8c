"""Is a store of very many runs read a few runs at a time, whatever reads it?"""

import json
import sqlite3
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from cli.command import Outcome
from cli.in_process import call
from experiment.synthetic import run_record, run_spec

from normzoo.cli import _checks, merge
from normzoo.experiment.results import store as stores
from normzoo.experiment.results.store import Store

RUNS, LENGTH = 400, 50_000
"""How many runs there are, and of how many characters is the traceback of each.

So much that the tables of the interpreter itself, which grow by two million bytes at some moment of a process, do not
count: that of interned strings, for one.
"""

ALL_AT_ONCE = RUNS * LENGTH


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder with the store ``s.sqlite``, of which four runs are read at a time."""
    monkeypatch.chdir(tmp_path)
    for module in (stores, merge):
        monkeypatch.setattr(module, "_AT_ONCE", 4)
    with Store(tmp_path / "s.sqlite") as store, store.transaction():
        for seed in range(RUNS):
            spec = run_spec(seed=seed)
            store.put(spec.key, run_record(spec, traceback="x" * LENGTH, environment={f"of {seed % 2}": "1"}))
    return tmp_path


def asked(capsys: pytest.CaptureFixture[str], command: str) -> Outcome:
    outcome = call(capsys, *command.split())
    assert outcome.code == 0, outcome
    return outcome


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    "command",
    [
        "runs --store s.sqlite --limit 1000",
        "show {key} --store s.sqlite",
        "export --store s.sqlite -o a.csv",
        "export --store s.sqlite -o a.json",
        "export --store s.sqlite --kind epochs -o a.csv",
        "export --store s.sqlite --to tensorboard:a",
        "merge s.sqlite --into a.sqlite",
        "merge s.sqlite --into b.sqlite",
    ],
)
def test_few_runs_are_in_memory_at_a_time(capsys: pytest.CaptureFixture[str], folder: Path, command: str) -> None:
    """Not a quarter of all; also where the runs are there already."""
    if "tensorboard" in command:
        pytest.importorskip("tensorboard")
    (folder / "b.sqlite").write_bytes((folder / "s.sqlite").read_bytes())
    command = command.format(key=run_spec().key)
    asked(capsys, command.replace("a.", "before."))  # what is imported is in memory, too
    tracemalloc.start()
    try:
        asked(capsys, command)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < ALL_AT_ONCE / 4


def test_the_doctor_reads_a_few_at_a_time(folder: Path) -> None:
    _checks.check_store(folder / "s.sqlite")  # what is imported is in memory, too
    tracemalloc.start()
    try:
        assert f"{RUNS} runs" in _checks.check_store(folder / "s.sqlite").found
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < ALL_AT_ONCE / 4


@pytest.mark.usefixtures("folder")
def test_one_run_is_read_to_show_one(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """And five to list five."""
    read: list[str] = []
    real = Store._record

    def noted(store: Store, key: str, text: str) -> Any:
        read.append(key)
        return real(store, key, text)

    monkeypatch.setattr(Store, "_record", noted)
    asked(capsys, f"show {run_spec(seed=7).key} --store s.sqlite")
    assert read == [run_spec(seed=7).key]
    asked(capsys, "runs --store s.sqlite --limit 5")
    assert len(read) == 1 + 5


def test_all_rows_have_all_columns(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """Also those that only a later run has; where it has none, nothing."""
    asked(capsys, "export --store s.sqlite -o a.json")
    rows = json.loads((folder / "a.json").read_text())
    assert len(rows) == RUNS
    assert {(row["environment.of 0"], row["environment.of 1"]) for row in rows} == {("1", None), (None, "1")}


def test_records_come_in_the_order_that_is_asked_for(folder: Path) -> None:
    """However they lie in the store, and without those that are not there or do not read."""
    keys = [run_spec(seed=seed).key for seed in (9, 3, 30, 1, 2, 8, 7)]
    with sqlite3.connect(folder / "s.sqlite") as database:
        database.execute("UPDATE runs SET record = '{' WHERE key = ?", (keys[5],))
    database.close()
    with Store(folder / "s.sqlite", writable=False) as store:
        assert list(store.records([*keys[:2], "not there", *keys[2:]])) == [*keys[:5], keys[6]]
        assert list(store.passed_over) == [f"run {keys[5]}"]
