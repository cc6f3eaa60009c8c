"""The colours of pools: far apart also for colour-blind readers; letters tell them apart in grey."""

from typing import Final, NamedTuple


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
