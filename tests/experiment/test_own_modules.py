"""Is it known which files of the user's a comparison's components are made of?"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from normzoo.experiment.planning import kept
from normzoo.experiment.planning.kept import own_modules
from normzoo.registry import NORMS, TASKS, TEMPLATES


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of the user's, which takes its norm from a module of it, which imports another."""
    folder = tmp_path / "package_that_is_kept"
    folder.mkdir()
    (folder / "__init__.py").write_text("from package_that_is_kept.norms import Norm\n")
    (folder / "norms.py").write_text("import package_that_is_kept.helper\nclass Norm: pass\n")
    (folder / "helper.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.startswith(folder.name)]:
        del sys.modules[name]


def test_the_modules_of_ones_own_components(package: Path) -> None:
    """Those that a component is named by, defined in and imports; none of Python's, of packages or normzoo's."""
    found = own_modules([(NORMS, f"{package.name}:Norm"), (TEMPLATES, "cnn"), (TASKS, "classification")])
    ours = {name: file for name, file in found.items() if name.startswith(package.name)}
    assert ours == {
        package.name: str(package / "__init__.py"),
        f"{package.name}.norms": str(package / "norms.py"),
        f"{package.name}.helper": str(package / "helper.py"),
    }
    assert not {"pathlib", "torch", "pytest", "normzoo"} & {name.split(".")[0] for name in found}
    assert {kept._origin(name) for name in ours} == set(ours.values())


def test_of_installed_packages_the_file_that_defines_a_component_counts() -> None:
    """And the one by which it is named: the rest is known by the package's version."""
    found = own_modules([(NORMS, "torch.nn:BatchNorm2d")])
    assert {name for name in found if name.startswith("torch")} == {"torch.nn", "torch.nn.modules.batchnorm"}


def test_without_components_of_ones_own_there_are_no_modules() -> None:
    """Whatever else this process has loaded."""
    assert own_modules([(NORMS, "batch"), (TEMPLATES, "cnn"), (TASKS, "classification")]) == {}


def test_what_cannot_be_imported_has_no_origin() -> None:
    """A module that is nowhere, and one in a module that is no package."""
    assert kept._origin("no_such_module") is None
    assert kept._origin("json.decoder.more") is None
    assert kept._origin("json.decoder") == sys.modules["json.decoder"].__file__
