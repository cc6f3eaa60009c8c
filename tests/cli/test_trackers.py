"""Does `normzoo export --to` bring every run to a tracker once, as it was, as the tracker's own library reads it?"""

import math
import os
import sqlite3
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.store import Store
from normzoo.export.trackers import TRACKERS, check_database, tracked
from normzoo.metric import Metric

from .in_process import call, fill
from .synthetic import run_record, run_spec

OK = run_record(losses=(1.5, 0.5), environment={"normzoo": "0.1.0"})
DIVERGED = run_record(run_spec(seed=1, clip_norm=0.5), "diverged", losses=(2.0, math.nan))
FAILED = run_record(run_spec(norm="my/pkg.mod:MyNorm", sources={"norm": "abc"}), "failed", losses=(), error="no memory")
INTERRUPTED = run_record(run_spec(seed=3), "interrupted", losses=(1.0,))
RECORDS = (OK, DIVERGED, FAILED, INTERRUPTED)
BEGAN = 1735689600.0  # the time at which they did
warnings_are_theirs = pytest.mark.filterwarnings("default")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store ``s.sqlite`` in the current folder, with the runs in one comparison and the first in another, too."""
    monkeypatch.chdir(tmp_path)
    fill(Path("s.sqlite"), *RECORDS)
    return fill(Path("s.sqlite"), OK, command="normzoo compare --norms group")


def with_another_epoch(record: RunRecord) -> RunRecord:
    return run_record(record.spec, losses=(1.0, 0.5))


def test_a_run_keeps_all_that_is_known_of_it() -> None:
    """Its label, its configuration without what is not set, its curves, its result, and where it comes from."""
    run = tracked(OK.spec.key, OK, [1, 3])
    assert run.name == "cnn, group, batch size 32, seed 0"
    assert run.parameters.items() >= {"norm": "group", "lr": 0.05, "batch_size": 32, "seed": 0, "epochs": 4}.items()
    assert "clip_norm" not in run.parameters
    assert [point.epoch for point in run.curve] == [1, 2]
    assert run.curve[1].values == pytest.approx(
        {"train/loss": 0.5, "validation/loss": 1.0, "test/loss": 1.5, "validation/accuracy": 0.6, "test/accuracy": 0.3}
    )
    assert [point.time - BEGAN for point in run.curve] == pytest.approx([0.1, 0.2])
    assert run.result == pytest.approx({"final/accuracy": 0.3})
    assert run.tags == {
        "normzoo.key": OK.spec.key,
        "normzoo.status": "ok",
        "normzoo.comparison": "1,3",
        "normzoo.version": "0.1.0",
    }
    assert (run.began, run.ended) == (BEGAN, BEGAN + 1.0)
    assert tracked(DIVERGED.spec.key, DIVERGED, []).result == {}


@pytest.mark.parametrize("with_tags", [True, False])
def test_a_fingerprint_changes_with_what_is_written(with_tags: bool) -> None:
    """And with nothing else; which comparisons a run is part of is in its tags alone."""
    runs = [(OK, [1]), (OK.model_copy(update={"contended": True}), [1]), (OK, [1, 2]), (DIVERGED, [1])]
    ours, alike, tagged, other = (
        tracked("k", record, numbers).fingerprint(with_tags=with_tags) for record, numbers in runs
    )
    assert ours == alike
    assert (ours == tagged) == (not with_tags)
    assert ours != other


def hparams(accumulator: Any, tag: str) -> Any:
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    return HParamsPluginData.FromString(accumulator.SummaryMetadata(tag).plugin_data.content)


def read_tensorboard(folder: Path) -> dict[str, Any]:
    """Return what TensorBoard reads of each run, by its name."""
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder)).Reload()
    return {name: multiplexer.GetAccumulator(name) for name in multiplexer.Runs()}


@pytest.mark.slow
@warnings_are_theirs
def test_tensorboard_reads_curves_and_hyperparameters(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    """Each run by itself; its table of hyperparameters has all parameters, the status, and the result for a metric."""
    pytest.importorskip("tensorboard")
    outcome = call(capsys, "export", "--store", store, "--to", "tensorboard:logs")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "written: tensorboard:logs (4 runs)\n", "")
    runs = read_tensorboard(Path("logs"))
    assert set(runs) == {f"{each.spec.label.replace('/', '_')}, {each.spec.key}" for each in RECORDS}
    ours = runs[f"cnn, group, batch size 32, seed 0, {OK.spec.key}"]
    curve = ours.Scalars("test/accuracy")
    assert [event.step for event in curve] == [1, 2]
    assert [event.wall_time - BEGAN for event in curve] == pytest.approx([0.1, 0.2], abs=1e-6)
    assert [event.value for event in curve] == pytest.approx([0.25, 0.3])
    (final,) = ours.Scalars("final/accuracy")
    assert (final.step, final.value) == (2, pytest.approx(0.3))
    begun, ended = (hparams(ours, f"_hparams_/session_{which}_info") for which in ("start", "end"))
    values = begun.session_start_info.hparams
    assert values["norm"].string_value == "group"
    assert (values["lr"].number_value, values["batch_size"].number_value) == (0.05, 32)
    assert (values["normzoo.status"].string_value, values["normzoo.comparison"].string_value) == ("ok", "1,2")
    assert (begun.session_start_info.start_time_secs, ended.session_end_info.end_time_secs) == (BEGAN, BEGAN + 1)
    diverged = runs[f"{DIVERGED.spec.label}, {DIVERGED.spec.key}"]
    assert math.isnan(diverged.Scalars("train/loss")[-1].value)
    assert "final/accuracy" not in diverged.Tags()["scalars"]
    statuses = [hparams(each, "_hparams_/session_end_info").session_end_info.status for each in (ours, diverged)]
    assert statuses == [1, 2]


@warnings_are_theirs
def test_tensorboard_has_each_run_once(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    """What is there stays as it is; what went on since, and what an interrupted export left, is replaced."""
    pytest.importorskip("tensorboard")
    command = ("export", "--store", store, "--to", "tensorboard:logs")
    call(capsys, *command)
    files = {path: path.stat().st_mtime_ns for path in Path("logs").rglob("*tfevents*")}
    assert call(capsys, *command).stdout == "written: tensorboard:logs (0 runs, 4 there already)\n"
    assert {path: path.stat().st_mtime_ns for path in Path("logs").rglob("*tfevents*")} == files
    with Store(store) as opened:
        opened.add(with_another_epoch(INTERRUPTED))
    (partial,) = [path for path in files if OK.spec.key in str(path)]
    partial.rename(partial.with_name(partial.name + ".part"))
    assert call(capsys, *command).stdout == "written: tensorboard:logs (2 runs, 2 there already)\n"
    assert len(list(Path("logs").rglob("*tfevents*"))) == 4
    name = f"{INTERRUPTED.spec.label}, {INTERRUPTED.spec.key}"
    assert [event.step for event in read_tensorboard(Path("logs"))[name].Scalars("train/loss")] == [1, 2]


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Any:
    """MLflow, with its folders allowed, which newer ones are no longer by themselves, and its telemetry off."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return pytest.importorskip("mlflow")


