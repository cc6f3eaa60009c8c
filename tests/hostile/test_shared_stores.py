"""Is nothing lost, and no word untrue, when others write, lock, delete, move or replace a store that is in use?"""

import resource
import shutil
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli.command import COMMAND, SECONDS, Outcome, compare_here, environment, stored
from experiment.scripted import Listening, ScriptedExecutor
from experiment.synthetic import FACTS, run_record, run_spec

from normzoo.errors import ConfigError, StoreError
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.executor.protocol import Slots
from normzoo.experiment.planning.facts import Prepared
from normzoo.experiment.planning.groups import Group
from normzoo.experiment.results import store_file
from normzoo.experiment.results.store import Store
from normzoo.experiment.runner import Runner
from normzoo.experiment.worker.messages import Message, RunDone, Started, TaskDone
from normzoo.metric import ACCURACY
from normzoo.outputs import write_outputs

A, B, C = (run_record(run_spec(seed=seed)) for seed in range(3))


def seeds(path: Path) -> list[int]:
    """Return the seeds of the runs in a store."""
    with Store(path, writable=False) as store:
        return sorted(record.spec.seed for record in store.records(list(store.statuses())).values())


def deleted(path: Path) -> None:
    path.unlink()


def deleted_with_its_log(path: Path) -> None:
    for file in path.parent.glob("s.sqlite*"):
        file.unlink()


def moved(path: Path) -> None:
    path.rename(path.with_name("moved.sqlite"))


def replaced(path: Path) -> None:
    Store(path.with_name("other.sqlite")).close()
    path.with_name("other.sqlite").rename(path)


GONE: list[Callable[[Path], None]] = [deleted, deleted_with_its_log, moved, replaced]


@pytest.mark.parametrize("happen", GONE, ids=lambda happen: happen.__name__)
def test_a_store_that_is_gone_is_told_at_once_and_kept_whole(tmp_path: Path, happen: Callable[[Path], None]) -> None:
    """In a new file, with the record that was being written; what follows is kept there, too."""
    path, rescued = tmp_path / "s.sqlite", tmp_path / "s-rescued.sqlite"
    with Store(path) as store:
        store.add(A)
        happen(path)
        with pytest.raises(StoreError) as told:
            store.add(B)
        assert f"'{path}' was deleted, moved or replaced while it was in use" in str(told.value)
        assert f"all that it held is kept in '{rescued}': go on with --store {rescued}" in str(told.value)
        assert store.path == rescued
        store.add(C)
    assert seeds(rescued) == [0, 1, 2]
    if happen is moved:
        assert seeds(tmp_path / "moved.sqlite") == [0, 1]
    with Store(path) as store:  # nothing was left that SQLite would take for a part of what is there now
        assert store.statuses() == {}


def closing(store: Store) -> None:
    store.close()


def reading(store: Store) -> None:
    store.records([A.spec.key])


def writing_much(store: Store) -> None:
    with store.transaction():
        store.put(B.spec.key, B)


@pytest.mark.parametrize("use", [closing, reading, writing_much], ids=lambda use: use.__name__)
def test_whatever_comes_next_notices(tmp_path: Path, use: Callable[[Store], None]) -> None:
    """So that no command says that results are kept where they are not."""
    store = Store(tmp_path / "s.sqlite")
    store.add(A)
    deleted(store.path)
    with pytest.raises(StoreError, match="was deleted, moved or replaced"):
        use(store)
    store.close()
    assert 0 in seeds(tmp_path / "s-rescued.sqlite")


def test_no_file_is_written_over_to_rescue_a_store(tmp_path: Path) -> None:
    (tmp_path / "s-rescued.sqlite").write_text("notes")
    with Store(tmp_path / "s.sqlite") as store:
        deleted(store.path)
        with pytest.raises(StoreError, match=r"'.*s-rescued-2\.sqlite'"):
            store.add(A)
    assert seeds(tmp_path / "s-rescued-2.sqlite") == [0]
    assert (tmp_path / "s-rescued.sqlite").read_text() == "notes"


def test_each_command_at_once_rescues_to_a_file_of_its_own(tmp_path: Path) -> None:
    """Also where all notice at the same moment that the store is gone."""
    count = 6
    is_gone = threading.Barrier(count + 1)

    def use(number: int) -> None:
        with Store(tmp_path / "s.sqlite") as store:
            for _ in range(2):
                is_gone.wait()
            with pytest.raises(StoreError, match="was deleted"):
                store.add(run_record(run_spec(seed=number)))

    with ThreadPoolExecutor(count) as pool:
        done = [pool.submit(use, number) for number in range(count)]
        is_gone.wait()
        deleted(tmp_path / "s.sqlite")
        is_gone.wait()
        assert [each.result() for each in done] == [None] * count
    held = [seeds(path) for path in tmp_path.glob("*.sqlite")]
    assert len(held) == count
    assert {seed for each in held for seed in each} == set(range(count))


