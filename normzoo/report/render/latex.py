r"""The tables of the sections as LaTeX, for a paper: ``\input`` the file; it needs the package booktabs."""

import re
from collections.abc import Iterator, Sequence

from normzoo.report.render.cells import BEST, NORM, NOTHING, NOWHERE, PARTIAL, TIED, Grid
from normzoo.report.render.sections import Part, Section
from normzoo.visible import one_line, visible

SIGNS = {
    BEST: r"$\bullet$",
    TIED: r"$\circ$",
    PARTIAL: r"$\dagger$",
    NOWHERE: r"$\ddagger$",
    NOTHING: "--",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{LESS-THAN OR EQUAL TO}": r"$\le$",
    "\N{RIGHTWARDS ARROW}": r"$\to$",
    "\N{BLACK LEFT-POINTING TRIANGLE}": r"$\triangleleft$",
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": "$<$",
    ">": "$>$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
"""How what LaTeX does not take as it is, or not in every font, is written."""


def to_latex(heading: str, sections: Sequence[Section]) -> str:
    """Write a table for every table of the sections; what they show, in comments above them.

    Args:
        heading: the name of the report.
        sections: what it says.
    """
    tables: list[str] = []
    legend = ""
    for section in reversed(sections):  # sections of one kind are explained by the last of them
        legend = section.legend or legend
        found = [
            _table(section, part, part.grid, number, legend)
            for number, part in enumerate(section.parts, 1)
            if part.grid
        ]
        tables = [line for table in found for line in table] + tables
    return "\n".join([f"% {_one_line(heading)}", r"% needs \usepackage{booktabs}", *tables, ""])


def _table(section: Section, part: Part, grid: Grid, number: int, legend: str) -> Iterator[str]:
    title = f"{section.title}: {part.title}" if part.title else section.title
    yield ""
    yield from (f"% {_one_line(text)}" for text in (*part.findings, *part.notes))
    yield r"\begin{table}"
    yield r"  \centering"
    yield f"  \\caption{{{escaped(f'{title}. {legend}'.strip())}}}"
    yield f"  \\label{{tab:{_label(title)}-{number}}}"
    yield from (f"  {line}" for line in _tabular(grid))
    yield r"\end{table}"


def _tabular(grid: Grid) -> Iterator[str]:
    columns = len(grid.columns) + 1
    yield f"\\begin{{tabular}}{{l{'r' * len(grid.columns)}}}"
    yield r"  \toprule"
    yield f"  {_row([NORM, *(column.header for column in grid.columns)])}"
    yield r"  \midrule"
    for index, label in enumerate(grid.labels):
        if grid.groups and grid.groups[index] not in grid.groups[:index]:
            if index:
                yield r"  \addlinespace"
            yield f"  \\multicolumn{{{columns}}}{{l}}{{\\emph{{{escaped(grid.groups[index])}}}}} \\\\"
        yield f"  {_row([label, *(' '.join(column.cells[index]) for column in grid.columns)])}"
    yield r"  \bottomrule"
    yield r"\end{tabular}"


def _row(texts: Sequence[str]) -> str:
    # An empty group, as what begins with a bracket or a star would belong to the command before.
    return f"{{}}{' & '.join(map(escaped, texts))} \\\\"


def escaped(text: str) -> str:
    r"""Write text so that LaTeX shows it as it is; a number's sign as one.

    >>> escaped("my_norm:x=1 is -1.2 ±0.4 % behind")
    'my\\_norm:x=1 is $-$1.2 $\\pm$0.4 \\% behind'
    """
    signs = "".join(map(re.escape, SIGNS))
    written = re.sub(f"[{signs}]", lambda match: SIGNS[match[0]], one_line(text))
    return re.sub(r"(?<![\w-])-(?=\d)", "$-$", written)


def _one_line(text: str) -> str:
    return visible(" ".join(text.split()))


def _label(title: str) -> str:
    """Return a name of small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
