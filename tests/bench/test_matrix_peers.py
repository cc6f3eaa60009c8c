"""Do the peers' processes train, and do their troubles reach whoever started them?"""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.matrix.bare_torch import train_run
from benchmarks.matrix.peer import Job
from benchmarks.matrix.run import run_matrix_bench, timed_process
from benchmarks.matrix.spec import MatrixBenchSpec
from normzoo.data import load_dataset
from normzoo.errors import NormzooError
from normzoo.interrupts import interrupts_raised

JOB = Job(
    way="bare",
    template="cnn",
    batch_size=32,
    norms=("batch",),
    seeds=(0,),
    epochs=2,
    lr=0.05,
    sizes={"widths": (8, 16), "hidden": 32},
    dataset="digits",
    data_root="data",
    warm_up=False,
    folder="",
)


def test_a_job_comes_out_of_its_json_as_it_went_in() -> None:
    """Also its tuples."""
    assert Job.from_json(JOB.to_json()) == JOB


@pytest.mark.slow
def test_the_bare_loop_learns() -> None:
    """Digits are mostly told apart after two epochs, hardly with a learning rate of next to nothing."""
    digits = load_dataset("digits")
    assert train_run(JOB, digits, "batch", 0) > 0.6  # 0.79 to 0.83, by how many threads add up
    assert train_run(replace(JOB, lr=1e-9), digits, "batch", 0) < 0.4


def test_a_process_that_fails_says_why() -> None:
    """Its exit code and the last line that it wrote are in the error."""
    code = "import sys; print('first'); print('it was the cat', file=sys.stderr); sys.exit(3)"
    with pytest.raises(NormzooError, match=r"^the process ended with exit code 3: it was the cat$"):
        timed_process([sys.executable, "-c", code], name="the process")


def test_a_process_is_timed_and_gets_its_variables() -> None:
    """Its seconds are those that passed, and its environment has what was given besides what there is."""
    code = "import os, time; time.sleep(0.1); assert os.environ['GIVEN'] == '1' and 'PATH' in os.environ"
    assert 0.1 < timed_process([sys.executable, "-c", code], name="the process", environment={"GIVEN": "1"}) < 30


@pytest.mark.slow_but_one
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: signal.Signals(number).name)
def test_an_interruption_kills_the_process(number: signal.Signals, tmp_path: Path) -> None:
    """Neither Ctrl-C nor SIGTERM leaves it behind."""
    file = tmp_path / "pid"
    code = f"import os, time; open({str(file)!r}, 'w').write(f'{{os.getpid()}}\\n'); time.sleep(60)"

    def interrupt() -> None:
        while not file.exists() or not file.read_text().endswith("\n"):
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt), interrupts_raised():
        timed_process([sys.executable, "-c", code], name="the process")
    thread.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(file.read_text()), 0)


def test_an_interruption_kills_a_process_that_is_just_being_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anybody knows it."""
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            started.append(self)
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt), interrupts_raised():
        timed_process(["sleep", "60"], name="the process")
    assert started[0].returncode == -signal.SIGKILL


@pytest.mark.slow
def test_a_dataset_that_is_missing_is_named_before_anything_is_timed(tmp_path: Path) -> None:
    """The first peer, which has nothing to train, loads it."""
    spec = MatrixBenchSpec.model_validate({"dataset": f"npz:{tmp_path / 'none.npz'}"})
    steps: list[str] = []
    with pytest.raises(NormzooError, match=r"the process of the way 'bare' ended with exit code 1: .*none\.npz"):
        run_matrix_bench(spec, steps.append, lambda _: None)
    assert steps == []
