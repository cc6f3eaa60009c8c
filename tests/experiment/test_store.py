"""Does the store give back what was put into it?"""

import math
import sqlite3
from pathlib import Path

import pytest

from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.planning.facts import Timing
from normzoo.experiment.results.records import EpochRecord, RunRecord, Status
from normzoo.experiment.results.store import Store
from normzoo.experiment.results.store_file import SCHEMA_VERSION

from .synthetic import run_record, run_spec


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results of 100%? #1.sqlite"


def test_a_record_comes_back_as_it_was(path: Path) -> None:
    """Every field of it, from another connection, after the first is closed."""
    record = run_record(
        status="failed",
        error="ValueError: no",
        traceback='Traceback:\n  "é\u2028"',
        losses=(2.0, 1.0 / 3),
        samples_per_second=123.4,
        peak_memory_bytes=2**40,
        notes=("one", "two"),
        environment={"torch": "2.9", "threads": 2, "commit": None},
    )
    with Store(path) as store:
        store.add(record)
    with Store(path, writable=False) as store:
        assert store.records([record.spec.key]) == {record.spec.key: record}
        assert store.statuses() == {record.spec.key: "failed"}


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_losses_that_are_not_finite_come_back(path: Path, loss: float) -> None:
    """JSON has no NaN; a diverged run must keep its last epoch all the same."""
    with Store(path) as store:
        store.add(run_record(status="diverged", losses=(2.3, loss)))
        (record,) = store.records([run_spec().key]).values()
    assert record.epochs[0].train_loss == 2.3
    assert str(record.epochs[1].train_loss) == str(loss)
    assert str(record.epochs[1].test["loss"]) == str(loss)


def test_a_later_record_of_a_run_replaces_the_earlier(path: Path) -> None:
    """One run, one record: the last."""
    other = run_record(run_spec(seed=1))
    with Store(path) as store:
        for status in (Status.INTERRUPTED, Status.FAILED, Status.OK):
            store.add(run_record(status=status))
            store.add(other)
        assert store.statuses() == {run_spec().key: "ok", other.spec.key: "ok"}
        assert store.records([run_spec().key])[run_spec().key].status == "ok"


def test_records_come_in_the_order_asked_for_and_only_those_there_are(path: Path) -> None:
    """Also for more keys than SQLite takes as parameters."""
    records = [run_record(run_spec(seed=seed)) for seed in (2, 0, 1)]
    keys = [record.spec.key for record in records]
    with Store(path) as store:
        for record in sorted(records, key=lambda record: record.spec.seed):
            store.add(record)
        asked = [keys[0], *(f"{number:016x}" for number in range(40_000)), *keys[1:]]
        assert list(store.records(asked)) == keys
        assert store.records([]) == {}


def test_comparisons_come_back_oldest_first_and_a_repeated_one_is_no_new_one(path: Path) -> None:
    """Repeating a command goes on with it; another in between makes it a new one."""
    execution = Execution(jobs=2, device="cpu")
    first = Configuration(MatrixSpec(seeds=1), execution)
    second = Configuration(MatrixSpec(norms=("group:groups=4", "none")), execution)
    with Store(path) as store:
        numbers = [
            store.add_comparison("normzoo compare", first, ["a"]),
            store.add_comparison("normzoo compare", first, ["a"]),
            store.add_comparison("normzoo compare", first, ["a", "b"]),
            store.add_comparison("normzoo compare", second, ["a", "b"]),
            store.add_comparison("normzoo compare", first, ["a"]),
        ]
        comparisons = store.comparisons()
    assert numbers == [1, 1, 2, 3, 4]
    assert [each.id for each in comparisons] == [1, 2, 3, 4]
    assert [Configuration(each.matrix, each.execution) for each in comparisons] == [first, first, second, first]
    assert [each.keys for each in comparisons] == [("a",), ("a", "b"), ("a", "b"), ("a",)]
    assert comparisons[0].command == "normzoo compare"
    assert comparisons[0].created_at.endswith("+00:00")


def test_the_store_is_in_wal_mode_and_marked(path: Path) -> None:
    """Readers never wait for the writer, and the file says what it is."""
    Store(path).close()
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA application_id").fetchone()[0].to_bytes(4, "big") == b"nzoo"
    assert database.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    database.close()


def test_opening_twice_keeps_what_is_there(path: Path) -> None:
    """The tables are made once."""
    for seed in range(3):
        with Store(path) as store:
            store.add(run_record(run_spec(seed=seed)))
    with Store(path) as store:
        assert len(store.statuses()) == 3


def test_two_stores_open_at_once_see_each_others_records(path: Path) -> None:
    """Two commands may write one file, and a report may be made while a comparison runs."""
    with Store(path) as one, Store(path) as other, Store(path, writable=False) as reader:
        for seed in range(20):
            (one if seed % 2 else other).add(run_record(run_spec(seed=seed)))
            assert len(reader.statuses()) == seed + 1
        assert one.statuses() == other.statuses()
    with Store(path, writable=False) as store:
        assert len(store.statuses()) == 20


def test_the_value_of_a_run_is_that_of_its_last_epoch_and_only_of_an_ok_one() -> None:
    """What diverged or failed has none, whatever its last epoch says."""
    assert run_record(losses=(2, 1)).test_value == 0.25
    assert run_record(status="diverged").test_value is None
    assert run_record(losses=()).test_value is None


def test_records_are_not_to_be_changed() -> None:
    """They are what happened."""
    for model in (RunRecord, EpochRecord):
        assert model.model_config["frozen"]
        assert model.model_config["extra"] == "forbid"


def test_an_interruption_takes_the_place_of_no_result(path: Path) -> None:
    """Ctrl-C while everything is trained again loses nothing; what is trained again afterwards counts."""
    done = run_record(run_spec())
    with Store(path) as store:
        store.add(done)
        store.add(done.model_copy(update={"status": Status.INTERRUPTED, "error": "interrupted by the user"}))
        assert store.records([done.spec.key])[done.spec.key] == done
        store.add(done.model_copy(update={"status": Status.FAILED}))
        assert store.statuses() == {done.spec.key: "failed"}


def timing(key: str, seconds: float | None) -> Timing:
    return Timing(key=key, members=5, seconds_per_step=seconds, reason=None if seconds else "why")


def test_timings_are_kept_by_key(path: Path) -> None:
    """The newest of each; also of what could not be trained."""
    kept = [timing("a", 0.5), timing("b", None)]
    with Store(path) as store:
        for each in (timing("a", 9.0), *kept):
            store.add_timing(each)
    with Store(path, writable=False) as store:
        assert store.timings() == {each.key: each for each in kept}
