"""All that is said of a comparison, word for word: what differs from the files is shown, and is right or wrong.

``pytest tests/report/test_golden.py --refresh-golden`` writes the files again, to be read before they are committed.
"""

import functools
import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from normzoo.report import (
    Depth,
    Section,
    failure_lines,
    heading,
    planned_plots,
    provenance,
    sections,
    summarize,
    to_markdown,
    to_rich,
)

from .scenarios import SCENARIOS

GOLDEN = Path(__file__).parent / "golden"
WIDTH = 80


def screen(said: list[Section], depth: Depth) -> str:
    console = Console(width=WIDTH, file=io.StringIO(), force_terminal=False)
    console.print(*to_rich(said, width=WIDTH, depth=depth), highlight=False)
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


@functools.cache
def shown(name: str) -> dict[str, str]:
    """Return what there is to see of a scenario: by file."""
    matrix, records = SCENARIOS[name]()
    summary = summarize(matrix, records)
    said = sections(
        summary,
        provenance=provenance(records),
        command="normzoo compare --seeds 8",
        failures=failure_lines(records),
    )
    plots = planned_plots(summary, "report")
    return {
        f"{name}.txt": screen(said, Depth.BRIEF),
        f"{name}-details.txt": screen(said, Depth.DETAILS),
        f"{name}.md": to_markdown(heading(summary), said, plots=plots),
    }


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", SCENARIOS)
def test_what_is_said_is_what_was_agreed_on(name: str, request: pytest.FixtureRequest) -> None:
    for file, text in shown(name).items():
        path = GOLDEN / file
        if request.config.getoption("--refresh-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text, f"{file} differs; --refresh-golden writes it"


def test_no_file_is_left_over() -> None:
    assert {path.stem.removesuffix("-details") for path in GOLDEN.iterdir()} == set(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_said_that_is_no_number(name: str) -> None:
    for text in shown(name).values():
        assert not re.search(r"\b(nan|None|inf)\b", text.partition("<details>")[0])


@pytest.mark.parametrize("name", SCENARIOS)
def test_lines_fit_the_screen(name: str) -> None:
    for file, text in shown(name).items():
        if file.endswith(".txt"):
            assert max(map(len, text.splitlines())) <= WIDTH
