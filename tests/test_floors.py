"""Do imports go down the floors of the house, and does the parent stay without torch?"""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import normzoo

ROOT = Path(normzoo.__file__).parent
FLOORS = {
    "errors": 0,
    "interrupts": 0,
    "libraries": 0,
    "metric": 0,
    "visible": 0,
    "outputs": 1,
    "memory": 1,
    "devices": 1,
    "registry": 1,
    "tables": 2,
    "layers": 2,
    "tasks": 2,
    "data": 3,
    "surgery": 3,
    "templates": 4,
    "experiment": 5,
    "report": 6,
    "progress": 6,
    "explain": 6,
    "export": 6,
    "bench": 7,
    "_given": 6,
    "comparison": 7,
    "cli": 8,
    "__main__": 9,
}
ROOMS = ("config", "planning", "results", "worker", "executor", "")
"""The folders of the experiment, each of which imports from those before it alone; last its own files."""
HEAVY = {"torch", "torchvision", "torchmetrics", "lightning", "pytorch_lightning"}
IN_WORKERS = {
    f"normzoo.experiment.worker.{name}"
    for name in (
        "train",
        "evaluation",
        "time_steps",
        "networks",
        "prepare",
        "places",
        "memory",
        "serve",
        "attempts",
        "trainer",
    )
} | {f"normzoo.bench.{name}" for name in ("worker", "measure", "measure_lstm")}
"""Those of the experiment's and the benchmark's modules that only a worker imports."""
PROBES = {"normzoo.explain._probe"}
"""Imported where a norm is tried, which is not known otherwise."""


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
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from imports_in(child, module, local=True)
        else:
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports_in(child, module, local=local or is_function)


@cache
def imports_of(module: str) -> tuple[Import, ...]:
    """Return what a module of ours imports; nothing for one of others."""
    if module not in FILES:
        return ()
    return tuple(imports_in(ast.parse(FILES[module].read_text(encoding="utf-8")), module))


def package(module: str) -> str:
    """Return the name below ``normzoo``; the package's own file counts to ``errors``, which is all it exports."""
    return module.split(".")[1] if "." in module else "errors"


@cache
def reached(module: str) -> frozenset[str]:
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
        waiting += [each.target for each in imports_of(name) if not each.local]
    return frozenset(name if name in FILES else name.split(".")[0] for name in seen)


def test_every_package_stands_on_a_floor() -> None:
    """A new one must say where."""
    assert {package(module) for module in FILES} <= set(FLOORS)


@pytest.mark.parametrize("module", FILES)
def test_imports_go_down(module: str) -> None:
    """To a lower floor or within the package, wherever in the file they stand; the front door loads on demand."""
    own = package(module)
    for target, local in imports_of(module):
        if module == "normzoo" and local:
            continue
        if target.split(".")[0] == "normzoo" and package(target) != own:
            assert FLOORS[package(target)] < FLOORS[own], f"{module} imports {target}"


def room(module: str) -> int:
    """Return the place of a module of the experiment among its folders."""
    parts = module.split(".")
    return ROOMS.index(parts[2] if len(parts) > 3 else "")


@pytest.mark.parametrize("module", [module for module in FILES if module.startswith("normzoo.experiment.")])
def test_the_experiment_is_a_ladder(module: str) -> None:
    """Configuration, planning, results, worker, executor: each knows those before it."""
    if FILES[module].name == "__init__.py":
        return
    for target, _ in imports_of(module):
        if target.startswith("normzoo.experiment.") and target in FILES and FILES[target].name != "__init__.py":
            assert room(target) <= room(module), f"{module} imports {target}"


def test_there_are_no_cycles() -> None:
    """Every module can be imported first."""
    graph = {
        module: {each.target for each in imports_of(module) if not each.local and each.target in FILES} - {module}
        for module in FILES
    }
    assert len(list(TopologicalSorter(graph).static_order())) == len(FILES)


@pytest.mark.parametrize("module", [module for module in FILES if package(module) == "layers"])
def test_layers_need_torch_and_nothing_else(module: str) -> None:
    """No Lightning, no pydantic: of ours the registry and the errors, of others' torch alone."""
    for target, _ in imports_of(module):
        top = target.split(".")[0]
        assert top in {"normzoo", "torch"} | sys.stdlib_module_names, f"{module} imports {target}"
        assert top != "normzoo" or package(target) in ("layers", "registry", "errors"), f"{module} imports {target}"


IMPORTED_AS = {"scikit-learn": "sklearn", "PyYAML": "yaml", "markdown-it-py": "markdown_it"}
"""The packages whose modules have another name."""

