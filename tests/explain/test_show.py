"""Is the picture shown as it was laid out, in the terminal and as SVG?"""

import re
import xml.etree.ElementTree as ET

import pytest
from rich.console import Console
from rich.text import Text

from normzoo.explain import brief_to_rich, lay_out, picture_to_rich, sections, subject, to_rich, to_svg
from normzoo.explain._picture import INKS
from normzoo.explain._show import SCREEN
from normzoo.registry import NORMS

from .cases import each_in_all_shapes, each_with_shapes


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


@each_in_all_shapes
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


@pytest.mark.slow_but_one
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


@pytest.mark.slow
def test_several_stand_beside_one_another_where_they_fit() -> None:
    """Two pictures in a row of 120 columns, below one another in 80; what is said follows under each title."""
    for width, rows in ((120, 1), (80, 2)):
        said = shown("batch layer", width).splitlines()
        headers = [line for line in said if line.split()[:1] == ["c0"]]
        assert len(headers) == rows
        assert sum(line.rstrip() == "layer on shape (4, 8, 2, 2)" for line in said) == rows


@pytest.mark.slow_but_one
@each_with_shapes(
    [
        *((name, (4, 8, 2, 2)) for name in NORMS),
        *((name, shape) for name in ("batch", "group", "extended", "none") for shape in ((4, 16, 2, 1), (2, 16, 9))),
    ]
)
def test_a_screen_holds_what_is_said_first(spec: str, shape: tuple[int, ...]) -> None:
    """Of 24 rows and 80 columns, with a row to type in: picture, formula, where it fits, and how to use it."""
    said = brief_to_rich(subject(spec, shape)).plain.splitlines()
    assert len(said) <= SCREEN
    assert max(map(len, said)) <= 80
    headings = [line[:10].strip() for line in said]
    for heading in ("formula", "fits", "fits less", "in Python", "to compare"):
        assert headings.count(heading) == 1
    assert said[-1].split() == ["all", "of", "it", "--details"]
    assert not any(line.endswith("...") for line in said[headings.index("formula") :])  # no sentence is cut


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(4, 8, 2, 2), (16, 64, 7, 7), (2, 16, 5)])
@pytest.mark.parametrize("spec", ["batch", "extended", "switchable", "batch-instance", "batch-channel", "evonorm-b0"])
def test_no_line_is_longer_than_the_terminal(spec: str, shape: tuple[int, ...]) -> None:
    """Also where one of several pictures must stand below another, and where samples are left out."""
    asked = subject(spec, shape)
    for width in range(36, 110, 3):
        assert max(map(len, brief_to_rich(asked, width=width).plain.splitlines())) <= width


@pytest.mark.parametrize("width", [8, 40])
def test_narrow_screens_hold_a_whole_phrase_or_two(width: int) -> None:
    """Of where it fits, rather than an error; the first is there even where it takes more."""
    words = " ".join(brief_to_rich(subject("position", (4, 8, 2, 2)), width=width).plain.split())
    assert "fits Generative networks from image" in words


def test_several_statistics_stand_beside_one_another() -> None:
    """Under their names; each letter in its place."""
    said = brief_to_rich(subject("extended", (2, 3, 2))).plain.splitlines()
    at = said[2].index("variance")
    assert said[2].split() == ["mean", "variance"]
    assert said[4][:at].split() == ["n0", *"AABBCC"]
    assert said[4][at:].split() == ["n0", *"AAAAAA"]


def test_several_statistics_are_drawn_in_one_file() -> None:
    """Each value once in each."""
    root = parsed(to_svg([subject("extended", (2, 3, 2))]))
    named = [each.attrib["data-value"] for each in root.iter(f"{SVG}g") if "data-value" in each.attrib]
    assert len(set(named)) == len(named) == 2 * 12
    assert "variance 1 2 1" in named


SVG = "{http://www.w3.org/2000/svg}"


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314  # drawn by ourselves


def drawn_values(root: ET.Element) -> dict[tuple[int, ...], ET.Element]:
    """Return the element of each value, by sample, channel and position."""
    found = [each for each in root.iter(f"{SVG}g") if "data-value" in each.attrib]
    values = {tuple(map(int, each.attrib["data-value"].split())): each for each in found}
    assert len(values) == len(found)
    return values


