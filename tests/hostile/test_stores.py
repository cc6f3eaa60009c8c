"""Does a damaged or a foreign store do harm, or keep one from what else is in it?"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cli.command import Outcome
from cli.in_process import call

from normzoo.cli._checks import check_store
from normzoo.errors import StoreError
from normzoo.experiment.results.store import Store

from .stores import COMMAND, ESCAPES, TEXTS, change, first_record, make_store, poison, put
from .verdicts import Verdict, weigh

READING = (
    "runs",
    "show {key}",
    "diff {key} {key} --other good.sqlite",
    "export",
    "export --kind epochs",
    "export --kind summary",
    "report -o r.tex --force",
    "merge s.sqlite --into new.sqlite",
)
"""Commands that read a store."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder with two stores of the same four runs."""
    monkeypatch.chdir(tmp_path)
    make_store(tmp_path / "good.sqlite")
    make_store(tmp_path / "s.sqlite")
    return tmp_path


def ask(capsys: pytest.CaptureFixture[str], command: str) -> Outcome:
    """Run a command on ``s.sqlite``."""
    Path("new.sqlite").unlink(missing_ok=True)
    words = command.format(key=first_record(Path("good.sqlite"))[0]).split()
    return call(capsys, *words, *([] if words[0] == "merge" else ["--store", "s.sqlite"]))


def is_clear(outcome: Outcome) -> bool:
    """Whether a command did what it was asked for, or said in words why not, and did nothing else to the terminal."""
    said = outcome.stdout + outcome.stderr
    explained = {
        0: outcome.stderr == "",
        1: "passed over" in outcome.stderr,
        2: outcome.stderr.startswith("normzoo: error: ") and outcome.stderr.count("\n") == 1,
    }
    return explained.get(outcome.code, False) and not any(sign in said for sign in "\x1b\x07\x9b\u202e\0")


def read(capsys: pytest.CaptureFixture[str]) -> Verdict:
    """Have all commands read a store; what one of them says of it is what became of it."""
    verdict = Verdict("done")
    for command in READING:
        outcome = ask(capsys, command)
        if not is_clear(outcome):
            return Verdict("unclear", f"{command}: {outcome}")
        if outcome.code:
            verdict = Verdict("refused", outcome.stderr)
    return verdict


def cases(
    capsys: pytest.CaptureFixture[str], folder: Path, numbers: range
) -> Iterator[tuple[str, Callable[[], Verdict]]]:
    for number in numbers:
        (folder / "s.sqlite").unlink(missing_ok=True)
        yield poison(folder / "s.sqlite", number), partial(read, capsys)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("start", range(0, 24, 4))
def test_whatever_is_wrong_with_a_store_is_said(
    capsys: pytest.CaptureFixture[str], folder: Path, record_property: Callable[[str, object], None], start: int
) -> None:
    """By no traceback, by every command that reads it."""
    weigh(record_property, "stores", cases(capsys, folder, range(start, start + 4)))


@pytest.mark.hostile
@pytest.mark.slow
@pytest.mark.parametrize("start", range(24, 324, 10))
def test_whatever_is_wrong_with_one_of_many_stores_is_said(
    capsys: pytest.CaptureFixture[str], folder: Path, record_property: Callable[[str, object], None], start: int
) -> None:
    weigh(record_property, "stores", cases(capsys, folder, range(start, start + 10)))


def spoil(path: tuple[Any, ...], value: Any) -> str:
    """Put a value into the record of one of the runs, and return the run's key."""
    key, record = first_record(Path("s.sqlite"))
    put(record, path, value)
    change(Path("s.sqlite"), "UPDATE runs SET record = ? WHERE key = ?", json.dumps(record), key)
    return key


FLAWS: list[tuple[tuple[Any, ...], Any, str]] = [
    (("epochs",), [], "it is ok without an epoch"),
    (("epochs", 1, "test", "accuracy"), "NaN", "it is ok with a accuracy of nan"),
    (("epochs", 1, "test", "accuracy"), "Infinity", "it is ok with a accuracy of inf"),
    (("epochs", 1, "test", "accuracy"), 1e300, "it is ok with a accuracy of 1e+300"),
    (("epochs", 1, "validation", "accuracy"), "NaN", "it is ok with a accuracy of nan"),
    (("epochs", 1, "test"), {"loss": 1.0}, "an epoch lacks one of accuracy, loss"),
    (("metrics",), [], "it is judged by no metric"),
    (("started_at",), "yesterday", "it does not say when it began"),
    (("started_at",), "2025-01-01T00:00:00", "it does not say when it began"),
    (("metrics", 0, "decimals"), 10**9, "its metric has no scale or digits to write it with"),
    (("test_hits",), "*", "its test hits do not read"),
    (("spec", "batch_size"), 10**30, "does not read (spec.batch_size: "),
    (("seconds",), "NaN", "does not read (seconds: "),
    (("spec", "strategy"), COMMAND, "does not read (spec.strategy: "),
]


