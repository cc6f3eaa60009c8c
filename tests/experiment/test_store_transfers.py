"""Do runs and comparisons pass from one store to another whole, and is what does not read told?"""

import sqlite3
from pathlib import Path

import pytest

from normzoo.errors import StoreError
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.store import Store

from .synthetic import run_record, run_spec


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.sqlite"


def test_a_record_is_kept_under_the_key_that_it_had_elsewhere(path: Path) -> None:
    """Whatever was there; an older training procedure gave it another than it would have today."""
    with Store(path) as store:
        store.put("00000000deadbeef", run_record())
        store.put("00000000deadbeef", run_record(status="interrupted"))
        assert store.statuses() == {"00000000deadbeef": "interrupted"}
        assert list(store.records(["00000000deadbeef"])) == ["00000000deadbeef"]


def test_the_comparisons_of_another_store_are_kept_once(path: Path, tmp_path: Path) -> None:
    """As they were but for their numbers, which go on from those that are there."""
    configuration = Configuration(MatrixSpec(seeds=1), Execution())
    with Store(tmp_path / "other") as other:
        for command in ("a", "b"):
            other.add_comparison(command, configuration, ["x", "y"])
        theirs = other.comparisons()
    with Store(path) as store:
        store.add_comparison("ours", configuration, ["x"])
        assert [store.put_comparisons(theirs), store.put_comparisons(theirs)] == [2, 0]
        kept = store.comparisons()
    assert [(each.id, each.command) for each in kept] == [(1, "ours"), (2, "a"), (3, "b")]
    assert [(each.created_at, each.matrix, each.execution, each.keys) for each in kept[1:]] == [
        (each.created_at, each.matrix, each.execution, each.keys) for each in theirs
    ]


def _write_and_fail(store: Store) -> None:
    with store.transaction():
        store.put("a", run_record(run_spec(seed=1)))
        assert len(store.statuses()) == 2
        raise KeyError("on the way")


def test_a_transaction_keeps_all_or_nothing(path: Path) -> None:
    """After an error within, what was written is gone, and the store can be written to again."""
    with Store(path) as store:
        store.add(run_record())
        with pytest.raises(KeyError, match="on the way"):
            _write_and_fail(store)
        assert store.statuses() == {run_spec().key: "ok"}
        with store.transaction():
            store.put("a", run_record(run_spec(seed=1)))
            with Store(path, writable=False) as reader:
                assert len(reader.statuses()) == 1
        assert len(store.statuses()) == 2


def test_runs_are_listed_in_the_order_in_which_they_began(path: Path) -> None:
    """Those that began together, in that of the tables."""
    later, two, one = (
        run_record(run_spec(seed=seed), started_at=f"2025-01-0{day}T00:00:00+00:00")
        for seed, day in ((0, 2), (11, 1), (2, 1))
    )
    with Store(path) as store:
        for record in (later, two, one):
            store.add(record)
        listed = store.listed()
    assert [run.key for run in listed] == [record.spec.key for record in (one, two, later)]
    assert listed[0] == (one.spec.key, "ok", "cnn", "group", "2025-01-01T00:00:00+00:00")


def test_a_record_that_does_not_read_is_named(path: Path) -> None:
    """In one line with its key, and not with a traceback of whatever read it."""
    with Store(path) as store:
        store.add(run_record())
        text = run_record().model_dump_json().replace('"spec"', '"weather":"fine","spec"', 1)
        database = sqlite3.connect(path)
        database.execute("UPDATE runs SET record = ?", (text,))
        database.commit()
        database.close()
        with pytest.raises(StoreError) as caught:
            store.record(run_spec().key)
    assert str(caught.value) == (
        f"store: '{path}' holds no run {run_spec().key} that reads: it does not read (weather: Extra inputs are not "
        "permitted); if it is from a newer normzoo, upgrade"
    )
