"""Is a comparison carried out, kept and gone on with alike on every executor?"""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from normzoo.experiment.comparison import Outcome, Rerun, carry_out
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.executor.in_process import InProcessExecutor
from normzoo.experiment.executor.local import LocalExecutor
from normzoo.experiment.executor.protocol import Executor
from normzoo.experiment.results.store import Store

from . import troubled_norms
from .scripted import Listening

CPU = Execution(device="cpu", jobs=2)
RAISING = f"{troubled_norms.__name__}:Raising"
each_executor = pytest.mark.parametrize(
    "make",
    [InProcessExecutor, pytest.param(lambda: LocalExecutor(CPU), marks=pytest.mark.slow)],
    ids=["in process", "local"],
)


def matrix(**changes: Any) -> MatrixSpec:
    small = {"norms": ("none", "batch"), "templates": ("cnn:hidden=8,widths=4",), "batch_sizes": (64,), "seeds": 2}
    return MatrixSpec.model_validate({**small, "epochs": 1, **changes})


def compare(
    asked: MatrixSpec,
    store: Store,
    executor: Executor,
    listener: Listening | None = None,
    *,
    rerun: Rerun | None = None,
) -> tuple[Outcome, list[str]]:
    """Carry out a comparison; return what became of it, and what was heard of its training."""
    heard = listener or Listening()
    outcome = carry_out(
        Configuration(asked, CPU), store, executor, lambda _: nullcontext(heard), command="normzoo compare", rerun=rerun
    )
    return outcome, heard.heard


def statuses(outcome: Outcome, store: Store) -> list[str]:
    """Return the status of every run in the order of the tables."""
    found = store.statuses()
    return [found.get(key, "nothing") for key in outcome.keys]


@pytest.mark.slow
@each_executor
def test_what_is_trained_is_kept_and_not_trained_again(make: Callable[[], Executor], tmp_path: Path) -> None:
    """The second call trains nothing; a larger matrix only what it adds; ``rerun="all"`` everything."""
    with Store(tmp_path / "store") as store, make() as executor:
        outcome, heard = compare(matrix(), store, executor)
        assert statuses(outcome, store) == ["ok"] * 4
        assert not outcome.is_interrupted
        assert len(heard) == 4 * 3
        before = store.records(outcome.keys)
        assert compare(matrix(), store, executor) == (outcome, [])
        assert store.records(outcome.keys) == before
        assert [each.keys for each in store.comparisons()] == [outcome.keys]
        larger, heard = compare(matrix(norms=("none", "batch", "layer")), store, executor)
        assert (larger.keys[:4], len(heard)) == (outcome.keys, 2 * 3)
        again, heard = compare(matrix(), store, executor, rerun="all")
        assert (again.keys, len(heard)) == (outcome.keys, 4 * 3)
        for key, record in store.records(outcome.keys).items():
            assert record.epochs[-1].test == before[key].epochs[-1].test


@pytest.mark.slow
@each_executor
def test_what_failed_is_trained_again_where_that_is_asked_for(make: Callable[[], Executor], tmp_path: Path) -> None:
    """And not otherwise; the others are left alone."""
    asked = matrix(norms=("none", RAISING), seeds=1, strategy="sequential")
    with Store(tmp_path / "store") as store, make() as executor:
        outcome, _ = compare(asked, store, executor)
        assert statuses(outcome, store) == ["ok", "failed"]
        assert compare(asked, store, executor)[1] == []
        assert compare(asked, store, executor, rerun="failed")[1] == ["started 0", "failed 0"]


SEQUENTIAL = matrix(norms=("none",), strategy="sequential", seeds=4)


@pytest.mark.slow
@each_executor
def test_an_interrupt_by_the_listener_keeps_what_is_finished(make: Callable[[], Executor], tmp_path: Path) -> None:
    """Repeating the comparison trains the rest, and nothing twice."""
    with Store(tmp_path / "store") as store:
        with make() as executor:
            outcome, _ = compare(SEQUENTIAL, store, executor, Listening(raises_at="ok 0"))
        assert outcome.is_interrupted
        kept = statuses(outcome, store)
        assert kept[0] == "ok"
        assert set(kept) <= {"ok", "interrupted", "nothing"}
        with make() as executor:
            again, heard = compare(SEQUENTIAL, store, executor)
        assert statuses(again, store) == ["ok"] * 4
        trained = [what for what in heard if what.startswith("ok")]
        assert trained == [f"ok {seed}" for seed, status in enumerate(kept) if status != "ok"]


@pytest.mark.slow
@each_executor
def test_an_interrupt_while_waiting_keeps_what_is_finished(
    make: Callable[[], Executor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run in flight is recorded as interrupted, and what it had told by then is in its record."""
    endless = matrix(norms=("none",), strategy="sequential", seeds=2, epochs=100_000)
    listener = Listening()
    with Store(tmp_path / "store") as store, make() as executor:
        wait = executor.wait

        def wait_or_interrupt(seconds: float | None = None) -> None:
            if "epoch 2 of 0" in listener.heard:
                raise KeyboardInterrupt
            wait(seconds)

        monkeypatch.setattr(executor, "wait", wait_or_interrupt)
        outcome, heard = compare(endless, store, executor, listener)
        assert outcome.is_interrupted
        assert statuses(outcome, store) == ["interrupted", "nothing"]
        (record,) = store.records(outcome.keys[:1]).values()
    assert record.error == "interrupted by the user"
    assert [f"epoch {epoch.epoch} of 0" for epoch in record.epochs] == heard[1:-1]
    assert len(record.epochs) >= 2
