"""Is the page of all norms the registry's?

``pytest tests/test_zoo_page.py --refresh-golden`` writes its tables again.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import normzoo
from normzoo.registry import FAMILIES, NormEntry, about_family, written

PAGE = Path(normzoo.__file__).parents[1] / "docs" / "zoo.md"
BEGINS, ENDS = "<!-- norms -->", "<!-- end of norms -->"


def tables() -> Iterator[str]:
    """Yield the lines of a section with a table for each family."""
    for family, norms in FAMILIES.items():
        yield from ("", f"## {family}", "", about_family(family), "")
        yield from ("| norm | what it does | formula | source |", "|---|---|---|---|")
        for name, norm in norms.items():
            cells = (named(name, norm), does(norm), f"`{norm.formula}`", source(norm))
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def named(name: str, norm: NormEntry) -> str:
    """Return a norm with the options that it has by default."""
    options = ", ".join(f"`{key}={written(value)}`" for key, value in norm.options.items())
    return f"`{name}`" + (f" ({options})" if options else "")


def does(norm: NormEntry) -> str:
    """Return what a norm does, and why it is no part of all."""
    return norm.summary + (f"; no part of `all`: {norm.apart}" if norm.apart else "")


def source(norm: NormEntry) -> str:
    """Return the source, with a link to the paper."""
    paper = norm.explanation.paper
    return f"[{norm.source}](https://arxiv.org/abs/{paper.arxiv})" if paper and paper.arxiv else norm.source


def test_the_page_is_the_registrys(request: pytest.FixtureRequest) -> None:
    """Every family with its norms, between two marks; what is around them is written by hand."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGINS)
    _, mark, after = rest.partition(ENDS)
    assert mark
    expected = f"{before}{BEGINS}\n{chr(10).join(tables())}\n{ENDS}{after}"
    if request.config.getoption("--refresh-golden"):
        PAGE.write_text(expected, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == expected


def test_what_the_page_says_of_the_report_is_in_it() -> None:
    """Every percentage, as the mean of the norm that stands before it in some network."""
    said = PAGE.read_text(encoding="utf-8").partition(BEGINS)[0]
    report = (PAGE.parents[1] / "reports" / "zoo.md").read_text(encoding="utf-8")
    means = re.findall(r"^\| `([a-z0-9+-]+)` \| ([\d.]+) ±", report, flags=re.MULTILINE)
    shares = re.findall(r"([\d.]+) %", said)
    assert len(shares) > 10
    assert set(shares) <= {mean for _, mean in means}
