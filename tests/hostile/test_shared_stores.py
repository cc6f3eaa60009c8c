"""Is nothing lost, and no word untrue, when others write to a store in use or lock it, or nothing can be written?"""

import resource
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli.command import SECONDS, Outcome, environment, stored
from experiment.scripted import Listening, ScriptedExecutor
from experiment.synthetic import FACTS, run_record, run_spec

from normzoo.errors import ConfigError, StoreError
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.executor.protocol import Slots
from normzoo.experiment.planning.facts import Prepared
from normzoo.experiment.planning.groups import Group
from normzoo.experiment.results import store_file
from normzoo.experiment.results.store import Store
from normzoo.experiment.runner import Runner
from normzoo.experiment.worker.messages import RunDone, Started, TaskDone
from normzoo.metric import ACCURACY
from normzoo.outputs import write_outputs

from .stores import seeds

A, B, C = (run_record(run_spec(seed=seed)) for seed in range(3))


def test_of_two_results_of_one_run_the_first_stays(tmp_path: Path) -> None:
    """As when two commands train the same; a failure takes the place of no result, but a result of a failure."""
    failed, other = run_record(A.spec, "failed", losses=()), run_record(A.spec, losses=(9.0,))
    with Store(tmp_path / "s.sqlite") as store:
        for record, status, loss in ((failed, "failed", None), (A, "ok", 1.5), (failed, "ok", 1.5), (other, "ok", 1.5)):
            store.add(record, replaces=False)
            kept = store.record(A.spec.key)
            assert (kept.status, kept.epochs[0].train_loss if kept.epochs else None) == (status, loss)
        store.add(other)
        assert store.record(A.spec.key).epochs[0].train_loss == 9.0


def test_what_is_trained_again_takes_the_place_of_a_result(tmp_path: Path) -> None:
    """As ``--rerun all`` asks for; otherwise another command was faster."""
    other = run_record(A.spec, losses=(9.0,))
    with Store(tmp_path / "s.sqlite") as store:
        store.add(A)
        for replaces, loss in ((False, 1.5), (True, 9.0)):
            executor = ScriptedExecutor([Started(A.spec), RunDone(other), TaskDone()])
            prepared = Prepared(FACTS, {}, {}, (ACCURACY,), "cpu", {})
            configuration = Configuration(MatrixSpec(), Execution())
            runner = Runner(configuration, prepared, executor, store, Listening(), replaces=replaces)
            runner.run([Group((A.spec,), steps=10)], Slots(1, 1))
            assert store.record(A.spec.key).epochs[0].train_loss == loss


@pytest.mark.slow
def test_five_may_begin_a_store_at_once(tmp_path: Path) -> None:
    """And write to it: nothing is refused, and nothing lost. What all of them asked for is there once."""
    for attempt in range(4):
        path, together = tmp_path / f"{attempt}.sqlite", threading.Barrier(5)

        def begin(number: int, path: Path = path, together: threading.Barrier = together) -> None:
            together.wait()
            with Store(path) as store:
                store.add_comparison("normzoo compare", Configuration(MatrixSpec(), Execution()), ["a", "b"])
                for seed in range(4):
                    store.add(run_record(run_spec(seed=10 * number + seed)))

        with ThreadPoolExecutor(5) as pool:
            list(pool.map(begin, range(5)))
        assert seeds(path) == [10 * number + seed for number in range(5) for seed in range(4)]
        with Store(path, writable=False) as store:
            assert [each.id for each in store.comparisons()] == [1]
            assert store.damage() == []


def test_a_store_that_is_written_to_while_it_is_read_is_told(tmp_path: Path) -> None:
    """Where nobody wrote to it when it was opened: then it is read without a lock, as it leaves files behind."""
    path = tmp_path / "s.sqlite"
    Store(path).close()
    reader = Store(path, writable=False)
    with Store(path) as writer:
        writer.add(A)
        with Store(path, writable=False) as second:
            assert len(second.statuses()) == 1  # this one reads by the log
    with pytest.raises(StoreError, match="was written to while it was read; repeat the command"):
        reader.close()


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Have a store locked by another program."""
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.execute("BEGIN EXCLUSIVE")
    try:
        yield database
    finally:
        database.close()


def test_a_result_waits_longer_for_a_lock_than_a_command_that_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute is waited for; a command that has nothing to lose gives up earlier, in a line."""
    assert store_file.WRITING_SECONDS > 60
    monkeypatch.setattr(store_file, "OPENING_SECONDS", 0)
    with Store(tmp_path / "s.sqlite") as store:
        with locked(store.path) as other:
            with pytest.raises(StoreError, match="database is locked; another program writes to it for too long"):
                Store(store.path)
            release = threading.Timer(0.2, lambda: other.execute("ROLLBACK"))
            release.start()
            store.add(A)
            release.join()
        assert len(store.statuses()) == 1
    assert seeds(tmp_path / "s.sqlite") == [0]