def read_mlflow(mlflow: Any, place: str) -> dict[str, Any]:
    """Return what MLflow has of each run, by our key."""
    client = mlflow.MlflowClient(tracking_uri=place)
    experiment = client.get_experiment_by_name("normzoo")
    runs = client.search_runs([experiment.experiment_id])
    assert len({run.data.tags["normzoo.key"] for run in runs}) == len(runs)
    for run in runs:
        run.history = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    return {run.data.tags["normzoo.key"]: run for run in runs}


@pytest.mark.slow
@warnings_are_theirs
@pytest.mark.parametrize("place", ["{}/mlruns", "sqlite:///{}/runs.db"])
def test_mlflow_has_each_run_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, store: Path, mlflow: Any, place: str
) -> None:
    """With parameters, the history of its metrics, times, status and tags; after a change again, and once."""
    if place.startswith("sqlite"):
        pytest.importorskip("sqlalchemy")
        pytest.importorskip("alembic")
    place = place.format(tmp_path)  # MLflow remembers folders by their names
    command = ("export", "--store", store, "--to", f"mlflow:{place}")
    assert call(capsys, *command).stdout == f"written: mlflow:{place} (4 runs)\n"
    runs = read_mlflow(mlflow, place)
    assert set(runs) == {each.spec.key for each in RECORDS}
    ours = runs[OK.spec.key]
    assert ours.info.run_name == "cnn, group, batch size 32, seed 0"
    assert (ours.info.start_time, ours.info.end_time) == (1000 * BEGAN, 1000 * BEGAN + 1000)
    assert ours.data.params.items() >= {"norm": "group", "lr": "0.05", "batch_size": "32", "compile": "False"}.items()
    history = ours.history["test/accuracy"]
    assert [(each.step, each.timestamp) for each in history] == [
        (1, 1000 * BEGAN + 100),
        (2, 1000 * BEGAN + 200),
    ]
    assert [each.value for each in history] == pytest.approx([0.25, 0.3])
    assert ours.data.metrics["final/accuracy"] == pytest.approx(0.3)
    assert ours.data.tags["normzoo.comparison"] == "1,2"
    assert {key: run.info.status for key, run in runs.items()} == {
        OK.spec.key: "FINISHED",
        DIVERGED.spec.key: "FAILED",
        FAILED.spec.key: "FAILED",
        INTERRUPTED.spec.key: "KILLED",
    }
    with Store(store) as opened:
        opened.add(with_another_epoch(INTERRUPTED))
    fill(store, OK, command="normzoo compare --seeds 1")
    assert call(capsys, *command).stdout == f"written: mlflow:{place} (1 run, 3 there already)\n"
    runs = read_mlflow(mlflow, place)
    assert len(runs) == 4
    assert runs[OK.spec.key].info.run_id == ours.info.run_id
    assert runs[OK.spec.key].data.tags["normzoo.comparison"] == "1,2,3"
    assert [each.step for each in runs[INTERRUPTED.spec.key].history["train/loss"]] == [1, 2]


