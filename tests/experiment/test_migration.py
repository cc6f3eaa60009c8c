"""Is a store of the former version read as it would be written today, and brought to it whole or not at all?"""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from normzoo.experiment.config.spec import PROTOCOL
from normzoo.experiment.results import store as store_module
from normzoo.experiment.results.records import RunRecord, Status
from normzoo.experiment.results.store import Store, StoredComparison
from normzoo.experiment.results.store_file import APPLICATION_ID, SCHEMA_VERSION

from .synthetic import run_spec

FORMER_TABLES = """
CREATE TABLE runs (
    key TEXT PRIMARY KEY, status TEXT NOT NULL, template TEXT NOT NULL, norm TEXT NOT NULL, dataset TEXT NOT NULL,
    batch_size INTEGER NOT NULL, seed INTEGER NOT NULL, record TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE sweeps (
    id INTEGER PRIMARY KEY, created_at TEXT NOT NULL, command TEXT NOT NULL, matrix TEXT NOT NULL,
    execution TEXT NOT NULL, keys TEXT NOT NULL
);
CREATE TABLE timings (
    key TEXT NOT NULL, engine TEXT NOT NULL, timing TEXT NOT NULL, PRIMARY KEY (key, engine)
) WITHOUT ROWID;
"""
SPEC: dict[str, Any] = {
    "template": "cnn",
    "options": {"placement": "post", "widths": [32, 64], "hidden": 64},
    "norm": "group:groups=8",
    "norm_source": None,
    "dataset": "digits",
    "dataset_checksum": "0123456789abcdef",
    "batch_size": 32,
    "seed": 0,
    "epochs": 2,
    "optimizer": "sgd",
    "lr": 0.05,
    "clip_norm": None,
    "precision": "32-true",
}
LSTM = {"template": "lstm", "options": {"hidden": 8}, "norm": "instance:affine=True"}
OWN = {
    "options": {"placement": "pre", "widths": [16], "hidden": 8},
    "norm": "my.norm:Norm:gain=2",
    "norm_source": "beef",
}
FORMER: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a" * 16: ({}, {"engine": "stacked", "members": 5}),
    "b" * 16: ({"seed": 1}, {"engine": "loop", "compiled": True}),
    "c" * 16: ({**LSTM, "seed": 2}, {"engine": "loop", "status": "diverged", "error": "no longer finite"}),
    "d" * 16: ({**OWN, "clip_norm": 1.0}, {"engine": "stacked", "status": "failed", "error": "no", "epochs": []}),
    "e" * 16: ({"seed": 9}, {"engine": "loop", "environment": {"protocol": PROTOCOL - 1, "torch": "2.8"}}),
}
"""By key: what is special about a spec, and about its record. The last was trained by another procedure."""
EXPECTED: dict[str, dict[str, Any]] = {
    "a" * 16: {"template": "cnn", "norm": "group", "strategy": "stacked"},
    "b" * 16: {"template": "cnn", "norm": "group", "strategy": "sequential", "compile": True, "seed": 1},
    "c" * 16: {"template": "lstm:hidden=8", "norm": "instance", "strategy": "sequential", "seed": 2},
    "d" * 16: {
        "template": "cnn:hidden=8,placement=pre,widths=16",
        "norm": "my.norm:Norm:gain=2",
        "sources": {"norm": "beef"},
        "clip_norm": 1.0,
    },
    "e" * 16: {"strategy": "sequential", "seed": 9},
}
MATRIX = {
    "batch_sizes": [2, 32],
    "norms": ["group", "instance:affine=True", "group:groups=4,eps=1e-3"],
    "templates": ["cnn", "lstm"],
    "dataset": "digits",
    "seeds": 5,
    "epochs": 2,
    "lr": 0.05,
    "lrs": None,
    "lr_rule": "linear",
    "lr_reference": 32,
    "optimizer": "sgd",
    "clip_norm": None,
    "precision": "32-true",
    "placement": "pre",
    "widths": [32, 64],
    "hidden": 8,
    "baseline": "instance:affine=True",
}
EXECUTION = {
    "device": "cpu",
    "jobs": 2,
    "engine": "loop",
    "compile": "auto",
    "timeout": None,
    "data_root": "data",
    "download": False,
    "store": "normzoo.sqlite",
}


