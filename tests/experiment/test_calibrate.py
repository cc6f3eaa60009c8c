"""Is it timed what a step takes, once the process is warm?"""

import time
from collections.abc import Sequence
from typing import Any

import pytest

from normzoo.data import Dataset
from normzoo.experiment import calibrate as calibrate_module
from normzoo.experiment.planning.timing import Timing, TrainingEngine
from normzoo.experiment.worker.time_steps import LEAST, MOST, SECONDS, WARM_UP, calibrate, calibrate_all

from .conftest import tiny_spec


@pytest.mark.parametrize(
    ("first", "later", "steps"),
    [(0.5, 0.0, MOST), (0.0, SECONDS, LEAST), (0.5, SECONDS / 3.5, 4)],
    ids=["short", "long", "between"],
)
def test_steps_are_timed_for_a_moment(
    first: float, later: float, steps: int, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short ones often, long ones a few times; what the first one takes does not count."""
    taken: list[float] = []
    clock = [0.0]

    def step(_: Classifier, batch: Any, __: int) -> None:
        assert [len(part) for part in batch] == [1, 1]
        taken.append(first if not taken else later)
        clock[0] += taken[-1]

    monkeypatch.setattr(Classifier, "training_step", step)
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    timing = calibrate([tiny_spec(seed=seed) for seed in (0, 1)], digits, "cpu", "stacked", "key")
    assert len(taken) == WARM_UP["cpu"] + steps
    assert timing.seconds_per_step == pytest.approx(later)


def test_in_the_loop_a_single_run_stands_for_all(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time counts as often as there are runs."""
    monkeypatch.setattr(calibrate_module, "_step_seconds", lambda specs, *_: 0.25 * len(specs))
    specs = [tiny_spec(seed=seed) for seed in range(4)]
    found = [calibrate(specs, digits, "cpu", engine, "key").seconds_per_step for engine in ("stacked", "loop")]
    assert found == [1.0, 1.0]


def test_the_first_group_is_timed_twice(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time counts: a process that has not trained yet is slow."""
    called: list[str] = []

    def timed(runs: Sequence[object], _: Dataset, __: str, engine: TrainingEngine, key: str) -> Timing:
        called.append(key)
        return Timing(key=key, engine=engine, members=len(runs), seconds_per_step=float(len(called)))

    monkeypatch.setattr(calibrate_module, "calibrate", timed)
    groups: list[tuple[Sequence[Any], TrainingEngine, str]] = [([tiny_spec()], "stacked", key) for key in ("a", "b")]
    timings = list(calibrate_all(groups, digits, "cpu"))
    assert called == ["a", "a", "b"]
    assert [(timing.key, timing.seconds_per_step) for timing in timings] == [("a", 2.0), ("b", 3.0)]
