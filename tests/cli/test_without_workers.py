"""Does a comparison of which all is stored answer without a worker and without torch: command, dry run and library?"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import normzoo
from normzoo.cli import main
from normzoo.experiment.config.resolve import resolve
from normzoo.experiment.executor.local import LocalExecutor
from normzoo.experiment.planning.facts import DatasetFacts, Prepared
from normzoo.experiment.planning.groups import expand
from normzoo.experiment.planning.kept import keep, look_around
from normzoo.experiment.results.store import Store
from normzoo.metric import ACCURACY

from .command import SECONDS, Outcome, compare, environment, merged
from .synthetic import run_record

ASKED: dict[str, Any] = {"norms": "none,batch", "templates": "cnn", "batch_sizes": "4,8", "seeds": 2, "device": "cpu"}
FLAGS = ["--norms", "none,batch", "--templates", "cnn", "--batch-sizes", "4,8", "--seeds", "2", "--device", "cpu"]
FACTS = DatasetFacts("digits", checksum="beef", shape=(1, 8, 8), outputs=10, train=100, validation=30, test=30)
PREPARED = Prepared(FACTS, {}, {}, (ACCURACY,), "cpu", {})
WAYS: dict[str, Callable[[], object]] = {
    "command": lambda: main(["compare", *FLAGS]),
    "dry run": lambda: main(["compare", *FLAGS, "--dry-run"]),
    "library": lambda: normzoo.compare(**ASKED, progress=False),
}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


class AskedError(Exception):
    """A worker was to be started."""


@pytest.fixture(autouse=True)
def _all_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the store of the current folder, as a worker has prepared it; from here on none can be started."""
    monkeypatch.chdir(tmp_path)
    configuration = resolve([], [], ASKED)
    with Store(configuration.execution.store) as store:
        for run in expand(configuration.matrix, FACTS):
            store.add(run_record(run, losses=(2.0, 1.0)))
        surroundings = look_around(configuration.matrix, configuration.execution)
        assert surroundings is not None
        kept = keep(PREPARED, surroundings)
        assert kept is not None
        store.keep_preparation(kept)

    def refuse(*_: object) -> object:
        raise AskedError

    monkeypatch.setattr(LocalExecutor, "start", refuse)


@pytest.mark.slow_but_one
@each_way
def test_no_worker_is_started(way: Callable[[], object]) -> None:
    """However often."""
    for _ in range(2):
        way()


@pytest.mark.slow_but_one
@each_way
def test_a_worker_is_started_where_nothing_is_kept(way: Callable[[], object]) -> None:
    """Otherwise no test here could fail."""
    with Store(Path("normzoo.sqlite")) as store:
        store._database.execute("DELETE FROM preparations")
    with pytest.raises(AskedError):
        way()


@pytest.mark.slow_but_one
@pytest.mark.parametrize("rerun", ["failed", "all"])
def test_a_worker_is_started_where_something_is_trained_again(rerun: str) -> None:
    """By the command, its dry run and the library."""
    for dry in ([], ["--dry-run"]):
        with pytest.raises(AskedError):
            main(["compare", *FLAGS, "--rerun", rerun, *dry])
    with pytest.raises(AskedError):
        normzoo.compare(**ASKED, progress=False, rerun=rerun)  # type: ignore[arg-type]


def test_a_worker_is_started_for_arrays_and_on_an_executor_of_ones_own() -> None:
    """Arrays have no file that could be the same, and another executor may be another machine."""
    array = np.zeros((8, 8, 8))
    with pytest.raises(AskedError):
        normzoo.compare(**ASKED, dataset=dict.fromkeys(("x_train", "y_train", "x_test", "y_test"), array))
    with pytest.raises(AskedError):
        normzoo.compare(**ASKED, progress=False, executor=LocalExecutor())


def test_the_dry_run_says_what_it_would_say_after_asking(capsys: pytest.CaptureFixture[str]) -> None:
    """That nothing is to be trained, and on what; nothing is said to be loaded."""
    assert main(["compare", *FLAGS, "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "0 of 8 runs to train, 0 optimizer steps, on cpu in 1 worker; digits: 100" in said.out
    assert said.err == ""


HEAVY = ("torch", "torchvision", "torchmetrics", "lightning", "sklearn", "matplotlib", "pandas")
ALONE = """
import json, sys
from normzoo.experiment.executor import local

class Worker:
    def __init__(self, *_):
        raise AssertionError("a worker is started")

local._Worker = Worker
if sys.argv[1] == "library":
    import normzoo
    shown = str(normzoo.compare(**json.loads(sys.argv[2])))
    assert "none" in shown
else:
    from normzoo.cli import main
    assert main(sys.argv[1:]) == 0
print(json.dumps(sorted({module.partition(".")[0] for module in sys.modules})), file=sys.stderr)
"""


@dataclass(frozen=True)
class Trained:
    """A folder in which a command has trained, and what it said."""

    folder: Path
    outcome: Outcome


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """By a process of its own, with a norm that prints."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "talking.py").write_text(TALKING)
    return Trained(folder, compare(folder, *TRAINED))


@pytest.mark.slow
def test_what_a_norm_prints_goes_to_stderr(trained: Trained) -> None:
    """Stdout holds the tables and nothing else, so that it can be kept in a file."""
    assert trained.outcome.code == 0
    assert "made for" in trained.outcome.stderr
    assert "made for" not in trained.outcome.stdout
    assert "talking:Talking" in trained.outcome.stdout


TRAINED = ("--norms", "none,talking:Talking", "--templates", "cnn", "--seeds", "1")
TALKING = """
from torch import nn

class Talking(nn.Identity):
    def __init__(self, features):
        super().__init__()
        print("made for", features)
"""
AS_SETTINGS = {
    flag.removeprefix("--").replace("-", "_"): value
    for flag, value in zip(merged(*TRAINED)[::2], merged(*TRAINED)[1::2], strict=True)
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("compare", *merged(*TRAINED)),
        ("compare", *merged(*TRAINED), "--dry-run"),
        ("library", json.dumps(AS_SETTINGS)),
    ],
    ids=WAYS,
)
def test_nobody_loads_torch_after_a_real_comparison(arguments: tuple[str, ...], trained: Trained) -> None:
    """Nor what else takes long to load; all that the command has trained is known in another process."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", ALONE, *arguments],
        cwd=trained.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not set(json.loads(done.stderr.splitlines()[-1])) & set(HEAVY)
    assert {file.name for file in trained.folder.iterdir()} - {"__pycache__"} == {"normzoo.sqlite", "talking.py"}
