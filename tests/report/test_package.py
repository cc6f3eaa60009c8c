"""What importing the report floor brings with it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import normzoo.report


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.slow
def test_importing_the_package_imports_neither_torch_nor_matplotlib() -> None:
    assert not {"torch", "lightning", "matplotlib"} & loaded_by("import normzoo.report")


@pytest.mark.slow
def test_plotting_imports_neither_torch_nor_pyplot() -> None:
    modules = loaded_by("import normzoo.report.plots; assert 'matplotlib.pyplot' not in sys.modules")
    assert "matplotlib" in modules
    assert "torch" not in modules


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


@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_one_way(room: str) -> None:
    files = list(Path(normzoo.report.__file__).parent.joinpath(room).glob("*.py"))
    assert files
    for path in files:
        allowed = {other for other, floor in ROOMS.items() if floor < ROOMS[room]} | {room}
        assert imported(path) <= allowed, path.name