def part(value: ET.Element, name: str) -> ET.Element:
    found = value.find(SVG + name)
    assert found is not None
    return found


@each_in_all_shapes
def test_every_value_has_its_letter_and_colour(spec: str, shape: tuple[int, ...]) -> None:
    """As in the terminal; those that share nothing have neither."""
    asked = subject(spec, shape)
    values = drawn_values(parsed(to_svg([asked])))
    assert len(values) == asked.pools.sizes[0] * asked.pools.sizes[1] * asked.pools.sizes[2]
    for value, element in values.items():
        color = asked.pools.color(*value, colors=len(INKS))
        assert part(element, "text").text == asked.pools.label(*value)
        if color is not None:
            assert part(element, "rect").attrib["fill"] == INKS[color].paper
            assert part(element, "text").attrib["fill"] == INKS[color].letter


def test_values_lie_in_a_grid() -> None:
    """Samples down, channels across, positions within; no two boxes overlap, and none leaves the paper."""
    root = parsed(to_svg([subject("batch", (3, 4, 2, 2))]))
    boxes = {
        value: tuple(float(part(element, "rect").attrib[name]) for name in ("x", "y", "width", "height"))
        for value, element in drawn_values(root).items()
    }
    for (sample, channel, position), (x, y, width, height) in boxes.items():
        assert x == boxes[0, channel, position][0]
        assert y == boxes[sample, 0, position][1]
        assert 0 < x < x + width < float(root.attrib["width"])
        assert 0 < y < y + height < float(root.attrib["height"])
    for one, (x, y, width, height) in boxes.items():
        for other, (left, top, _, _) in boxes.items():
            assert one == other or not (x <= left < x + width and y <= top < y + height)


def test_it_is_a_picture_with_a_title_on_paper() -> None:
    """So that it reads on dark pages, too, and to those who do not see it."""
    root = parsed(to_svg([subject("group:groups=4", (4, 8, 2, 2))]))
    title, description, paper = list(root)[:3]
    assert (root.tag, root.attrib["role"]) == (f"{SVG}svg", "img")
    assert (title.tag, title.text) == (
        f"{SVG}title",
        "What shares a statistic: group:groups=4 on shape (4, 8, 2, 2)",
    )
    assert description.tag == f"{SVG}desc"
    assert description.text
    assert (paper.tag, paper.attrib["fill"]) == (f"{SVG}rect", "#FFFFFF")
    assert root.attrib["viewBox"] == f"0 0 {root.attrib['width']} {root.attrib['height']}"
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert "y = w * (x - mean) / sqrt(var + eps) + b" in texts
    assert {f"n{index}" for index in range(4)} | {f"c{index}" for index in range(8)} <= set(texts)


def test_several_norms_are_one_file() -> None:
    """One below the other, in the order asked for."""
    asked = [subject(spec, (2, 4, 2, 2)) for spec in ("batch", "layer", "none")]
    root = parsed(to_svg(asked))
    groups = [each for each in root if each.tag == f"{SVG}g"]
    assert [part(group, "text").text for group in groups] == [each.title for each in asked]
    tops = [float(part(group, "text").attrib["y"]) for group in groups]
    bottoms = [max(float(each.attrib["y"]) for each in group.iter(f"{SVG}text")) for group in groups]
    assert all(bottom < top for bottom, top in zip(bottoms, tops[1:], strict=False))


def test_what_is_left_out_is_said() -> None:
    """By the same sentence as in a terminal of 80 columns, folded."""
    asked = subject("batch", (32, 64, 32, 32))
    texts = " ".join(each.text or "" for each in parsed(to_svg([asked])).iter(f"{SVG}text"))
    assert lay_out(asked).note in texts
    assert "..." in texts


def test_the_same_request_gives_the_same_bytes() -> None:
    """Whatever the terminal, and from one day to the next."""
    first, second = (to_svg([subject("instance", (4, 8, 2, 2))]) for _ in range(2))
    assert first == second
    assert first.startswith("<svg ")
    assert first.endswith("</svg>\n")
    assert first.isascii()
