"""Which files does the store open, which does it refuse, and what does it leave beside them?"""

import os
import sqlite3
from pathlib import Path

import pytest

from normzoo.errors import StoreError
from normzoo.experiment.results.store import Store
from normzoo.experiment.results.store_file import SCHEMA_VERSION

from .synthetic import run_record, run_spec


def refusal(path: Path, *, writable: bool = True) -> str:
    with pytest.raises(StoreError) as caught:
        Store(path, writable=writable)
    message = str(caught.value)
    assert message.startswith("store: ")
    assert f"'{path}'" in message
    return message


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("writable", [True, False])
def test_a_store_of_a_newer_version_is_refused(tmp_path: Path, writable: bool) -> None:
    """Rather than misread; the message names both versions."""
    path = tmp_path / "newer.sqlite"
    Store(path).close()
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()
    message = refusal(path, writable=writable)
    assert f"from a newer normzoo (format {SCHEMA_VERSION + 1}, this one reads {SCHEMA_VERSION})" in message


@pytest.mark.parametrize("writable", [True, False])
def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path, writable: bool) -> None:
    """Nothing is written into it."""
    path = tmp_path / "other.sqlite"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE runs (key TEXT)")
    database.commit()
    database.close()
    before = path.read_bytes()
    assert "is a database, but not a normzoo store" in refusal(path, writable=writable)
    assert path.read_bytes() == before
    assert files_in(tmp_path) == ["other.sqlite"]


@pytest.mark.parametrize("writable", [True, False])
def test_a_text_file_is_refused_and_left_alone(tmp_path: Path, writable: bool) -> None:
    """A file that happens to be named."""
    path = tmp_path / "notes.txt"
    path.write_text("These are notes and no database, and they are long enough to be read as a header.\n" * 3)
    before = path.read_bytes()
    assert "is not a normzoo store (file is not a database)" in refusal(path, writable=writable)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """A folder that does not exist, and one that is a file."""
    (tmp_path / "file").write_text("x")
    for folder in ("missing", "file"):
        assert "cannot be opened or written" in refusal(tmp_path / folder / "store.sqlite")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_store_is_refused_for_writing_and_read_all_the_same(tmp_path: Path) -> None:
    """A report can be made of an archived store."""
    path = tmp_path / "archived.sqlite"
    with Store(path) as store:
        store.add(run_record())
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        assert "cannot be opened or written" in refusal(path)
        with Store(path, writable=False) as store:
            assert len(store.statuses()) == 1
    finally:
        tmp_path.chmod(0o755)


def test_reading_a_store_that_is_not_there_makes_none(tmp_path: Path) -> None:
    """A misspelt path is an error, not an empty store."""
    path = tmp_path / "missing.sqlite"
    assert refusal(path, writable=False).endswith("`normzoo compare` makes one, --store names another")
    assert not path.exists()


def test_an_empty_file_becomes_a_store_when_written_and_is_none_before(tmp_path: Path) -> None:
    """As ``mktemp`` makes them."""
    path = tmp_path / "empty.sqlite"
    path.touch()
    assert "is empty" in refusal(path, writable=False)
    assert path.read_bytes() == b""
    with Store(path) as store:
        store.add(run_record())
        assert store.statuses() == {run_spec().key: "ok"}


def test_reading_leaves_nothing_beside_the_file_and_does_not_touch_it(tmp_path: Path) -> None:
    """No -wal and no -shm, not even while it is open."""
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        store.add(run_record())
    assert files_in(tmp_path) == ["store.sqlite"]
    before = path.read_bytes()
    with Store(path, writable=False) as store:
        assert len(store.statuses()) == 1
        assert files_in(tmp_path) == ["store.sqlite"]
    assert files_in(tmp_path) == ["store.sqlite"]
    assert path.read_bytes() == before


def test_a_store_open_for_reading_cannot_be_written(tmp_path: Path) -> None:
    """Not by mistake either."""
    path = tmp_path / "store.sqlite"
    Store(path).close()
    with Store(path, writable=False) as store, pytest.raises(StoreError, match="readonly database"):
        store.add(run_record())


def test_a_damaged_store_is_named(tmp_path: Path) -> None:
    """A file that was overwritten in the middle says so, in our words."""
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        for seed in range(200):
            store.add(run_record(run_spec(seed=seed)))
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with Store(path, writable=False) as store, pytest.raises(StoreError, match="is not a normzoo store"):
        store.statuses()


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize("name", [".", "folder"])
def test_a_folder_is_no_store(name: str, writable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the current one."""
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="is a folder; name a file in it"):
        Store(Path(name), writable=writable)
