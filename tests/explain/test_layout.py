"""Does a picture fit, and does it say what it leaves out?"""

import pytest

from normzoo.explain import lay_out, subject
from normzoo.explain._picture import ROWS, axes


@pytest.mark.parametrize(
    "shape", [(4, 8, 2, 2), (4, 8), (8, 12), (4, 6, 5), (2, 4, 3, 3), (2, 3, 2, 2, 2), (1, 4, 8, 8)], ids=str
)
def test_small_inputs_are_shown_whole(shape: tuple[int, ...]) -> None:
    """In 80 columns, with nothing to note: all samples, channels and positions, each once."""
    layout = lay_out(subject("layer", shape))
    positions = [position for row in layout.rows for position in row]
    assert layout.samples == tuple(range(shape[0]))
    assert layout.channels == tuple(range(shape[1]))
    assert len(layout.rows[0]) == (shape[-1] if shape[2:] else 1)
    assert positions == list(range(subject("layer", shape).pools.sizes[2]))
    assert layout.note == ""


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("spec", ["batch", "layer", "instance", "group:groups=4", "none"])
@pytest.mark.parametrize(
    "shape", [(32, 64, 32, 32), (100, 4, 9), (2, 512, 7, 7), (8, 16, 1000), (3, 8, 9, 9, 9), (10000, 1000, 3)], ids=str
)
def test_large_inputs_are_cut_to_fit(width: int, spec: str, shape: tuple[int, ...]) -> None:
    """The first and the last are shown, and the note says of how many how many."""
    layout = lay_out(subject(spec, shape), width=width)
    assert layout.width <= width
    assert len(layout.samples) * (len(layout.rows) + layout.gap) - layout.gap <= ROWS
    for shown, size, name in ((layout.samples, shape[0], "samples"), (layout.channels, shape[1], "channels")):
        there = [each for each in shown if each is not None]
        assert there == sorted(set(there))
        assert (there[0], there[-1]) == (0, size - 1)
        assert (None in shown) == (len(there) < size)
        assert (f"{len(there)} of {size} {name}" in layout.note) == (None in shown)


def test_positions_are_cut_before_channels_and_samples() -> None:
    """Two by two of a large map, the first of each row; in rows of the whole map's width."""
    layout = lay_out(subject("batch", (4, 8, 32, 30)))
    assert layout.rows == ((0, 1), (30, 31))
    assert layout.note == "Shown are 2 x 2 of 32 x 30 positions; the letters are those of the whole."


def test_volumes_are_slices_below_one_another() -> None:
    """Depth, then height, down; width across."""
    assert lay_out(subject("layer", (2, 3, 2, 2, 3))).rows == ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11))


def test_a_border_between_groups_is_shown() -> None:
    """Of 64 channels in eight groups, the first nine at least."""
    layout = lay_out(subject("group", (32, 64, 32, 32)))
    assert layout.channels[:9] == tuple(range(9))


@pytest.mark.parametrize(
    ("shape", "within"),
    [
        ((4, 8), "one value"),
        ((4, 8, 3), "L positions"),
        ((4, 8, 3, 3), "H x W positions"),
        ((4, 8, 3, 3, 3), "D x H x W positions"),
    ],
)
def test_the_axes_are_named(shape: tuple[int, ...], within: str) -> None:
    """By the letters of the shape; where there are no pools, no letters are named."""
    assert axes(subject("layer", shape)) == f"letters: pools; rows: samples; columns: channels; in a cell: {within}"
    assert axes(subject("none", shape)) == f"rows: samples; columns: channels; in a cell: {within}"
