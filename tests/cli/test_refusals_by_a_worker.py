"""Does every request that only torch and the data show to be mistaken end alike, before anything is trained?

All are put to one and the same worker, since importing torch is what takes long; from the shell to its exit code a
command is asked in ``test_refusals_at_once.py``.
"""

from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from normzoo.cli import compare as compare_module
from normzoo.cli import main
from normzoo.devices import resolve_device
from normzoo.experiment.executor.local import LocalExecutor
from normzoo.experiment.results.store import Store

from .command import Outcome, merged
from .refusals import BY_A_WORKER, Refusal, check


class Lasting(LocalExecutor):
    """Outlives the commands that are given it, since starting a worker is what takes long."""

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def executor(materials: Path) -> Iterator[LocalExecutor]:
    """A real executor, in the folder of things to refuse."""
    with chdir(materials):
        lasting = Lasting()
        yield lasting
        LocalExecutor.__exit__(lasting, None, None, None)


@pytest.fixture
def refused(
    executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Runs the command in this process, with the one executor instead of a new one."""
    monkeypatch.setattr(compare_module, "LocalExecutor", lambda *_, **__: executor)

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


def test_it_leaves_no_trace(materials: Path, refused: Callable[[Refusal], Outcome]) -> None:
    """No record, no comparison in the store, and nothing downloaded."""
    for name in ("groups", "npz-nan", "not-downloaded"):
        refused(BY_A_WORKER[name])
    with Store(materials / "normzoo.sqlite", writable=False) as store:
        assert store.comparisons() == []
        assert store.statuses() == {}
    assert not any((materials / "folder").iterdir())
