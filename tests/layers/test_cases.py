"""Are all layers in the list, and is any of them torch.nn's in disguise?"""

import ast
import inspect
from pathlib import Path

import pytest
from torch import nn

from normzoo import layers

from .cases import CASES

SOURCES = sorted(Path(layers.__file__).parent.glob("*.py"))
NO_NORMALIZATION = (
    "torch.linalg.vector_norm",  # the length of a vector
    "torch._inductor.",  # the compiler of our own functions
    "torch._subclasses.fake_tensor.",
    "torch.ops.aten.copy_.default",
    "torch._C._len_torch_dispatch_stack",
    "torch._C._are_functorch_transforms_active",
    "torch._C._functorch",
    "torch._C._is_tracing",
    "torch._C._current_graph_task_id",
)
FORBIDDEN_PLACES = ("torch.nn.functional", "torch.nn.modules", "torch.ops", "torch._", "torch.backends", "torch.jit")


def forbidden_uses(source: str) -> list[str]:
    """Return what a source takes from torch that normalizes, by its full dotted name."""
    tree = ast.parse(source)
    origins: dict[str, str] = {}
    used: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            used += [alias.name for alias in node.names]
            for alias in node.names:
                origins[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            used += [f"{node.module}.{alias.name}" for alias in node.names]
            origins.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            root, _, rest = ast.unparse(node).partition(".")
            used.append(f"{origins.get(root, root)}.{rest}")
    return [name for name in used if _is_forbidden(name)]


def _is_forbidden(name: str) -> bool:
    if not name.startswith("torch.") or f"{name}.".startswith(NO_NORMALIZATION):
        return False
    if any(allowed.startswith(f"{name}.") for allowed in NO_NORMALIZATION):
        return False  # on the way to an attribute that is allowed
    last = name.rsplit(".", 1)[-1].lower()
    return name.startswith(FORBIDDEN_PLACES) or "norm" in last or last.startswith("native_")


def test_every_public_layer_has_a_case() -> None:
    """A layer that is in no case would be asked none of the questions here."""
    public = {
        value
        for name in layers.__all__
        if inspect.isclass(value := getattr(layers, name)) and issubclass(value, nn.Module)
    }
    assert {layer for layer in public if not inspect.isabstract(layer)} == {case.layer for case in CASES}


def test_ids_are_unique() -> None:
    """A failure names one case."""
    assert len({case.id for case in CASES}) == len(CASES)


def test_exports_are_the_public_names() -> None:
    """``__all__`` is sorted and lists exactly what the package holds without underscore, submodules aside."""
    public = {name for name, value in vars(layers).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert set(layers.__all__) == public
    assert len(layers.__all__) == len(public)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_written_from_scratch(source: Path) -> None:
    """No file uses a normalization of torch's, as a class, a function or a kernel."""
    assert forbidden_uses(source.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "import torch.nn.functional as F\nF.layer_norm(x, (3,))",
        "from torch.nn import functional",
        "from torch.nn import GroupNorm",
        "import torch\nclass A(torch.nn.BatchNorm1d): ...",
        "from torch import nn\nnn.RMSNorm(3)",
        "import torch\ntorch.batch_norm(x)",
        "import torch as t\nt.native_group_norm(x)",
        "from torch import native_layer_norm",
        "import torch\ntorch.ops.aten.native_batch_norm(x)",
        "from torch.nn.modules.batchnorm import _BatchNorm",
    ],
)
def test_borrowing_would_be_seen(line: str) -> None:
    """The check above catches the ways in which one could borrow."""
    assert forbidden_uses(line)
