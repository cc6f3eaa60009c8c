"""A line per norm, against batch size, epochs and seconds: what is drawn are the numbers."""

import pytest

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.report import Summary
from normzoo.report.plots.lines import curves, error, seconds, values
from normzoo.report.statistics.differences import half_width

from ..synthetic import epoch
from .cases import CASES, heading, heights, learned, legend, lines, numbers, summary, texts


@pytest.mark.slow
def test_there_is_a_panel_per_template_with_the_batch_sizes_as_ticks() -> None:
    made = CASES["whole"]
    for draw, label in ((values, "test accuracy (%)"), (error, "test error (%)")):
        figure = draw(made)
        assert [axis.get_title() for axis in figure.axes] == ["cnn", "lstm"]
        for axis in figure.axes:
            assert axis.get_xscale() == "log"
            assert [tick.get_text() for tick in axis.get_xticklabels()] == ["2", "8", "32"]
            assert axis.get_xlabel() == "batch size (samples)"
        assert figure.axes[0].get_ylabel() == label
        assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
        assert legend(figure) == list(made.matrix.norms)
        assert heading(figure) == "digits, after 4 epochs: mean of 3 seeds, 95 % interval, every seed a dot"


def test_lines_dots_and_bands_stand_at_the_numbers() -> None:
    matrix = MatrixSpec(norms="batch", templates="cnn", batch_sizes="2,32", seeds=3)
    made = summary(matrix, lambda _, size, seed: 0.5 + 0.01 * size + 0.02 * seed)
    (axis,) = values(made).axes
    assert lines(axis)["batch"] == pytest.approx([2, 54, 32, 84])
    band, dots = axis.collections
    assert heights(band) == pytest.approx((54.0 - 4.968, 84.0 + 4.968), abs=1e-3)
    assert numbers(dots.get_offsets()) == pytest.approx([2, 52, 2, 54, 2, 56, 32, 82, 32, 84, 32, 86])


@pytest.mark.slow
def test_the_error_is_what_lacks_to_100_percent() -> None:
    matrix = MatrixSpec(norms="batch", templates="cnn", batch_sizes="2,32", seeds=3)
    made = summary(matrix, lambda _, size, seed: 0.5 + 0.01 * size + 0.02 * seed)
    (axis,) = error(made).axes
    assert lines(axis)["batch"] == pytest.approx([2, 46, 32, 16])
    band, dots = axis.collections
    assert heights(band) == pytest.approx((16.0 - 4.968, 46.0 + 4.968), abs=1e-3)
    assert numbers(dots.get_offsets()) == pytest.approx([2, 48, 2, 46, 2, 44, 32, 18, 32, 16, 32, 14])


def test_an_interval_without_a_neighbour_is_a_bar() -> None:
    matrix = MatrixSpec(norms="batch", templates="cnn", batch_sizes="2", seeds=3)
    (axis,) = values(summary(matrix, lambda _, __, seed: 0.52 + 0.02 * seed)).axes
    assert heights(axis.collections[0]) == pytest.approx((54.0 - 4.968, 54.0 + 4.968), abs=1e-3)


def test_an_interval_ends_where_accuracies_do() -> None:
    matrix = MatrixSpec(norms="batch", templates="cnn", batch_sizes="2,32", seeds=2)
    made = summary(matrix, lambda _, __, seed: 0.1 + 0.8 * seed)
    for draw in (values, error):
        (axis,) = draw(made).axes
        assert heights(axis.collections[0]) == (0.0, 100.0)
        low, high = axis.get_ylim()
        assert (low < 0, high > 100) == (True, True)


def test_a_single_seed_is_a_mark_without_interval_or_dots() -> None:
    for draw in (values, error):
        figure = draw(CASES["one seed"])
        assert heading(figure) == "digits, after 4 epochs: one seed"
        assert [numbers(dots.get_offsets()) for axis in figure.axes for dots in axis.collections] == [[]] * 5
        assert len(lines(figure.axes[0])) == 5


def test_many_seeds_are_not_drawn_one_by_one() -> None:
    matrix = MatrixSpec(norms="batch", templates="cnn", batch_sizes="2", seeds=11)
    figure = values(summary(matrix, lambda _, __, seed: 0.5 + 0.01 * seed))
    assert numbers(figure.axes[0].collections[-1].get_offsets()) == []
    assert heading(figure) == "digits, after 4 epochs: mean of 11 seeds, 95 % interval"


def test_zero_error_stands_at_zero_on_the_logarithmic_axis() -> None:
    """In view, with a tick that says so, and below the least error that is not zero."""
    matrix = MatrixSpec(norms="batch,none", templates="cnn", batch_sizes="2", seeds=1)
    (axis,) = error(summary(matrix, lambda norm, *_: 1.0 if norm == "batch" else 0.998)).axes
    (_, zero), (_, least) = lines(axis)["batch"], lines(axis)["none"]
    assert zero == 0.0
    assert least == pytest.approx(0.2)
    assert axis.get_yticklabels()[0].get_text() == "0"
    bottom, foot, above = axis.transData.transform([(2, axis.get_ylim()[0]), (2, 0.0), (2, 0.2)])[:, 1]
    assert bottom < foot < above - 10


def test_without_zero_the_axis_of_errors_is_logarithmic() -> None:
    """Equal factors are equally far apart."""
    matrix = MatrixSpec(norms="batch,none", templates="cnn", batch_sizes="2", seeds=1)
    (axis,) = error(summary(matrix, lambda norm, *_: 0.2 if norm == "batch" else 0.995)).axes
    places = axis.transData.transform([(2, 0.5), (2, 5.0), (2, 50.0)])[:, 1]
    assert places[1] - places[0] == pytest.approx(places[2] - places[1])
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["0.5", "1", "2", "5", "10", "20", "50"]


def test_without_results_the_panels_say_so() -> None:
    for draw in (values, error):
        assert [texts(axis) for axis in draw(CASES["nothing"]).axes] == [["no results"]] * 2


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


@pytest.mark.slow
def test_a_row_of_batch_sizes_that_is_too_long_goes_on_below() -> None:
    matrix = MatrixSpec(norms="batch", batch_sizes="1,2,4,8,16", seeds=2, epochs=2)
    figure = curves(climbing(matrix))
    assert len(figure.axes) == 10
    places = [axis.get_subplotspec() for axis in figure.axes]
    assert [(place.rowspan.start, place.colspan.start) for place in places if place is not None] == [
        (row + 2 * template, column) for template in (0, 1) for row, column in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    ]
    assert sum(bool(axis.get_xlabel()) for axis in figure.axes) == 3


@pytest.mark.slow
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