def test_a_lock_that_does_not_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept before is there."""
    monkeypatch.setattr(store_file, "WRITING_SECONDS", 0)
    with Store(tmp_path / "s.sqlite") as store:
        store.add(A)
        with locked(store.path), pytest.raises(StoreError, match="database is locked; another program writes to it"):
            store.add(B)
    assert seeds(tmp_path / "s.sqlite") == [0]


def test_a_store_that_becomes_read_only_is_told(tmp_path: Path) -> None:
    """As by a file system that is mounted anew; by its rights alone an open file stays writable, and all is kept."""
    with Store(tmp_path / "s.sqlite") as store:
        store.add(A)
        store.path.chmod(0o444)
        store.add(B)
        store._database.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreError, match="cannot be opened or written: attempt to write a readonly database"):
            store.add(C)
    assert seeds(tmp_path / "s.sqlite") == [0, 1]


@contextmanager
def full_at(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_store_whole(tmp_path: Path) -> None:
    """It says what is kept and what to do, whether the disk is full or files may grow no further."""
    big = run_record(run_spec(seed=9), traceback="x" * 1_000_000)
    with Store(tmp_path / "s.sqlite") as store:
        store.add(A)
        with full_at(500_000), pytest.raises(StoreError, match="disk I/O error; what was kept before is whole"):
            store.add(big)
        store._database.execute("PRAGMA max_page_count = 50")
        with pytest.raises(StoreError, match="disk is full; what was kept before is whole: make room, and the same"):
            store.add(big)
        store.add(B)
    assert seeds(tmp_path / "s.sqlite") == [0, 1]
    with Store(tmp_path / "s.sqlite", writable=False) as store:
        assert store.damage() == []


def test_a_report_that_does_not_fit_leaves_the_earlier_one(tmp_path: Path) -> None:
    """Whole, with nothing beside it, also where it is made as it is written."""
    path = tmp_path / "a.csv"
    write_outputs({path: b"key\n"}, "output")
    with full_at(1000), pytest.raises(ConfigError, match=r"a\.csv' cannot be written: File too large"):
        write_outputs({path: (b"x" * 100 for _ in range(100))}, "output")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"a.csv": b"key\n"}


WORDS = ["--templates", "mlp:widths=8", "--batch-sizes", "64", "--epochs", "1", "--device", "cpu", "--jobs", "1"]


def compare_at_once(folder: Path, *norms: str) -> list[Outcome]:
    """Run a comparison of each of these norms, two seeds each, on one store; all begin to train at the same time."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.hostile.acting", "compare", "--norms", each, "--seeds", "2", *WORDS],
            cwd=folder,
            env=environment(NORMZOO_TESTS_MEET=str(len(norms))),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for each in norms
    ]
    try:
        said = [process.communicate(timeout=SECONDS) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [Outcome(process.returncode, *each) for process, each in zip(processes, said, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "norms",
    [
        ("batch,none", "batch,none"),
        pytest.param(("batch,none",) * 3 + ("rms,none", "layer,none"), marks=pytest.mark.hostile),
    ],
    ids=["two of the same", "five"],
)
def test_commands_at_once_on_one_store(tmp_path: Path, norms: tuple[str, ...]) -> None:
    """All succeed, nothing is lost, and what two of them trained is in both of their tables as it is in the store."""
    outcomes = compare_at_once(tmp_path, *norms)
    assert [outcome.code for outcome in outcomes] == [0] * len(norms), outcomes
    records = stored(tmp_path)
    asked = {norm for each in norms for norm in each.split(",")}
    assert sorted((record.spec.norm.partition(":")[0], record.spec.seed) for record in records.values()) == sorted(
        (norm, seed) for norm in asked for seed in range(2)
    )
    assert {record.status for record in records.values()} == {"ok"}
    with Store(tmp_path / "normzoo.sqlite", writable=False) as store:
        kept = [",".join(comparison.matrix.norms) for comparison in store.comparisons()]
        assert set(kept) == set(norms)
        assert len(kept) <= len(norms)  # one that repeats the last adds nothing, and which is the last is chance
        assert store.damage() == []
    assert not list(tmp_path.glob("*-wal"))
