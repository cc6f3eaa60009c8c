"""Is a worker asked again what it has found out as soon as the answer may be another, and not before?"""

import os
import platform
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from normzoo.errors import ConfigError
from normzoo.experiment.comparison import Rerun, carry_out, plan_comparison
from normzoo.experiment.config import environment
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.executor.protocol import Slots
from normzoo.experiment.plan import Plan
from normzoo.experiment.planning import kept
from normzoo.experiment.planning.facts import NetworkFacts, PlaceFacts, Prepared
from normzoo.experiment.planning.groups import expand
from normzoo.experiment.planning.kept import look_around, recall
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.store import Store
from normzoo.experiment.worker.messages import Checked, Prepare, TaskDone
from normzoo.metric import ACCURACY

from .scripted import Listening, ScriptedExecutor
from .synthetic import FACTS, run_record

OWN, HELPER = "own_norm_that_is_kept", "helper_that_is_kept"
NORM = f"{OWN}:Norm"
PLACES = (PlaceFacts("after the dense layer", "vectors", channels=8, positions=1, pools_as="batch"),)
NETWORKS = {("cnn", norm): NetworkFacts(1000, "it branches", PLACES, keeps_statistics=True) for norm in ("none", NORM)}


@dataclass
class Place:
    """A machine in a folder: normzoo's sources, packages, the user's modules, data and devices."""

    folder: Path
    prepared: Prepared
    configuration: Configuration

    @property
    def store(self) -> Path:
        return self.folder / "store.sqlite"

    def ask(self, *, rerun: Rerun | None = None, writable: bool = True, **changes: Any) -> tuple[Plan, bool]:
        """Plan the matrix with these settings; return the plan, and whether a worker was asked for it."""
        executor, asked = ScriptedExecutor([Checked(self.prepared), TaskDone()]), self.asked(**changes)
        with Store(self.store, writable=writable) as store:
            plan = plan_comparison(asked, store, executor, rerun=rerun, recalls=True)
        assert executor.tasks in ([], [Prepare(asked.matrix, asked.execution)])
        return plan, bool(executor.tasks)

    def asked(self, **changes: Any) -> Configuration:
        """Return the configuration with changes."""
        ours = {name: changes[name] for name in changes if name in MatrixSpec.model_fields}
        theirs = {name: changes[name] for name in changes if name in Execution.model_fields}
        assert {**ours, **theirs} == changes
        return Configuration(
            MatrixSpec.model_validate({**dict(self.configuration.matrix), **ours}),
            Execution.model_validate({**dict(self.configuration.execution), **theirs}),
        )

    def fill(self, **changes: Any) -> list[RunRecord]:
        """Add a record of every run of the matrix to the store."""
        facts = self.prepared
        runs = expand(self.asked(**changes).matrix, facts.dataset, sources=facts.sources, networks=facts.networks)
        records = [run_record(run) for run in runs]
        with Store(self.store) as store, store.transaction():
            for record in records:
                store.put(record.spec.key, record)
        return records


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """All runs are stored, and what a worker found out is kept."""
    modules = {name: tmp_path / "mine" / f"{name}.py" for name in (OWN, HELPER)}
    files = {
        tmp_path / "normzoo" / "__init__.py": "",
        tmp_path / "normzoo" / "plan.py": "PLAN = 1",
        tmp_path / "site-packages" / "torch-2.9.dist-info" / "METADATA": "Version: 2.9",
        tmp_path / "data" / "MNIST" / "raw" / "train": "pixels",
        tmp_path / "arrays.npz": "pixels",
        tmp_path / "photos" / "cat" / "0.png": "pixels",
        tmp_path / "elsewhere" / "empty": "",
        tmp_path / "packaged" / "__init__.py": "",
        modules[OWN]: f"import {HELPER}\nclass Norm: pass\n",
        modules[HELPER]: "HELP = 1\n",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for folder in ("mine", "elsewhere", "site-packages"):
        monkeypatch.syspath_prepend(tmp_path / folder)
    for module in modules:
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(kept, "_OURS", tmp_path / "normzoo")
    monkeypatch.setattr(kept, "_ROOT", tmp_path / "root")
    monkeypatch.setattr(kept, "_BEGAN", time.time_ns() + 10**12)  # what a test changes was not loaded before
    prepared = Prepared(
        dataset=FACTS,
        sources={"norm": {NORM: "beef"}},
        networks=NETWORKS,
        metrics=(ACCURACY,),
        device="cpu",
        environment={"torch": "2.9"},
        modules={name: str(path) for name, path in modules.items()},
    )
    matrix = MatrixSpec(norms=("none", NORM), templates=("cnn",), batch_sizes=(4, 8), seeds=2)
    execution = Execution(device="cpu", data_root=tmp_path / "data")
    place = Place(tmp_path, prepared, Configuration(matrix, execution))
    place.fill()
    assert place.ask()[1]
    return place


def test_nobody_is_asked_twice(place: Place) -> None:
    """What was kept makes the same plan: all runs are there, and nothing is left to do."""
    first, _ = place.ask(rerun="failed")
    plan, was_asked = place.ask()
    assert not was_asked
    assert plan == replace(first, prepared=replace(place.prepared, environment={}))
    assert plan.groups == []


def test_a_comparison_of_which_all_is_stored_starts_nothing(place: Place) -> None:
    """It has the runs that it would have, and is noted in the store."""

    class Unable(ScriptedExecutor):
        def start(self, task: object) -> object:
            raise AssertionError(f"asked for {task}")

    with Store(place.store) as store:
        outcome = carry_out(
            place.configuration, store, Unable(), lambda _: nullcontext(Listening()), command="again", recalls=True
        )
        assert [each.keys for each in store.comparisons()] == [outcome.keys]
        assert set(outcome.keys) == set(store.statuses())


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": 1},
        {"seeds": 1, "first_seed": 1},
        {"baseline": NORM},
        {"target": 0.9},
        {"jobs": 2},
        {"timeout": 9.0},
        {"download": True},
    ],
    ids=str,
)
def test_what_nothing_is_prepared_by_may_change(place: Place, changes: dict[str, Any]) -> None:
    """Fewer of the same runs, another way of looking at them, and how it would be trained."""
    assert not place.ask(**changes)[1]


