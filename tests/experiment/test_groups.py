"""Which runs are there, which are left to be trained, and in which order?"""

from collections.abc import Mapping
from typing import Any

import pytest

from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.executor.local import LocalExecutor
from normzoo.experiment.planning.facts import NetworkFacts, Prepared, Timing, timing_key
from normzoo.experiment.planning.groups import (
    FLOPS_PER_SECOND,
    MIN_STEP_SECONDS,
    Group,
    balance,
    expand,
    group,
    total_steps,
    with_timings,
)
from normzoo.metric import ACCURACY

from .synthetic import FACTS, run_spec

MATRIX = MatrixSpec(batch_sizes=(4, 10), norms=("none", "batch"), templates=("cnn", "lstm"), seeds=3, epochs=2)


def runs_of(**changes: Any) -> list[RunSpec]:
    matrix = MatrixSpec.model_validate({**MATRIX.model_dump(), **changes})
    return expand(matrix, FACTS)


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


def test_a_run_carries_what_was_found_out_about_data_and_components() -> None:
    """Checksums of the data, and of the user's own files: of those that the run is made of."""
    matrix = MatrixSpec(norms=("a:B", "none"), batch_sizes=(8,), templates=("c:D",), task="e:F", seeds=1)
    own, none = expand(matrix, FACTS, sources={"norm": {"a:B": "beef"}, "template": {"c:D": "f00d"}, "task": {}})
    assert (own.norm, own.sources, own.dataset_checksum) == (
        "a:B",
        {"norm": "beef", "template": "f00d"},
        FACTS.checksum,
    )
    assert (none.template, none.task, none.sources) == ("c:D", "e:F", {"template": "f00d"})


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


