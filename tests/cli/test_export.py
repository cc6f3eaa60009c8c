"""Does `normzoo export` write all there is, so that other programs read it as it was?"""

import csv
import io
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet
import pytest

from normzoo.comparison import Comparison
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.results.records import EpochRecord, Place, RunRecord
from normzoo.experiment.results.store import Store

from .in_process import call, fill
from .synthetic import run_record, run_spec

PLACES = (
    Place(where="on the cell", kind="vectors", channels=64, positions=1, has_norm=True, pooled=2),
    Place(where="at the end", kind="vectors", channels=8, positions=1, has_norm=False, pooled=None),
)
OK = run_record(
    losses=(0.1 + 0.2, 1 / 3),
    notes=("one", "two"),
    places=PLACES,
    test_hits="oA==",
    eval_stats={"batch": {"loss": 0.5, "accuracy": 0.75}},
    environment={"torch": "2.9", "threads": 2},
)
DIVERGED = run_record(run_spec(seed=1), "diverged", losses=(2.0, math.nan), environment={"torch": "2.9"})
INFINITE = run_record(run_spec(seed=2), "diverged", losses=(math.inf,))
FAILED = run_record(
    run_spec(seed=3, template="lstm:hidden=8", clip_norm=0.5),
    "failed",
    losses=(),
    error="[red]",
    traceback='a\n "b",\nc',
)
RECORDS = (OK, DIVERGED, INFINITE, FAILED)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return fill(tmp_path / "s.sqlite", *RECORDS, absent=["feedfeedfeedfeed"])


def from_csv(text: str) -> dict[str, dict[str, str]]:
    return {row["key"]: row for row in csv.DictReader(io.StringIO(text))}