def test_a_target_that_cannot_be_is_refused_without_a_worker(place: Place) -> None:
    """By the metric that is kept."""
    with pytest.raises(ConfigError, match=r"^target: accuracy is at least 0 and at most 1, got 90; write 90 %"):
        place.ask(target=90.0)


def rewrite(path: Path) -> None:
    """Write another text of the same length, with the time of the old one."""
    times = path.stat()
    path.write_text(path.read_text().swapcase())
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


CHANGES: dict[str, Callable[[Place, pytest.MonkeyPatch], object]] = {
    "a source of normzoo is edited": lambda place, _: rewrite(place.folder / "normzoo" / "plan.py"),
    "the file of the user's norm is": lambda place, _: rewrite(place.folder / "mine" / f"{OWN}.py"),
    "a file that it imports is": lambda place, _: rewrite(place.folder / "mine" / f"{HELPER}.py"),
    "a new source": lambda place, _: (place.folder / "normzoo" / "more.py").touch(),
    "a source less": lambda place, _: (place.folder / "normzoo" / "plan.py").unlink(),
    "the user's file is gone": lambda place, _: (place.folder / "mine" / f"{OWN}.py").unlink(),
    "another file of its name comes first": lambda place, _: shutil.copy(
        place.folder / "mine" / f"{OWN}.py", place.folder / "elsewhere"
    ),
    "a package of the name of a file that it imports does": lambda place, _: shutil.copytree(
        place.folder / "packaged", place.folder / "elsewhere" / HELPER
    ),
    "another version of a package": lambda place, _: (place.folder / "site-packages" / "torch-2.9.dist-info").rename(
        place.folder / "site-packages" / "torch-3.0.dist-info"
    ),
    "a package is installed once more": lambda place, _: (
        place.folder / "site-packages" / "torch-2.9.dist-info" / "direct_url.json"
    ).touch(),
    "a new package": lambda place, _: (place.folder / "site-packages" / "timm-1.0.dist-info").mkdir(),
    "a version on record": lambda _, patch: patch.setattr(environment, "version", lambda name: f"{name} 9"),
    "another Python": lambda _, patch: patch.setattr(platform, "python_version", lambda: "3.99"),
    "another protocol": lambda _, patch: patch.setattr(environment, "PROTOCOL", 99),
    "another processor": lambda _, patch: patch.setattr(environment, "_cpu_name", lambda: "another"),
    "fewer processors": lambda _, patch: patch.setattr(environment, "available_cpus", lambda: 99),
    "another backend": lambda _, patch: patch.setenv("NORMZOO_BACKEND", "compiled"),
    "GPUs are hidden": lambda _, patch: patch.setenv("CUDA_VISIBLE_DEVICES", "3"),
    "a GPU is found": lambda place, _: (place.folder / "root" / "dev" / "nvidia0").mkdir(parents=True),
}


