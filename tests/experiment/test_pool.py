"""Does the parent start its workers and notice their ends, whatever is pressed meanwhile?"""

import os
import signal
from pathlib import Path

import pytest

from normzoo.experiment import pool as pool_module
from normzoo.experiment.execution import Execution
from normzoo.experiment.messages import Checked, Prepare, Refused, WorkerDied
from normzoo.experiment.pool import WorkerPool
from normzoo.experiment.spec import MatrixSpec


@pytest.mark.skipif(os.name == "nt", reason="signals wait only where there are signal masks")
def test_ctrl_c_while_a_worker_is_started_is_neither_lost_nor_heard_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits until the process is there, and is then the parent's to answer."""
    progress: list[str] = []

    def start(_: object) -> None:
        progress.append("begun")
        os.kill(os.getpid(), signal.SIGINT)
        progress.append("done")

    monkeypatch.setattr(pool_module._CONTEXT.Process, "start", start)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with WorkerPool() as pool, pytest.raises(KeyboardInterrupt):
        pool.start()
    assert progress == ["begun", "done"]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_one_worker_answers_one_task_after_another_until_it_is_killed(tmp_path: Path) -> None:
    """A refusal ends nothing; SIGINT does not reach it; its death is heard once, after all that it said."""
    missing = MatrixSpec(dataset=f"npz:{tmp_path / 'missing.npz'}")
    with WorkerPool() as pool:
        worker = pool.start()
        (number,) = (process.pid for process in pool_module._CONTEXT.active_children() if process.pid)
        os.kill(number, signal.SIGINT)  # at its very beginning
        worker.send(Prepare(missing, Execution(device="cpu")))
        assert isinstance(worker.hear(), Refused)
        os.kill(number, signal.SIGINT)
        worker.send(Prepare(MatrixSpec(norms=("none",)), Execution(device="cpu")))
        assert pool.wait() == [worker]
        assert isinstance(worker.hear(), Checked)
        assert not worker.has_message()
        os.kill(number, signal.SIGKILL)
        assert pool.wait() == [worker]
        assert worker.hear() == WorkerDied(
            "the worker process was killed by SIGKILL; perhaps the system ran out of memory"
        )
        worker.send(Prepare(missing, Execution()))  # too late, and no error: it is noticed when it is heard
    assert pool.workers == []
    assert pool_module._CONTEXT.active_children() == []


@pytest.mark.parametrize(
    ("exit_code", "reason"),
    [
        (0, "the worker process ended with exit code 0"),
        (3, "the worker process ended with exit code 3"),
        (-signal.SIGSEGV, "the worker process was killed by SIGSEGV"),
        (-signal.SIGKILL, "the worker process was killed by SIGKILL; perhaps the system ran out of memory"),
    ],
)
def test_a_death_is_told_in_words(exit_code: int, reason: str) -> None:
    """By its signal or exit code."""
    assert pool_module._death(exit_code) == reason
