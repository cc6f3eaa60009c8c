"""Does a process that is killed, stopped or forked take nothing with it, and leave nothing behind?"""

import os
import pickle
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path

import pytest
from cli.command import Outcome, compare_here, environment, stored, wait_for
from cli.interruption import left_of, members
from experiment.conftest import tiny_spec
from experiment.test_executors import CPU, ENDLESS, shapes, told_of, training, wait_for_an_epoch

from normzoo.experiment.executor import local
from normzoo.experiment.executor.local import FORK_SERVER, LocalExecutor
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.worker import process
from normzoo.experiment.worker.messages import TaskDone, WorkerDied

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody ends a process that hears of nothing"),
]
HERE = Path(__file__).parent

PARENT = """
import pickle
import sys

from normzoo.experiment.config.execution import Execution
from normzoo.experiment.executor.local import LocalExecutor

with LocalExecutor(Execution(device="cpu")) as executor:
    for task in pickle.load(sys.stdin.buffer):
        executor.start(task)
    while True:
        executor.wait()
        executor.events()
"""


def test_workers_end_with_their_parent_whatever_they_are_at(tmp_path: Path) -> None:
    """In a call that keeps the interpreter's lock, stopped, and parents themselves; and so do their children."""
    shutil.copy(HERE / "stuck.py", tmp_path)
    norms = ("Calling", "Stopped", "Parenting")
    with (tmp_path / "tasks").open("w+b") as tasks:
        pickle.dump([training(tiny_spec(norm=f"stuck:{norm}", batch_size=64)) for norm in norms], tasks)
        tasks.seek(0)
        command = [sys.executable, "-c", PARENT]
        parent = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdin=tasks, start_new_session=True)
    try:
        for norm in norms:
            wait_for(lambda norm=norm: any(tmp_path.glob(f"{norm}-*")), norm)  # type: ignore[misc]
        parent.kill()
        parent.wait()
        assert left_of(parent.pid) == []
    finally:
        if members(parent.pid):
            os.killpg(parent.pid, signal.SIGKILL)


def test_a_worker_ends_if_what_it_is_forked_from_was_gone_before_it_began() -> None:
    """Or its parent would wait for it for ever, since the system tells only of what ends later."""
    code = "from normzoo.experiment.worker import process; process.forked_from = 0; process.main(None, {})"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


def test_when_what_workers_are_forked_from_is_killed_a_fresh_one_takes_its_place() -> None:
    """The workers end with it, and it is told that they were killed; the next task is carried out as ever."""
    if local._CONTEXT.get_start_method() != "forkserver":
        pytest.skip("workers are not forked here")
    with LocalExecutor(CPU) as executor:
        handles = [executor.start(training(ENDLESS)) for _ in range(2)]
        wait_for_an_epoch(executor)
        (server,) = {parent_of(child.pid) for child in local._CONTEXT.active_children() if child.pid}
        os.kill(server, signal.SIGKILL)
        for told in told_of(executor, *handles):
            died = told[-1]
            assert isinstance(died, WorkerDied)
            assert died.killed_by == FORK_SERVER
        (told,) = told_of(executor, executor.start(training(tiny_spec())))
        assert shapes(told)[-1] is TaskDone


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()[1])


@dataclass(frozen=True)
class Comparison:
    """What came of norms that are killed, that crash and that fork."""

    folder: Path
    outcome: Outcome
    records: dict[str, RunRecord]

    def of(self, norm: str) -> list[RunRecord]:
        return [record for record in self.records.values() if record.spec.norm.endswith(norm)]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("processes")
    for name in ("stuck.py", "forking.py"):
        shutil.copy(HERE / name, folder)
    norms = "stuck:KilledOnce,stuck:Crashing,stuck:Forking,forking:Plain"
    words = ("--norms", norms, "--templates", "cnn", "--strategy", "sequential", "--seeds", "1")
    return Comparison(folder, compare_here(folder, *words), stored(folder))


def test_a_run_whose_worker_was_killed_has_a_result_all_the_same(comparison: Comparison) -> None:
    """Of its second try, which is said as it happens and in the end."""
    (record,) = comparison.of("KilledOnce")
    assert record.status == "ok"
    assert "KilledOnce, batch size 64, seed 0: its worker was killed (signal 9)\n" in comparison.outcome.stderr
    assert "1 run was tried again: its worker was killed (signal 9)\n" in comparison.outcome.stdout


def test_a_run_that_crashes_is_tried_twice(comparison: Comparison) -> None:
    """Then it is failed."""
    (record,) = comparison.of("Crashing")
    place = f"{comparison.folder / 'stuck.py'}:"
    assert record.error is not None
    assert record.error.startswith(f"the worker process was killed by SIGSEGV ({place}")
    assert record.error.endswith("; an earlier try was killed, too")
    assert len(list(comparison.folder.glob("Crashing-*"))) == 2
    assert "1 run was tried again: its worker was killed (signal 11)\n" in comparison.outcome.stdout
    assert comparison.outcome.code == 1


@pytest.mark.parametrize("norm", ["stuck:Forking", "forking:Plain"])
def test_what_a_norm_forks_tells_nothing(norm: str, comparison: Comparison) -> None:
    """Neither in training nor when it is imported: the run is as if nothing was."""
    (record,) = comparison.of(norm)
    assert (record.status, len(record.epochs)) == ("ok", 1)
    assert "Traceback" not in comparison.outcome.stderr


def test_what_was_forked_may_fork_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is its own child's parent then, and not the worker."""
    monkeypatch.setattr(process, "killed_with_parent", lambda: True)
    reader, writer = Pipe()
    parents = [1]
    with reader, writer:
        for parent, own in ((1, 2), (2, 3)):
            monkeypatch.setattr(os, "getppid", lambda parent=parent: parent)
            monkeypatch.setattr(os, "getpid", lambda own=own: own)
            process._disown(writer, parents)
    assert parents == [1, 2, 3]


def test_what_a_norm_forks_does_not_live_on(comparison: Comparison) -> None:
    """Neither what goes on nor what sleeps."""
    children = [int(path.name.partition("-")[2]) for path in comparison.folder.glob("child-*")]
    assert len(children) >= 3
    wait_for(lambda: not any(is_alive(child) for child in children), "the end of what was forked")


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False
