"""Does the parent start its workers and notice their ends, whatever is pressed meanwhile?"""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from normzoo.experiment import pool as pool_module
from normzoo.experiment.execution import Execution
from normzoo.experiment.messages import Checked, Prepare, Refused, WorkerDied
from normzoo.experiment.pool import WorkerPool
from normzoo.experiment.spec import MatrixSpec


@pytest.mark.skipif(os.name == "nt", reason="signals wait only where there are signal masks")
def test_ctrl_c_while_a_worker_is_started_is_heard_at_once_and_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent does not wait for a worker to be there; one that nobody wants by then is ended."""
    begun, wanted, ended = threading.Event(), threading.Event(), threading.Event()
    masks: list[set[int]] = []

    def start(_: object) -> None:
        masks.append(set(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
        begun.set()
        assert wanted.wait(60)

    monkeypatch.setattr(pool_module._CONTEXT.Process, "start", start)
    monkeypatch.setattr(pool_module._CONTEXT.Process, "kill", lambda _: ended.set())

    def press_ctrl_c_while_one_is_started() -> None:
        with WorkerPool() as pool:
            pool.start()
            assert begun.wait(60)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        press_ctrl_c_while_one_is_started()
    assert not ended.is_set()
    wanted.set()
    assert ended.wait(60)
    assert signal.SIGINT in masks[0]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_worker_that_cannot_be_started_is_heard_as_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when there are too many processes."""

    def start(_: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(pool_module._CONTEXT.Process, "start", start)
    with WorkerPool() as pool:
        assert pool.start().hear() == WorkerDied("the worker process could not be started: no more processes")


@pytest.mark.slow
def test_a_worker_has_the_environment_that_it_is_started_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is forked from a process with an earlier one."""
    spec = Prepare(MatrixSpec(norms=("none",)), Execution(device="cpu"))
    found = []
    for engine in ("compiled", "eager"):
        monkeypatch.setenv("NORMZOO_BACKEND", engine)
        with WorkerPool() as pool:
            worker = pool.start()
            worker.send(spec)
            answer = worker.hear()
            assert isinstance(answer, Checked)
            found.append(answer.prepared.environment["norm_backend"])
    assert found == ["compiled", "eager"]


@pytest.mark.slow
def test_one_worker_answers_one_task_after_another_until_it_is_killed(tmp_path: Path) -> None:
    """A refusal ends nothing; SIGINT does not reach it; its death is heard once, after all that it said."""
    missing = MatrixSpec(dataset=f"npz:{tmp_path / 'missing.npz'}")
    with WorkerPool() as pool:
        worker = pool.start()
        while not (started := [child.pid for child in pool_module._CONTEXT.active_children() if child.pid]):
            time.sleep(0.001)
        (number,) = started
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
