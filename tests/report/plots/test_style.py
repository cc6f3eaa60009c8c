"""The style: norms are told apart in colour and without; the ticks of logarithmic axes."""

from itertools import pairwise

import pytest

from normzoo.registry import NORMS
from normzoo.report.plots.style import (
    COLORS,
    GRID_COLOR,
    INK,
    MAX_TICKS,
    SPREAD,
    STYLES,
    line_styles,
    log_ticks,
    offset,
)


def test_neighbouring_norms_are_distinct_without_colour() -> None:
    assert len({style.marker for style in STYLES[:8]}) == 8
    assert all(one.dashes != two.dashes for one, two in pairwise(STYLES))
    assert len(set(STYLES)) == 56


def test_a_norm_looks_the_same_in_every_report() -> None:
    """Whatever stands beside it, and in whatever order."""
    expected = line_styles(tuple(NORMS))
    assert line_styles(tuple(NORMS)[::-1]) == expected
    assert all(line_styles((norm, "my.own:Norm"))[norm] == expected[norm] for norm in NORMS)
    own = ("my.own:Norm", "group:groups=4", "batch", "other:Norm")
    assert line_styles(own) == line_styles(own[::-1])
    assert list(line_styles(own)) == list(own)


def test_norms_have_colours_of_their_own_as_long_as_there_are_any() -> None:
    for count in (len(COLORS) - len(NORMS), 20, len(STYLES) - len(NORMS)):
        norms = (*NORMS, *(f"my.own:Norm:number={number}" for number in range(count)))
        styles = line_styles(norms).values()
        assert len({style.color for style in styles}) == min(len(norms), len(COLORS))
        assert len(set(styles)) == len(norms)


def test_the_black_norm_has_the_colour_that_a_page_replaces() -> None:
    """It would not be seen on a dark page otherwise; and none has that of the grid."""
    assert INK in COLORS
    assert not {"#000000", GRID_COLOR} & set(COLORS)


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
