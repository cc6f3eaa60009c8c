"""Are samples kept that took long to read, and read again as soon as they are of another state or damaged?"""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from normzoo.data import _cache
from normzoo.data._cache import Write, cache_folder, cached
from normzoo.errors import DataError

SAMPLES = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)


class Making:
    """Writes some samples, and counts how often it is asked to."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, write: Write) -> dict[str, Any]:
        self.count += 1
        for sample in SAMPLES:
            write(sample)
        return {"notes": ["Bäume"]}


def test_what_was_made_is_mapped_and_not_made_again() -> None:
    make = Making()
    for _ in range(2):
        found = cached("name", "state", make)
        assert isinstance(found.samples, np.memmap)
        np.testing.assert_array_equal(found.samples, SAMPLES)
        assert found.facts == {"notes": ["Bäume"]}
        assert not found.samples.flags.writeable
    assert make.count == 1


def test_another_state_replaces_what_was_kept(cache: Path) -> None:
    make = Making()
    for state in ("one", "two", "two", "one"):
        cached("name", state, make)
    assert make.count == 3
    assert sorted(path.name for path in (cache / "samples").iterdir()) == ["name.json", "name.lock", "name.npy"]


@pytest.mark.parametrize(
    ("ending", "damage"),
    [
        (".npy", lambda content: content[:-1]),
        (".npy", lambda content: content[:-1] + b"\0"),
        (".npy", lambda content: b""),  # noqa: ARG005
        (".npy", lambda content: b"\x80\x04]."),  # noqa: ARG005
        (".json", lambda content: content[: len(content) // 2]),
        (".json", lambda content: content.replace(b"notes", b"nodes")),
        (".json", lambda content: b"[]"),  # noqa: ARG005
        (".json", lambda content: b"{}"),  # noqa: ARG005
    ],
    ids=["cut", "changed", "empty", "pickle", "facts-cut", "facts-changed", "facts-list", "facts-missing"],
)
def test_what_is_damaged_is_made_again(ending: str, damage: Any, cache: Path) -> None:
    make = Making()
    cached("name", "state", make)
    path = cache / "samples" / f"name{ending}"
    path.write_bytes(damage(path.read_bytes()))
    np.testing.assert_array_equal(cached("name", "state", make).samples, SAMPLES)
    assert make.count == 2
    assert cached("name", "state", make).facts == {"notes": ["Bäume"]}
    assert make.count == 2


def test_objects_in_a_cached_file_are_not_loaded(cache: Path) -> None:
    """A pickle would run code: it is refused, and the samples are made again."""
    make = Making()
    cached("name", "state", make)
    np.save(cache / "samples" / "name.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert cached("name", "state", make).samples.dtype == np.uint8


def test_of_two_at_once_one_makes_it_and_the_other_waits() -> None:
    make, both = Making(), Barrier(2)

    def want() -> _cache.Cached:
        both.wait()
        return cached("name", "state", make)

    with ThreadPoolExecutor(2) as pool:
        found = [each.result() for each in (pool.submit(want), pool.submit(want))]
    assert make.count == 1
    assert [each.facts for each in found] == [{"notes": ["Bäume"]}] * 2


def test_what_fails_leaves_nothing_behind(cache: Path) -> None:
    def fail(write: Write) -> dict[str, Any]:
        write(SAMPLES[0])
        raise DataError("damaged")

    with pytest.raises(DataError, match=r"^damaged$"):
        cached("name", "state", fail)
    assert [path.name for path in (cache / "samples").iterdir()] == ["name.lock"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NORMZOO_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError) as caught:
        cached("name", "state", Making())
    assert str(caught.value) == (
        f"the cache folder '{tmp_path / 'file' / 'samples'}' cannot be written (Not a directory); name another one "
        "with the environment variable NORMZOO_CACHE"
    )


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"NORMZOO_CACHE": "~/here", "XDG_CACHE_HOME": "/xdg"}, "HOME/here"),
        ({"NORMZOO_CACHE": "", "XDG_CACHE_HOME": "/xdg"}, "/xdg/normzoo"),
        ({"NORMZOO_CACHE": "", "XDG_CACHE_HOME": ""}, "HOME/.cache/normzoo"),
    ],
)
def test_the_folder_is_where_programs_keep_such_things(
    variables: dict[str, str], folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**variables, "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    assert str(cache_folder()) == folder.replace("HOME", str(tmp_path))


def test_facts_are_as_json_has_them_from_the_first_time_on(cache: Path) -> None:
    """So that who reads them finds the same whether they were made or kept."""

    def make(write: Write) -> dict[str, Any]:
        write(SAMPLES[0])
        return {"skipped": (1, 2)}

    assert cached("name", "state", make).facts == {"skipped": [1, 2]}
    assert json.loads((cache / "samples" / "name.json").read_text())["facts"] == {"skipped": [1, 2]}
