"""Does a run know the code of its components, so that what was changed is trained again?"""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from normzoo.errors import ComponentError
from normzoo.registry import AUGMENTATIONS, DATASETS, NORMS, OPTIMIZERS, SCHEDULES, TASKS, TEMPLATES, Registry

REGISTRIES: tuple[Registry[Any], ...] = (NORMS, TEMPLATES, DATASETS, TASKS, OPTIMIZERS, SCHEDULES, AUGMENTATIONS)
each_kind = pytest.mark.parametrize("kind", REGISTRIES, ids=lambda kind: kind.kind)

MODULE = """
from collections import OrderedDict
from functools import partial

class Thing: pass

def function(): pass

some = partial(function)
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / f"own_source_{tmp_path.name}.py"
    path.write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return path


@each_kind
@pytest.mark.parametrize("name", ["Thing", "function"])
def test_it_is_of_the_file_as_it_is_now(kind: Registry[Any], name: str, own: Path) -> None:
    """Another text is another checksum, the same again the same; options do not enter."""
    before = kind.source(f"{own.stem}:{name}")
    assert before is not None
    assert len(before) == 16
    assert kind.source(f"{own.stem}:{name}:a=1") == before
    own.write_text(MODULE + "\n# changed\n", encoding="utf-8")
    assert kind.source(f"{own.stem}:{name}") not in (before, None)
    own.write_text(MODULE, encoding="utf-8")
    assert kind.source(f"{own.stem}:{name}") == before


@each_kind
def test_ours_have_none(kind: Registry[Any]) -> None:
    """They are of a version of normzoo; one that came to compute something else has the number of its revision."""
    assert all(
        kind.source(f"{name}:{entry.argument}" if entry.argument else name)
        == (None if entry.revision == 1 else f"revision {entry.revision}")
        for name, entry in kind.items()
        if not entry.takes_more
    )
    assert NORMS.source("batch-renorm") == NORMS.source("batch-renorm:begin=5") == "revision 2"


def test_a_network_of_a_library_has_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """However it was built, so that machines share results; where it is not installed, there is none."""
    installed = {"torchvision": "0.30.1+cu130"}

    def look_up(library: str) -> str:
        if library not in installed:
            raise PackageNotFoundError(library)
        return installed[library]

    assert TEMPLATES.source("torchvision:resnet18") == version("torchvision").partition("+")[0]
    monkeypatch.setattr("normzoo.registry._component.version", look_up)
    assert TEMPLATES.source("torchvision:resnet18:stem=small") == "0.30.1"
    assert TEMPLATES.source("timm:convnext_atto") is None


@pytest.mark.parametrize("text", ["OWN:some", "builtins:dict", "math:sqrt"])
def test_what_has_no_file_has_none(text: str, own: Path) -> None:
    assert NORMS.source(text.replace("OWN", own.stem)) is None


def test_it_is_of_the_file_that_defines_it(own: Path) -> None:
    """Not of the one that it is imported from by another name."""
    (own.parent / f"{own.stem}_again.py").write_text(f"from {own.stem} import Thing\n", encoding="utf-8")
    assert NORMS.source(f"{own.stem}_again:Thing") == NORMS.source(f"{own.stem}:Thing")


def test_what_cannot_be_imported_is_refused() -> None:
    with pytest.raises(ComponentError, match="norm 'no_such_module_here:Thing': cannot import 'no_such_module_here'"):
        NORMS.source("no_such_module_here:Thing")