@pytest.mark.slow
@warnings_are_theirs
def test_a_metric_of_any_name_is_one_of_mlflow(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, mlflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signs that it refuses are underlines there."""
    monkeypatch.chdir(tmp_path)
    values = {"loss": 1.0, "top 5 (%)": 0.5}
    epoch = OK.epochs[0].model_copy(update={"validation": values, "test": values})
    metric = Metric(name="top 5 (%)", higher_is_better=True)
    store = fill(Path("s.sqlite"), OK.model_copy(update={"epochs": (epoch,), "metrics": (metric,)}))
    place = str(tmp_path / "mlruns")
    assert call(capsys, "export", "--store", store, "--to", f"mlflow:{place}").code == 0
    (run,) = read_mlflow(mlflow, place).values()
    assert (run.data.metrics["final/top 5 ___"], run.data.metrics["validation/top 5 ___"]) == (0.5, 0.5)


@pytest.mark.slow
@warnings_are_theirs
def test_what_mlflow_refuses_is_told_in_one_line(capsys: pytest.CaptureFixture[str], store: Path, mlflow: Any) -> None:  # noqa: ARG001
    """Such as a server that does not answer."""
    outcome = call(capsys, "export", "--store", store, "--to", "mlflow:nosuch://place")
    assert outcome.code == 2
    (line,) = outcome.stderr.splitlines()
    assert line.startswith("normzoo: error: --to: MLflow refuses 'nosuch://place': ")


class FakeWandb(ModuleType):
    """Remembers what it is told, with the names of Weights & Biases that are used."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.runs: list[dict[str, Any]] = []
        self.errors = ModuleType("wandb.errors")
        self.errors.Error = type("Error", (Exception,), {})  # type: ignore[attr-defined]
        self.Settings = dict

    def init(self, **settings: Any) -> Any:
        if settings["project"] == "refused":
            raise self.errors.Error("No API key configured. Use `wandb login` to log in.")
        run: dict[str, Any] = {**settings, "logged": [], "summary": {}}
        self.runs.append(run)
        return SimpleNamespace(
            log=lambda values, step: run["logged"].append((step, values)),
            summary=run["summary"],
            finish=lambda exit_code: run.update(exit_code=exit_code),
        )


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> FakeWandb:
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.setitem(sys.modules, "wandb.errors", fake.errors)
    return fake


def test_wandb_is_told_of_each_run(capsys: pytest.CaptureFixture[str], store: Path, wandb: FakeWandb) -> None:
    """Under our key, by which it finds it again; the project may be that of a team."""
    outcome = call(capsys, "export", "--store", store, "--to", "wandb:team/norms", "--comparison", "1")
    assert (outcome.code, outcome.stdout) == (0, "written: wandb:team/norms (4 runs)\n")
    assert {run["id"] for run in wandb.runs} == {each.spec.key for each in RECORDS}
    (ours,) = [run for run in wandb.runs if run["id"] == OK.spec.key]
    assert (ours["entity"], ours["project"], ours["name"]) == ("team", "norms", OK.spec.label)
    assert ours["config"].items() >= {"norm": "group", "lr": 0.05, "normzoo.status": "ok"}.items()
    assert {"status ok", "comparison 1,2", "version 0.1.0"} <= set(ours["tags"])
    assert [(step, values["train/loss"]) for step, values in ours["logged"]] == [(1, 1.5), (2, 0.5)]
    assert ours["summary"] == pytest.approx({"final/accuracy": 0.3})
    assert {run["id"]: run["exit_code"] for run in wandb.runs} == {
        each.spec.key: 0 if each is OK else 1 for each in RECORDS
    }


def test_what_wandb_refuses_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], store: Path, wandb: FakeWandb
) -> None:
    """Such as a project of which it does not know who asks."""
    outcome = call(capsys, "export", "--store", store, "--to", "wandb:refused")
    assert outcome.code == 2
    message = "--to: Weights & Biases refuses 'refused': No API key configured. Use `wandb login` to log in."
    assert outcome.stderr == f"normzoo: error: {message}\n"
    assert wandb.runs == []


