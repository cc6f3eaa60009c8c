"""Are likenesses found, is what cannot be explained refused in a sentence, and have values their pools' letters?"""

import itertools
import re
from collections import defaultdict
from math import prod

import pytest

from normzoo.errors import ComponentError, UnknownNameError
from normzoo.explain import Pools, brief_to_rich, letters, sections, subject
from normzoo.explain._picture import INKS
from normzoo.explain._pools import ALPHABET
from normzoo.explain._sections import likeness
from normzoo.explain._subject import same_pools
from normzoo.layers import make_norm

from .cases import each_in_all_shapes

REFUSED = {
    "bach": "unknown norm 'bach'; did you mean 'batch'?",
    "group:groups=3": "groups must divide channels, got channels=8, groups=3; use groups=2 or 9 channels",
    "group:groups=16": "got channels=8, groups=16; use groups=8 or 16 channels",
    "group:groups=0": "groups must be a whole number of at least 1, got '0'",
    "group:groups=2.5": "groups must be a whole number of at least 1, got '2.5'",
    "group:groups=true": "groups must be a whole number of at least 1, got 'True'",
    "group:group=4": "it has no option 'group' (it takes: groups, eps, affine, ",
    "batch:small_batch=skip": "small_batch must be one of error, running, instance, got 'skip'",
    "batch:channel_dim=0": "channel_dim must be a dimension after the samples, got '0'; use for example channel_dim=1",
    "none:eps=1": "it has no option 'eps' (it takes no options)",
    "batch:eps=small": "eps must be a number, got 'small'; use for example eps=1e-05",
    "batch:eps=none": "eps must be a number, got 'None'",
    "batch:eps=-1": "eps must be a number that is not negative, got '-1'; use for example eps=1e-05",
    "batch-renorm:begin=-1": "begin must be a whole number of at least 0, got '-1'",
    "batch:affine=no": "affine must be true or false, got 'no'",
    "batch:device=cpu": "it has no option 'device'",
    "own_module:Norm": "cannot import 'own_module'",
}


@pytest.mark.parametrize(("spec", "message"), REFUSED.items(), ids=REFUSED)
def test_it_is_refused(spec: str, message: str) -> None:
    """Names, options and their values, on eight channels."""
    with pytest.raises((ComponentError, UnknownNameError), match=re.escape(message)) as refusal:
        subject(spec, (4, 8, 2, 2))
    assert f"'{spec}'" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        *((name, (4, 8)) for name in ("instance", "group", "switchable", "frn", "frn-tlu", "evonorm-b0", "evonorm-s0")),
        *((name, (4, 8, 1)) for name in ("frn", "evonorm-b0")),
        *((name, (1, 8)) for name in ("batch", "batch-channel")),
        ("batch", (1, 8, 1, 1)),
        ("layer", (4, 1)),
    ],
)
def test_single_values_are_refused_as_by_the_layer(spec: str, shape: tuple[int, ...]) -> None:
    """A statistic needs two; the way out is a shape that has them."""
    import torch

    with pytest.raises(ComponentError, match="need more than one value, got one value for each from shape"):
        subject(spec, shape)
    with pytest.raises(ValueError, match=r"needs? more than one value|needs positions"):
        make_norm(spec, shape[1])(torch.randn(shape))


@pytest.mark.parametrize(
    ("spec", "shape", "way_out"),
    [
        ("instance", (4, 8), "more positions (4,8,2,2)"),
        ("frn", (4, 8), "more positions (4,8,2,2)"),
        ("group", (4, 8), "fewer groups or more positions (4,8,2,2)"),
        ("batch", (1, 8), "more samples or more positions (4,8,2,2)"),
        ("ghost", (1, 8), "more samples or more positions (4,8,2,2)"),
        ("ghost:size=1", (4, 8), "a larger size or more positions (4,8,2,2)"),
        ("layer", (4, 1), "more channels or more positions (4,8,2,2)"),
        ("channel-layer", (4, 1, 2), "more channels"),
    ],
)
def test_the_way_out_of_single_values_is_one_that_the_norm_has(spec: str, shape: tuple[int, ...], way_out: str) -> None:
    """No groups where it has none, no samples where each is for itself."""
    with pytest.raises(ComponentError, match=rf"; use {re.escape(way_out)}$"):
        subject(spec, shape)