@pytest.mark.slow_but_one
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_worker_is_asked_again_after(
    change: Callable[[Place, pytest.MonkeyPatch], object], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the answer depends on; of the same length and time, too."""
    change(place, monkeypatch)
    assert place.ask()[1]


@pytest.mark.slow_but_one
@pytest.mark.parametrize("dataset", ["npz", "folder", "mnist"])
@pytest.mark.parametrize("change", ["rewritten", "deleted", "more"])
def test_a_worker_is_asked_again_after_data_has_changed(dataset: str, change: str, place: Place) -> None:
    """The file of a path, or any in the folder of what was downloaded."""
    file = place.folder / {"npz": "arrays.npz", "folder": "photos/cat/0.png", "mnist": "data/MNIST/raw/train"}[dataset]
    name = {"npz": f"npz:{file}", "folder": f"folder:{place.folder / 'photos'}:size=8"}.get(dataset, dataset)
    place.fill(dataset=name)
    assert [place.ask(dataset=name)[1] for _ in range(2)] == [True, False]
    if change == "rewritten":
        rewrite(file)
    elif change == "deleted":
        file.unlink()
    elif dataset != "npz":
        file.with_name("test").touch()
    else:
        with file.open("a") as opened:
            opened.write("more")
    assert place.ask(dataset=name)[1]


@pytest.mark.slow
def test_a_folder_is_looked_at_by_way_of_links(place: Place) -> None:
    """But not in circles: of one with such a link nothing is kept."""
    photos = place.folder / "photos"
    (place.folder / "dogs").mkdir()
    picture = place.folder / "dogs" / "0.png"
    picture.write_text("pixels")
    (photos / "dog").symlink_to(place.folder / "dogs")
    name = f"folder:{photos}"
    place.fill(dataset=name)
    assert [place.ask(dataset=name)[1] for _ in range(2)] == [True, False]
    rewrite(picture)
    assert [place.ask(dataset=name)[1] for _ in range(2)] == [True, False]
    for path in (photos, place.folder, place.folder / "dogs"):
        (place.folder / "dogs" / "more").symlink_to(path)
        assert all(place.ask(dataset=name)[1] for _ in range(2))
        (place.folder / "dogs" / "more").unlink()


def test_a_dataset_of_ones_own_is_loaded_each_time(place: Place) -> None:
    """Only its code knows what it reads."""
    place.fill(dataset="my_data:load")
    assert all(place.ask(dataset="my_data:load")[1] for _ in range(2))


@pytest.mark.slow_but_one
@pytest.mark.parametrize("dataset", ["mnist", "npz:nowhere.npz"])
def test_data_that_was_not_there_before_is_looked_at_once_more(dataset: str, place: Place) -> None:
    """What was found out after a download is not kept for a folder that is empty again."""
    shutil.rmtree(place.folder / "data")
    place.fill(dataset=dataset)
    assert all(place.ask(dataset=dataset)[1] for _ in range(2))


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    "changes", [{"batch_sizes": (4,)}, {"norms": ("none",)}, {"device": "auto"}, {"strategy": "sequential"}], ids=str
)
def test_another_request_is_another_question(place: Place, changes: dict[str, Any]) -> None:
    """Also where all of its runs are stored; asking for it takes nothing from the first."""
    place.fill(**changes)
    assert [place.ask(**changes)[1] for _ in range(2)] == [True, False]
    assert not place.ask()[1]


@pytest.mark.parametrize("rerun", ["failed", "all"])
def test_a_worker_is_asked_where_something_is_to_be_trained_again(place: Place, rerun: Rerun) -> None:
    """Whatever is kept."""
    plan, was_asked = place.ask(rerun=rerun)
    assert was_asked
    assert bool(plan.groups) == (rerun == "all")


def test_a_worker_is_asked_where_a_run_is_missing(place: Place) -> None:
    """What is trained is prepared again: the plan has what the worker says now."""
    place.prepared = replace(place.prepared, dataset=replace(FACTS, test=31))
    plan, was_asked = place.ask(seeds=3)
    assert was_asked
    assert plan.prepared is place.prepared
    assert sum(len(group.runs) for group in plan.groups) == 4


ENTRIES = {
    "text": "UPDATE preparations SET prepared = replace(prepared, '1000', '1001')",
    "no JSON": "UPDATE preparations SET prepared = 'gone'",
    "no text": "UPDATE preparations SET prepared = x'ff00'",
    "no Unicode": "UPDATE preparations SET prepared = CAST(x'ff00' AS TEXT)",
    "seal": "UPDATE preparations SET seal = 'beef'",
    "none": "DELETE FROM preparations",
    "no table": "DROP TABLE preparations",
}


@pytest.mark.slow_but_one
@pytest.mark.parametrize("damage", ENTRIES.values(), ids=ENTRIES)
@pytest.mark.parametrize("writable", [True, False])
def test_an_entry_that_does_not_read_counts_as_none(place: Place, damage: str, writable: bool) -> None:
    """Or is another than was written; where the store is written to, it is put right."""
    database = sqlite3.connect(place.store)
    database.executescript(damage)
    database.close()
    assert place.ask(writable=writable)[1]
    assert place.ask(writable=writable)[1] is not writable


def test_a_store_that_is_only_read_is_left_as_it_is(place: Place) -> None:
    """What is kept in it is recalled, and nothing is added."""
    before = place.store.read_bytes()
    assert not place.ask(writable=False)[1]
    assert all(place.ask(writable=False, norms=("none",))[1] for _ in range(2))
    assert place.store.read_bytes() == before


def test_without_leave_or_a_store_nothing_is_recalled(place: Place) -> None:
    """An executor may be another machine, or a process that has loaded older code."""
    for store in (None, Store(place.store)):
        executor = ScriptedExecutor([Checked(place.prepared), TaskDone()], slots=Slots(1, 1))
        with store or nullcontext():
            plan_comparison(place.configuration, store, executor, recalls=store is None)
        assert len(executor.tasks) == 1


def test_code_that_changed_since_the_process_began_is_not_relied_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been loaded before: what a worker that is forked from it finds out is of the older code."""
    monkeypatch.setattr(kept, "_BEGAN", time.time_ns())
    assert not place.ask()[1]
    time.sleep(0.05)  # the clock of file systems is coarse
    rewrite(place.folder / "normzoo" / "plan.py")
    assert all(place.ask()[1] for _ in range(2))


def test_sources_that_are_no_files_are_not_relied_on(place: Place) -> None:
    """Those in an archive, for instance."""
    shutil.rmtree(place.folder / "normzoo")
    assert all(place.ask()[1] for _ in range(2))


def test_a_file_that_changes_while_it_is_prepared_keeps_nothing(place: Place) -> None:
    """It may have been loaded before or after."""

    @contextmanager
    def meanwhile() -> Iterator[None]:
        time.sleep(0.05)
        rewrite(place.folder / "mine" / f"{HELPER}.py")
        yield

    executor = ScriptedExecutor([Checked(place.prepared), TaskDone()])
    with Store(place.store) as store:
        plan_comparison(place.asked(norms=(NORM,)), store, executor, recalls=True, preparing=meanwhile)
    assert place.ask(norms=(NORM,))[1]


def test_what_is_kept_is_what_was_found_out(place: Place) -> None:
    """All of it but the environment, and of each request the latest."""
    matrix, execution = place.configuration.matrix, place.configuration.execution
    surroundings = look_around(matrix, execution)
    assert surroundings is not None
    with Store(place.store) as store:
        entry = store.preparation(surroundings.request)
    assert entry is not None
    assert recall(entry, surroundings) == replace(place.prepared, environment={})
    rewrite(place.folder / "normzoo" / "plan.py")
    assert place.ask()[1]
    database = sqlite3.connect(place.store)
    assert database.execute("SELECT count(*) FROM preparations").fetchone() == (1,)
    database.close()
