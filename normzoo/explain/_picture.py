"""The picture of the pools: what of an input is shown, where, and in which colours."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, prod
from typing import Final, NamedTuple

from normzoo.explain._subject import Curve, Subject

ROWS: Final = 24
"""How many rows of letters a picture has at most, with the blank ones between samples."""

ALL_OF: Final = 8
"""Up to how many positions along a dimension are shown; of more, ``SOME_OF``."""

SOME_OF: Final = 2
MIN_EXTENT: Final = 3
"""Of how many samples or channels something is shown at least: first, gap and last."""

Shown = tuple[int | None, ...]
"""Indices along a dimension; None: some are left out here."""


@dataclass(frozen=True)
class Layout:
    """What of an input is shown.

    Attributes:
        samples: which of them.
        channels: which of them.
        rows: the positions in the rows of a cell.
        letters: how many characters the longest label has.
        note: what is left out, in a sentence; empty: nothing is.
        spaced: a blank row stands between samples of several rows.
    """

    samples: Shown
    channels: Shown
    rows: tuple[tuple[int, ...], ...]
    letters: int
    note: str
    spaced: bool = True

    @property
    def cell_width(self) -> int:
        """How many characters a cell is wide: its letters with a blank around each, or its name if that is longer."""
        return max(_width(len(self.rows[0]), self.letters), *(len(channel_name(each)) for each in self.channels))

    @property
    def gap(self) -> int:
        """How many blank rows there are between samples."""
        return _gap(len(self.rows)) if self.spaced else 0

    @property
    def width(self) -> int:
        """How many characters the grid is wide, with the names of the samples."""
        return self.names_width + len(self.channels) * (self.cell_width + 1)

    @property
    def names_width(self) -> int:
        """How many characters the names of the samples take."""
        return max(len(sample_name(each)) for each in self.samples)


def lay_out(subject: Subject, *, width: int = 80, height: int = ROWS, spaced: bool = True) -> Layout:
    """Choose what of an input fits in ``width`` characters and ``height`` rows, the same for all kinds of pools.

    First fewer positions are shown, then fewer channels and samples: the first and the last of them.
    """
    samples, channels, _ = subject.pools.sizes
    *heights, columns = subject.shape[2:] or (1,)
    letters = max(pools.longest_label for pools in subject.parts.values())
    caps = (ALL_OF, SOME_OF, 1)

    def cell(cap: int) -> int:
        return max(_width(_some(columns, cap), letters), len(channel_name(channels - 1))) + 1

    def rows(cap: int) -> int:
        return prod(_some(size, cap) for size in heights)

    def samples_that_fit(cap: int) -> int:
        gap = _gap(rows(cap)) if spaced else 0
        return (height + gap) // (rows(cap) + gap)

    row_cap = next((cap for cap in caps if samples <= samples_that_fit(cap)), SOME_OF)
    kept_samples = _ends(samples, samples_that_fit(row_cap))
    room = width - max(len(sample_name(each)) for each in kept_samples) - 1
    # Where neighbours share a pool, its border is worth more than positions.
    has_borders = any(pools.blocks and 1 < pools.extent[1] < channels for pools in subject.parts.values())
    otherwise = 1 if has_borders or MIN_EXTENT * cell(SOME_OF) > room + 1 else SOME_OF
    column_cap = next((cap for cap in caps if channels * cell(cap) <= room + 1), otherwise)
    shown = [*(_some(size, row_cap) for size in heights), _some(columns, column_cap)]
    kept_channels = _ends(channels, (room + 1) // cell(column_cap))
    numbers = _rows(shown, subject.shape[2:] or (1,))
    note = _note(subject, kept_samples, kept_channels, shown)
    return Layout(kept_samples, kept_channels, numbers, letters, note, spaced)


def _gap(rows: int) -> int:
    """Return how many blank rows follow a sample that is shown in some rows."""
    return int(rows > 1)


def sample_name(sample: int | None) -> str:
    """Return how a row is headed."""
    return "..." if sample is None else f"n{sample}"


def channel_name(channel: int | None) -> str:
    """Return how a column is headed."""
    return "..." if channel is None else f"c{channel}"


def axes(subject: Subject) -> str:
    """Say what the letters, rows, columns and places within a cell are."""
    sizes = "DHW"[5 - len(subject.shape) :] if len(subject.shape) > 3 else "L"
    within = f"{' x '.join(sizes)} positions" if len(subject.shape) > 2 else "one value"
    letters = "letters: pools; " if any(pools.count for pools in subject.parts.values()) else ""
    if subject.probe and subject.probe.overlaps:
        letters = "A: what moves with one value; "
    return f"{letters}rows: samples; columns: channels; in a cell: {within}"


def _width(columns: int, letters: int) -> int:
    return columns * (letters + 1) + 1


def _some(size: int, cap: int) -> int:
    return size if size <= cap else min(SOME_OF, cap)


def _ends(size: int, fit: int) -> Shown:
    """Return the first and the last indices, two thirds and one third of as many as fit beside the gap."""
    fit = max(fit, MIN_EXTENT)
    if size <= fit:
        return tuple(range(size))
    last = (fit - 1) // 3 or 1
    return (*range(fit - 1 - last), None, *range(size - last, size))


def _rows(shown: Sequence[int], sizes: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return the numbers of the first positions along each dimension, in rows along the last."""
    strides = [prod(sizes[place + 1 :]) for place in range(len(sizes))]
    *outer, _ = strides
    starts = [
        sum(index * stride for index, stride in zip(place, outer, strict=True))
        for place in itertools.product(*(range(count) for count in shown[:-1]))
    ]
    return tuple(tuple(range(start, start + shown[-1])) for start in starts)


