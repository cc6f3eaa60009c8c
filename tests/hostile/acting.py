"""``python -m tests.hostile.acting``: the command, with workers that train nothing and load no torch.

It is for tests that ask what becomes of a command, its terminal, its processes and its store. All of these are as ever,
and so is what a worker does but for the tasks. Where workers are not forked they are real ones.
"""

import os
import runpy
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from normzoo.experiment.executor import local
from normzoo.experiment.planning.facts import Prepared, Timing
from normzoo.experiment.worker.messages import (
    Checked,
    EpochDone,
    Message,
    Prepare,
    RunDone,
    Started,
    Task,
    TaskDone,
    Timed,
    TimeSteps,
)
from normzoo.metric import ACCURACY

synthetic = import_module("tests.experiment.synthetic")  # as it is found without pytest

ACTS = "NORMZOO_TESTS_ACT"
"""Is set where workers are to act, in all processes that the command starts; others may import this to no effect."""

MEETING = "NORMZOO_TESTS_MEET"
"""How many workers begin to train at once: each waits for the others, which say by files that they are there."""


class Server:
    """Says what one that trains would say; of ``stuck:Waiting`` it does what that norm does."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send

    def carry_out(self, task: Task) -> None:
        """Carry out a task."""
        if isinstance(task, Prepare):
            self._send(Checked(Prepared(synthetic.FACTS, {}, {}, (ACCURACY,), "cpu", {})))
        elif isinstance(task, TimeSteps):
            for runs, key in task.groups:
                self._send(Timed(Timing(key=key, members=len(runs), seconds_per_step=1e-3)))
        else:
            meet(int(os.environ.get(MEETING, "1")))
            for run in task.runs:
                record = synthetic.run_record(run)
                self._send(Started(run))
                if run.norm == "stuck:Waiting":
                    wait()
                self._send(EpochDone(run, record.epochs[0]))
                self._send(RunDone(record))
        self._send(TaskDone())


def meet(number: int) -> None:
    """Wait until so many have come."""
    Path(f"here-{os.getpid()}").touch()
    while len(list(Path().glob("here-*"))) < number:
        time.sleep(0.01)


def wait() -> None:
    """Wait while there is a file ``wait``."""
    Path(f"Waiting-{os.getpid()}").touch()
    while Path("wait").exists():
        time.sleep(0.05)


if __name__ == "__main__":
    os.environ[ACTS] = "1"
    local._CONTEXT.set_forkserver_preload(["tests.hostile.acting", "normzoo.experiment.worker.preloaded"])
    runpy.run_module("normzoo", run_name="__main__", alter_sys=True)
elif ACTS in os.environ:  # in the process that workers are forked from, or in a worker
    sys.modules["normzoo.experiment.worker.serve"] = sys.modules[__name__]
