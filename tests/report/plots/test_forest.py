"""The forest plot: differences from the baseline with their intervals, and how sure they are."""

import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.report.plots.rows import forest, limits

from .cases import CASES, heading, legend, numbers, summary, texts

PAIR = MatrixSpec(norms="batch,none", templates="cnn", batch_sizes="2", seeds=6)


def marks(axis: Axes) -> list[Line2D]:
    return [line for line in axis.lines if line.get_marker() not in ("", "None", None)]


def intervals(axis: Axes) -> list[list[float]]:
    """Return the intervals' ends; the first line of all is that at zero."""
    return [numbers(line.get_xdata()) for line in axis.lines[1:] if line.get_marker() in ("", "None", None)]


def test_a_row_stands_at_the_mean_paired_difference_with_its_interval() -> None:
    made = summary(PAIR, lambda norm, _, seed: 0.5 + (0.01 * seed if norm == "batch" else 0.0))
    (axis,) = forest(made).axes
    versus = made.tables[0].rows[0].cells[0].vs_baseline
    assert versus is not None
    assert versus.difference is not None
    mean, half = versus.difference.mean, versus.difference.half_width
    assert mean == pytest.approx(0.025)
    assert half is not None
    (mark,) = marks(axis)
    assert numbers(mark.get_xydata()) == pytest.approx([2.5, 1])
    assert intervals(axis) == [pytest.approx([100 * (mean - half), 100 * (mean + half)])]
    assert numbers(axis.lines[0].get_xdata()) == [0, 0]
    assert texts(axis) == ["points", "+2.5 ±2.0"]


def test_rows_are_all_norms_but_the_baseline_by_batch_size() -> None:
    figure = forest(CASES["whole"])
    names = {tick.get_position()[1]: tick.get_text() for tick in figure.axes[0].get_yticklabels()}
    norms = ["batch", "layer", "instance", "group"]
    assert [names[place] for place in sorted(names)] == [
        name for size in (2, 8, 32) for name in (f"batch size {size}", *norms)
    ]
    low, high = figure.axes[0].get_ylim()
    assert low > high, "the first row is the topmost"
    assert [axis.get_title() for axis in figure.axes] == ["cnn", "lstm"]
    assert figure.axes[0].get_xlabel() == "difference from none (points)"
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()


@pytest.mark.parametrize(
    ("seeds", "gain", "fill", "meaning"),
    [
        (6, 0.05, "filled", "significant (Holm)"),
        (6, 0.0, "hollow", "not significant"),
        (5, 0.05, "hollow", "too few seeds for a test"),
    ],
)
def test_a_marker_is_filled_where_the_difference_is_significant(
    seeds: int, gain: float, fill: str, meaning: str
) -> None:
    matrix = PAIR.model_copy(update={"seeds": seeds})
    made = summary(matrix, lambda norm, _, seed: 0.5 + 0.01 * seed + (gain if norm == "batch" else 0.0))
    figure = forest(made)
    (mark,) = marks(figure.axes[0])
    assert (mark.get_markerfacecolor() == "none") == (fill == "hollow")
    assert legend(figure) == [meaning]


def test_what_lies_far_beyond_the_others_is_an_arrow_next_to_its_number() -> None:
    """So that the others stay readable."""
    gains = {"batch": -0.4, "layer": 0.01, "instance": 0.02, "group": 0.015, "none": 0.0}
    matrix = MatrixSpec(templates="cnn", batch_sizes="2", seeds=2)
    figure = forest(summary(matrix, lambda norm, *_: 0.5 + gains[norm]))
    (axis,) = figure.axes
    low, high = axis.get_xlim()
    assert (low > -1, high < 3) == (True, True)
    arrow, *others = marks(axis)
    assert arrow.get_marker() == "<"
    assert arrow.get_markerfacecolor() == "none", "two seeds show nothing"
    assert low < numbers(arrow.get_xdata())[0] < low + 0.1 * (high - low)
    assert [numbers(other.get_xdata())[0] for other in others] == pytest.approx([1, 2, 1.5])
    assert texts(axis)[1] == "\N{MINUS SIGN}40.0 ±0.0"
    assert "beyond the axis" in legend(figure)


def test_differences_that_are_all_large_have_no_arrows() -> None:
    matrix = MatrixSpec(templates="cnn", batch_sizes="2", seeds=2)
    gains = dict(zip(matrix.norms, (-0.4, -0.3, 0.2, 0.35, 0.0), strict=True))
    figure = forest(summary(matrix, lambda norm, *_: 0.5 + gains[norm]))
    assert legend(figure) == ["too few seeds for a test"]
    low, high = figure.axes[0].get_xlim()
    assert (low < -40, high > 35) == (True, True)


def test_differences_over_completed_runs_only_are_marked_and_counted() -> None:
    made = summary(PAIR, lambda norm, _, seed: "diverged" if norm == "batch" and seed < 2 else 0.5 + 0.01 * seed)
    figure = forest(made)
    assert texts(figure.axes[0]) == ["points", "0.0 ±0.0\N{DAGGER} n=4"]
    assert "\N{DAGGER} completed runs only" in heading(figure)


def test_a_missing_difference_is_a_dash() -> None:
    made = summary(
        MatrixSpec(norms="batch,layer,none", templates="cnn", batch_sizes="2", seeds=2),
        lambda norm, *_: None if norm == "layer" else 0.5,
    )
    (axis,) = forest(made).axes
    assert texts(axis) == ["points", "0.0 ±0.0", "\N{EN DASH}"]
    assert len(marks(axis)) == 1


def test_a_single_seed_is_a_mark_without_interval() -> None:
    figure = forest(CASES["one seed"])
    assert intervals(figure.axes[0]) == [[0.0, 0.0]] * 12
    assert heading(figure) == "digits, test accuracy minus that of none: one seed"
    assert texts(figure.axes[0])[1] == "0.0"


def test_without_differences_the_axis_has_a_range() -> None:
    assert limits([], 100) == (-1.0, 1.0)
