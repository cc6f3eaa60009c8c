"""A metric of which less is better says the same as its mirror image of which more is better."""

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.metric import ACCURACY, Metric
from normzoo.report import CellSummary, PairedDifference, Summary, findings, summarize
from normzoo.report.analysis.selection import select_lr

from .synthetic import ERROR, RMSE, Outcome, epoch, filled, markdown, mirrored, run

MEANS = {
    "batch": {2: 0.40, 8: 0.80, 32: 0.97},
    "layer": {2: 0.95, 8: 0.94, 32: 0.93},
    "group": {2: 0.945, 8: 0.94, 32: 0.94},
    "none": {2: 0.90, 8: 0.90, 32: 0.90},
}
NOISE = (0.01, -0.01, 0.014, -0.02, 0.004, 0.0, 0.017, -0.006, 0.011, -0.013)


def spread(norm: str, size: int, seed: int) -> float:
    return MEANS[norm][size] + NOISE[(seed * len(norm) + size) % 10]


def with_failures(norm: str, size: int, seed: int) -> Outcome:
    failed: dict[tuple[str, int, int], Outcome] = {
        ("layer", 2, 1): "diverged",
        ("group", 8, 0): "failed",
        ("batch", 32, 3): None,
    }
    return failed.get((norm, size, seed), spread(norm, size, seed))


CASES: dict[str, Callable[[str, int, int], Outcome]] = {
    "spread": spread,
    "with failures": with_failures,
    "baseline diverged": lambda norm, size, seed: "diverged" if norm == "none" else spread(norm, size, seed),
    "all diverged once": lambda norm, size, seed: "diverged" if seed == 0 else spread(norm, size, seed),
    "ties": lambda *_: 0.5,
    "all gain": lambda norm, size, seed: 0.9 - 0.001 * size * len(norm) + 0.001 * (seed % 3),
    "one norm": lambda norm, size, seed: spread(norm, size, seed) if norm == "layer" else None,
    "nothing": lambda *_: None,
}


@functools.cache
def both(case: str, seeds: int) -> tuple[Summary, Summary]:
    """Summarize accuracies, and the errors that they are the mirror images of."""
    matrix = MatrixSpec(norms=tuple(MEANS), templates="cnn", seeds=seeds)
    up = summarize(matrix, filled(matrix, CASES[case]))
    down = summarize(matrix, filled(matrix, mirrored(CASES[case]), metric=ERROR))
    return up, down


@pytest.fixture(params=[*((case, seeds) for case in CASES for seeds in (1, 9)), ("spread", 5), ("ties", 14)], ids=str)
def pair(request: pytest.FixtureRequest) -> tuple[Summary, Summary]:
    return both(*request.param)


def cells(summary: Summary) -> list[CellSummary]:
    return list(summary.cells)


def differences(summary: Summary) -> Iterator[PairedDifference | None]:
    """Yield what has the sign of the metric."""
    for row in summary.tables[0].rows:
        yield from (row.change, row.slope)
        yield from (cell.vs_reference.difference for cell in row.cells if cell.vs_reference)
    yield from (contrast.difference for contrast in summary.tables[0].contrasts)


@pytest.mark.slow_but_one
def test_marks_ranks_wins_and_correlations_are_the_same(pair: tuple[Summary, Summary]) -> None:
    for up, down in zip(*map(cells, pair), strict=True):
        assert up.mark == down.mark
        assert up.rank == down.rank
        if up.vs_reference and down.vs_reference:
            assert up.vs_reference.wins == down.vs_reference.wins
            assert up.vs_reference.seeds == down.vs_reference.seeds
            assert up.vs_reference.correlation == pytest.approx(down.vs_reference.correlation)
        assert (up.behind is None) == (down.behind is None)
        if up.behind and down.behind:
            assert up.behind.mean == pytest.approx(down.behind.mean), "behind is positive in both directions"
            assert up.behind.p_value == down.behind.p_value


def test_differences_have_the_other_sign_and_the_same_p_value(pair: tuple[Summary, Summary]) -> None:
    for up, down in zip(*map(differences, pair), strict=True):
        assert (up is None) == (down is None)
        if up and down:
            assert up.mean == pytest.approx(-down.mean)
            assert up.half_width == pytest.approx(down.half_width)
            assert up.p_value == pytest.approx(down.p_value)
    assert pair[0].family.size == pair[1].family.size


def test_powers_are_the_same(pair: tuple[Summary, Summary]) -> None:
    for up, down in zip(pair[0].tables[0].powers, pair[1].tables[0].powers, strict=True):
        assert up.detectable == pytest.approx(down.detectable)
        assert up.seeds_for_target == down.seeds_for_target


