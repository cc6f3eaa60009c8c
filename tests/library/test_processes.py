"""Is ``normzoo.compare`` well-behaved towards the process that calls it, and towards its other children?"""

import os
import subprocess
import sys
from multiprocessing import current_process
from pathlib import Path
from typing import Any

import pytest

import normzoo
from normzoo import comparison as comparing
from normzoo.experiment.config.resolve import resolve
from normzoo.experiment.executor.in_process import InProcessExecutor
from normzoo.experiment.executor.local import LocalExecutor
from normzoo.experiment.results.store import Store
from normzoo.experiment.runner import Runner

from .in_process import in_process

SECONDS = 240


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


SCRIPT = """
import pathlib, sys
with open("ran", "a") as file:
    file.write("x")
import normzoo
comparison = normzoo.compare(
    norms=["batch", "none"], templates="cnn:widths=4,hidden=8", batch_sizes=[64], seeds=1, epochs=1, jobs=1
)
print(len(comparison.records), set(record.status.value for record in comparison.records.values()))
print({"torch", "torchvision", "torchmetrics", "lightning"} & set(sys.modules))
"""


@pytest.mark.slow
def test_a_script_needs_no_guard() -> None:
    """Its top level runs once, and it loads no torch; progress is quiet, on stderr.

    That of a module, also where workers are spawned, ``tests/experiment/test_scripts.py`` asks.
    """
    Path("script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"],
        env={**os.environ, "PYTHONPATH": str(Path(normzoo.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2 {'ok'}\nset()\n"
    assert Path("ran").read_text() == "x"
    assert done.stderr.splitlines()[0].startswith("2 runs to train")
    assert len(done.stderr.splitlines()) < 6


OF_A_USER = """
import multiprocessing, os, signal, sys
import normzoo

TINY = dict(norms="none", templates="cnn:widths=4,hidden=8", batch_sizes=[64], seeds=1, epochs=1, progress=False)

def state(queue):
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    queue.put((len(blocked), "torch" in sys.modules, "OMP_WAIT_POLICY" in os.environ, "xmlrpc.client" in sys.modules))

def compare():
    return len(normzoo.compare(**TINY, rerun="all").records)

if __name__ == "__main__":
    multiprocessing.set_forkserver_preload(["xmlrpc.client"])
    print(compare())
    context = multiprocessing.get_context("forkserver")
    queue = context.Queue()
    process = context.Process(target=state, args=(queue,))
    process.start()
    print(queue.get())
    process.join()
    sys.stdout.flush()
    if os.fork() == 0:
        print(compare(), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked from a server on Linux alone")
def test_processes_of_a_user_are_as_they_would_be(tmp_path: Path) -> None:
    """Those forked from multiprocessing's server get nothing of ours; one that was forked can compare."""
    script = tmp_path / "of_a_user.py"
    script.write_text(OF_A_USER, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path(normzoo.__file__).parents[1])}
    environment.pop("OMP_WAIT_POLICY", None)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=SECONDS
    )
    assert done.stdout.splitlines() == ["1", "(0, False, False, True)", "1"], done.stderr


def test_a_process_that_may_have_no_children_trains_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a worker of a DataLoader or of a Pool."""
    configuration = resolve([], [], {"norms": "none"})
    assert isinstance(comparing._executor_for(configuration), LocalExecutor)
    monkeypatch.setitem(current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    assert isinstance(comparing._executor_for(configuration), InProcessExecutor)


@pytest.mark.slow
def test_a_file_in_the_current_folder_is_found_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a worker; the path is afterwards as it was."""
    Path("norm_of_the_folder.py").write_text("from torch import nn\nclass Mine(nn.BatchNorm1d): pass\n")
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each not in ("", str(Path.cwd()))])
    before = list(sys.path)
    assert in_process(norms=["none", "norm_of_the_folder:Mine"], templates="mlp:widths=4").records
    assert sys.path == before


@pytest.mark.slow
def test_an_interrupt_keeps_what_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is raised, and the same call trains the rest."""
    keep = Runner._keep
    settings: dict[str, Any] = {"norms": ["none", "batch"], "seeds": 1}

    def interrupted(*arguments: Any) -> None:
        keep(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(Runner, "_keep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        in_process(**settings)
    monkeypatch.setattr(Runner, "_keep", keep)
    with Store(Path("normzoo.sqlite"), writable=False) as store:
        (finished,) = store.records(list(store.statuses())).items()
    comparison = in_process(**settings)
    assert len(comparison.records) == 2
    assert finished in comparison.records.items()
