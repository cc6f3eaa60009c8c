"""Is everything timed that is to be timed, in turns, and does the whole command work?"""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from benchmarks.matrix import peer
from benchmarks.matrix import run as running
from benchmarks.matrix.command import main
from benchmarks.matrix.peer import RESULT, Job
from benchmarks.matrix.run import run_matrix_bench, timed_process
from benchmarks.matrix.spec import MatrixBench, MatrixBenchSpec
from normzoo.cli import main as compare
from normzoo.experiment.executor.in_process import InProcessExecutor


class Stopwatch:
    """Stands in for processes: notes what would be started, which takes a second longer each time."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.commands: list[list[str]] = []
        self.caches: list[str] = []

    def __call__(self, command: Sequence[str], *, name: str, environment: Mapping[str, str] | None = None) -> float:
        if name == "normzoo compare":
            self.commands.append(list(command)[4:])
            self.caches.append((environment or {})["TORCHINDUCTOR_CACHE_DIR"])
            return 10.0 - len(self.commands) % 2
        self.jobs.append(Job.from_json(command[-1]))
        seconds = len(self.jobs[-1].norms) * len(self.jobs[-1].seeds) * 0.5
        result = {"seconds": seconds, "accuracies": [], "device": "cpu", "threads": 2}
        (Path(self.jobs[-1].folder) / RESULT).write_text(json.dumps(result))
        return 7.0


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    watch = Stopwatch()
    monkeypatch.setattr(running, "timed_process", watch)
    return watch


def flags(command: list[str]) -> dict[str, str]:
    command = [word for word in command if word != "--dry-run"]
    return dict(zip(command[::2], command[1::2], strict=True))


@pytest.mark.slow
def test_all_ways_do_the_same_work(stopwatch: Stopwatch) -> None:
    """Norms, batch size, epochs and learning rate of the command are those of the jobs; seeds are those asked for."""
    spec = MatrixBenchSpec.model_validate(
        {"norms": "batch,none", "templates": "lstm", "batch_sizes": 8, "seeds": 3, "peer_seeds": 2, "epochs": 5}
    )
    steps: list[str] = []
    bench = run_matrix_bench(spec, steps.append, lambda _: None)
    assert len(steps) == 4
    trained, planned = stopwatch.commands
    assert planned[-1] == "--dry-run"
    first, second = flags(trained), flags(planned)
    assert first.pop("--store") != second.pop("--store")
    assert first == second
    wanted = {"--norms": "batch,none", "--templates": "lstm", "--batch-sizes": "8", "--seeds": "3", "--epochs": "5"}
    assert first.items() >= wanted.items()
    assert Path(stopwatch.caches[0]).parent == Path(trained[-1]).parent
    probe, *jobs = stopwatch.jobs
    assert probe.norms == ()
    for job in jobs:
        assert (job.template, job.batch_size, job.epochs, job.dataset) == ("lstm", 8, 5, "digits")
        assert job.lr == spec.matrix().lr_at(8)
    together = [(job.way, job.norms, job.seeds) for job in jobs if job.warm_up]
    assert sorted(together) == [("bare", ("batch", "none"), (0, 1)), ("lightning", ("batch", "none"), (0, 1))]
    alone = [(job.way, job.norms, job.seeds) for job in jobs if not job.warm_up]
    assert alone == [("lightning", (norm,), (seed,)) for norm in ("batch", "none") for seed in (0, 1)]
    (cell,) = bench.cells
    assert cell.peers == {"lightning": (2.0,), "bare": (2.0,), "process": (4 * 7.0,)}
    assert (cell.normzoo[0].wall, cell.normzoo[0].start_up, cell.normzoo[0].training) == (9.0, 10.0, -1.0)
    assert bench.whole == cell.normzoo
    assert (bench.environment["device"], bench.environment["peer_threads"]) == ("cpu", 2)


def test_ways_take_turns_in_every_cell_and_round(stopwatch: Stopwatch) -> None:
    """Each cell has each way once per round, not always in the same order, and the whole matrix comes last."""
    spec = MatrixBenchSpec.model_validate({"templates": "cnn", "batch_sizes": "2,8", "rounds": 4})
    steps: list[str] = []
    parts: list[MatrixBench] = []
    bench = run_matrix_bench(spec, steps.append, parts.append)
    assert len(steps) == spec.steps() == 4 * 9
    assert [part.incomplete for part in parts] == [*(f"{done} of 36" for done in range(1, 36)), None]
    assert parts[-1] == bench
    orders = set()
    for start in range(0, len(steps), 9):
        *cells, whole = steps[start : start + 9]
        assert whole == "the whole matrix"
        for size, part in ((2, cells[:4]), (8, cells[4:])):
            assert {step.rpartition(": ")[0] for step in part} == {f"cnn, batch size {size}"}
            orders.add(tuple(step.rpartition(": ")[2] for step in part))
    assert all(sorted(order) == sorted(spec.ways) for order in orders)
    assert len(orders) > 2
    assert [len(bench.whole), len(bench.cells[0].normzoo), len(bench.cells[1].peers["bare"])] == [4, 4, 4]
    stores = [flags(command)["--store"] for command in stopwatch.commands]
    assert len(set(stores)) == len(stores)
    assert sum(flags(command)["--batch-sizes"] == "2,8" for command in stopwatch.commands) == 2 * 4


def timed_here(command: Sequence[str], *, name: str, environment: Mapping[str, str] | None = None) -> float:
    """Do in this process what another would, but for one that has nothing to train: torch is loaded in each."""
    start = time.perf_counter()
    if name == "normzoo compare":
        with redirect_stdout(StringIO()):
            assert compare(list(command[3:])) == 0
    elif (job := Job.from_json(command[-1])).norms:
        with chdir(job.folder), redirect_stdout(StringIO()):
            peer.main(job)
    else:
        return timed_process(command, name=name, environment=environment)
    return time.perf_counter() - start


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:::lightning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_command_from_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints a table that fits 80 columns, and writes JSON and a report, with the notes that lie beside it."""
    monkeypatch.setattr(running, "timed_process", timed_here)
    monkeypatch.setattr("normzoo.cli.compare.LocalExecutor", lambda *_, **__: InProcessExecutor())
    small = "--norms none --templates cnn --batch-sizes 64 --seeds 1 --epochs 1"
    (tmp_path / "speed.notes.txt").write_text("It was a quiet day.")
    assert main([*small.split(), "--report", str(tmp_path / "speed.md")]) == 0
    printed = capsys.readouterr().out
    *tables, written_json, written_report = printed.splitlines()
    assert max(map(len, tables)) <= 80
    assert [written_json, written_report] == [f"written: {tmp_path / 'speed'}{end}" for end in (".json", ".md")]
    assert "with start-up" in printed
    bench = MatrixBench.model_validate_json((tmp_path / "speed.json").read_text())
    (cell,) = bench.cells
    assert set(cell.peers) == {"lightning", "bare", "process"}
    assert min(seconds for way in cell.peers.values() for seconds in way) > 0
    assert min(cell.normzoo[0].wall, cell.normzoo[0].start_up) > 0
    report = (tmp_path / "speed.md").read_text()
    assert "It was a quiet day." in report
    assert f"python -m benchmarks.matrix {small} --report speed.md" in report
    assert sorted(path.name for path in tmp_path.iterdir()) == ["speed.json", "speed.md", "speed.notes.txt"]


@pytest.mark.slow
def test_the_parent_imports_no_torch() -> None:
    """Nothing but the processes that are timed has it, so that the parent takes no memory from them."""
    code = """
import runpy, sys
sys.argv = ["benchmarks.matrix", "--help"]
try:
    runpy.run_module("benchmarks.matrix", run_name="__main__", alter_sys=True)
except SystemExit as end:
    print(end.code, sorted({"torch", "lightning"} & set(sys.modules)))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=running.CHECKOUT, capture_output=True, text=True, check=True)
    assert "Usage: python -m benchmarks.matrix" in done.stdout
    assert done.stdout.endswith("\n0 []\n")
