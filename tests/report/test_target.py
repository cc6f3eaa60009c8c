"""When is a target reached, in seconds and in updates, and what is said where it is not?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from normzoo.cli import main
from normzoo.errors import ConfigError
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration, reproducing_command
from normzoo.experiment.config.spec import MatrixSpec, check_target
from normzoo.experiment.results.lookup import earlier_looks
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.store import Store, StoredComparison
from normzoo.metric import ACCURACY, Metric
from normzoo.report import Summary, summarize, summary_rows
from normzoo.report.analysis.numbers import ToTarget, to_target
from normzoo.report.render.cells import target_lines

from .synthetic import R2, RMSE, by_key, epoch, markdown, run, terminal

SAMPLES = 100


def reaching(
    values: Sequence[float], *, seed: int = 0, status: str | None = None, metric: Metric = ACCURACY, **fields: Any
) -> RunRecord:
    """Make a run with these validation values, an epoch of half a second each."""
    record = run(status or 0.5, seed=seed, batch_size=8, metric=metric, **{"train_samples": SAMPLES, **fields})
    epochs = (
        epoch(number, 0.5, validation=value, seconds=0.5, metric=metric) for number, value in enumerate(values, 1)
    )
    return record.model_copy(update={"epochs": tuple(epochs)})


NEVER = (0.1, 0.2, 0.3)


def found(*values: Sequence[float], target: float = 0.9, metric: Metric = ACCURACY) -> ToTarget:
    return to_target([reaching(each, seed=seed, metric=metric) for seed, each in enumerate(values)], metric, target)


def test_it_is_the_end_of_the_first_epoch_that_counts() -> None:
    """Reached is what is at least the target; what comes after does not matter. Steps are those of whole batches."""
    assert found((0.5, 0.9, 0.2)) == ToTarget(runs=1, reached=1, seconds=1.0, updates=2 * 12)
    assert found((0.95, 0.2, 0.2)) == ToTarget(runs=1, reached=1, seconds=0.5, updates=12)
    assert found((0.5, 0.8999, 0.2)) == ToTarget(runs=1, reached=0, seconds=None, updates=None)


def test_where_lower_is_better_it_is_at_most_the_target() -> None:
    assert found((2.0, 0.5, 0.7), target=0.5, metric=RMSE).updates == 24
    assert found((2.0, 0.51, 0.7), target=0.5, metric=RMSE).reached == 0


@pytest.mark.parametrize(
    ("reached", "expected"),
    [
        ([1, 2, 3], (3, 1.0)),
        ([1, 3, 0], (2, 1.5)),
        ([1, 1, 3, 0], (3, 1.0)),
        ([1, 1, 0, 0], (2, None)),
        ([1, 0, 0], (1, None)),
        ([0, 0, 0], (0, None)),
    ],
)
def test_what_does_not_reach_it_counts_as_later(reached: list[int], expected: tuple[int, float | None]) -> None:
    """So that a norm that only its luckiest seeds bring there is not the fastest."""
    runs = [[0.95 if number == first else 0.1 for number in (1, 2, 3)] for first in reached]
    result = found(*runs)
    assert (result.reached, result.seconds) == expected
    assert (result.updates is None) == (result.seconds is None)


def test_runs_that_ended_otherwise_count_and_interrupted_ones_do_not() -> None:
    """One that diverged may have been there before; one without any epoch has not."""
    records = [
        reaching((0.9, 0.1), status="diverged", seed=0),
        reaching((), status="failed", seed=1),
        reaching((0.9,), status="interrupted", seed=2),
        reaching((0.9,), seed=3),
    ]
    assert to_target(records, ACCURACY, 0.9) == ToTarget(runs=3, reached=2, seconds=0.5, updates=12)


def test_times_are_those_of_training_alone() -> None:
    """As in the column of seconds per epoch; one that nobody measured is left out."""
    alone = reaching((0.1, 0.9), contended=True, epoch_seconds_alone=0.1)
    assert to_target([alone], ACCURACY, 0.9).seconds == 0.2
    unknown = reaching((0.1, 0.9), seed=1, contended=True)
    assert to_target([alone, unknown], ACCURACY, 0.9).seconds == 0.2
    assert to_target([unknown], ACCURACY, 0.9) == ToTarget(runs=1, reached=1, seconds=None, updates=24)


def test_updates_are_unknown_in_records_that_do_not_say_how_many_samples_there_were() -> None:
    """Those of older versions."""
    record = reaching((0.9,), train_samples=None)
    assert to_target([record], ACCURACY, 0.9) == ToTarget(runs=1, reached=1, seconds=0.5, updates=None)


def summary_of(*values: Sequence[float], target: float | None = 0.9, **settings: Any) -> Summary:
    matrix = MatrixSpec(norms="batch", templates="cnn", batch_sizes="8", seeds=len(values), target=target, **settings)
    return summarize(matrix, by_key(*(reaching(each, seed=seed) for seed, each in enumerate(values))))


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        (((0.9,),), ["0.5 s", "12 updates"]),
        (((0.9,), (0.9,), NEVER), ["0.5 s (2/3)", "12 updates"]),
        (((0.9,), NEVER), ["– (1/2)"]),  # noqa: RUF001
        ((NEVER,), ["–"]),  # noqa: RUF001
        ((), ["–"]),  # noqa: RUF001
    ],
)
def test_a_cell_says_how_many_reach_it_where_not_all_do(values: Sequence[Sequence[float]], lines: list[str]) -> None:
    matrix = MatrixSpec(norms="batch", templates="cnn", batch_sizes="8", seeds=3, target=0.9)
    records = by_key(*(reaching(each, seed=seed) for seed, each in enumerate(values)))
    (cell,) = summarize(matrix, records).cells
    assert target_lines(cell) == lines


def test_the_table_has_a_column_for_it_if_that_was_asked_for() -> None:
    """In the terminal without --details, too; without a target nothing of it is said anywhere."""
    shown = terminal(summary_of((0.9,), (0.1, 0.9)))
    assert "to 90 %" in shown.splitlines()[1]
    assert "first epoch with a validation accuracy of at least 90 %" in " ".join(shown.split())
    assert "(k/n)" not in shown
    assert "(k/n)" in terminal(summary_of((0.9,), NEVER))
    without = terminal(summary_of((0.9,), target=None))
    assert "updates (optimizer steps)" not in without
    assert "to 90" not in without


def test_rows_of_an_export_have_it_as_numbers() -> None:
    """None where it is not reached; and only if it was asked for."""
    (row,) = summary_rows(summary_of((0.1, 0.9), (0.9,), (0.9,)))
    names = ("target", "n_reached", "seconds_to_target", "updates_to_target")
    assert [row[name] for name in names] == [0.9, 3, 0.5, 12]
    (row,) = summary_rows(summary_of(NEVER))
    assert [row[name] for name in names] == [0.9, 0, None, None]
    (row,) = summary_rows(summary_of((0.9,), target=None))
    assert not set(names) & set(row)


@pytest.mark.parametrize(
    ("target", "metric", "message"),
    [
        (90.0, ACCURACY, "target: accuracy is at least 0 and at most 1, got 90; write 90 % as 0.9"),
        (-0.1, ACCURACY, "target: accuracy is at least 0 and at most 1, got -0.1"),
        (900.0, ACCURACY, "target: accuracy is at least 0 and at most 1, got 900"),
        (-1.0, RMSE, "target: RMSE is at least 0, got -1"),
        (1.5, R2, "target: R2 is at most 1, got 1.5"),
    ],
)
def test_a_target_that_no_run_can_reach_is_refused(target: float, metric: Metric, message: str) -> None:
    """With the bounds of the metric; of one in percent with how it is written."""
    with pytest.raises(ConfigError) as caught:
        check_target(target, metric)
    assert str(caught.value) == message
    with pytest.raises(ConfigError):
        summarize(
            MatrixSpec(norms="batch", templates="cnn", batch_sizes="8", target=target),
            by_key(reaching((0.5,), metric=metric)),
        )


@pytest.mark.parametrize(("target", "metric"), [(0.0, ACCURACY), (1.0, ACCURACY), (70.0, RMSE), (-3.0, R2), (None, R2)])
def test_a_target_within_the_bounds_is_taken(target: float | None, metric: Metric) -> None:
    check_target(target, metric)


def test_the_command_that_reproduces_a_comparison_asks_for_it_again() -> None:
    """It is a setting like any other."""
    assert "--target 0.9" in reproducing_command(MatrixSpec.model_validate({"target": "0.9"}))
    assert "target" not in reproducing_command(MatrixSpec())


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with one comparison, without a target."""
    path = tmp_path / "s.sqlite"
    records = [reaching((0.1, 0.9), seed=seed) for seed in range(2)]
    matrix = MatrixSpec(norms="batch", templates="cnn", batch_sizes="8", seeds=2)
    with Store(path) as opened:
        for record in records:
            opened.add(record)
        opened.add_comparison(
            "normzoo compare", Configuration(matrix, Execution()), [each.spec.key for each in records]
        )
    return path