@pytest.mark.slow
@warnings_are_theirs
def test_wandb_itself_takes_them_offline(
    capsys: pytest.CaptureFixture[str], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is installed: what it keeps for `wandb sync` is a folder for each run."""
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", os.fspath(Path.cwd()))
    outcome = call(capsys, "export", "--store", store, "--to", "wandb:norms", "--comparison", "2")
    assert (outcome.code, outcome.stdout) == (0, "written: wandb:norms (1 run)\n")
    (kept,) = Path("wandb").glob("offline-run-*")
    assert kept.name.endswith(OK.spec.key)
    assert (kept / f"run-{OK.spec.key}.wandb").stat().st_size > 0


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", TRACKERS)
def test_without_its_library_the_way_out_is_named(
    capsys: pytest.CaptureFixture[str], store: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each is an extra."""
    for module in [name, *(loaded for loaded in sys.modules if loaded.startswith(f"{name}."))]:
        monkeypatch.setitem(sys.modules, module, None)
    outcome = call(capsys, "export", "--store", store, "--to", f"{name}:place")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr == (
        f"normzoo: error: --to {name} needs {name}, which is not installed; `pip install 'normzoo[{name}]'`\n"
    )
    assert not Path("place").exists()


MISTAKES: Mapping[str, str] = {
    "--to comet:x": "unknown tracker 'comet' (known: tensorboard, mlflow, wandb)",
    "--to tensorbord:x": "unknown tracker 'tensorbord'; did you mean 'tensorboard'?",
    "--to mlflow": "--to: 'mlflow' names no place; write tensorboard:DIR, mlflow:URI or wandb:PROJECT",
    "--to wandb:": "--to: 'wandb:' names no place; write tensorboard:DIR, mlflow:URI or wandb:PROJECT",
    "--to tensorboard:x -o x.csv": "--output: is for files, and --to for trackers; use one",
    "--to tensorboard:x --kind epochs": "--kind: is for files, and --to for trackers; use one",
    "--to tensorboard:x --format csv": "--format: is for files, and --to for trackers; use one",
    "--to tensorboard:x --comparison 7": "store: 's.sqlite' holds no comparison 7; it holds 1 to 2",
}


@pytest.mark.slow_but_one
@pytest.mark.parametrize("arguments", MISTAKES)
def test_mistakes_are_told_before_anything_is_written(
    capsys: pytest.CaptureFixture[str], store: Path, arguments: str
) -> None:
    """In one line."""
    outcome = call(capsys, "export", "--store", store, *arguments.split())
    assert (outcome.code, outcome.stdout) == (2, "")
    (line,) = outcome.stderr.splitlines()
    assert MISTAKES[arguments] in line
    assert not Path("x").exists()


@pytest.mark.parametrize("target", ["tensorboard:s.sqlite", "mlflow:sqlite:///s.sqlite"])
def test_the_store_is_no_place_for_others(capsys: pytest.CaptureFixture[str], store: Path, target: str) -> None:
    """It stays as it is."""
    before = store.read_bytes()
    outcome = call(capsys, "export", "--store", store, "--to", target)
    assert outcome.code == 2
    assert outcome.stderr == f"normzoo: error: --to: '{target}' is the store itself; name another place\n"
    assert store.read_bytes() == before


@warnings_are_theirs
def test_a_folder_that_cannot_be_made_is_refused(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    """A file stands in its place."""
    pytest.importorskip("tensorboard")
    Path("logs").write_text("a file")
    outcome = call(capsys, "export", "--store", store, "--to", "tensorboard:logs")
    assert outcome.code == 2
    assert outcome.stderr == "normzoo: error: --to: 'tensorboard:logs' cannot be written: Not a directory\n"


def others_database(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE runs (text TEXT)")
    database.close()


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    "make",
    [others_database, lambda path: fill(path, OK), lambda path: path.write_text("notes")],
    ids=["a database", "another store", "a text"],
)
@pytest.mark.parametrize("target", ["sqlite:///o.db", "sqlite:///{}/o.db?timeout=9", "sqlite+pysqlite:///o.db", "o.db"])
def test_another_programs_file_is_no_place_for_mlflow(
    capsys: pytest.CaptureFixture[str], store: Path, target: str, make: Callable[[Path], object]
) -> None:
    """MLflow would make its tables among those that are there. It is not asked, so it need not be installed."""
    make(Path("o.db"))
    before = Path("o.db").read_bytes()
    outcome = call(capsys, "export", "--store", store, "--to", f"mlflow:{target.format(Path.cwd())}")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr.endswith("o.db' is there and is no database of MLflow's; name another place\n")
    assert Path("o.db").read_bytes() == before


def test_a_database_of_mlflows_is_a_place(tmp_path: Path) -> None:
    """And one that is empty, or not there yet, and a server."""
    for name, tables in (("own.db", ("alembic_version", "experiments", "runs")), ("empty.db", ())):
        with sqlite3.connect(tmp_path / name) as database:
            for table in tables:
                database.execute(f"CREATE TABLE {table} (text TEXT)")
        database.close()
    for place in ("sqlite:///{}/own.db", "sqlite:///{}/empty.db", "sqlite:///{}/none.db", "{}", "http://localhost:9"):
        check_database(place.format(tmp_path))
