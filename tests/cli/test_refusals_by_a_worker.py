"""Does every request that only torch and the data show to be mistaken end alike, before anything is trained?

Most are put to one and the same worker, since importing torch is what takes long; some are whole commands.
"""

from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from normzoo.cli import main
from normzoo.experiment.executor.local import Worker, WorkerPool
from normzoo.experiment.results.store import Store
from normzoo.experiment.worker.prepare import resolve_device

from .command import Outcome, merged
from .refusals import BY_A_WORKER, WHOLE_COMMANDS, Refusal, check


@pytest.fixture(scope="module")
def worker(materials: Path) -> Iterator[Worker]:
    """A real worker process, in the folder of things to refuse."""
    with chdir(materials), WorkerPool() as pool:
        yield pool.start()


@pytest.fixture
def refused(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Runs the command in this process, with the one worker instead of a new one."""
    monkeypatch.setattr(WorkerPool, "start", lambda _: worker)

    def run(refusal: Refusal) -> Outcome:
        code = main(["compare", *merged(*refusal.arguments[1:])])
        return Outcome(code, *capsys.readouterr())

    return run


def skip_if_possible(name: str) -> None:
    if name == "cuda" and resolve_device("auto") == "cuda":
        pytest.skip("there is a CUDA device here")


@pytest.mark.parametrize("name", BY_A_WORKER)
def test_it_is_refused(name: str, refused: Callable[[Refusal], Outcome]) -> None:
    """Sizes, norms, arrays, downloads and devices."""
    skip_if_possible(name)
    check(refused(BY_A_WORKER[name]), BY_A_WORKER[name].message)


@pytest.mark.parametrize("name", WHOLE_COMMANDS)
def test_it_is_refused_by_the_whole_command(name: str, refused_commands: Callable[[str], Outcome]) -> None:
    """From the shell to its exit code."""
    skip_if_possible(name)
    check(refused_commands(name), BY_A_WORKER[name].message)


def test_it_leaves_no_trace(materials: Path, refused: Callable[[Refusal], Outcome]) -> None:
    """No record, no comparison in the store, and nothing downloaded."""
    for name in ("groups", "npz-nan", "not-downloaded"):
        refused(BY_A_WORKER[name])
    with Store(materials / "normzoo.sqlite", writable=False) as store:
        assert store.comparisons() == []
        assert store.statuses() == {}
    assert not any((materials / "folder").iterdir())
