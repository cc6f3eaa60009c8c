"""Does a table become a comparison by its path alone, in a command and in Python, and is what it was said?"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import normzoo
from normzoo.errors import DataError
from normzoo.experiment.config.resolve import default_task, reproducing_command, resolve
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.executor.in_process import InProcessExecutor
from normzoo.experiment.planning.kept import look_around

from .command import run_here, stored

ROWS = 60
SMALL = (
    "--norms",
    "batch,none",
    "--batch-sizes",
    "8",
    "--seeds",
    "2",
    "--epochs",
    "1",
    "--device",
    "cpu",
    "--jobs",
    "1",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Text and numbers, of which flats are told by their size; as CSV and, with pyarrow, as Parquet."""
    random = np.random.default_rng(0)
    size = random.normal(60, 20, ROWS).round(1)
    kind = np.where(size > 60, "large", "small")
    table = pd.DataFrame(
        {"size": size, "heating": random.choice(["gas", "oil"], ROWS), "kind": kind, "rent": size * 11.5}
    )
    table.to_csv(tmp_path / "flats.csv", index=False)
    table.iloc[::4].to_csv(tmp_path / "tested.csv", index=False)
    return tmp_path


@pytest.mark.slow
def test_a_command_with_the_path_alone_trains(folder: Path) -> None:
    """What is learned follows from the target, the network from the data, which is said; the title names the file."""
    report = folder / "report.md"
    done = run_here(folder, "compare", "--dataset", f"csv:{folder}/flats.csv", *SMALL, "--report", str(report))
    assert done.code == 0, done.stderr
    assert "data: target 'rent', the last column: numbers that are not all whole, so regression unless" in done.stderr
    assert "data: no test=, so 12 of 60 rows, a fifth, always the same ones, are its own test set" in done.stderr
    assert "data: 5 features: size, heating (2 categories), kind (2 categories)" in done.stderr
    records = stored(folder)
    specs = {(each.spec.template, each.spec.task, each.spec.dataset, each.spec.lr) for each in records.values()}
    assert specs == {("mlp", "regression", "csv", 0.00125)}
    assert all(each.status == "ok" for each in records.values())
    text = report.read_text()
    assert text.splitlines()[0].startswith("# Norms in mlp on csv:flats.csv at batch size 8")
    assert "target 'rent', the last column" in text


@pytest.mark.slow
def test_a_test_file_and_classes(folder: Path) -> None:
    """Its path decides nothing of a run, and no folder is in the title."""
    spec = f"csv:{folder}/flats.csv:target=kind,test={folder}/tested.csv"
    report = folder / "report.md"
    done = run_here(folder, "compare", "--dataset", spec, *SMALL, "--report", str(report))
    assert done.code == 0, done.stderr
    assert "data: target 'kind': 2 different texts, so classification unless --task says otherwise" in done.stderr
    assert "data: classes by their labels: 0 = large, 1 = small" in done.stderr
    assert {each.spec.dataset for each in stored(folder).values()} == {"csv:target=kind"}
    title = report.read_text().splitlines()[0]
    assert title.startswith("# Norms in mlp on csv:flats.csv:target=kind,test=tested.csv at batch size 8")


@pytest.mark.slow
def test_a_library_call_does_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a Parquet file."""
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(folder)
    pd.read_csv("flats.csv").to_parquet("flats.parquet")
    comparison = normzoo.compare(
        dataset="parquet:flats.parquet:target=kind,drop=rent",
        norms=["layer", "none"],
        batch_sizes=[8],
        seeds=1,
        epochs=1,
        progress=False,
        executor=InProcessExecutor(),
    )
    assert comparison.matrix.templates == ("mlp",)
    assert comparison.matrix.task == "classification"


def write(folder: Path, target: str) -> str:
    (folder / "mine.csv").write_text("x,y\n" + "".join(f"1,{value}\n" for value in target.split()))
    return f"csv:{folder / 'mine.csv'}"


@pytest.mark.parametrize(
    ("target", "task"),
    [
        ("a b a b", "classification"),
        ("True False True", "classification"),
        ("0 1 " * 8, "classification"),
        ("1.0 5.0 " * 8, "classification"),
        ("0.5 1.5 1", "regression"),
        (" ".join(map(str, range(100))) + " " + "0 " * 300, "classification"),
        (" ".join(map(str, range(101))) + " " + "0 " * 400, "regression"),
        (" ".join(map(str, range(60))), "regression"),
    ],
)
def test_the_task_follows_from_the_target(target: str, task: str, tmp_path: Path) -> None:
    """Whole numbers are classes if there are at most a hundred, and four rows of each on average."""
    assert default_task(write(tmp_path, target)) == task


@pytest.mark.parametrize(
    ("dataset", "templates", "task"),
    [
        ("digits", ("cnn", "lstm"), "classification"),
        ("text:a.txt", ("lstm", "transformer"), "next-token"),
        ("ts:A_TRAIN.ts", ("lstm", "transformer"), "classification"),
    ],
)
def test_networks_follow_from_the_data_and_a_flag_wins(dataset: str, templates: tuple[str, ...], task: str) -> None:
    found = resolve([], [], {"dataset": dataset}).matrix
    assert (found.templates, found.task) == (templates, task)
    assert resolve([], [], {"dataset": dataset, "templates": "cnn"}).matrix.templates == ("cnn",)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_reproducing_command_says_what_follows_from_the_data(task: str) -> None:
    """Also where it is the default of the settings: the file may be elsewhere, or another one."""
    matrix = MatrixSpec(dataset="csv:a.csv", task=task, templates=("cnn", "lstm"))
    command = reproducing_command(matrix)
    assert f"--task {task}" in command
    assert "--templates cnn,lstm" in command
    assert ("--lr 0.05" in command) == (task == "regression")


def test_a_given_rate_or_rates_win_over_that_of_a_regression() -> None:
    asked = {"task": "regression"}
    assert resolve([], [], asked).matrix.lr == 0.005
    assert resolve([], [], {**asked, "lr": "0.1"}).matrix.lr == 0.1
    assert resolve([], [], {**asked, "lrs": "0.1,0.2"}).matrix.rates == (0.1, 0.2)


def test_a_table_that_does_not_read_is_refused_before_a_worker_is_asked(folder: Path) -> None:
    with pytest.raises(DataError, match=r"it has no column 'rentt'; did you mean 'rent'\?"):
        resolve([], [], {"dataset": f"csv:{folder}/flats.csv:target=rentt"})
    with pytest.raises(DataError, match=r"sep must be one of comma, semicolon, .*, got ';'; write sep=semicolon"):
        resolve([], [], {"dataset": f"csv:{folder}/flats.csv:sep=;"})
    done = run_here(folder, "compare", "--dataset", "csv:none.csv", *SMALL)
    assert (done.code, done.stdout) == (2, "")
    assert "csv 'none.csv': no such file" in done.stderr


def test_what_was_found_out_is_asked_again_where_the_test_file_has_changed(folder: Path) -> None:
    """It is looked at as the other is."""
    spec = f"csv:{folder}/flats.csv:test={folder}/tested.csv"
    configuration = resolve([], [], {"dataset": spec})
    before = look_around(configuration.matrix, configuration.execution)
    (folder / "tested.csv").write_text("size,heating,kind,rent\n1,gas,small,2.5\n")
    after = look_around(configuration.matrix, configuration.execution)
    assert before is not None
    assert after is not None
    assert before.state != after.state
    (folder / "tested.csv").unlink()
    assert look_around(configuration.matrix, configuration.execution) is None