def former_record(spec: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """Return a record as the former version wrote it."""
    epochs = [
        {
            "epoch": number,
            "train_loss": loss,
            "val_loss": loss,
            "val_accuracy": 0.5,
            "test_loss": loss,
            "test_accuracy": 0.25,
            "seconds": 0.1,
        }
        for number, loss in enumerate((2.0, "NaN" if record.get("status") == "diverged" else 1.5), start=1)
    ]
    return {
        "spec": {**SPEC, **spec},
        "status": "ok",
        "error": None,
        "traceback": None,
        "epochs": epochs,
        "started_at": "2025-01-01T00:00:00+00:00",
        "seconds": 1.0,
        "samples_per_second": 100.0,
        "peak_memory_bytes": 2**27,
        "engine": "loop",
        "members": 1,
        "compiled": False,
        "contended": False,
        "epoch_seconds_alone": None,
        "train_samples": 1078,
        "validation_samples": 359,
        "test_samples": 360,
        "notes": ["one"],
        "environment": {"protocol": PROTOCOL, "torch": "2.9", "device": "cpu"},
        **record,
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of the former version, of five runs and a comparison."""
    path = tmp_path / "former.sqlite"
    database = sqlite3.connect(path)
    database.executescript(f"PRAGMA journal_mode = WAL; {FORMER_TABLES}")
    for key, (spec, changes) in FORMER.items():
        record = former_record(spec, changes)
        named = [record["spec"][name] for name in ("template", "norm", "dataset", "batch_size", "seed")]
        row = (key, record["status"], *named, json.dumps(record))
        database.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    sweep = ("2025-01-01T00:00:00+00:00", "normzoo compare", json.dumps(MATRIX), json.dumps(EXECUTION))
    database.execute(
        "INSERT INTO sweeps (created_at, command, matrix, execution, keys) VALUES (?, ?, ?, ?, ?)",
        (*sweep, json.dumps([*FORMER, "0" * 16])),
    )
    timing = {"key": "k", "engine": "loop", "members": 5, "seconds_per_step": 0.5, "reason": None}
    database.execute("INSERT INTO timings VALUES ('k', 'loop', ?)", (json.dumps(timing),))
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute("PRAGMA user_version = 3")
    database.commit()
    database.close()
    return path


def expected_key(former: str) -> str:
    """Return the key of a run today; that of another procedure keeps its own."""
    return former if former == "e" * 16 else run_spec(**{"epochs": 2, **EXPECTED[former]}).key


def read(store: Store) -> tuple[dict[str, RunRecord], StoredComparison]:
    (comparison,) = store.comparisons()
    return store.records(list(store.statuses())), comparison


def check(store: Store) -> None:
    """Assert that all is there that was, in the form of today."""
    records, comparison = read(store)
    assert set(records) == set(map(expected_key, FORMER))
    for former, changes in EXPECTED.items():
        assert records[expected_key(former)].spec == run_spec(**{"epochs": 2, **changes})
    first = records[expected_key("a" * 16)]
    assert (first.test_value, first.members, first.notes) == (0.25, 5, ("one",))
    assert first.epochs[1].validation == {"loss": 1.5, "accuracy": 0.5}
    diverged = records[expected_key("c" * 16)]
    assert (diverged.status, str(diverged.epochs[-1].test["loss"])) == (Status.DIVERGED, "nan")
    assert comparison.keys == (*map(expected_key, FORMER), "0" * 16)
    assert comparison.matrix.templates == ("cnn:hidden=8,placement=pre", "lstm:hidden=8")
    assert comparison.matrix.norms == ("group", "instance", "group:eps=0.001,groups=4")
    assert comparison.matrix.reference == "instance"
    assert (comparison.execution.device, comparison.execution.jobs) == ("cpu", 2)
    assert store.timings() == {}
    listed = {run.key: (run.template, run.norm) for run in store.listed()}
    assert listed[expected_key("c" * 16)] == ("lstm:hidden=8", "instance")


def test_reading_leaves_the_file_as_it_is(path: Path) -> None:
    """And nothing beside it."""
    before = path.read_bytes()
    for _ in range(2):
        with Store(path, writable=False) as store:
            check(store)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_writing_brings_the_file_to_this_version_once(path: Path) -> None:
    """Opening it again changes nothing, and what is read is what was read before."""
    with Store(path, writable=False) as store:
        before = repr(read(store))  # NaN does not equal itself
    with Store(path) as store:
        check(store)
        assert repr(read(store)) == before
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    dump = list(database.iterdump())
    database.close()
    with Store(path) as store:
        check(store)
    database = sqlite3.connect(path)
    assert list(database.iterdump()) == dump
    database.close()


DYING = """
import os, sys
from pathlib import Path
from normzoo.experiment.results import store

taken = []
def row(key, record, made=store._row):
    taken.append(key)
    if len(taken) == 4:
        os._exit(9)
    return made(key, record)

store._row = row
store.Store(Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_a_death_on_the_way_leaves_the_former_store_whole(path: Path) -> None:
    """It is read as before, and brought to this version the next time."""
    done = subprocess.run([sys.executable, "-c", DYING, str(path)], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 9
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA user_version").fetchone() == (3,)
    assert {key for (key,) in database.execute("SELECT key FROM runs")} == set(FORMER)
    assert database.execute("SELECT engine FROM timings").fetchall() == [("loop",)]
    database.close()
    with Store(path, writable=False) as store:
        check(store)
    with Store(path) as store:
        check(store)


def test_an_error_on_the_way_leaves_the_former_store_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a death, also where the store is only read."""
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise RuntimeError("on the way")

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "_row", fail)
        for writable in (False, True):
            with pytest.raises(RuntimeError, match="on the way"):
                Store(path, writable=writable)
    assert path.read_bytes() == before
    with Store(path) as store:
        check(store)


@pytest.mark.parametrize("writable", [False, True])
def test_a_record_that_does_not_read_is_named_and_stays(path: Path, writable: bool) -> None:
    """As it is, for a normzoo that can read it."""
    database = sqlite3.connect(path)
    database.execute("UPDATE runs SET record = replace(record, '\"cnn\"', '\"gone\"') WHERE key = ?", ("a" * 16,))
    database.commit()
    database.close()
    with Store(path, writable=writable) as store:
        assert "unknown template 'gone'" in store.passed_over["run " + "a" * 16]
        assert store.records(["a" * 16]) == {}
        assert "a" * 16 in store.statuses()


def test_a_run_that_is_stored_is_not_trained_again(path: Path) -> None:
    """Its key is that of the same run today."""
    with Store(path) as store:
        assert store.statuses()[run_spec(epochs=2).key] == "ok"


def test_what_was_written_before_there_were_timings_is_read(path: Path) -> None:
    """The first version had no table of them."""
    database = sqlite3.connect(path)
    database.executescript("DROP TABLE timings; PRAGMA user_version = 1;")
    database.close()
    with Store(path, writable=False) as store:
        check(store)
    with Store(path) as store:
        check(store)