WITH_TORCH_ALONE = """
import sys, warnings

class Refusal:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"refused: {name}", name=name)

REFUSED = set(sys.argv[1:])
sys.meta_path.insert(0, Refusal)
warnings.filterwarnings("ignore", message="Failed to initialize NumPy")  # which torch can do without

import normzoo.layers
import torch
from layers.cases import CASES
from normzoo.registry import NORMS

def carried_out(layer, x):
    x.requires_grad_()
    y = layer(x)
    y.square().sum().backward()
    return y.shape == x.shape and bool(y.isfinite().all() and x.grad.isfinite().all())

for backend in ("eager", "auto"):
    with normzoo.layers.backend(backend):
        for training in (True, False):
            for case in CASES:
                assert carried_out(case.ours().train(training), case.input(torch.float32)), case.id
            for name in NORMS:
                assert carried_out(normzoo.layers.make_norm(name, num_features=8), torch.randn(4, 8, 3, 3)), name
            for kind in (normzoo.layers.LSTM, normzoo.layers.GRU):
                assert kind(4, 8, norm="batch", steps=3)(torch.randn(3, 2, 4))[0].isfinite().all()
made = [*(case.ours() for case in CASES), *(normzoo.layers.make_norm(name, num_features=8) for name in NORMS)]
print(*sorted({type(layer).__name__ for layer in made}))
print(*sorted(REFUSED & {name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.slow
def test_every_layer_runs_where_torch_alone_is_installed() -> None:
    """Whatever else normzoo depends on is refused to whoever imports it, in a process of its own."""
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[^\w.-]", requirement)[0] for requirement in project["dependencies"]}
    refused = {IMPORTED_AS.get(name, name) for name in names - {"torch"}}
    assert {"numpy", "lightning", "pydantic", "sklearn", "yaml"} <= refused
    done = subprocess.run(
        [sys.executable, "-c", WITH_TORCH_ALONE, *refused],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT.parent, ROOT.parent / "tests")))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ran, loaded = done.stdout.split("\n")[:2]
    public = {name for name, each in vars(normzoo.layers).items() if isinstance(each, type) and name != "Norm"}
    public -= {"LSTM", "GRU"}
    of_weights = {"ScaledWeightStandardization", "WeightStandardization"}
    assert set(ran.split()) == (public & set(normzoo.layers.__all__)) - of_weights
    assert loaded == ""


MAY_WITHIN_FUNCTIONS = (
    "normzoo",
    "normzoo.experiment.worker.process",
    "normzoo.experiment.executor.in_process",
    "normzoo.explain._subject",
    "normzoo.comparison",  # for the type of a dataset
    "normzoo._given",  # of a dataset that is given as it is, where torch is there already
)
PARENTS = [
    module
    for module in FILES
    if package(module)
    in (
        "errors",
        "registry",
        "tables",
        "memory",
        "experiment",
        "report",
        "explain",
        "progress",
        "_given",
        "comparison",
        "bench",
        "cli",
        "__main__",
    )
]


@pytest.mark.parametrize("module", [module for module in PARENTS if module not in IN_WORKERS | PROBES])
def test_the_parent_and_the_report_import_no_torch(module: str) -> None:
    """Neither they nor anything that comes with them; within functions only the worker may."""
    assert not reached(module) & (HEAVY | IN_WORKERS | PROBES)
    if module not in MAY_WITHIN_FUNCTIONS:
        for target, _ in imports_of(module):
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
        elif isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING" and module == "normzoo":
            bound |= {alias.name for each in ast.walk(statement) for alias in getattr(each, "names", ())}
        elif isinstance(statement, ast.ImportFrom | ast.Import):
            bound |= {alias.asname or alias.name for alias in statement.names} - used
        elif isinstance(statement, ast.FunctionDef | ast.ClassDef):
            bound.add(statement.name)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            bound |= {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    assert len(listed) == len(set(listed))
    assert {name for name in listed if not name.startswith("__")} == {name for name in bound if name[0] != "_"}


WITHOUT_TORCH = (
    "--help",
    "list",
    "explain batch,group:groups=4",
    "compare --help",
    "compare --show-config",
    "bench layers --help",
    "bench lstm --help",
)


@pytest.mark.slow
def test_a_parent_ends_without_torch(tmp_path: Path) -> None:
    """In fact, and not only by the letter of its files: one that carries out several commands after one another.

    That it has none either when it has had workers train, ``tests/library`` asks of a script.
    """
    code = (
        "import sys\nfrom normzoo.cli import main\nfor command in sys.argv[1:]:\n"
        f"    print(main(command.split()), sorted({HEAVY} & set(sys.modules)), command, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *WITHOUT_TORCH]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == [f"0 [] {each}" for each in WITHOUT_TORCH]


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


@pytest.mark.slow
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
