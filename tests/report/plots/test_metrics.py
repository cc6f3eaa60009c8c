"""Axes, bounds and errors of metrics other than accuracy."""

import pytest

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.metric import Metric
from normzoo.report import Summary, planned_plots, summarize
from normzoo.report.plots import FIGURES
from normzoo.report.plots.lines import curves, error, values
from normzoo.report.plots.rows import forest

from ..synthetic import ERROR, R2, RMSE, Outcome, filled, mirrored
from .cases import heading, heights, lines, texts

ONE = MatrixSpec(norms="batch", templates="cnn", batch_sizes="2,32", seeds=2)
PAIR = MatrixSpec(norms="batch,none", templates="cnn", batch_sizes="2,32", seeds=6)


def summary(metric: Metric, matrix: MatrixSpec, *reached: float) -> Summary:
    """Summarize runs that reach one value after the other, by seed."""

    def outcome(norm: str, _: int, seed: int) -> Outcome:
        return reached[seed % len(reached)] * (2.0 if norm == "none" else 1.0)

    return summarize(matrix, filled(matrix, outcome, metric=metric, epoch_seconds_alone=0.5))


@pytest.mark.slow
def test_the_axis_names_the_metric_and_the_direction() -> None:
    assert values(summary(RMSE, PAIR, 0.5, 0.6)).axes[0].get_ylabel() == "test RMSE, lower is better"
    assert curves(summary(RMSE, PAIR, 0.5, 0.6)).get_supylabel() == "test RMSE, lower is better"
    assert values(summary(ERROR, PAIR, 0.3, 0.4)).axes[0].get_ylabel() == "test error (%), lower is better"
    assert values(summary(R2, PAIR, 0.3, 0.4)).axes[0].get_ylabel() == "test R2"


def test_values_are_drawn_in_their_unit_and_clipped_to_their_bounds_alone() -> None:
    """An RMSE has a least value and no greatest, R2 a greatest and no least."""
    half = 12.706 * 0.4 / 2  # of two values 0.4 apart
    (axis,) = values(summary(RMSE, ONE, 0.6, 1.0)).axes
    assert lines(axis)["batch"] == pytest.approx([2, 0.8, 32, 0.8])
    assert heights(axis.collections[0]) == pytest.approx((0.0, 0.8 + half), abs=1e-3)
    (axis,) = values(summary(R2, ONE, 0.2, 0.6)).axes
    assert heights(axis.collections[0]) == pytest.approx((0.4 - half, 1.0), abs=1e-3)
    free = Metric(name="score", higher_is_better=True)
    (axis,) = values(summary(free, ONE, 0.2, 0.6)).axes
    assert heights(axis.collections[0]) == pytest.approx((0.4 - half, 0.4 + half), abs=1e-3)


def test_curves_are_clipped_to_the_same_bounds() -> None:
    half = 12.706 * 0.4 / 2
    axis = curves(summary(RMSE, ONE, 0.6, 1.0)).axes[0]
    assert heights(axis.collections[0]) == pytest.approx((0.0, 0.8 + half), abs=1e-3)


@pytest.mark.parametrize(
    ("metric", "is_there"),
    [(R2, True), (RMSE, False), (ERROR, False), (Metric(name="s", higher_is_better=True), False)],
)
def test_only_what_has_a_best_value_above_it_has_an_error(metric: Metric, is_there: bool) -> None:
    kinds = [plot.kind for plot in planned_plots(summary(metric, PAIR, 0.3, 0.4), "report")]
    assert ("error" in kinds) == is_there


def test_the_error_is_what_lacks_to_the_best_value() -> None:
    made = summary(R2, ONE, 0.2, 0.6)
    figure = error(made)
    assert lines(figure.axes[0])["batch"] == pytest.approx([2, 0.6, 32, 0.6])
    assert figure.axes[0].get_ylabel() == "test error"
    (text,) = [plot.text for plot in planned_plots(made, "report") if plot.kind == "error"]
    assert text.endswith("The error is 1 minus the test R2, on a logarithmic axis with zero at its foot.")


@pytest.mark.slow
def test_what_has_no_upper_bound_and_spans_decades_is_drawn_on_a_logarithmic_axis() -> None:
    wide, narrow = summary(RMSE, ONE, 0.5, 5000.0), summary(RMSE, ONE, 0.5, 0.6)
    assert values(wide).axes[0].get_yscale() == curves(wide).axes[0].get_yscale() == "symlog"
    assert values(narrow).axes[0].get_yscale() == curves(narrow).axes[0].get_yscale() == "linear"
    assert "RMSE (lower is better), on a logarithmic axis, against" in planned_plots(wide, "report")[0].text
    assert "logarithmic" not in planned_plots(narrow, "report")[0].text


def test_the_forest_has_the_sign_of_the_metric_and_says_which_side_is_better() -> None:
    made = summary(RMSE, PAIR, 0.5, 0.6)
    figure = forest(made)
    (axis,) = figure.axes
    assert axis.get_xlabel() == "difference from none, lower is better"
    assert heading(figure) == "digits, test RMSE minus that of none: mean of 6 seeds, paired, 95 % interval"
    assert texts(axis) == ["difference", *["\N{MINUS SIGN}0.550 ±0.057"] * 2]
    low, high = axis.get_xlim()
    assert low < -0.6 < high < 0.1


@pytest.mark.slow_but_one
@pytest.mark.parametrize("metric", [RMSE, R2], ids=lambda metric: metric.name)
@pytest.mark.parametrize("kind", FIGURES)
def test_every_plot_can_be_drawn_of_every_metric_even_without_results(kind: str, metric: Metric) -> None:
    outcomes: list[Outcome] = [0.5, "diverged"]
    for outcome in outcomes:
        made = summarize(PAIR, filled(PAIR, mirrored(lambda *_, value=outcome: value), metric=metric))
        FIGURES[kind](made).draw_without_rendering()
