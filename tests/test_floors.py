"""Do imports go down the floors of the house, and does the parent stay without torch?"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import normzoo

ROOT = Path(normzoo.__file__).parent
FLOORS = {
    "errors": 0,
    "registry": 1,
    "layers": 2,
    "data": 2,
    "templates": 3,
    "experiment": 4,
    "report": 5,
    "explain": 5,
    "bench": 6,
    "cli": 7,
    "__main__": 8,
}
HEAVY = {"torch", "torchvision", "torchmetrics", "lightning", "pytorch_lightning"}
IN_WORKERS = (
    {f"normzoo.experiment.{name}" for name in ("train", "epochs", "calibrate", "prepare", "memory")}
    | {f"normzoo.bench.{name}" for name in ("worker", "cold", "measure", "peers")}
    | {f"normzoo.bench.matrix.{name}" for name in ("peer", "networks", "bare_loop", "plain_lightning")}
)
"""Those of the experiment's and the benchmark's modules that only a worker imports."""


class Import(NamedTuple):
    """What a module imports; ``local``: within a function, so not when the module itself is imported."""

    target: str
    local: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports_in(node: ast.AST, module: str, *, local: bool = False) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, local) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{module}: imports are absolute"
            origin = child.module or ""
            names = [f"{origin}.{alias.name}" for alias in child.names]
            yield from (Import(name if name in FILES else origin, local) for name in names)
        else:
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports_in(child, module, local=local or is_function)


IMPORTS = {
    module: list(imports_in(ast.parse(path.read_text(encoding="utf-8")), module)) for module, path in FILES.items()
}


def package(module: str) -> str:
    """Return the name below ``normzoo``; the package's own file counts to ``errors``, which is all it exports."""
    return module.split(".")[1] if "." in module else "errors"


def reached(module: str) -> set[str]:
    """Return everything that importing a module imports, by its top-level name or as a module of ours."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        parts = name.split(".")
        waiting += [".".join(parts[:length]) for length in range(1, len(parts)) if parts[0] == "normzoo"]
        waiting += [each.target for each in IMPORTS.get(name, ()) if not each.local]
    return {name if name in FILES else name.split(".")[0] for name in seen}


def test_every_package_stands_on_a_floor() -> None:
    """A new one must say where."""
    assert {package(module) for module in FILES} <= set(FLOORS)


@pytest.mark.parametrize("module", FILES)
def test_imports_go_down(module: str) -> None:
    """To a lower floor or within the package, wherever in the file they stand."""
    own = package(module)
    for target, _ in IMPORTS[module]:
        if target.split(".")[0] == "normzoo" and package(target) != own:
            assert FLOORS[package(target)] < FLOORS[own], f"{module} imports {target}"


def test_there_are_no_cycles() -> None:
    """Every module can be imported first."""
    graph = {
        module: {each.target for each in imports if not each.local and each.target in FILES} - {module}
        for module, imports in IMPORTS.items()
    }
    assert len(list(TopologicalSorter(graph).static_order())) == len(FILES)


@pytest.mark.parametrize("module", [module for module in FILES if package(module) == "layers"])
def test_layers_need_torch_and_nothing_else(module: str) -> None:
    """No Lightning, no pydantic: of ours the registry and the errors, of others' torch alone."""
    for target, _ in IMPORTS[module]:
        top = target.split(".")[0]
        assert top in {"normzoo", "torch"} | sys.stdlib_module_names, f"{module} imports {target}"
        assert top != "normzoo" or package(target) in ("layers", "registry", "errors"), f"{module} imports {target}"


PARENTS = [
    module
    for module in FILES
    if package(module) in ("errors", "registry", "experiment", "report", "explain", "bench", "cli", "__main__")
]


@pytest.mark.parametrize("module", [module for module in PARENTS if module not in IN_WORKERS])
def test_the_parent_and_the_report_import_no_torch(module: str) -> None:
    """Neither they nor anything that comes with them; within functions only the worker may."""
    assert not reached(module) & (HEAVY | IN_WORKERS)
    if module != "normzoo.experiment.worker":
        for target, _ in IMPORTS[module]:
            assert not reached(target) & (HEAVY | IN_WORKERS), f"{module} imports {target}"


@pytest.mark.parametrize("module", [module for module, path in FILES.items() if path.name == "__init__.py"])
def test_all_is_the_public_names(module: str) -> None:
    """What a package defines or re-exports without underscore: what it imports and does not use itself."""
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    used = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    bound: set[str] = set()
    listed: list[str] = []
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            listed = ast.literal_eval(statement.value)
        elif isinstance(statement, ast.ImportFrom | ast.Import):
            bound |= {alias.asname or alias.name for alias in statement.names} - used
        elif isinstance(statement, ast.FunctionDef | ast.ClassDef):
            bound.add(statement.name)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            bound |= {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    assert len(listed) == len(set(listed))
    assert {name for name in listed if not name.startswith("__")} == {name for name in bound if name[0] != "_"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list"],
        ["explain", "batch,group:groups=4"],
        ["compare", "--help"],
        ["compare", "--show-config"],
        ["bench", "layers", "--help"],
        ["bench", "matrix", "--help"],
        pytest.param(["compare", "--dry-run", "--norms", "none", "--jobs", "1"], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_a_parent_ends_without_torch(arguments: list[str], tmp_path: Path) -> None:
    """In fact, and not only by the letter of its files; a worker of its own may have it."""
    code = (
        "import sys\nfrom normzoo.cli import main\ncode = main(sys.argv[1:])\n"
        f"print(code, sorted({HEAVY} & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == "0 []\n"


NOT_FOR_HELP = HEAVY | {
    "matplotlib",
    "multiprocessing",
    "numpy",
    "pydantic",
    "scipy",
    "sklearn",
    "sqlite3",
    "statsmodels",
}


def test_help_comes_at_once(tmp_path: Path) -> None:
    """What takes time is importing: five hundred modules take half a second, and torch alone has thousands."""
    code = (
        "import sys\nbefore = set(sys.modules)\nfrom normzoo.cli import main\ncode = main(['--help'])\n"
        "print(code, *sorted(set(sys.modules) - before), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    exit_code, *imported = done.stderr.split()
    assert exit_code == "0"
    assert not NOT_FOR_HELP & {module.split(".")[0] for module in imported}
    assert len(imported) < 500
    assert sum(module.split(".")[0] == "normzoo" for module in imported) < 15
