"""Learning curves: means over seeds after every epoch, with their intervals."""

import pytest

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.report import Summary
from normzoo.report.plots.lines import curves, seconds
from normzoo.report.statistics.differences import half_width

from ..synthetic import epoch
from .cases import CASES, heading, heights, learned, legend, lines, numbers, texts

ONE = MatrixSpec(norms="batch,none", templates="cnn", batch_sizes="2", seeds=3, epochs=3)


def climbing(matrix: MatrixSpec = ONE, alone: float | None = 0.25) -> Summary:
    """Summarize runs that reach 20, 40 and 60 % after three epochs, two points more with every seed."""
    return learned(
        matrix,
        lambda norm, _, seed: [epoch(each, 0.2 * each + 0.02 * seed + 0.1 * (norm == "none")) for each in (1, 2, 3)],
        alone=alone,
    )


def test_a_curve_is_the_mean_over_seeds_after_every_epoch() -> None:
    (axis,) = curves(climbing()).axes
    found = {label: points for label, points in lines(axis).items() if not label.startswith("_")}
    drawn = [numbers(line.get_xydata()) for line in axis.lines]
    assert drawn[0] == pytest.approx([1, 22, 2, 42, 3, 62])
    assert drawn[1] == pytest.approx([1, 32, 2, 52, 3, 72])
    assert not found


def test_the_band_is_the_interval_of_the_mean() -> None:
    (axis,) = curves(climbing()).axes
    half = 100 * (half_width([0.2, 0.22, 0.24]) or 0)
    assert heights(axis.collections[0]) == pytest.approx((22 - half, 62 + half))


def test_the_band_ends_where_accuracies_do() -> None:
    made = learned(ONE, lambda _, __, seed: [epoch(each, 0.05 + 0.45 * seed) for each in (1, 2)])
    assert heights(curves(made).axes[0].collections[0]) == (0.0, 100.0)


def test_a_single_seed_has_no_band() -> None:
    figure = curves(climbing(ONE.model_copy(update={"seeds": 1})))
    assert not figure.axes[0].collections
    assert heading(figure) == "digits: one seed"


def test_seconds_are_those_of_epochs_timed_alone() -> None:
    """And not those in which other runs were trained."""
    (axis,) = seconds(climbing()).axes
    assert numbers(axis.lines[0].get_xydata()) == pytest.approx([0.25, 22, 0.5, 42, 0.75, 62])
    assert axis.get_xlim()[0] == 0
    assert axis.get_xlabel() == "training time (s)"


def test_what_was_never_timed_alone_has_no_curve_against_seconds() -> None:
    (axis,) = seconds(climbing(alone=None)).axes
    assert not axis.lines
    assert texts(axis) == ["never timed alone"]


def test_there_is_a_panel_per_template_and_batch_size() -> None:
    figure = curves(CASES["whole"])
    assert [axis.get_title() for axis in figure.axes] == [
        f"{template}, batch size {size}" for template in ("cnn", "lstm") for size in (2, 8, 32)
    ]
    assert [axis.get_xlabel() for axis in figure.axes] == ["", "", "", "epoch", "epoch", "epoch"]
    assert figure.get_supylabel() == "test accuracy (%)"
    assert legend(figure) == list(CASES["whole"].matrix.norms)
    assert len({axis.get_ylim() for axis in figure.axes}) == 1


def test_a_row_of_batch_sizes_that_is_too_long_goes_on_below() -> None:
    matrix = MatrixSpec(norms="batch", batch_sizes="1,2,4,8,16", seeds=2, epochs=2)
    figure = curves(climbing(matrix))
    assert len(figure.axes) == 10
    places = [axis.get_subplotspec() for axis in figure.axes]
    assert [(place.rowspan.start, place.colspan.start) for place in places if place is not None] == [
        (row + 2 * template, column) for template in (0, 1) for row, column in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    ]
    assert sum(bool(axis.get_xlabel()) for axis in figure.axes) == 3


def test_of_very_many_batch_sizes_some_are_shown() -> None:
    """Spread over all of them, the smallest and the largest among them; and the heading says so."""
    sizes = ",".join(str(2**power) for power in range(12))
    figure = curves(climbing(MatrixSpec(norms="batch", templates="cnn", batch_sizes=sizes, seeds=2, epochs=3)))
    titles = [axis.get_title() for axis in figure.axes]
    assert (len(titles), titles[0], titles[-1]) == (8, "cnn, batch size 1", "cnn, batch size 2048")
    assert heading(figure) == "digits: mean of 2 seeds, 95 % interval, 8 of 12 batch sizes"


def test_a_panel_says_which_curves_lack_seeds() -> None:
    made = learned(ONE, lambda norm, _, seed: [] if norm == "batch" and seed else [epoch(each, 0.5) for each in (1, 2)])
    figure = curves(made)
    assert figure.axes[0].get_title() == "cnn, batch size 2\nseeds: batch 1/3"
    assert len(figure.axes[0].collections) == 1
    assert heading(figure) == "digits: mean of up to 3 seeds, 95 % interval"


def test_epochs_are_whole_numbers_from_one() -> None:
    for count in (2, 3, 30):
        made = learned(ONE, lambda *_, count=count: [epoch(each, 0.5) for each in range(1, count + 1)])
        (axis,) = curves(made).axes
        low, high = axis.get_xlim()
        ticks = [tick for tick in axis.get_xticks() if low <= tick <= high]
        assert 0 < low < 1
        assert ticks
        assert all(tick == int(tick) for tick in ticks)