def _note(subject: Subject, samples: Shown, channels: Shown, positions: Sequence[int]) -> str:
    of_samples, of_channels, _ = subject.pools.sizes
    parts = [
        f"{sum(each is not None for each in shown)} of {size} {name}"
        for name, shown, size in (("samples", samples, of_samples), ("channels", channels, of_channels))
        if None in shown
    ]
    if subject.shape[2:] and tuple(positions) != subject.shape[2:]:
        parts.append(f"{_times(positions)} of {_times(subject.shape[2:])} positions")
    return f"Shown are {', '.join(parts)}; the letters are those of the whole." if parts else ""


def _times(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))


def plot(curve: Curve, *, width: int = 61, height: int = 9) -> list[str]:
    r"""Draw a curve in rows of characters, with the ends of both axes.

    >>> print(*plot(((-1.0, 0.0), (0.0, 1.0), (1.0, 0.5)), width=12, height=3), sep="\n")
      1 |   *
        |      *
      0 |*
        -1 0  1
    """
    (left, _), (right, _) = curve[0], curve[-1]
    outputs = [value for _, value in curve if isfinite(value)]
    low, high = min(outputs, default=0.0), max(outputs, default=0.0)
    top, bottom = (0.0 if abs(end) < (high - low) * 1e-9 else end for end in (high, low))  # but for rounding
    labels = [f"{top:.3g}", *[""] * (height - 2), f"{bottom:.3g}"]
    margin = max(map(len, labels)) + 2
    columns = width - margin - 2
    rows = [[" "] * columns for _ in range(height)]
    for value, output in curve:
        if isfinite(output):
            share = (high - output) / (high - low) if high > low else 0.5
            rows[round(share * (height - 1))][round((value - left) / (right - left) * (columns - 1))] = "*"
    ends = f"{left:g}", f"{right:g}"
    middle = "0".center(columns - len(ends[0]) - len(ends[1]))
    drawn = [f"{label:>{margin}} |{''.join(row)}".rstrip() for label, row in zip(labels, rows, strict=True)]
    return [*drawn, f"{'':{margin}} {ends[0]}{middle}{ends[1]}"]


class Ink(NamedTuple):
    """A colour, and that of the letters on it."""

    paper: str
    letter: str


INKS: Final = tuple(
    Ink(paper, letter)
    for paper, letter in (
        ("#E69F00", "#000000"),
        ("#0072B2", "#FFFFFF"),
        ("#F0E442", "#000000"),
        ("#CC79A7", "#000000"),
        ("#009E73", "#000000"),
        ("#56B4E9", "#000000"),
        ("#D55E00", "#000000"),
        ("#BBBBBB", "#000000"),
    )
)
"""Okabe & Ito 2008, with grey in place of black. From the ninth pool on they are used again, never for neighbours."""