def test_a_report_of_what_is_stored_may_ask_for_it(store: Path, tmp_path: Path) -> None:
    """With nothing trained, as often as one wants; as LaTeX, too."""
    output = tmp_path / "r.tex"
    for target, cell in ((0.9, "1.0 s 24 updates"), (0.95, "--")):
        assert main(["report", "-o", str(output), "--store", str(store), "--target", str(target)]) == 0
        (row,) = [line for line in output.read_text().splitlines() if "{}batch &" in line]
        assert row.endswith(f"& {cell} \\\\")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("90", "target: accuracy is at least 0 and at most 1, got 90; write 90 % as 0.9"),
        ("nan", "target: Input should"),
    ],
)
def test_a_report_refuses_what_cannot_be(
    store: Path, tmp_path: Path, target: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "r.md"
    assert main(["report", "-o", str(output), "--store", str(store), "--target", target]) == 2
    assert message in capsys.readouterr().err
    assert not output.exists()


def test_another_target_is_another_look_at_nothing() -> None:
    """Seeds that are added later are counted as a look, whatever the target was."""
    before = StoredComparison(1, "2026-01-01T00:00:00", "normzoo compare", MatrixSpec(seeds=8), Execution(), ())
    assert earlier_looks(MatrixSpec(seeds=10, target=0.9), [before]) == [MatrixSpec(seeds=8)]


def test_the_legend_names_the_direction() -> None:
    record = reaching((0.5,), metric=RMSE)
    matrix = MatrixSpec(norms="batch", templates="cnn", batch_sizes="8", seeds=1, target=0.5)
    said = markdown(matrix, by_key(record))
    assert "| to RMSE 0.5 |" in said
    assert "with a validation RMSE of at most 0.5; medians" in said
