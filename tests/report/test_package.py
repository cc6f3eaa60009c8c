"""What importing the report floor brings with it."""

import subprocess
import sys

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