def not_in_json(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def test_a_row_holds_everything_of_a_run(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    """Every field of its configuration and its record, whichever there will be, with every digit."""
    rows = from_csv(call(capsys, "export", "--store", store).stdout)
    assert list(rows) == [record.spec.key for record in RECORDS]
    row = rows[OK.spec.key]
    columns = {name.partition(".")[0] for name in row}
    assert columns == {"key", "test", "last", *RunSpec.model_fields, *RunRecord.model_fields} - {
        "spec",
        "sources",
        "metrics",
        "loss",
    }
    assert (row["eval_stats.batch.accuracy"], rows[DIVERGED.spec.key]["eval_stats.batch.accuracy"]) == ("0.75", "")
    assert {"last.epoch", "last.train_loss", "last.validation.loss", "last.test.accuracy", "last.seconds"} <= set(row)
    assert (row["norm"], row["template"], row["lr"]) == ("group", "cnn", "0.05")
    assert (row["last.epoch"], float(row["last.train_loss"])) == ("2", 1 / 3)
    assert (row["environment.threads"], row["notes"], row["compiled"]) == ("2", "one; two", "False")
    assert (
        row["places"]
        == "on the cell: vectors, channels 64, values per statistic 2; at the end: vectors, channels 8, no norm"
    )
    assert row["test_hits"] == "oA=="
    assert float(row["test"]) == OK.epochs[-1].test["accuracy"]


def test_no_field_of_a_record_hides_one_of_its_configuration() -> None:
    """They share the columns of a row; epochs are those planned, the finished ones are in rows of their own."""
    shared = set(RunSpec.model_fields) & (set(RunRecord.model_fields) | {"key", "test", "last"})
    assert shared == {"epochs"}
    assert not set(RunSpec.model_fields) & set(EpochRecord.model_fields)


def test_csv_tells_nothing_from_not_a_number(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    """An empty field is nothing; texts of several lines stay one field."""
    rows = from_csv(call(capsys, "export", "--store", store, "--format", "csv").stdout)
    assert [rows[record.spec.key]["last.train_loss"] for record in RECORDS[1:]] == ["nan", "inf", ""]
    assert rows[FAILED.spec.key]["traceback"] == 'a\n "b",\nc'
    assert rows[FAILED.spec.key]["last.test.accuracy"] == ""
    assert rows[DIVERGED.spec.key]["test"] == ""
    assert rows[DIVERGED.spec.key]["last.test.accuracy"] == "0.30000000000000004"


def test_json_is_valid_and_keeps_what_it_has_no_number_for(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    """As text, as the store does; every object has the same names."""
    text = call(capsys, "export", "--store", store, "--format", "json").stdout
    rows: list[dict[str, Any]] = json.loads(text, parse_constant=not_in_json)
    assert [row["last.train_loss"] for row in rows] == [1 / 3, "NaN", "Infinity", None]
    assert rows[0]["compiled"] is False
    assert rows[0]["last.epoch"] == 2
    assert all(list(row) == list(rows[0]) for row in rows)


def test_parquet_keeps_types_and_tells_nothing_from_not_a_number(
    capsys: pytest.CaptureFixture[str], store: Path, tmp_path: Path
) -> None:
    """The file's name says the format."""
    path = tmp_path / "x.parquet"
    outcome = call(capsys, "export", "--store", store, "-o", path)
    assert outcome.stdout == f"written: {path} (4 rows)\n"
    table = pyarrow.parquet.read_table(path)
    one, two, three, four = table["last.train_loss"].to_pylist()
    assert (one, math.isnan(two), three, four) == (1 / 3, True, math.inf, None)
    assert str(table.schema.field("seed").type) == "int64"
    assert str(table.schema.field("compiled").type) == "bool"
    assert table["key"].to_pylist() == [record.spec.key for record in RECORDS]


def test_a_column_of_several_kinds_becomes_text_in_parquet(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Environments are what they were on each machine."""
    records = [run_record(run_spec(seed=seed), environment={"x": x}) for seed, x in enumerate((1, "many", None))]
    path = tmp_path / "x.parquet"
    assert call(capsys, "export", "--store", fill(tmp_path / "s.sqlite", *records), "-o", path).code == 0
    assert sorted(map(str, pyarrow.parquet.read_table(path)["environment.x"].to_pylist())) == ["1", "None", "many"]


def test_epochs_are_rows_where_asked_for(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    """A run without any has no row, and that is told."""
    outcome = call(capsys, "export", "--store", store, "--kind", "epochs")
    rows = list(csv.DictReader(io.StringIO(outcome.stdout)))
    assert [(row["key"], row["epoch"], row["train_loss"]) for row in rows] == [
        (OK.spec.key, "1", repr(0.1 + 0.2)),
        (OK.spec.key, "2", repr(1 / 3)),
        (DIVERGED.spec.key, "1", "2.0"),
        (DIVERGED.spec.key, "2", "nan"),
        (INFINITE.spec.key, "1", "inf"),
    ]
    assert rows[0]["norm"] == "group"
    assert outcome.stderr == "normzoo: 1 run without a finished epoch, and not written\n"


def test_a_comparison_is_exported_alone(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    """What of it is not there is told."""
    fill(store, run_record(run_spec(seed=9)))
    outcome = call(capsys, "export", "--store", store, "--comparison", "1")
    assert set(from_csv(outcome.stdout)) == {record.spec.key for record in RECORDS}
    assert outcome.stderr == "normzoo: 1 run of comparison 1 not there yet, and not written\n"
    assert len(from_csv(call(capsys, "export", "--store", store, "--comparison", "2").stdout)) == 1


def test_several_comparisons_are_exported_together(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    """Each of their runs once; they need not be of one matrix."""
    fill(store, run_record(run_spec(seed=8)), dataset="mnist")
    fill(store, OK, run_record(run_spec(seed=9)), absent=["beefbeefbeefbeef"])
    outcome = call(capsys, "export", "--store", store, "--comparison", "3,2")
    rows = list(csv.DictReader(io.StringIO(outcome.stdout)))
    assert sorted(row["seed"] for row in rows) == ["0", "8", "9"]
    assert outcome.stderr == "normzoo: 1 run of comparison 3, 2 not there yet, and not written\n"
    assert len(from_csv(call(capsys, "export", "--store", store, "--all").stdout)) == len(RECORDS) + 2


def seeds_of(**changes: Any) -> list[RunRecord]:
    """Return two runs of a cell; the test accuracy of the second is five points higher."""
    return [run_record(run_spec(seed=seed, **changes), losses=(1.0,) * (seed + 1)) for seed in (0, 1)]


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", ["x.csv", "x.json", "x.parquet"])
def test_a_summary_has_a_row_for_every_cell(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    """Those of the library, in every format; what is not there is nothing."""
    records = [*seeds_of(), *seeds_of(norm="none", batch_size=8)]
    path = fill(tmp_path / "s.sqlite", *records)
    outcome = call(capsys, "export", "--store", path, "--kind", "summary", "-o", tmp_path / name)
    read = {"x.csv": pd.read_csv, "x.json": pd.read_json, "x.parquet": pd.read_parquet}[name]
    frame, expected = read(tmp_path / name), Comparison.load(path).to_frame()
    assert outcome.stdout == f"written: {tmp_path / name} ({len(expected)} rows)\n"
    assert (list(frame.columns), len(frame)) == (list(expected.columns), len(expected))
    (cell,) = frame.query("template == 'cnn' and norm == 'group' and batch_size == 32").itertuples()
    assert (cell.n, cell.n + cell.n_missing, cell.mean) == (2, MatrixSpec().seeds, pytest.approx(0.275))
    assert cell.low < 0.25 < 0.3 < cell.high
    assert frame["mean"].notna().sum() == 2


@pytest.mark.slow
def test_a_summary_is_of_the_latest_comparison_or_of_several_as_one(
    capsys: pytest.CaptureFixture[str], store: Path
) -> None:
    """As a report is; what are not parts of one are refused in a line."""
    fill(store, *seeds_of(norm="none"))

    def means(*flags: str) -> list[str]:
        text = call(capsys, "export", "--store", store, "--kind", "summary", *flags).stdout
        return [row["norm"] for row in csv.DictReader(io.StringIO(text)) if row["mean"]]

    assert means() == ["none"]
    assert means("--comparison", "1") == ["group"]
    assert means("--comparison", "1,2") == means("--all") == ["group", "none"]
    fill(store, dataset="mnist")
    outcome = call(capsys, "export", "--store", store, "--kind", "summary", "--all")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "are not parts of one: dataset is digits in comparisons 1 and 2, mnist in comparison 3" in outcome.stderr


@pytest.mark.parametrize(("name", "text"), [("x.csv", "key\n"), ("x.json", "[]"), ("x.parquet", None)])
def test_an_empty_store_makes_a_file_without_rows(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, text: str | None
) -> None:
    """One that reads."""
    Store(tmp_path / "s.sqlite").close()
    outcome = call(capsys, "export", "--store", tmp_path / "s.sqlite", "-o", tmp_path / name)
    assert outcome.stdout == f"written: {tmp_path / name} (0 rows)\n"
    if text is None:
        assert pyarrow.parquet.read_table(tmp_path / name).num_rows == 0
    else:
        assert (tmp_path / name).read_text().replace("[\n\n]\n", "[]") == text


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--format parquet", "--format parquet needs a file; name one with --output"),
        ("-o x.txt", "output: 'x.txt' does not say its format; end it in .csv, .json or .parquet"),
        (
            "-o s.sqlite --format csv",
            "output: 's.sqlite' is an SQLite database, and is never overwritten; name another file",
        ),
        ("-o nowhere/x.csv", "output: 'nowhere/x.csv' cannot be written: it must be a file in a folder that is there"),
        ("--comparison 7", "store: 's.sqlite' holds no comparison 7; it holds 1"),
        ("--format xml", 'Invalid value "xml" for --format'),
        ("--kind cells", 'Invalid value "cells" for --kind'),
        ("--comparison 1,x", "expected numbers such as 1 or 1,3, got '1,x'"),
        ("--comparison 1 --all", "--all: stands beside --comparison, which names some; use one"),
    ],
)
def test_what_cannot_be_written_is_refused(
    capsys: pytest.CaptureFixture[str], store: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, message: str
) -> None:
    """The store stays as it is."""
    monkeypatch.chdir(store.parent)
    before = store.read_bytes()
    outcome = call(capsys, "export", "--store", "s.sqlite", *arguments.split())
    assert (outcome.code, outcome.stdout) == (2, "")
    (line,) = outcome.stderr.splitlines()
    assert message in line
    assert store.read_bytes() == before


def test_without_pyarrow_the_way_out_is_named(
    capsys: pytest.CaptureFixture[str], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    outcome = call(capsys, "export", "--store", store, "-o", store.parent / "x.parquet")
    assert outcome.code == 2
    assert outcome.stderr == (
        "normzoo: error: parquet needs pyarrow, which is not installed; `pip install 'normzoo[parquet]'`, or use csv\n"
    )
    assert not (store.parent / "x.parquet").exists()


@pytest.mark.slow
def test_ten_thousand_runs_are_exported_in_seconds(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """By the time of the processor; none is left out."""
    one = run_record(losses=(2.0, 1.5, 1.0, 0.5))
    records = [one.model_copy(update={"spec": run_spec(seed=seed)}) for seed in range(10_000)]
    path = fill(tmp_path / "s.sqlite", *records)
    start = time.process_time()
    text = call(capsys, "export", "--store", path, "--kind", "epochs").stdout
    taken = time.process_time() - start
    assert taken < 10, f"took {taken:.1f} s"
    assert text.count("\n") == 40_001


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("export --store s.sqlite --force", "--force: writes over a file; name one with --output"),
        ("export --store s.sqlite --to tensorboard:a --force", "--force: is for files; a tracker's run is replaced"),
        ("explain batch --force", "--force: writes over a file; name one with --svg"),
        ("bench layers --force", "--force: writes over a file; name one with --report or --json"),
        ("compare --force", "--force writes a report over a file; name one with --report PATH.md"),
    ],
)
def test_force_without_a_file_is_refused(capsys: pytest.CaptureFixture[str], command: str, message: str) -> None:
    """It would do nothing."""
    outcome = call(capsys, *command.split())
    assert outcome.code == 2
    assert message in outcome.stderr


@pytest.mark.filterwarnings("default")  # theirs
def test_a_long_label_is_shortened_in_the_name_of_a_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file's name has at most 255 bytes; the key tells the runs apart."""
    pytest.importorskip("tensorboard")
    monkeypatch.chdir(tmp_path)
    norm = f"{'my_package_with_a_long_name.' * 8}module:{'Ä' * 60}Norm"
    fill(Path("s.sqlite"), *(run_record(run_spec(norm=norm, seed=seed, sources={"norm": "abc"})) for seed in (0, 1)))
    outcome = call(capsys, "export", "--store", "s.sqlite", "--to", "tensorboard:tb")
    assert (outcome.code, outcome.stdout) == (0, "written: tensorboard:tb (2 runs)\n")
    assert len(list(Path("tb").iterdir())) == 2
