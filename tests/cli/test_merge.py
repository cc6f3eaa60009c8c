"""Does `normzoo merge` put stores together without losing or hiding anything?"""

import math
import sqlite3
from pathlib import Path

import pytest

from normzoo.errors import StoreError
from normzoo.experiment.planning.facts import Timing
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.store import Store, StoredComparison

from .in_process import call, fill
from .synthetic import run_record, run_spec


def held(path: Path) -> tuple[dict[str, str], list[StoredComparison], list[Timing]]:
    """Return all that is in a store; records in a form in which NaN equals NaN."""
    with Store(path, writable=False) as store:
        records = store.records(sorted(store.statuses()))
        return (
            {key: record.model_dump_json() for key, record in records.items()},
            store.comparisons(),
            list(store.timings().values()),
        )


def texts(*records: RunRecord) -> dict[str, str]:
    return {record.spec.key: record.model_dump_json() for record in records}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


A, B, ALL = Path("a.sqlite"), Path("b.sqlite"), Path("all.sqlite")


def test_runs_comparisons_and_timings_are_put_together(capsys: pytest.CaptureFixture[str]) -> None:
    """What both have is there once; the sources stay as they are."""
    shared = run_record(run_spec(seed=0))
    fill(A, shared, run_record(run_spec(seed=1)), command="normzoo compare a")
    fill(B, shared.model_copy(update={"seconds": 9.0}), run_record(run_spec(seed=2)), command="normzoo compare b")
    timings = [Timing(key=key, members=5, seconds_per_step=seconds) for key, seconds in (("x", 1.0), ("y", 2.0))]
    for path, timing in zip((A, B), timings, strict=True):
        with Store(path) as store:
            store.add_timing(timing)
    before = A.read_bytes(), B.read_bytes()
    outcome = call(capsys, "merge", A, B, "--into", ALL)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout.splitlines() == [
        "a.sqlite: 2 runs added, 1 comparison added",
        "b.sqlite: 1 run added, 1 already there, 1 comparison added",
        "all.sqlite: holds 3 runs and 2 comparisons",
    ]
    records, sweeps, kept = held(ALL)
    assert records == texts(shared, run_record(run_spec(seed=1)), run_record(run_spec(seed=2)))
    assert [(sweep.id, sweep.command) for sweep in sweeps] == [(1, "normzoo compare a"), (2, "normzoo compare b")]
    assert kept == timings
    assert (A.read_bytes(), B.read_bytes()) == before


def test_merging_again_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Not a byte; also with losses that are not numbers."""
    fill(A, run_record(status="diverged", losses=(2.0, math.nan)), absent=["feedfeedfeedfeed"])
    call(capsys, "merge", A, "--into", ALL)
    before = ALL.read_bytes()
    outcome = call(capsys, "merge", A, "--into", ALL)
    assert outcome.stdout.splitlines()[0] == "a.sqlite: 0 runs added, 1 already there, 0 comparisons added"
    assert outcome.code == 0
    assert ALL.read_bytes() == before


def test_a_different_result_of_a_run_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """With both values; the one that was there first is kept, also when merged again."""
    ours, theirs = run_record(losses=(2.0, 1.0)), run_record(losses=(2.0, 1.0000000000000002))
    fill(A, ours)
    fill(B, theirs)
    for _ in range(2):
        outcome = call(capsys, "merge", A, B, "--into", ALL)
        assert outcome.code == 1
        (line,) = [line for line in outcome.stdout.splitlines() if line.startswith("different: ")]
        assert line == (
            f"different: {ours.spec.key[:7]} cnn, group, batch size 32, seed 0: 30.0 % in all.sqlite, 30.0 % in "
            "b.sqlite; apart from epoch 2 on (train loss 1.0 and 1.0000000000000002)"
        )
        assert outcome.stderr == (
            "normzoo: 1 run of the same key with a different result; those in all.sqlite are kept, "
            "`--on-conflict replace` takes the others\n"
        )
        assert held(ALL)[0] == texts(ours)


def test_a_different_result_replaces_the_other_where_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """It is told all the same; of several sources the last counts, also when merged again."""
    ours, theirs = run_record(losses=(2.0,)), run_record(losses=(3.0,))
    fill(ALL, run_record(losses=(1.0,)))
    fill(A, ours)
    fill(B, theirs)
    for _ in range(2):
        outcome = call(capsys, "merge", A, B, "--into", ALL, "--on-conflict", "replace")
        assert (outcome.code, outcome.stderr) == (0, "")
        assert outcome.stdout.count("different: ") == 2
        assert held(ALL)[0] == texts(theirs)


def test_a_result_that_diverged_elsewhere_is_a_different_one(capsys: pytest.CaptureFixture[str]) -> None:
    """The status is part of it."""
    fill(ALL, run_record(losses=(2.0,)))
    fill(B, run_record(status="diverged", losses=(2.0,)))
    outcome = call(capsys, "merge", B, "--into", ALL)
    assert outcome.code == 1
    assert "25.0 % in all.sqlite, diverged in b.sqlite\n" in outcome.stdout


def test_a_run_without_a_result_yields_to_one_with(capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever store is merged into the other."""
    specs = [run_spec(seed=seed) for seed in range(4)]
    done = [run_record(spec) for spec in specs]
    fill(A, run_record(specs[0], "interrupted"), run_record(specs[1], "failed", error="no"), done[2], done[3])
    fill(B, done[0], done[1], run_record(specs[2], "interrupted"), run_record(specs[3], "timeout"))
    for sources, target in (((A, B), Path("ab.sqlite")), ((B, A), Path("ba.sqlite"))):
        outcome = call(capsys, "merge", *sources, "--into", target)
        assert outcome.code == 0
        assert "2 in place of unfinished or failed ones, 2 already there" in outcome.stdout
        assert held(target)[0] == texts(*done)


