"""Accuracy and error against batch size: what is drawn are the numbers."""

import pytest

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.report.plots.lines import error, values

from .cases import CASES, heading, heights, legend, lines, numbers, summary, texts


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
