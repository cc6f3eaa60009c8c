"""The style: norms are told apart in colour and without; the ticks of logarithmic axes."""

from itertools import pairwise

import pytest

from normzoo.report.plots.style import GRID_COLOR, INK, MAX_TICKS, SPREAD, line_style, log_ticks, offset


def test_neighbouring_norms_are_distinct_without_colour() -> None:
    styles = [line_style(index) for index in range(8)]
    assert len({style.marker for style in styles}) == 8
    assert all(one.dashes != two.dashes for one, two in pairwise(styles))
    assert len({line_style(index) for index in range(56)}) == 56


def test_the_black_norm_has_the_colour_that_a_page_replaces() -> None:
    """It would not be seen on a dark page otherwise; and none has that of the grid."""
    colors = [line_style(index).color for index in range(7)]
    assert INK in colors
    assert not {"#000000", GRID_COLOR} & set(colors)


@pytest.mark.parametrize("norms", [1, 2, 5, 20])
def test_norms_stand_side_by_side_around_the_batch_size(norms: int) -> None:
    offsets = [offset(index, norms) for index in range(norms)]
    assert len(set(offsets)) == norms
    assert sum(offsets) == pytest.approx(0)
    assert max(offsets) - min(offsets) <= SPREAD


@pytest.mark.parametrize("low", [3e-7, 0.02, 0.5, 1.0, 7.3, 96.0])
@pytest.mark.parametrize("factor", [1.02, 1.2, 2.0, 5.0, 30.0, 1e3, 1e6, 1e9])
def test_there_are_some_ticks_but_not_many(low: float, factor: float) -> None:
    ticks = log_ticks(low, low * factor)
    assert 2 <= len(ticks) <= MAX_TICKS
    assert ticks == sorted(set(ticks))
    assert low <= ticks[0]
    assert ticks[-1] <= low * factor * (1 + 1e-9)
    assert len({f"{tick:g}" for tick in ticks}) == len(ticks)
