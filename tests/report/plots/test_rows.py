"""A row per norm: differences from the baseline with how sure they are, and the losses at the end."""

import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import EpochRecord
from normzoo.report.plots.rows import forest, gap, limits

from ..synthetic import epoch
from .cases import CASES, heading, learned, legend, lines, numbers, summary, texts

PAIR = MatrixSpec(norms="batch,none", templates="cnn", batch_sizes="2", seeds=6)


def marks(axis: Axes) -> list[Line2D]:
    return [line for line in axis.lines if line.get_marker() not in ("", "None", None)]


def intervals(axis: Axes) -> list[list[float]]:
    """Return the intervals' ends; the first line of all is that at zero."""
    return [numbers(line.get_xdata()) for line in axis.lines[1:] if line.get_marker() in ("", "None", None)]


def test_a_row_stands_at_the_mean_paired_difference_with_its_interval() -> None:
    made = summary(PAIR, lambda norm, _, seed: 0.5 + (0.01 * seed if norm == "batch" else 0.0))
    (axis,) = forest(made).axes
    versus = made.tables[0].rows[0].cells[0].vs_reference
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
        (6, 0.05, "filled", "significant"),
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


ONE = MatrixSpec(norms="batch", templates="cnn", batch_sizes="2", seeds=2)


def losses(train: float, validation: float, test: float) -> list[EpochRecord]:
    """Return two epochs, the first with losses that are not to be drawn."""
    first = epoch(1, 0.1, train_loss=9.0, validation_loss=9.0, test_loss=9.0)
    return [first, epoch(2, 0.5, train_loss=train, validation_loss=validation, test_loss=test)]


def markers(axis: Axes) -> list[object]:
    return [line.get_marker() for line in axis.lines if line.get_marker() not in ("", "None", None)]


def test_the_losses_are_the_means_after_the_last_epoch() -> None:
    made = learned(ONE, lambda _, __, seed: losses(0.1 + 0.1 * seed, 0.3 + 0.2 * seed, 0.5 + 0.2 * seed))
    figure = gap(made)
    (axis,) = figure.axes
    assert lines(axis) == {
        "training": pytest.approx([0.15, 1]),
        "validation": pytest.approx([0.4, 1]),
        "test": pytest.approx([0.6, 1]),
    }
    assert numbers(axis.lines[0].get_xydata()) == pytest.approx([0.15, 1, 0.4, 1])
    assert axis.get_xlabel() == "loss (nats)"
    assert legend(figure) == ["training", "validation", "test"]
    assert heading(figure) == "digits, losses after the last epoch (training: over its steps): mean of 2 seeds"


def test_the_gap_is_written_next_to_its_row_with_its_interval() -> None:
    """Paired by seed: gaps of 0.2 and 0.3."""
    made = learned(ONE, lambda _, __, seed: losses(0.1 + 0.1 * seed, 0.3 + 0.2 * seed, 0.5))
    assert texts(gap(made).axes[0]) == ["validation \N{MINUS SIGN}\ntraining (nats)", "+0.250 ±0.635"]


def test_the_gap_of_one_seed_has_no_interval_and_lacking_seeds_are_counted() -> None:
    made = learned(ONE, lambda _, __, seed: losses(0.5, 0.4, 0.4) if seed else [])
    assert texts(gap(made).axes[0])[1] == "\N{MINUS SIGN}0.100 n=1"


def test_every_norm_has_a_row_at_every_batch_size() -> None:
    axis = gap(CASES["missing cells"]).axes[0]
    names = {tick.get_position()[1]: tick.get_text() for tick in axis.get_yticklabels()}
    norms = CASES["missing cells"].matrix.norms
    assert [names[place] for place in sorted(names)] == [
        name for size in (2, 8, 32) for name in (f"batch size {size}", *norms)
    ]
    assert texts(axis).count("\N{EN DASH}") == sum((len(norm) + size) % 3 == 0 for norm in norms for size in (2, 8, 32))


def test_a_loss_far_beyond_the_others_is_an_arrow() -> None:
    matrix = MatrixSpec(templates="cnn", batch_sizes="2", seeds=1)
    made = learned(matrix, lambda norm, *_: losses(0.1, 500.0 if norm == "batch" else 0.2, 0.3))
    figure = gap(made)
    (axis,) = figure.axes
    low, high = axis.get_xlim()
    assert (0.05 < low < 0.1, 0.3 < high < 1) == (True, True)
    assert markers(axis)[:3] == ["o", "|", ">"], "training and test are within, validation is beyond"
    assert numbers(axis.lines[0].get_xdata()) == pytest.approx([0.1, high]), "the line to it leaves the axis"
    assert legend(figure)[-1] == "beyond the axis"
    assert texts(axis)[1] == "+500"


def test_a_loss_of_zero_is_in_view() -> None:
    made = learned(ONE, lambda *_: losses(0.0, 0.2, 0.3))
    (axis,) = gap(made).axes
    assert lines(axis)["training"] == [0.0, 1]
    assert axis.get_xlim()[0] < 0
    assert axis.get_xticklabels()[0].get_text() == "0"
