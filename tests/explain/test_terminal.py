"""Does the terminal show the letters and colours of the pools, with and without colours?"""

import re

import pytest
from rich.console import Console
from rich.text import Text

from normzoo.explain import lay_out, picture_to_rich, sections, subject, to_rich
from normzoo.explain._picture import INKS

from .cases import SPECS_AND_SHAPES


def cells(picture: Text, channels: int) -> list[list[str]]:
    """Return the letters of every cell, by the lines that hold any."""
    lines = picture.plain.split("\n")
    header = next(index for index, line in enumerate(lines) if line.split()[:1] == ["c0"])
    end = next(index for index, line in enumerate(lines) if "rows: samples" in line)
    rows = [line for line in lines[header + 1 : end] if line]
    words = [re.sub(r"^n\d+", "", row).split() for row in rows]
    return [
        [" ".join(row[at : at + len(row) // channels]) for at in range(0, len(row), len(row) // channels)]
        for row in words
    ]


@pytest.mark.parametrize(("spec", "shape"), SPECS_AND_SHAPES)
def test_every_value_stands_in_its_place(spec: str, shape: tuple[int, ...]) -> None:
    """Its letter in the row of its sample and the column of its channel."""
    asked = subject(spec, shape)
    layout = lay_out(asked)
    shown = cells(picture_to_rich(asked, layout), shape[1])
    expected = [
        [" ".join(asked.pools.label(sample, channel, position) for position in row) for channel in range(shape[1])]
        for sample in range(shape[0])
        for row in layout.rows
    ]
    assert shown == expected


@pytest.mark.parametrize("spec", ["batch", "group:groups=2", "none"])
def test_letters_have_the_colour_of_their_pool(spec: str) -> None:
    """Each letter that has a background has that of the pool, and its own colour on it."""
    asked = subject(spec, (2, 4, 3))
    picture = picture_to_rich(asked, lay_out(asked))
    number_of = {
        asked.pools.label(n, c, 0): asked.pools.color(n, c, 0, colors=len(INKS)) for n in (0, 1) for c in range(4)
    }
    colored = {
        picture.plain[span.start : span.end].strip(): span.style
        for span in picture.spans
        if getattr(span.style, "bgcolor", None) is not None
    }
    if spec == "none":
        assert colored == {}
        return
    assert set(colored) == set(number_of)
    for label, style in colored.items():
        color = number_of[label]
        assert color is not None
        assert (style.bgcolor.name, style.color.name) == (INKS[color].paper.lower(), INKS[color].letter.lower())  # type: ignore[union-attr]


def shown(spec: str, width: int, **options: bool | str) -> str:
    console = Console(width=width, **options)  # type: ignore[arg-type]
    with console.capture() as captured:
        for part in to_rich([subject(each, (4, 8, 2, 2)) for each in spec.split()], width=width):
            console.print(part, highlight=False)
    return captured.get()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_nothing_is_lost_or_too_wide(width: int) -> None:
    """Every sentence is there, and no line is longer than the terminal."""
    said = shown("batch", width)
    assert max(map(len, said.splitlines())) <= width
    joined = " ".join(said.split())
    for section in sections(subject("batch", (4, 8, 2, 2))):
        assert section.heading in joined
        for line in section.lines:
            assert line in joined


def test_colours_are_told_from_plain_text() -> None:
    """In a terminal with colours there are escape sequences, otherwise none; the letters are the same."""
    colored = shown("batch", 80, force_terminal=True, color_system="truecolor")
    plain = shown("batch", 80, force_terminal=False)
    assert "\x1b[38;2;0;0;0;48;2;230;159;0m" in colored
    assert "\x1b" not in plain
    assert re.sub("\x1b\\[[0-9;]*m", "", colored) == plain


def test_several_stand_beside_one_another_where_they_fit() -> None:
    """Two pictures in a row of 120 columns, below one another in 80; what is said follows under each title."""
    for width, rows in ((120, 1), (80, 2)):
        said = shown("batch layer", width).splitlines()
        headers = [line for line in said if line.split()[:1] == ["c0"]]
        assert len(headers) == rows
        assert sum(line.rstrip() == "layer on shape (4, 8, 2, 2)" for line in said) == rows
