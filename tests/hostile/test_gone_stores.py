"""Is nothing lost when a store is deleted, moved or replaced while it is in use?"""

import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cli.command import compare_here
from experiment.scripted import Listening, ScriptedExecutor
from experiment.synthetic import FACTS, run_record, run_spec

from normzoo.errors import StoreError
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.executor.protocol import Slots
from normzoo.experiment.planning.facts import Prepared
from normzoo.experiment.planning.groups import Group
from normzoo.experiment.results import store_file
from normzoo.experiment.results.store import Store
from normzoo.experiment.runner import Runner
from normzoo.experiment.worker.messages import Message, RunDone, Started
from normzoo.metric import ACCURACY

from .stores import seeds

A, B, C = (run_record(run_spec(seed=seed)) for seed in range(3))


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


def test_a_rescue_whose_name_is_too_long_says_so(tmp_path: Path) -> None:
    """As the names of the files that SQLite puts beside it are."""
    store = Store(tmp_path / f"{'x' * 239}.sqlite")
    deleted(store.path)
    with pytest.raises(StoreError, match=r"-rescued\.sqlite' cannot be opened or written"):
        store.add(A)
    store._database.close()


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