@pytest.mark.parametrize(
    ("batch_size", "steps", "gpus", "expected"),
    [(10, 20_000, 1, 4), (100_000, 20_000, 1, 1), (10, 10_000, 1, 1), (10, 20_000, 2, 2), (10, 40_000, 2, 4)],
)
def test_small_steps_share_a_gpu(
    batch_size: int, steps: int, gpus: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the values of all images of a step are few, and training takes a while, several workers are given each."""
    for module in ("config.execution", "executor.local"):
        monkeypatch.setattr(f"normzoo.experiment.{module}.available_cpus", lambda: 16)
    groups = group(runs_of(batch_sizes=(batch_size,), epochs=1), set(), steps * batch_size, on_gpu=True)
    assert groups[0].values_per_step((1, 8, 8)) == 3 * batch_size * 64
    prepared = Prepared(FACTS, {}, {}, (ACCURACY,), "cuda", {}, accelerators=gpus)
    slots = LocalExecutor(Execution()).slots(prepared, groups)
    assert (slots.count, slots.threads) == (expected, 16 // expected)


def test_on_a_gpu_a_stack_takes_as_long_as_one_network() -> None:
    """Until its operations are more than the GPU does in the time that it takes to start them."""
    small, large = (
        [
            Group(tuple(run_spec(seed=seed, strategy=strategy) for seed in range(5)), 100, flops, on_gpu=True).seconds
            for strategy in ("stacked", "sequential")
        ]
        for flops in (0, 10**13)
    )
    assert small == pytest.approx([0.1, 0.5])
    assert large == pytest.approx([1000, 1000])


def test_a_group_is_all_seeds_of_one_place() -> None:
    """Eight places of three seeds."""
    groups = group(runs_of(), set(), FACTS.train)
    assert len(groups) == 8
    for each in groups:
        assert [run.seed for run in each.runs] == [0, 1, 2]
        assert len({run.group_key for run in each.runs}) == 1


def test_steps_count_whole_batches_over_all_epochs() -> None:
    """100 samples are 25 batches of 4 and 33 of 3; what is left over is dropped."""
    groups = group(runs_of(batch_sizes=(3, 4), norms=("none",), templates=("cnn",)), set(), FACTS.train)
    assert [(each.runs[0].batch_size, each.steps) for each in groups] == [(3, 66), (4, 50)]
    assert total_steps(groups) == 3 * (66 + 50)


def test_a_group_is_no_larger_than_a_stack_may_be() -> None:
    """Seventy seeds are three groups of nearly the same size, and no run is lost."""
    groups = group(runs_of(norms=("none",), templates=("cnn",), batch_sizes=(4,), seeds=70), set(), FACTS.train)
    assert [len(each.runs) for each in groups] == [23, 23, 24]
    assert [run.seed for each in groups for run in each.runs] == list(range(70))


def test_learning_rates_are_further_runs_of_a_group() -> None:
    """Each at the rate that the rule makes of it for the batch size."""
    (only,) = group(
        runs_of(norms=("none",), templates=("cnn",), batch_sizes=(4,), seeds=2, lrs=(0.32, 0.08)), set(), FACTS.train
    )
    assert [(run.lr, run.seed) for run in only.runs] == [(0.01, 0), (0.01, 1), (0.04, 0), (0.04, 1)]


def timed(runs: list[RunSpec], seconds: Mapping[str, float]) -> list[Group]:
    """Return the groups of some runs, timed by the norm."""
    groups = group(runs, set(), FACTS.train)
    timings: dict[str, Timing] = {}
    for each in groups:
        key = timing_key(each.runs, {})
        if each.runs[0].norm in seconds:
            timings[key] = Timing(key=key, members=len(each.runs), seconds_per_step=seconds[each.runs[0].norm])
    return with_timings(groups, timings, {})


def test_groups_that_take_longest_come_first() -> None:
    """So that no worker is left with a long one at the end; what counts is the time, not the steps."""
    groups = balance(timed(runs_of(templates=("cnn",)), {"none": 0.001, "batch": 0.01}), 1)
    assert [(each.runs[0].norm, each.runs[0].batch_size) for each in groups] == [
        ("batch", 4),
        ("batch", 10),
        ("none", 4),
        ("none", 10),
    ]
    assert [each.seconds for each in groups] == pytest.approx([0.5, 0.2, 0.05, 0.02])


def test_what_was_never_timed_is_guessed() -> None:
    """By the number of its runs and the operations of a step, of which the small are not for nothing either."""
    runs = runs_of(templates=("cnn",), norms=("none",), batch_sizes=(4,))
    for flops, seconds in ((0, MIN_STEP_SECONDS), (10**9, 3 * 4 * 10**9 / FLOPS_PER_SECOND)):
        networks = {("cnn", "none"): NetworkFacts(flops=flops)}
        (guessed,) = with_timings(group(runs, set(), FACTS.train, networks), {}, {})
        assert guessed.seconds_per_step is None
        assert guessed.seconds == pytest.approx(50 * 3 * seconds)


def test_a_part_of_a_group_has_its_share_of_the_time() -> None:
    """As when some of its runs are queued again."""
    (whole,) = timed(runs_of(templates=("cnn",), norms=("none",), batch_sizes=(4,)), {"none": 0.3})
    part = whole.part(whole.runs[:1])
    assert (part.runs, part.steps, part.flops) == (whole.runs[:1], whole.steps, whole.flops)
    assert part.seconds == pytest.approx(whole.seconds / 3)


def test_a_timing_is_of_the_work_and_of_the_machine() -> None:
    """Seeds, rates, epochs and the commit change no step's time; norm, members, code, threads and processor do."""
    environment = {"device": "cpu", "cpu": "a", "threads": 1, "torch": "2", "norm_backend": "eager", "commit": "c"}

    def key(members: int = 4, rates: int = 1, spec: dict[str, Any] | None = None, **machine: Any) -> str:
        runs = [run_spec(**{"lr": 0.1 * (1 + number % rates), **(spec or {})}) for number in range(members)]
        return timing_key(runs, {**environment, **machine})

    assert {key(spec={"seed": 3}), key(spec={"lr": 1.0}), key(spec={"epochs": 9}), key(commit="d")} == {key()}
    others = [key(3), key(rates=2), key(spec={"norm": "batch"}), key(spec={"batch_size": 2})]
    others += [key(spec={"strategy": "sequential"}), key(spec={"compile": True})]
    others += [key(cpu="b"), key(threads=2), key(protocol=99), key(normzoo="9")]
    assert len({key(), *others}) == 11


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
    runs = runs_of(norms=tuple(seconds), templates=("cnn",), batch_sizes=(4,), seeds=4, strategy="sequential")
    groups = timed(runs, seconds)
    balanced = balance(groups, jobs)
    assert [len(each.runs) for each in balanced] == members
    assert keys([run for each in balanced for run in each.runs]) == keys(runs)
    assert sum(each.seconds for each in balanced) == pytest.approx(sum(each.seconds for each in groups))
    assert [each.seconds for each in balanced] == sorted((each.seconds for each in balanced), reverse=True)


@pytest.mark.parametrize("jobs", [1, 2, 8])
def test_a_stack_is_never_split(jobs: int) -> None:
    """How many runs are in it moves their results by rounding: they may not depend on times, or on workers."""
    runs = runs_of(norms=("none", "batch", "layer"), templates=("cnn",), batch_sizes=(4,), seeds=4)
    for seconds in ({}, {"none": 9.0, "batch": 0.1, "layer": 0.1}):
        assert sorted(len(each.runs) for each in balance(timed(runs, seconds), jobs)) == [4, 4, 4]


def test_what_is_done_is_left_out() -> None:
    """Run by run: the rest of a group is planned without it, and a finished group not at all."""
    runs = runs_of(norms=("none",), templates=("cnn",))
    done = keys([run for run in runs if run.batch_size == 4 or run.seed == 1])
    (only,) = group(runs, done, FACTS.train)
    assert [(run.batch_size, run.seed) for run in only.runs] == [(10, 0), (10, 2)]
    assert group(runs, keys(runs), FACTS.train) == []


def test_planning_changes_nothing_it_is_given() -> None:
    """Pure: the same in, the same out."""
    runs, done = runs_of(), {"unrelated"}
    before = list(runs)
    assert group(runs, done, FACTS.train) == group(runs, done, FACTS.train)
    assert (runs, done) == (before, {"unrelated"})


def test_seeds_may_begin_elsewhere() -> None:
    """Those of a published report are others than those that settings were chosen with; a seed has one key anywhere."""
    fresh = {
        run.seed: run.key
        for run in expand(MatrixSpec(norms="batch", templates="cnn", batch_sizes="8", seeds=3, first_seed=6), FACTS)
    }
    usual = {run.seed: run.key for run in expand(MatrixSpec(norms="batch", templates="cnn", batch_sizes="8"), FACTS)}
    assert list(fresh) == [6, 7, 8]
    assert {seed: key for seed, key in fresh.items() if seed in usual} == {seed: usual[seed] for seed in (6, 7)}
