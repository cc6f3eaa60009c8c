"""May a script start workers without a guard around what it does?"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile.acting import ACTS

SCRIPT = """
import sys
from multiprocessing import get_context
from pathlib import Path

with Path("times").open("a") as file:
    file.write("run\\n")

from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.executor import local
from normzoo.experiment.worker.messages import Checked, Prepare, TaskDone, WorkerDied

local._CONTEXT = get_context("spawn")
execution = Execution(device="cpu")
with local.LocalExecutor(execution) as executor:
    executor.start(Prepare(MatrixSpec(norms=("none",), templates=("cnn",)), execution))
    told = []
    while not told or not isinstance(told[-1], TaskDone | WorkerDied):
        executor.wait(60)
        told += [message for _, message in executor.events()]
assert isinstance(told[-2], Checked), told
print("done")
"""


@pytest.mark.slow
def test_a_module_that_starts_workers_runs_once(tmp_path: Path) -> None:
    """What it does at its top level is done by no worker that is spawned; multiprocessing would do it in each.

    That of a script which is run as a file, with workers as they are started here, ``tests/library`` asks, and that
    they train; here they act, without torch, as each process that Python starts finds by its ``sitecustomize``.
    """
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "sitecustomize.py").write_text("import tests.hostile.acting")
    done = subprocess.run(
        [sys.executable, "-m", "script"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])]),
            ACTS: "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr
    assert (tmp_path / "times").read_text() == "run\n"
