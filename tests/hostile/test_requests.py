"""Is each request answered at once: carried out, or refused in one clear line, with nothing left behind?"""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from cli.command import run_here

from normzoo.cli.doctor import Probed
from normzoo.errors import ConfigError
from normzoo.experiment.executor.in_process import InProcessExecutor

from .requests import WRITING, commands, furnish, request
from .stores import make_store
from .verdicts import Verdict, of_outcome, weigh

SOME, ALL = 15, 515
"""Requests that are always made, and those with the hostile ones."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store, with what takes long left out: benchmarks, and importing everything."""

    def measured(*_: object) -> None:
        raise ConfigError("nothing is measured here")

    for name in ("run_bench", "run_lstm_bench"):
        monkeypatch.setattr(f"normzoo.cli.bench.{name}", measured)
    monkeypatch.setattr("normzoo.cli.doctor.probe", lambda _: Probed({}, []))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    make_store(tmp_path / "store.sqlite")
    return tmp_path


def holds(folder: Path) -> dict[Path, bytes | None]:
    """Return all that there is below a folder, and what is in the files."""
    names = [Path(at, name) for at, folders, files in os.walk(folder) for name in (*folders, *files)]
    return {name: name.read_bytes() if name.is_file() and not name.is_symlink() else None for name in names}


def ask(folder: Path, number: int) -> Verdict:
    """Carry a request out, and look at what it leaves."""
    words, settings = request(number)
    here = folder / "here" / "here"
    shutil.rmtree(here.parent, ignore_errors=True)
    here.parent.mkdir()
    furnish(here, folder / "store.sqlite", settings)
    before = holds(here.parent)
    verdict = of_outcome(run_here(here, *words))
    after = holds(here.parent)
    is_asked_to_write = any(word.partition("=")[0] in WRITING for word in words)
    if verdict.name in ("done", "refused") and before != after and (verdict.name == "refused" or not is_asked_to_write):
        changed = {str(name) for name in {*before, *after} if before.get(name, 0) != after.get(name, 0)}
        return Verdict("unclear", f"leaves {changed}; {verdict.said}")
    return verdict


def cases(folder: Path, numbers: range) -> Iterator[tuple[str, Callable[[], Verdict]]]:
    for number in numbers:
        words, settings = request(number)
        shown = [word if len(word) < 200 else f"{word[:200]}..." for word in words[:20]]
        yield f"{number}: {shown!r} {settings[:200]!r}", partial(ask, folder, number)


@pytest.mark.slow
def test_all_that_commands_take_is_asked() -> None:
    """By what they themselves say that they take."""
    assert {"compare", "report", "runs", "show", "diff", "export", "merge"} < {path[0] for path in commands()}
    asked = [request(number).words for number in range(ALL)]
    for path, taken in commands().items():
        given = {word.partition("=")[0] for words in asked if words[: len(path)] == [*path] for word in words}
        assert {each.name for each in taken if each.is_option} <= given


def test_a_benchmark_that_is_refused_says_a_line(folder: Path) -> None:
    """Though a bar was to show how far it is."""
    outcome = run_here(folder, "bench", "layers")
    assert (outcome.code, outcome.stderr) == (2, "normzoo: error: nothing is measured here\n")


def test_of_a_long_message_both_ends_are_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the end says where something is wrong."""

    def long(*_: object) -> None:
        raise ConfigError("a " * 50_000 + "(here.py:3)")

    monkeypatch.setattr("normzoo.cli.bench.run_bench", long)
    stderr = run_here(folder, "bench", "layers").stderr
    assert stderr.startswith("normzoo: error: a a a ")
    assert " ... (100,011 characters) ... " in stderr
    assert stderr.endswith(" a (here.py:3)\n")


@pytest.mark.slow
def test_a_request_is_answered(
    folder: Path, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    monkeypatch.setattr("normzoo.cli.compare.LocalExecutor", lambda _: InProcessExecutor())  # which needs no process
    weigh(record_property, "requests", cases(folder, range(SOME)))


@pytest.mark.hostile
@pytest.mark.slow
@pytest.mark.parametrize("start", range(SOME, ALL, 20))
def test_one_of_many_requests_is_answered(
    folder: Path, record_property: Callable[[str, object], None], start: int
) -> None:
    weigh(record_property, "requests", cases(folder, range(start, start + 20)))
