"""``normzoo list``: what there is to choose from."""

from collections.abc import Iterator
from typing import Annotated, Any

from cyclopts import Parameter
from rich.table import Table

from normzoo.cli._console import stdout_console
from normzoo.registry import (
    AUGMENTATIONS,
    DATASETS,
    FAMILIES,
    NORMS,
    OPTIMIZERS,
    SCHEDULES,
    TASKS,
    TEMPLATES,
    Entry,
    Registry,
    about_family,
    find,
    written,
)

_REGISTRIES: tuple[Registry[Any], ...] = (NORMS, TEMPLATES, DATASETS, AUGMENTATIONS, TASKS, OPTIMIZERS, SCHEDULES)
_KINDS = {f"{registry.kind}s": registry for registry in _REGISTRIES}
"""What there is, by the word that asks for it."""


def list_entries(
    *kinds: Annotated[str, Parameter(help=f"What to show: {', '.join(_KINDS)}; all of it by default.")],
) -> int:
    """Show the norms by family (what each does, its formula and source), and what else is asked for by name."""
    words = dict.fromkeys(word for each in kinds for word in each.split(",") if word)
    asked = [find("kind of component", _KINDS, word) for word in words] or list(_REGISTRIES)
    console = stdout_console()
    for registry in asked:
        for table in _norms() if registry is NORMS else [_others(registry)]:
            console.print(table)
            console.print()
    if NORMS in asked:
        console.print("Many at once: --norms all, --norms family:pools,dyt; one of them: normzoo explain dyt")
    console.print(
        "Your own: --norms batch,my_module:MyNorm, --templates my_module:MyNet:depth=3, --task my_module:MyTask, "
        "--optimizer my_module:MyOptimizer",
        highlight=False,
    )
    return 0


def _norms() -> Iterator[Table]:
    """Yield a table for each family, of one width."""
    first = max(len(line) for name, norm in NORMS.items() for line in _named(name, norm).split("\n"))
    for family, norms in FAMILIES.items():
        table = _table(f"{family}: {about_family(family).rstrip('.')}", "norm", "what it does, formula", "source")
        table.expand = True
        table.columns[0].min_width = first
        table.columns[1].ratio, table.columns[2].ratio = 5, 2
        for name, norm in norms.items():
            apart = f"\nno part of --norms all: {norm.apart}" if norm.apart else ""
            table.add_row(_named(name, norm), f"{norm.summary}\n{norm.formula}{apart}", norm.source)
        yield table


def _others(registry: Registry[Any]) -> Table:
    table = _table(f"{registry.kind.capitalize()}s", registry.kind, "what it is", "source")
    for name, entry in registry.items():
        table.add_row(_named(name, entry), entry.summary, entry.source)
    return table


def _named(name: str, entry: Entry) -> str:
    """Return a name with its argument, and below it the options."""
    options = "".join(f"\n{key}={written(value)}" for key, value in entry.options.items())
    return ":".join(filter(None, (name, entry.argument))) + options


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, no_wrap=index == 0, style="bold" if index == 0 else None)
    return table
