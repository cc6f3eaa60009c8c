"""The sections in markdown, for a code host. The same records give the same text."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

from normzoo.report.render.cells import NORM, Grid
from normzoo.report.render.illustrations import Plot
from normzoo.report.render.sections import Part, Section
from normzoo.visible import one_line, visible


def to_markdown(heading: str, sections: Sequence[Section], *, plots: Sequence[Plot] = ()) -> str:
    """Write the report.

    Args:
        heading: its name.
        sections: what it says.
        plots: images in the folder of the report.
    """
    images = {plot.kind: _image(plot) for plot in plots}
    blocks = [f"# {escaped(heading)}", *(block for section in sections for block in _section(section, images))]
    return visible("\n\n".join(blocks)) + "\n"


def _section(section: Section, images: Mapping[str, str]) -> Iterator[str]:
    """Yield the blocks of a section; none of one that consists of plots that there are not."""
    blocks = list(_blocks(section, images))
    if not blocks:
        return
    if section.folded:
        yield f"<details>\n<summary>{escaped(section.title)}</summary>"
        yield from blocks
        yield "</details>"
    else:
        yield f"## {escaped(section.title)}"
        yield from blocks


def _blocks(section: Section, images: Mapping[str, str]) -> Iterator[str]:
    for part in section.parts:
        yield from _part(part)
    if section.code:
        yield _fenced(section.code[1], section.code[0])
    if section.bullets:
        yield _bullets(section.bullets)
    if section.legend:
        yield escaped(section.legend)
    yield from (images[kind] for kind in section.figures if kind in images)


def _part(part: Part) -> Iterator[str]:
    if part.title:
        yield f"### {escaped(part.title)}"
    if part.grid:
        yield _pipe_table(part.grid)
    if part.findings or part.notes:
        yield _bullets([*part.findings, *part.notes])


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {escaped(one_line(line))}" for line in lines)


def _pipe_table(grid: Grid) -> str:
    groups = ["batch size"] if grid.groups else []
    header = [NORM, *groups, *(escaped(column.header) for column in grid.columns)]
    rule = [":--", *("--:" for _ in groups), *("--:" for _ in grid.columns)]
    rows = [
        [
            _code(label),
            *([grid.groups[index].removeprefix("batch ")] if grid.groups else []),
            *(" ".join(column.cells[index]) for column in grid.columns),
        ]
        for index, label in enumerate(grid.labels)
    ]
    return "\n".join(map(_pipe_row, [header, rule, *rows]))


def _code(text: str) -> str:
    """Write text as code in a line, between more backticks than any run of them within it.

    >>> _code("batch"), _code("a `tick`")
    ('`batch`', '`` a `tick` ``')
    """
    longest = max(map(len, re.findall("`+", text)), default=0)
    space = " " if longest else ""
    return f"{'`' * (longest + 1)}{space}{text}{space}{'`' * (longest + 1)}"


def escaped(text: str) -> str:
    r"""Write text in which names are as users chose them so that markdown shows it as it is.

    >>> escaped("my_norms:Mine of <b> and *x*")
    'my_norms:Mine of \\<b> and \\*x\\*'
    """
    return re.sub(r"([\\`*<&\[\]]|(?<!\w)_|_(?!\w))", r"\\\1", text)


def _pipe_row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(one_line(text).replace('|', chr(92) + '|') for text in texts)} |"


def _image(plot: Plot) -> str:
    return f"![{escaped(plot.text)}]({quote(os.fsencode(plot.png.name))})"


def _fenced(text: str, language: str) -> str:
    """Fence a block with more backticks than any run of them within it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
