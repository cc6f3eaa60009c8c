"""What importing the report floor brings with it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import normzoo.report


@pytest.mark.slow
def test_only_plotting_imports_matplotlib_and_neither_pyplot_nor_torch() -> None:
    dear = "print(*sorted({'torch', 'lightning', 'matplotlib', 'matplotlib.pyplot'} & set(sys.modules)))"
    code = f"import sys, normzoo.report\n{dear}\nimport normzoo.report.plots\n{dear}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\nmatplotlib\n"


def test_the_public_names_are_there_and_sorted() -> None:
    assert all(hasattr(normzoo.report, name) for name in normzoo.report.__all__)
    assert normzoo.report.__all__ == sorted(normzoo.report.__all__)


ROOMS = {"statistics": 0, "analysis": 1, "render": 2, "plots": 3, "page": 3}
"""Each imports only from itself and from those below it."""


def imported(path: Path) -> set[str]:
    """Return the rooms of the report that a file imports from."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    modules = [node.module.split(".") for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {module[2] for module in modules if module[:2] == ["normzoo", "report"] and len(module) > 2}


@pytest.mark.slow_but_one
@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_one_way(room: str) -> None:
    files = list(Path(normzoo.report.__file__).parent.joinpath(room).glob("*.py"))
    assert files
    for path in files:
        allowed = {other for other, floor in ROOMS.items() if floor < ROOMS[room]} | {room}
        assert imported(path) <= allowed, path.name