def turned_around(sentence: str) -> str:
    """Write the sentence on accuracies as it is of errors."""
    sentence = re.sub(r"(\d+\.\d)( ±\d+\.\d)? %", lambda m: f"{100 - float(m[1]):.1f}{m[2] or ''} %", sentence)
    change = r"(?<= changes by )([+-]?)|(?<= drop, )([+-]?)|(?<= gain, )([+-]?)"
    sentence = re.sub(change, turned_sign, sentence).replace(" largest drop, ", " largest rise, ")
    words = {"highest": "lowest", "lowest": "highest", "accuracy": "error"}
    return re.sub(r"\b(highest|lowest|accuracy)\b", lambda m: words[m[1]], sentence)


def turned_sign(match: re.Match[str]) -> str:
    return match[0].translate(str.maketrans("+-", "-+"))


def test_findings_are_the_same_in_the_words_of_the_other_direction(pair: tuple[Summary, Summary]) -> None:
    up, down = map(findings, pair)
    assert list(map(turned_around, up)) == down


def test_reports_say_which_direction_is_better() -> None:
    matrix = MatrixSpec(norms=tuple(MEANS), templates="cnn", seeds=8)
    text = markdown(matrix, filled(matrix, mirrored(spread), metric=ERROR))
    assert "Test error in % after 4 epochs (lower is better)" in text
    assert "lowest mean" in text
    assert "accuracy" not in text


def trained(metric: Metric, *validations: float, loss: float = 1.0) -> list[Any]:
    records = []
    for seed, validation in enumerate(validations):
        value = validation if metric.higher_is_better else 1 - validation
        last = epoch(1, 0.5, validation=value, validation_loss=loss, metric=metric)
        records.append(run(0.5, seed=seed, metric=metric).model_copy(update={"epochs": (last,)}))
    return records


@pytest.mark.parametrize("metric", [ACCURACY, ERROR], ids=lambda metric: metric.name)
def test_the_learning_rate_is_that_of_the_best_validation_value(metric: Metric) -> None:
    assert select_lr({0.1: trained(metric, 0.8, 0.9), 0.2: trained(metric, 0.95, 0.8)}).rate == 0.2
    lost = run("diverged", seed=9, metric=metric)
    assert select_lr({0.1: trained(metric, 0.6), 0.2: [*trained(metric, 0.9), lost]}).rate == 0.1
    assert select_lr({0.1: trained(metric, 0.8, loss=2.0), 0.2: trained(metric, 0.8)}).rate == 0.2
    assert select_lr({0.2: trained(metric, 0.8), 0.1: trained(metric, 0.8)}).rate == 0.1


@pytest.mark.parametrize("metric", [ACCURACY, ERROR], ids=lambda metric: metric.name)
def test_a_diverged_run_ranks_last_in_both_directions(metric: Metric) -> None:
    matrix = MatrixSpec(norms="batch,layer,none", templates="cnn", batch_sizes="2", seeds=2)
    values = {"batch": 0.2, "layer": 0.6, "none": 0.4}
    summary = summarize(
        matrix, filled(matrix, lambda norm, *_: "diverged" if norm == "none" else values[norm], metric=metric)
    )
    ranks = {row.norm: row.cells[0].rank for row in summary.tables[0].rows}
    assert ranks["none"] == 3
    assert ranks["layer"] == (1 if metric.higher_is_better else 2)
    assert [cell.vs_reference.wins for cell in cells(summary) if cell.vs_reference] == [2, 2]


@pytest.mark.slow_but_one
@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1.0, 12345.6, 1e9])
def test_what_is_significant_does_not_depend_on_the_scale(scale: float) -> None:
    matrix = MatrixSpec(norms=tuple(MEANS), templates="cnn", seeds=9)

    def scaled(norm: str, size: int, seed: int) -> float:
        return scale * spread(norm, size, seed)

    one = summarize(matrix, filled(matrix, spread, metric=RMSE))
    other = summarize(matrix, filled(matrix, scaled, metric=RMSE))
    assert [cell.mark for cell in cells(one)] == [cell.mark for cell in cells(other)]
    for small, large in zip(differences(one), differences(other), strict=True):
        assert small is not None
        assert large is not None
        assert small.p_value == large.p_value


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_rounding_errors_of_slopes_are_no_effect_at_any_scale(scale: float) -> None:
    """Values that do not depend on the batch size have slopes that are zero but for floating point."""
    matrix = MatrixSpec(norms=tuple(MEANS), templates="cnn", batch_sizes="2,4,16,32", seeds=9)
    values = {"batch": 0.1, "layer": 0.7, "group": 0.3, "none": 0.9}
    summary = summarize(matrix, filled(matrix, lambda norm, *_: scale * values[norm], metric=RMSE))
    assert [contrast.difference.p_value for contrast in summary.tables[0].contrasts] == [1.0] * 6
