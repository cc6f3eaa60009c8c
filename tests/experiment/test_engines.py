"""Is the engine chosen per column, so that what is compared was trained in the same way?"""

from typing import Any

import pytest

from normzoo.experiment.planning.timing import (
    LOOP_MUST_WIN_BY,
    Timing,
    column_key,
    engines_of_columns,
    faster,
    timing_key,
)

from .synthetic import run_spec

ENVIRONMENT = {"device": "cpu", "cpu": "a", "threads": 1, "torch": "2", "norm_backend": "eager", "commit": "c"}


def timed(engine: Any, seconds: float | None) -> Timing:
    return Timing(key="k", engine=engine, members=5, seconds_per_step=seconds)


def pair(loop: float | None, stacked: float | None) -> tuple[Timing, Timing]:
    return timed("loop", loop), timed("stacked", stacked)


@pytest.mark.parametrize(
    ("timings", "engine"),
    [
        ([pair(5, 2)], "stacked"),
        ([pair(2, 5)], "loop"),
        ([pair(2, 2)], "stacked"),
        ([pair(1, LOOP_MUST_WIN_BY - 0.01)], "stacked"),
        ([pair(1, LOOP_MUST_WIN_BY + 0.01)], "loop"),
        ([pair(5, 2), pair(2, 3)], "stacked"),
        ([pair(5, 2), pair(2, 9)], "loop"),
        ([pair(5, 2), pair(2, None)], "loop"),
        ([pair(None, 2)], "stacked"),
        ([pair(5, 2), pair(None, None)], "stacked"),
        ([pair(2, 5), pair(None, None)], "loop"),
        ([pair(5, 2), (None, timed("stacked", 9))], "stacked"),
        ([pair(5, 2), (None, timed("stacked", None))], "loop"),
        ([], "stacked"),
    ],
)
def test_the_faster_over_all_norms(timings: list[tuple[Timing | None, Timing]], engine: str) -> None:
    """The loop must win clearly; a norm that cannot be stacked decides for all."""
    assert faster(timings) == engine


def test_a_column_is_all_norms_seeds_and_rates_of_a_template_at_a_batch_size() -> None:
    """What is compared with each other, and nothing else."""
    same: list[dict[str, Any]] = [{"norm": "batch"}, {"norm_source": "feed"}, {"seed": 7}, {"lr": 0.5}]
    other: list[dict[str, Any]] = [{"batch_size": 4}, {"template": "lstm"}, {"dataset_checksum": "f"}, {"epochs": 9}]
    assert {column_key(run_spec(**changes)) for changes in same} == {column_key(run_spec())}
    assert len({column_key(run_spec(**changes)) for changes in other} | {column_key(run_spec())}) == 5


def test_a_timing_is_of_the_work_and_of_the_machine() -> None:
    """Seeds, rates, epochs and the commit change no step's time; norm, members, code, threads and processor do."""

    def key(members: int = 4, rates: int = 1, spec: dict[str, Any] | None = None, **machine: Any) -> str:
        runs = [run_spec(**{"lr": 0.1 * (1 + number % rates), **(spec or {})}) for number in range(members)]
        return timing_key(runs, {**ENVIRONMENT, **machine})

    assert {key(spec={"seed": 3}), key(spec={"lr": 1.0}), key(spec={"epochs": 9}), key(commit="d")} == {key()}
    others = [key(3), key(rates=2), key(spec={"norm": "batch"}), key(spec={"batch_size": 2})]
    others += [key(cpu="b"), key(threads=2), key(protocol=99), key(normzoo="9")]
    assert len({key(), *others}) == 9


RUNS = [
    run_spec(batch_size=size, norm=norm, seed=seed) for size in (2, 8) for norm in ("none", "batch") for seed in (0, 1)
]
SMALL, LARGE = column_key(RUNS[0]), column_key(RUNS[-1])


@pytest.mark.parametrize("wanted", ["loop", "stacked"])
def test_an_engine_that_is_asked_for_is_that_of_every_column(wanted: Any) -> None:
    """Whatever is stored."""
    stored = {run.key: "loop" for run in RUNS}
    assert engines_of_columns(RUNS, stored, wanted) == {SMALL: wanted, LARGE: wanted}


def test_auto_goes_on_with_the_engine_of_what_is_stored() -> None:
    """Column by column; where nothing is stored, nothing is settled."""
    stored = {RUNS[0].key: "loop", "of another matrix": "stacked"}
    assert engines_of_columns(RUNS, stored, "auto") == {SMALL: "loop", LARGE: None}


def test_of_two_engines_the_more_frequent_stays() -> None:
    """The others are few to train again."""
    stored = {RUNS[0].key: "loop", RUNS[1].key: "loop", RUNS[2].key: "stacked", RUNS[4].key: "stacked"}
    assert engines_of_columns(RUNS, stored, "auto") == {SMALL: "loop", LARGE: "stacked"}