def test_a_rescue_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the next one, when there is room, has the name that is expected."""

    def fail(database: sqlite3.Connection) -> None:
        database.execute("PRAGMA max_page_count = 1")
        database.execute("CREATE TABLE more (text)")

    store = Store(tmp_path / "s.sqlite")
    store.add(A)
    deleted(store.path)
    with monkeypatch.context() as patch:
        patch.setattr(store_file, "_into_wal", fail)
        with pytest.raises(StoreError, match=r"s-rescued\.sqlite' cannot be .*: database or disk is full"):
            store.add(B)
    assert list(tmp_path.glob("*rescued*")) == []
    with pytest.raises(StoreError, match=r"is kept in '.*s-rescued\.sqlite'"):
        store.add(C)
    store.close()
    assert seeds(tmp_path / "s-rescued.sqlite") == [0, 1, 2]


def test_where_the_folder_is_gone_a_store_is_kept_among_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where nothing can be written there either, that is said."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for gone in (False, True):
        (tmp_path / "folder").mkdir()
        store = Store(tmp_path / "folder" / "s.sqlite")
        shutil.rmtree(tmp_path / "folder")
        if gone:
            monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
        with pytest.raises(StoreError, match=r"s-rescued\.sqlite"):
            store.add(A)
    assert seeds(tmp_path / "s-rescued.sqlite") == [0]


def test_runs_that_have_ended_are_kept_when_the_store_is_gone(tmp_path: Path) -> None:
    """Also those that are told of after that was noticed; what was in flight is noted as interrupted."""
    path = tmp_path / "s.sqlite"
    specs = [record.spec for record in (A, B, C)]

    class Deleting(Listening):
        def started(self, spec: RunSpec) -> None:
            if spec == A.spec:
                deleted(path)

    told: list[Message] = [Started(A.spec), Started(B.spec), RunDone(A), RunDone(B), Started(C.spec)]
    with Store(path) as store:
        prepared = Prepared(FACTS, {}, {}, (ACCURACY,), "cpu", {})
        configuration = Configuration(MatrixSpec(), Execution())
        runner = Runner(configuration, prepared, ScriptedExecutor(told), store, Deleting())
        with pytest.raises(StoreError, match="was deleted, moved or replaced"):
            runner.run([Group(tuple(specs), steps=10)], Slots(1, 1))
    with Store(tmp_path / "s-rescued.sqlite", writable=False) as rescued:
        statuses = rescued.statuses()
    assert [statuses[spec.key] for spec in specs] == ["ok", "ok", "interrupted"]


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
    """Run a comparison of each of these norms, two seeds each, all at the same time on one store."""
    processes = [
        subprocess.Popen(
            [*COMMAND, "compare", "--norms", each, "--seeds", "2", *WORDS],
            cwd=folder,
            env=environment(),
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


@pytest.mark.slow
def test_a_comparison_whose_store_is_deleted_says_where_its_results_are(tmp_path: Path) -> None:
    """In a line, with exit code 2, and no table that says otherwise."""
    (tmp_path / "deleting.py").write_text(
        "import os\nimport torch\n\n\nclass Deleting(torch.nn.Module):\n"
        "    def __init__(self, num_features):\n        super().__init__()\n\n"
        "    def forward(self, x):\n"
        "        if len(x) == 64 and torch.is_grad_enabled() and os.path.exists('normzoo.sqlite'):\n"
        "            os.unlink('normzoo.sqlite')\n        return x\n"
    )
    words = ["--templates", "mlp:widths=8", "--norms", "none,deleting:Deleting", "--strategy", "sequential"]
    outcome = compare_here(tmp_path, *words, "--seeds", "1")
    assert (outcome.code, outcome.stdout) == (2, "")
    last = outcome.stderr.splitlines()[-1]
    assert last.startswith("normzoo: error: store: 'normzoo.sqlite' was deleted, moved or replaced while it was in use")
    assert not (tmp_path / "normzoo.sqlite").exists()
    assert seeds(tmp_path / "normzoo-rescued.sqlite") == [0, 0]
