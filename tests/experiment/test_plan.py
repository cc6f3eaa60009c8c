"""Which runs are there, which are left to be trained, and in which order?"""

from typing import Any

from normzoo.experiment.plan import expand, plan, total_steps
from normzoo.experiment.spec import MatrixSpec, RunSpec

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


def test_groups_with_the_most_steps_come_first() -> None:
    """So that no worker is left with a long one at the end; equals stay in the order of the tables."""
    groups = plan(runs_of(), set(), FACTS.train)
    assert [group.runs[0].batch_size for group in groups] == [4] * 4 + [10] * 4
    assert [group.runs[0].template for group in groups[:4]] == ["cnn", "cnn", "lstm", "lstm"]


def test_a_group_with_few_seeds_left_counts_as_short() -> None:
    """What matters is the work that is left in it."""
    runs = runs_of(norms=("none",), templates=("cnn",), seeds=5)
    done = keys([run for run in runs if run.batch_size == 4 and run.seed > 0])
    assert [group.runs[0].batch_size for group in plan(runs, done, FACTS.train)] == [10, 4]


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
