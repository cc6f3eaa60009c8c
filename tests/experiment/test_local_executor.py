"""Does the parent start its workers and notice their ends, whatever is pressed meanwhile?"""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from normzoo.errors import ConfigError
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.executor import local
from normzoo.experiment.executor.local import LocalExecutor
from normzoo.experiment.worker.messages import (
    Checked,
    Message,
    Prepare,
    Rejected,
    Task,
    TaskDone,
    Trying,
    WorkerDied,
)

CPU = Execution(device="cpu")
SMALL = Prepare(MatrixSpec(norms=("none",), templates=("cnn",)), CPU)


def carried_out(executor: LocalExecutor, task: Task) -> list[Message]:
    """Have a task carried out, and return all that is told of it."""
    executor.start(task)
    return rest(executor)


def rest(executor: LocalExecutor) -> list[Message]:
    """Return what is told up to the end of the task that is carried out, but for its steps."""
    told: list[Message] = []
    while not told or not isinstance(told[-1], TaskDone | WorkerDied):
        executor.wait(60)
        told += [message for _, message in executor.events() if not isinstance(message, Trying)]
    return told


@pytest.mark.skipif(os.name == "nt", reason="signals wait only where there are signal masks")
def test_ctrl_c_while_a_worker_is_started_is_heard_at_once_and_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent does not wait for a worker to be there; one that nobody wants by then is ended."""
    begun, wanted, ended = threading.Event(), threading.Event(), threading.Event()
    masks: list[set[int]] = []

    def start(_: object) -> None:
        masks.append(set(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
        begun.set()
        assert wanted.wait(60)

    monkeypatch.setattr(local._CONTEXT.Process, "start", start)
    monkeypatch.setattr(local._CONTEXT.Process, "kill", lambda _: ended.set())

    def press_ctrl_c_while_one_is_started() -> None:
        with LocalExecutor() as executor:
            executor.start(SMALL)
            assert begun.wait(60)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        press_ctrl_c_while_one_is_started()
    assert not ended.is_set()
    wanted.set()
    assert ended.wait(60)
    assert signal.SIGINT in masks[0]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_worker_that_cannot_be_started_is_told_as_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when there are too many processes."""

    def start(_: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(local._CONTEXT.Process, "start", start)
    with LocalExecutor() as executor:
        assert carried_out(executor, SMALL) == [
            WorkerDied("the worker process could not be started: no more processes")
        ]


@pytest.mark.slow
def test_a_worker_has_the_environment_that_it_is_started_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is forked from a process with an earlier one."""
    found = []
    for backend in ("compiled", "eager"):
        monkeypatch.setenv("NORMZOO_BACKEND", backend)
        with LocalExecutor(CPU) as executor:
            answer, _ = carried_out(executor, SMALL)
            assert isinstance(answer, Checked)
            found.append(answer.prepared.environment["norm_backend"])
    assert found == ["compiled", "eager"]


def only_child() -> int:
    """Return the number of the one process that there is, or will be in a moment."""
    while not (started := [child.pid for child in local._CONTEXT.active_children() if child.pid]):
        time.sleep(0.001)
    (number,) = started
    return number


@pytest.fixture
def missing(tmp_path: Path) -> Prepare:
    return Prepare(MatrixSpec(dataset=f"npz:{tmp_path / 'missing.npz'}"), CPU)


@pytest.mark.slow
def test_one_worker_carries_out_one_task_after_another(missing: Prepare) -> None:
    """A refusal ends nothing, and SIGINT does not reach it; leaving the context leaves no process."""
    with LocalExecutor(CPU) as executor:
        executor.start(missing)
        number = only_child()
        os.kill(number, signal.SIGINT)  # at its very beginning
        assert [type(message) for message in rest(executor)] == [Rejected, TaskDone]
        os.kill(number, signal.SIGINT)
        assert [type(message) for message in carried_out(executor, SMALL)] == [Checked, TaskDone]
        assert only_child() == number
    assert local._CONTEXT.active_children() == []


@pytest.mark.parametrize(
    ("exit_code", "killed_by", "reason"),
    [
        (0, None, "the worker process ended with exit code 0"),
        (3, None, "the worker process ended with exit code 3"),
        (-signal.SIGSEGV, "signal 11", "the worker process was killed by SIGSEGV"),
        (
            -signal.SIGKILL,
            "signal 9",
            "the worker process was killed by SIGKILL; perhaps the system ran out of memory",
        ),
        (-40, "signal 40", "the worker process was killed by signal 40"),
        (
            255,
            "with the process that it is forked from",
            "the worker process ended with exit code 255, or was killed with the process that it is forked from",
        ),
    ],
)
def test_a_death_is_told_in_words(exit_code: int, killed_by: str | None, reason: str) -> None:
    """By its signal or exit code, and whether it was killed."""
    assert local._death(exit_code) == WorkerDied(reason, killed_by=killed_by)


@pytest.mark.slow
def test_a_worker_that_died_while_it_was_idle_costs_no_task() -> None:
    """It is given nothing to do any more."""
    with LocalExecutor(CPU) as executor:
        carried_out(executor, SMALL)
        first = only_child()
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: not is_running(first))
        assert [type(message) for message in carried_out(executor, SMALL)] == [Checked, TaskDone]


def is_running(number: int) -> bool:
    return any(child.pid == number for child in local._CONTEXT.active_children())


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.slow
def test_workers_are_started_early_where_that_is_asked_for() -> None:
    """With the first task, so that they are there when more are handed out."""
    with LocalExecutor(CPU, early=1) as executor:
        for _ in range(2):
            executor.start(SMALL)
            assert len(executor._workers) == 2
            rest(executor)


@pytest.mark.parametrize(
    ("folder", "reason"), [("", "No such file"), ("/dev/null/x", "Not a directory"), ("x" * 300, "name too long")]
)
def test_where_nothing_compiled_can_be_kept_no_worker_is_started(
    monkeypatch: pytest.MonkeyPatch, folder: str, reason: str
) -> None:
    """In which torch would not import."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", folder)
    message = f"for what is compiled, cannot be made .*{reason}.*; name another in TORCHINDUCTOR_CACHE_DIR"
    with pytest.raises(ConfigError, match=message), LocalExecutor():
        pass


@pytest.mark.slow
def test_what_torch_warns_of_when_it_maps_attention_is_not_said(capfd: pytest.CaptureFixture[str]) -> None:
    """It is about how fast torch maps over seeds, and said for each place and network once more."""
    attentive = "timm:vit_tiny_patch16_224:img_size=8,patch_size=4,embed_dim=24,depth=1,num_heads=2"
    with LocalExecutor(CPU) as executor:
        told = carried_out(executor, Prepare(MatrixSpec(norms=("none",), templates=(attentive,)), CPU))
    (checked,) = (each for each in told if isinstance(each, Checked))
    assert [network.unstackable for network in checked.prepared.networks.values()] == [""]
    assert "batching rule" not in capfd.readouterr().err
