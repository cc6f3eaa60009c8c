"""Training, validation and test loss at the end, and how far they are apart."""

import pytest
from matplotlib.axes import Axes

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import EpochRecord
from normzoo.report.plots.rows import gap

from ..synthetic import epoch
from .cases import CASES, heading, learned, legend, lines, numbers, texts

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
