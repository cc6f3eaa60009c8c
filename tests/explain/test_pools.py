"""Do values get the letters and colours of their pools?"""

import itertools
from collections import defaultdict
from math import prod

import pytest

from normzoo.explain import Pools, letters, subject
from normzoo.explain._picture import INKS
from normzoo.explain._subject import ALPHABET

from .cases import SPECS_AND_SHAPES

GRIDS = {
    "batch": ["ABCD", "ABCD"],
    "layer": ["AAAA", "BBBB"],
    "instance": ["ABCD", "EFGH"],
    "group:groups=2": ["AABB", "CCDD"],
    "rms": ["AAAA", "BBBB"],
    "none": ["....", "...."],
}


def values(pools: Pools) -> list[tuple[int, int, int]]:
    samples, channels, positions = map(range, pools.sizes)
    return list(itertools.product(samples, channels, positions))


@pytest.mark.parametrize("spec", GRIDS)
def test_letters_of_two_samples_and_four_channels(spec: str) -> None:
    """As anybody would draw it; every position has the letter of its sample and channel."""
    pools = subject(spec, (2, 4, 3)).pools
    for position in range(3):
        rows = ["".join(pools.label(sample, channel, position) for channel in range(4)) for sample in range(2)]
        assert rows == GRIDS[spec]


@pytest.mark.parametrize(("spec", "shape"), SPECS_AND_SHAPES)
def test_letters_count_what_is_said(spec: str, shape: tuple[int, ...]) -> None:
    """As many letters as pools, each on as many values, and one colour for each letter."""
    pools = subject(spec, shape).pools
    places = defaultdict(list)
    for value in values(pools):
        places[pools.label(*value)].append(pools.color(*value, colors=len(INKS)))
    if pools.blocks is None:
        assert places == {".": [None] * prod(shape)}
        return
    assert len(places) == pools.count
    assert {len(colors) for colors in places.values()} == {prod(pools.extent)}
    assert all(len(set(colors)) == 1 for colors in places.values())
    assert pools.count * prod(pools.extent) == prod(shape)


@pytest.mark.parametrize("blocks", [(9, 9, 1), (8, 8, 1), (7, 7, 3), (1, 20, 20)], ids=str)
def test_neighbours_differ_in_colour(blocks: tuple[int, int, int]) -> None:
    """Also diagonal ones, however many pools there are beside each other."""
    pools = Pools(blocks, blocks)
    colors = {value: pools.color(*value, colors=len(INKS)) for value in values(pools)}
    for value, color in colors.items():
        for step in itertools.product((-1, 0, 1), (-1, 0, 1), (0,)):
            other = (value[0] + step[0], value[1] + step[1], value[2])
            assert other == value or colors.get(other) != color


def test_no_two_pools_have_the_same_letters() -> None:
    """A to Z, a to z, then more letters; never the mark of no pool."""
    written = [letters(number) for number in range(4000)]
    assert len(set(written)) == 4000
    assert "".join(written[:52]) == ALPHABET
    assert [len(text) for text in written] == sorted(len(text) for text in written)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2 defines it."""

    def luminance(color: str) -> float:
        parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("ink", INKS, ids=lambda ink: ink.paper)
def test_letters_read_on_their_colour(ink: tuple[str, str]) -> None:
    """With at least the contrast that WCAG 2 asks for."""
    assert contrast(*ink) >= 4.5
