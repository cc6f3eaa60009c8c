"""Are all layers in the list, and is any of them torch.nn's in disguise?"""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from normzoo import layers

from .cases import CASES, NORMS, Case
from .formulas import FORMULAS
from .references import random_mask, randomized

FOLDER = Path(layers.__file__).parent
SOURCES = sorted(FOLDER.rglob("*.py"))
INTERNALS = FOLDER / "_kernels" / "torch_internals.py"
NO_NORMALIZATION = (
    "torch.linalg.vector_norm",  # the length of a vector
    "torch.ops.aten.copy_.default",
    "torch.jit.is_tracing",
    "torch.jit.TracerWarning",
)
FORBIDDEN_PLACES = ("torch.nn.functional", "torch.nn.modules", "torch.ops", "torch._", "torch.backends", "torch.jit")


def uses_of_torch(source: str) -> list[str]:
    """Return the full dotted names of what a source takes from torch, the bases of its classes aside."""
    tree = ast.parse(source)
    bases = {id(base) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for base in node.bases}
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
        if isinstance(node, ast.Attribute) and id(node) not in bases:
            root, _, rest = ast.unparse(node).partition(".")
            used.append(f"{origins.get(root, root)}.{rest}")
    return [name for name in used if name.startswith("torch.")]


def forbidden_uses(source: str) -> list[str]:
    """Return what a source takes from torch that normalizes."""
    return [name for name in uses_of_torch(source) if _is_forbidden(name)]


def _is_forbidden(name: str) -> bool:
    if f"{name}.".startswith(NO_NORMALIZATION):
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
    public -= {layers.WeightStandardization, layers.ScaledWeightStandardization}  # of weights: surgery's tests ask them
    public -= {layers.LSTM, layers.GRU}  # which hold norms, and have files of their own
    asked = {case.layer for case in CASES} | {case.layer for case in FORMULAS}
    assert {layer for layer in public if not inspect.isabstract(layer)} == asked


def test_ids_are_unique() -> None:
    """A failure names one case."""
    assert len({case.id for case in CASES} | {case.id for case in FORMULAS}) == len(CASES) + len(FORMULAS)


def test_exports_are_the_public_names() -> None:
    """``__all__`` is sorted and lists exactly what the package holds without underscore, submodules aside."""
    public = {name for name, value in vars(layers).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert set(layers.__all__) == public
    assert len(layers.__all__) == len(public)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("source", [path for path in SOURCES if path != INTERNALS], ids=lambda path: path.name)
def test_written_from_scratch(source: Path) -> None:
    """No file uses a normalization of torch's but as the base of a class, whose methods are ours."""
    assert forbidden_uses(source.read_text(encoding="utf-8")) == []


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operation that reaches torch's kernels."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[str] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.add(str(function.overloadpacket))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", NORMS, ids=lambda case: case.id)
def test_no_kernel_of_torch_normalizes(case: Case, training: bool, masked: bool) -> None:
    """Forward and backward, none of the operations that are carried out is a normalization, or its gradient."""
    layer, x = randomized(case.ours()).train(training), case.input(torch.float32).requires_grad_()
    with Operations() as operations:
        layer(x, random_mask(case) if masked else None).sum().backward()
    assert operations.seen
    assert not {name for name in operations.seen if "norm" in name} - {"aten.linalg_vector_norm"}
    with Operations() as operations:
        nn.GroupNorm(1, 2)(torch.randn(2, 2, 3))
    assert any("norm" in name for name in operations.seen)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_names_that_torch_keeps_to_itself_are_in_one_file(source: Path) -> None:
    """Only ``torch_internals`` uses a name that begins with an underscore, each tested in a file of its own."""
    used = uses_of_torch(source.read_text(encoding="utf-8"))
    private = {name for name in used if re.search(r"\._(?!_)", name)}
    assert bool(private) == (source == INTERNALS), private


def test_a_tab_shows_what_a_user_wants() -> None:
    """Norms, ``make_norm``, ``norm_factory``, ``backend`` and ``domain``; what carries them out is out of sight."""
    shown = [name for name in dir(layers) if not name.startswith("_")]
    others = [
        name for name in shown if not (inspect.isclass(value := getattr(layers, name)) and issubclass(value, nn.Module))
    ]
    assert others == ["backend", "domain", "make_norm", "norm_factory"]


@pytest.mark.parametrize(
    "line",
    [
        "import torch.nn.functional as F\nF.layer_norm(x, (3,))",
        "from torch.nn import functional",
        "from torch.nn import GroupNorm",
        "import torch\nclass A(torch.nn.BatchNorm1d):\n    x = torch.nn.BatchNorm1d.forward",
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