def test_a_root_mean_square_is_taken_of_one_value() -> None:
    """As by the layer."""
    assert subject("rms", (4, 1)).pools.extent == (1, 1, 1)
    assert subject("frn:learn_eps=true", (4, 8)).pools.extent == (1, 1, 1)


@pytest.mark.parametrize(
    ("spec", "shape", "same"),
    [
        ("group", (4, 8, 2, 2), ["instance", "group+ws"]),
        ("group:groups=1", (4, 8, 2, 2), ["layer"]),
        ("batch", (1, 8, 2, 2), ["ghost", "instance", "group", "sync", "group+ws"]),
        ("layer", (4, 1, 2, 2), ["instance"]),
        ("layer", (1, 1, 2, 2), ["batch", "ghost", "instance", "sync"]),
        ("batch", (4, 8, 2, 2), ["ghost", "sync"]),
        ("batch", (16, 8, 2, 2), ["sync"]),
        ("rms", (4, 8, 2, 2), []),
        ("none", (4, 8, 2, 2), []),
    ],
)
def test_norms_that_pool_alike(spec: str, shape: tuple[int, ...], same: list[str]) -> None:
    """One group is layer norm, a group for each channel instance norm, and so is a batch of one."""
    asked = subject(spec, shape)
    assert same_pools(asked) == same
    (pools,) = [section for section in sections(asked) if section.heading == "pools"]
    assert any("the same values" in line for line in pools.lines) == bool(same)


def test_as_many_groups_as_channels_is_remarked() -> None:
    """With a number of groups that shows what groups are."""
    (pools,) = [section for section in sections(subject("group", (4, 8, 2, 2))) if section.heading == "pools"]
    assert pools.lines[-1] == "groups=8 leaves each of 8 channels for itself; groups=4 would put 2 together."
    subject("group:groups=4", (4, 8, 2, 2))


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("ghost", "On this shape batch and sync pool the same values; size=2 would differ."),
        ("group", "On this shape instance and group+ws pool the same values; groups=4 would differ."),
        ("instance", "On this shape group and group+ws pool the same values."),
        ("evonorm-s0", "groups=8 leaves each of 8 channels for itself; groups=4 would put 2 together."),
        ("ghost:size=2", ""),
        ("group:groups=4", ""),
        ("layer", ""),
    ],
)
def test_the_first_screen_says_which_norms_pool_alike(spec: str, line: str) -> None:
    """In one line below the picture, with an option that shows the difference; nothing where there is one."""
    asked = subject(spec, (4, 8, 2, 2))
    shown = brief_to_rich(asked).plain.splitlines()
    assert likeness(asked) == line
    assert shown[shown.index("") - 1] == (
        line or "letters: pools; rows: samples; columns: channels; in a cell: H x W positions"
    )


def test_what_is_said_to_differ_does() -> None:
    """Under the option that is named."""
    for spec, option in (("ghost", "size=2"), ("group", "groups=4"), ("group+ws", "groups=4")):
        assert f"; {option} would differ." in likeness(subject(spec, (4, 8, 2, 2)))
        assert same_pools(subject(f"{spec}:{option}", (4, 8, 2, 2))) == []


def test_options_are_the_registrys_and_ones_own() -> None:
    """Those of the spec before those of the registry before those of the layer."""
    assert subject("instance", (2, 4, 3)).options["affine"] is True
    assert subject("instance:affine=False", (2, 4, 3)).options["affine"] is False
    options = subject("group:groups=2", (2, 4, 3)).options
    assert {"groups": 2, "eps": 1e-5, "affine": True}.items() <= options.items()


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


def test_letters_of_positions_that_each_have_a_pool() -> None:
    """Every channel shows the same letters, another for each position and sample."""
    pools = subject("channel-layer", (2, 4, 3)).pools
    cells = [
        ["".join(pools.label(sample, channel, each) for each in range(3)) for channel in range(4)]
        for sample in range(2)
    ]
    assert cells == [["ABC"] * 4, ["DEF"] * 4]


@each_in_all_shapes
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