def test_records_keep_the_keys_that_they_have(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of an older training procedure, whose keys are others than their specifications have today."""
    with Store(A) as store:
        store.put("00000000deadbeef", run_record())
    call(capsys, "merge", A, "--into", ALL)
    assert list(held(ALL)[0]) == ["00000000deadbeef"]


def test_the_comparisons_of_the_target_keep_their_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """Reports and habits go by them."""
    fill(ALL, run_record(), command="normzoo compare all")
    fill(A, run_record(run_spec(seed=1)), command="normzoo compare a")
    call(capsys, "merge", A, "--into", ALL)
    assert [(sweep.id, sweep.command) for sweep in held(ALL)[1]] == [
        (1, "normzoo compare all"),
        (2, "normzoo compare a"),
    ]


def test_a_store_that_is_being_written_can_be_merged(capsys: pytest.CaptureFixture[str]) -> None:
    """What was kept by then is merged, though it is still in the log beside the file."""
    with Store(A) as writer:
        writer.add(run_record())
        assert Path("a.sqlite-wal").stat().st_size > 0
        assert call(capsys, "merge", A, "--into", ALL).code == 0
        writer.add(run_record(run_spec(seed=1)))
    assert held(ALL)[0] == texts(run_record())


def test_a_store_of_the_first_format_can_be_merged(capsys: pytest.CaptureFixture[str]) -> None:
    """It has no timings."""
    fill(A, run_record())
    database = sqlite3.connect(A)
    database.executescript("DROP TABLE timings; PRAGMA user_version = 1;")
    database.close()
    assert call(capsys, "merge", A, "--into", ALL).code == 0
    assert held(ALL)[0] == texts(run_record())


@pytest.mark.parametrize("existed", [True, False])
def test_all_is_merged_or_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, existed: bool
) -> None:
    """A full disk, met after others were written, leaves the target as it was."""
    kept = run_record(run_spec(seed=7))
    if existed:
        fill(ALL, kept)
    fill(A, run_record())
    fill(B, run_record(run_spec(seed=1)))
    put = Store.put

    def full(store: Store, key: str, record: RunRecord) -> None:
        if record.spec.seed == 1:
            raise StoreError("store: 'all.sqlite' cannot be opened or written: database or disk is full")
        put(store, key, record)

    monkeypatch.setattr(Store, "put", full)
    outcome = call(capsys, "merge", A, B, "--into", ALL)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr.endswith("database or disk is full\n")
    assert ALL.exists() == existed
    if existed:
        assert held(ALL)[0] == texts(kept)


def _newer() -> None:
    database = sqlite3.connect(B)
    database.execute("PRAGMA user_version = 99")
    database.close()


def _foreign() -> None:
    B.unlink()
    database = sqlite3.connect(B)
    database.execute("CREATE TABLE runs (key TEXT)")
    database.close()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_newer, "store: 'b.sqlite' is from a newer normzoo (format 99"),
        (_foreign, "store: 'b.sqlite' is a database, but not a normzoo store"),
        (B.unlink, "store: there is no 'b.sqlite'"),
    ],
)
def test_what_is_no_store_of_ours_is_refused_before_anything_is_written(
    capsys: pytest.CaptureFixture[str], spoil: object, message: str
) -> None:
    """Also where it comes last."""
    fill(A, run_record())
    fill(B, run_record())
    assert callable(spoil)
    spoil()
    outcome = call(capsys, "merge", A, B, "--into", ALL)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert message in outcome.stderr
    assert not ALL.exists()


def test_the_target_is_no_source(capsys: pytest.CaptureFixture[str]) -> None:
    """By whatever name, as with *.sqlite."""
    fill(ALL, run_record())
    Path("link.sqlite").symlink_to(ALL)
    for name in ("all.sqlite", "./all.sqlite", "link.sqlite"):
        outcome = call(capsys, "merge", name, "--into", ALL)
        assert outcome.code == 2
        assert "is the store to write, too; leave it out of those to read" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [("--into all.sqlite", "name the stores to put together"), ("a.sqlite", "--into requires an argument")],
)
def test_what_is_not_named_is_asked_for(capsys: pytest.CaptureFixture[str], arguments: str, message: str) -> None:
    """Which of several is written to is never guessed."""
    fill(A, run_record())
    outcome = call(capsys, "merge", *arguments.split())
    assert outcome.code == 2
    assert message in outcome.stderr
    assert not ALL.exists()
