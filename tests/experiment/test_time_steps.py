"""Is it timed what a step takes, once the process is warm?"""

import time
from collections.abc import Sequence
from typing import Any

import pytest

from normzoo.data import Dataset
from normzoo.experiment.config.spec import RunSpec, Strategy
from normzoo.experiment.planning.facts import Timing
from normzoo.experiment.worker import time_steps as module
from normzoo.experiment.worker.time_steps import MAX_STEPS, MIN_STEPS, SECONDS, WARM_UP, time_steps
from normzoo.templates import MemberModule

from . import troubled_norms
from .conftest import tiny_spec


@pytest.mark.parametrize(
    ("first", "later", "steps"),
    [(0.5, 0.0, MAX_STEPS), (0.0, SECONDS, MIN_STEPS), (0.5, SECONDS / 3.5, 4)],
    ids=["short", "long", "between"],
)
def test_steps_are_timed_for_a_moment(
    first: float, later: float, steps: int, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short ones often, long ones a few times; what the first one takes does not count."""
    taken: list[float] = []
    clock = [0.0]

    def step(_: MemberModule, batch: Any, __: int) -> None:
        assert [len(part) for part in batch] == [1, 1]
        taken.append(first if not taken else later)
        clock[0] += taken[-1]

    monkeypatch.setattr(MemberModule, "training_step", step)
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    timing = module._timing([tiny_spec(seed=seed, strategy="stacked") for seed in (0, 1)], digits, "cpu", "key")
    assert len(taken) == WARM_UP["cpu"] + steps
    assert timing.seconds_per_step == pytest.approx(later)


@pytest.mark.parametrize("strategy", ["stacked", "sequential"])
def test_of_runs_that_are_trained_one_by_one_a_single_one_stands_for_all(
    strategy: Strategy, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time counts as often as there are runs."""
    timed: list[int] = []

    def seconds(specs: Sequence[RunSpec], *_: object) -> float:
        timed.append(len(specs))
        return 0.25 * len(specs)

    monkeypatch.setattr(module, "_step_seconds", seconds)
    timing = module._timing([tiny_spec(seed=seed, strategy=strategy) for seed in range(4)], digits, "cpu", "key")
    assert (timing.members, timing.seconds_per_step) == (4, 1.0)
    assert timed == [4 if strategy == "stacked" else 1]


def test_the_first_group_is_timed_twice(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time counts: a process that has not trained yet is slow."""
    called: list[str] = []

    def timed(runs: Sequence[RunSpec], _: Dataset, __: str, key: str) -> Timing:
        called.append(key)
        return Timing(key=key, members=len(runs), seconds_per_step=float(len(called)))

    monkeypatch.setattr(module, "_timing", timed)
    timings = list(time_steps([([tiny_spec()], key) for key in ("a", "b")], digits, "cpu"))
    assert called == ["a", "a", "b"]
    assert [(timing.key, timing.seconds_per_step) for timing in timings] == [("a", 2.0), ("b", 3.0)]


def test_what_fails_has_no_time_and_says_why(digits: Dataset) -> None:
    """In one line; the groups behind it are timed all the same."""
    failing = tiny_spec(norm=f"{troubled_norms.__name__}:Raising")
    lost, found = time_steps([([failing], "a"), ([tiny_spec()], "b")], digits, "cpu")
    assert (lost.seconds_per_step, lost.reason) == (
        None,
        f"{failing.norm} in {failing.template}: ZeroDivisionError: as it was told",
    )
    assert found.seconds_per_step is not None
    assert found.reason is None


def test_what_was_recorded_to_be_timed_is_let_go(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording holds memory of a GPU; also where a step raises."""
    ended: list[MemberModule] = []
    monkeypatch.setattr(MemberModule, "on_fit_end", lambda self: ended.append(self))
    monkeypatch.setattr(MemberModule, "training_step", lambda *_: 1 / 0)
    list(time_steps([([tiny_spec()], "a")], digits, "cpu"))
    assert len(ended) == 2
