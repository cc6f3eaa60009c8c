"""Which runs are there, which are left to be trained, and in which order?"""

from collections.abc import Mapping
from typing import Any

import pytest
from normzoo.experiment.choosing import choose, to_be_timed
from normzoo.experiment.sharing import jobs_for

from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.planning.facts import Prepared
from normzoo.experiment.planning.groups import (
    GUESSED_STEP_SECONDS,
    Group,
    balance,
    expand,
    plan,
    settle,
    total_steps,
)
from normzoo.experiment.planning.timing import COMPILING_REPAYS_AFTER, How, Timing, column_key, timing_key

from .synthetic import FACTS

MATRIX = MatrixSpec(batch_sizes=(4, 10), norms=("none", "batch"), templates=("cnn", "lstm"), seeds=3, epochs=2)


def runs_of(**changes: Any) -> list[RunSpec]:
    matrix = MatrixSpec.model_validate({**MATRIX.model_dump(), **changes})
    return expand(matrix, FACTS, dict.fromkeys(matrix.norms))


def keys(runs: list[RunSpec]) -> set[str]:
    return {run.key for run in runs}


def test_a_matrix_is_every_template_norm_batch_size_and_seed() -> None:
    """In the order of the tables, each once."""
    places = [(run.template, run.norm, run.batch_size, run.seed) for run in runs_of()]
    assert places == [
        (template, norm, size, seed)
        for template in ("cnn", "lstm")
        for norm in ("none", "batch")
        for size in (4, 10)
        for seed in range(3)
    ]
    assert len(keys(runs_of())) == len(places)


def test_a_run_carries_what_was_found_out_about_data_and_norms() -> None:
    """Checksums of the data and of the user's own file."""
    (run,) = expand(MatrixSpec(norms=("a:B",), batch_sizes=(8,), templates=("cnn",), seeds=1), FACTS, {"a:B": "beef"})
    assert (run.norm, run.norm_source, run.dataset_checksum) == ("a:B", "beef", FACTS.checksum)


def test_a_larger_matrix_holds_the_runs_of_the_smaller() -> None:
    """Adding a batch size, a norm, a template or a seed leaves every other run's key as it was."""
    smaller = keys(runs_of())
    larger: list[dict[str, Any]] = [
        {"batch_sizes": (4, 10, 20)},
        {"norms": ("layer", "none", "batch")},
        {"seeds": 4},
    ]
    for changes in larger:
        assert smaller < keys(runs_of(**changes))
    assert keys(runs_of(templates=("cnn",))) < smaller