@pytest.mark.slow_but_one
@pytest.mark.parametrize(("path", "value", "why"), FLAWS, ids=[f"{each[0][-1]}-{each[2][:20]}" for each in FLAWS])
def test_a_run_that_cannot_be_is_named_and_passed_over(
    capsys: pytest.CaptureFixture[str], folder: Path, path: tuple[Any, ...], value: Any, why: str
) -> None:
    """The rest works, with an exit code that tells."""
    key = spoil(path, value)
    for command, rows in {"export": 3, "report -o r.tex": 0, "runs": 0, "merge s.sqlite --into new.sqlite": 0}.items():
        outcome = ask(capsys, command)
        assert outcome.code == 1
        assert f"normzoo: store 's.sqlite': run {key} is passed over: " in outcome.stderr
        assert why in outcome.stderr
        assert not rows or len(outcome.stdout.splitlines()) == 1 + rows
    with Store(folder / "new.sqlite", writable=False) as merged:
        assert len(merged.statuses()) == 3
    assert ask(capsys, "show {key}").code == 2
    assert why in ask(capsys, "show {key}").stderr


@pytest.mark.slow_but_one
@pytest.mark.parametrize("value", TEXTS[1:], ids=range(1, len(TEXTS)))
@pytest.mark.parametrize("column", ["keys", "matrix", "execution"])
def test_a_comparison_that_does_not_read_is_named_and_passed_over(
    capsys: pytest.CaptureFixture[str], folder: Path, column: str, value: Any
) -> None:
    """Runs are listed all the same."""
    change(folder / "s.sqlite", f"UPDATE sweeps SET {column} = ?", value)  # noqa: S608
    outcome = ask(capsys, "runs")
    if (column, value) in (("keys", "[]"), ("keys", '["\\ud800"]'), ("matrix", "{}")):
        assert outcome.code == 0  # these are what they should be, if with little in them
        return
    assert outcome.code == 1
    assert "comparison 1 is passed over: it " in outcome.stderr
    assert "4 runs: 4 ok." in outcome.stdout
    refused = ask(capsys, "report -o r.tex")
    assert (refused.code, "holds no comparison that reads: comparison 1: it " in refused.stderr) == (2, True)


def test_more_runs_than_can_be_are_passed_over(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """At once, rather than counted one by one."""
    change(folder / "s.sqlite", "UPDATE sweeps SET matrix = json_set(matrix, '$.seeds', 1000000000)")
    assert "it is of 30,000,000,000 runs, and one has at most 1,000,000" in ask(capsys, "runs").stderr


def test_a_key_that_is_no_text_is_named(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    change(folder / "s.sqlite", "UPDATE runs SET key = x'00ff' WHERE key = (SELECT min(key) FROM runs)")
    outcome = ask(capsys, "runs")
    assert (outcome.code, "3 runs: 3 ok." in outcome.stdout) == (1, True)
    assert "run b'\\x00\\xff' is passed over: its key, status, template or norm is no text" in outcome.stderr


def test_the_doctor_names_all_that_is_wrong(folder: Path) -> None:
    key = spoil(("epochs",), [])
    change(folder / "s.sqlite", "UPDATE sweeps SET keys = '7'")
    found = check_store(folder / "s.sqlite")
    assert "does not read as a whole: comparison 1: it does not read (" in found.problem
    assert f"run {key}: it is ok without an epoch" in found.problem
    assert found.way_out.startswith("what does not read is passed over")


def test_the_doctor_names_what_is_wrong_with_the_file(folder: Path) -> None:
    content = (folder / "s.sqlite").read_bytes()
    (folder / "s.sqlite").write_bytes(content[: len(content) - 4096])
    assert check_store(folder / "s.sqlite").problem
    assert not check_store(folder / "good.sqlite").problem


TRIGGER = "CREATE TRIGGER evil AFTER INSERT ON runs BEGIN DELETE FROM runs; END"


def test_a_trigger_does_not_act(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """A store that has one is read and merged, but not written to."""
    change(folder / "s.sqlite", TRIGGER)
    assert ask(capsys, "merge s.sqlite --into new.sqlite").code == 0
    outcome = call(capsys, "merge", "good.sqlite", "--into", "s.sqlite")
    assert outcome.code == 2
    assert "'s.sqlite' has a trigger, evil, which normzoo did not make" in outcome.stderr
    assert "`normzoo merge s.sqlite --into NEW.sqlite`" in outcome.stderr


def test_a_trigger_of_an_older_store_does_not_act_when_that_is_read(folder: Path) -> None:
    """It is brought to this version in memory, where rows are written."""
    change(folder / "s.sqlite", TRIGGER)
    change(folder / "s.sqlite", "PRAGMA user_version = 3")
    with Store(folder / "s.sqlite", writable=False) as store:
        assert len(store.statuses()) == 4


@pytest.mark.parametrize("name", ["runs", "sweeps", "timings"])
def test_a_view_in_place_of_a_table_is_refused(folder: Path, name: str) -> None:
    """It could take for ever to read."""
    database = sqlite3.connect(folder / "s.sqlite")
    database.execute(f"ALTER TABLE {name} RENAME TO hidden")
    database.execute(
        f"CREATE VIEW {name} AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"  # noqa: S608
    )
    database.close()
    with pytest.raises(StoreError, match=f"is not a normzoo store: its {name} is no table of rows"):
        Store(folder / "s.sqlite", writable=False)


def test_what_a_store_says_does_not_act_on_the_terminal(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """Wherever it says it."""
    change(folder / "s.sqlite", "UPDATE sweeps SET command = ?, created_at = ?", f"normzoo {ESCAPES}", ESCAPES)
    outcome = ask(capsys, "runs")
    assert is_clear(outcome)
    assert "\\x1b]0;PWNED\\x07" in outcome.stdout
