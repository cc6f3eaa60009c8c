"""Is the file the same picture, well-formed, and the same each time?"""

import xml.etree.ElementTree as ET

import pytest

from normzoo.explain import lay_out, subject, to_svg
from normzoo.explain._picture import INKS

from .cases import SPECS_AND_SHAPES

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


@pytest.mark.parametrize(("spec", "shape"), SPECS_AND_SHAPES)
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