@pytest.mark.parametrize(("batch_size", "expected"), [(10, 4), (100_000, 1)])
def test_small_steps_share_a_gpu(batch_size: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the values of all images of a step are few, several workers are given each GPU."""
    monkeypatch.setattr("normzoo.experiment.config.execution.available_cpus", lambda: 16)
    (group, *_) = groups = plan(runs_of(batch_sizes=(4, batch_size)), set(), 10 * batch_size)
    assert group.values_per_step((1, 8, 8)) == 3 * 4 * 64
    configuration = Configuration(matrix=MATRIX, execution=Execution())
    prepared = Prepared(FACTS, {}, "cuda", {}, gpus=1)
    assert jobs_for(configuration, prepared, groups) == expected


def test_a_group_is_all_seeds_of_one_place() -> None:
    """Eight places of three seeds."""
    groups = plan(runs_of(), set(), FACTS.train)
    assert len(groups) == 8
    for group in groups:
        assert [run.seed for run in group.runs] == [0, 1, 2]
        assert len({run.group_key for run in group.runs}) == 1


def test_steps_count_whole_batches_over_all_epochs() -> None:
    """100 samples are 25 batches of 4 and 33 of 3; what is left over is dropped."""
    groups = plan(runs_of(batch_sizes=(3, 4), norms=("none",), templates=("cnn",)), set(), FACTS.train)
    assert [(group.runs[0].batch_size, group.steps) for group in groups] == [(3, 66), (4, 50)]
    assert total_steps(groups) == 3 * (66 + 50)


def test_a_group_is_no_larger_than_a_stack_may_be() -> None:
    """Seventy seeds are three groups of nearly the same size, and no run is lost."""
    groups = plan(runs_of(norms=("none",), templates=("cnn",), batch_sizes=(4,), seeds=70), set(), FACTS.train)
    assert [len(group.runs) for group in groups] == [23, 23, 24]
    assert [run.seed for group in groups for run in group.runs] == list(range(70))


def test_learning_rates_are_further_runs_of_a_group() -> None:
    """Each at the rate that the rule makes of it for the batch size."""
    (group,) = plan(
        runs_of(norms=("none",), templates=("cnn",), batch_sizes=(4,), seeds=2, lrs=(0.32, 0.08)), set(), FACTS.train
    )
    assert [(run.lr, run.seed) for run in group.runs] == [(0.01, 0), (0.01, 1), (0.04, 0), (0.04, 1)]


def settled(runs: list[RunSpec], seconds: Mapping[str, float], compiling: Any = "never") -> list[Group]:
    """Settle the groups of some runs for the engine ``stacked``, timed by the norm."""
    groups = plan(runs, set(), FACTS.train)
    engines: dict[str, Any] = dict.fromkeys(map(column_key, runs), "stacked")
    timings: dict[Any, Timing] = {}
    for group in groups:
        run = group.runs[0]
        key = timing_key(group.runs, {})
        if run.norm in seconds:
            timings[key, "stacked"] = Timing(
                key=key, engine="stacked", members=len(group.runs), seconds_per_step=seconds[run.norm]
            )
    return settle(groups, engines, timings, {}, compiling)


def test_groups_that_take_longest_come_first() -> None:
    """So that no worker is left with a long one at the end; what counts is the time, not the steps."""
    groups = settled(runs_of(templates=("cnn",)), {"none": 0.001, "batch": 0.01})
    assert [(group.runs[0].norm, group.runs[0].batch_size) for group in groups] == [
        ("batch", 4),
        ("batch", 10),
        ("none", 4),
        ("none", 10),
    ]
    assert [group.seconds for group in groups] == pytest.approx([0.5, 0.2, 0.05, 0.02])


def test_what_was_never_timed_is_guessed() -> None:
    """By the number of its runs."""
    (group,) = settled(runs_of(templates=("cnn",), norms=("none",), batch_sizes=(4,)), {})
    assert group.seconds_per_step is None
    assert group.seconds == pytest.approx(50 * 3 * GUESSED_STEP_SECONDS)


def test_a_part_of_a_group_has_its_share_of_the_time() -> None:
    """As when some of its runs are queued again."""
    (group,) = settled(runs_of(templates=("cnn",), norms=("none",), batch_sizes=(4,)), {"none": 0.3})
    part = group.part(group.runs[:1])
    assert (part.runs, part.how, part.steps) == (group.runs[:1], group.how, group.steps)
    assert part.seconds == pytest.approx(group.seconds / 3)


@pytest.mark.parametrize(
    ("compiling", "seconds", "compiled"),
    [("never", 1e9, False), ("always", 1e-3, True), ("auto", 1e-3, False), ("auto", COMPILING_REPAYS_AFTER, True)],
)
def test_what_is_compiled(compiling: str, seconds: float, compiled: bool) -> None:
    """On request, and otherwise only what is expected to take longer than the compiler does."""
    runs = runs_of(templates=("cnn",), norms=("none",), batch_sizes=(4,))
    (group,) = settled(runs, {"none": seconds}, compiling)
    assert group.how == How("stacked", compiled)


def test_all_are_timed_as_stacks_and_the_first_in_the_loop_where_no_engine_is_settled() -> None:
    """And on one engine where it is, unless the time is known."""
    runs = runs_of(norms=("none", "batch"), templates=("cnn",))
    groups = plan(runs, set(), FACTS.train)
    engines: dict[str, Any] = {column_key(run): None if run.batch_size == 4 else "loop" for run in runs}
    wanted = to_be_timed(groups, engines, {}, {})
    assert [(group.runs[0].norm, group.runs[0].batch_size, engine) for group, engine in wanted] == [
        ("none", 4, "stacked"),
        ("none", 4, "loop"),
        ("none", 10, "loop"),
        ("batch", 4, "stacked"),
        ("batch", 10, "loop"),
    ]
    known: dict[Any, Timing] = {}
    for group, engine in wanted[:3]:
        key = timing_key(group.runs, {})
        known[key, engine] = Timing(key=key, engine=engine, members=3, seconds_per_step=1.0)
    assert to_be_timed(groups, engines, known, {}) == wanted[3:]
    assert to_be_timed(groups, engines, known, {}, settled=("loop",)) == wanted[3:4]


def test_the_engine_of_a_column_is_the_faster_for_all_its_norms_together() -> None:
    """Norms of one column never have two engines."""
    runs = runs_of(norms=("none", "batch"), templates=("cnn",))
    groups = plan(runs, set(), FACTS.train)
    seconds = {("none", 4): (1, 2), ("batch", 4): (9, 3), ("none", 10): (9, 10), ("batch", 10): (1, 9)}
    timings: dict[Any, Timing] = {}
    for group in groups:
        run = group.runs[0]
        key = timing_key(group.runs, {})
        for engine, value in zip(("loop", "stacked"), seconds[run.norm, run.batch_size], strict=True):
            timings[key, engine] = Timing.model_validate(
                {"key": key, "engine": engine, "members": 3, "seconds_per_step": value}
            )
    engines: dict[str, Any] = dict.fromkeys(map(column_key, runs))
    chosen = choose(groups, engines, timings, {})
    assert {(group.runs[0].batch_size, chosen[column_key(group.runs[0])]) for group in groups} == {
        (4, "stacked"),
        (10, "loop"),
    }
    assert {group.how.engine for group in settle(groups, chosen, timings, {}, "never")} == {"stacked", "loop"}


def test_one_that_cannot_be_stacked_decides_for_a_column_that_was() -> None:
    """As a norm that is compared with earlier ones; what was timed well, or not at all, changes nothing."""
    runs = runs_of(norms=("none", "batch"), templates=("cnn",), batch_sizes=(4,))
    groups = plan(runs, set(), FACTS.train)
    (column,) = {column_key(run) for run in runs}
    for seconds, expected in ((None, "loop"), (1.0, "stacked")):
        key = timing_key(groups[1].runs, {})
        timing = Timing(key=key, engine="stacked", members=3, seconds_per_step=seconds, reason="")
        assert choose(groups, {column: "stacked"}, {(key, "stacked"): timing}, {}) == {column: expected}


def test_a_column_is_compiled_whole_or_not() -> None:
    """By the average: no norm is compiled beside one that is not."""
    runs = runs_of(templates=("cnn",), batch_sizes=(4,))
    for slow, compiled in ((3 * COMPILING_REPAYS_AFTER, True), (COMPILING_REPAYS_AFTER, False)):
        groups = settled(runs, {"none": slow / 50, "batch": 0.001}, "auto")
        assert {group.how.compiled for group in groups} == {compiled}


@pytest.mark.parametrize(
    ("seconds", "jobs", "members"),
    [
        ({"none": 1.0, "batch": 1.0, "layer": 1.0}, 2, [4, 4, 2, 2]),
        ({"none": 1.0, "batch": 1.0, "layer": 0.01}, 2, [4, 4, 4]),
        ({"none": 1.0, "batch": 1.0, "layer": 1.0}, 1, [4, 4, 4]),
        ({"none": 1.0, "batch": 1.0, "layer": 1.0}, 3, [4, 4, 4]),
        ({"none": 9.0, "batch": 0.1, "layer": 0.1}, 4, [1, 1, 1, 1, 4, 4]),
    ],
    ids=["odd", "short last", "alone", "even", "one long"],
)
def test_groups_are_split_where_workers_would_wait(seconds: dict[str, float], jobs: int, members: list[int]) -> None:
    """In halves, until no worker is left long without work; each run stays in one group, and has its share of time."""
    runs = runs_of(norms=tuple(seconds), templates=("cnn",), batch_sizes=(4,), seeds=4)
    groups = settled(runs, seconds)
    balanced = balance(groups, jobs)
    assert [len(group.runs) for group in balanced] == members
    assert keys([run for group in balanced for run in group.runs]) == keys(runs)
    assert sum(group.seconds for group in balanced) == pytest.approx(sum(group.seconds for group in groups))
    assert [group.seconds for group in balanced] == sorted((group.seconds for group in balanced), reverse=True)


def test_what_is_done_is_left_out() -> None:
    """Run by run: the rest of a group is planned without it, and a finished group not at all."""
    runs = runs_of(norms=("none",), templates=("cnn",))
    done = keys([run for run in runs if run.batch_size == 4 or run.seed == 1])
    (group,) = plan(runs, done, FACTS.train)
    assert [(run.batch_size, run.seed) for run in group.runs] == [(10, 0), (10, 2)]
    assert plan(runs, keys(runs), FACTS.train) == []


def test_planning_changes_nothing_it_is_given() -> None:
    """Pure: the same in, the same out."""
    runs, done = runs_of(), {"unrelated"}
    before = list(runs)
    assert plan(runs, done, FACTS.train) == plan(runs, done, FACTS.train)
    assert (runs, done) == (before, {"unrelated"})
