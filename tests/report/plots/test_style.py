"""The style: norms are told apart in colour and without."""

from itertools import pairwise

import pytest

from normzoo.report.plots.style import GRID_COLOR, INK, SPREAD, line_style, offset


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
