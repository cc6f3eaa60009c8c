"""``normzoo list``: what there is to choose from."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from normzoo.cli._console import stdout_console
from normzoo.registry import (
    AUGMENTATIONS,
    DATASETS,
    NORMS,
    OPTIMIZERS,
    SCHEDULES,
    TASKS,
    TEMPLATES,
    Entry,
    Registry,
    written,
)


def list_entries() -> int:
    """Show the norms (what each pools, formula, source) and everything else that is asked for by name."""
    console = stdout_console()
    norms = _table("Norms", "norm", "pools", "formula", "source")
    for name, norm in NORMS.items():
        options = "".join(f"\n{key}={written(value)}" for key, value in norm.options.items())
        norms.add_row(name + options, norm.summary, norm.formula, norm.source)
    kinds: tuple[Registry[Any], ...] = (TEMPLATES, DATASETS, AUGMENTATIONS, TASKS, OPTIMIZERS, SCHEDULES)
    others = [_others(f"{registry.kind.capitalize()}s", registry.kind, registry) for registry in kinds]
    for table in (norms, *others):
        console.print(table)
        console.print()
    console.print(
        "Your own: --norms batch,my_module:MyNorm, --templates my_module:MyNet:depth=3, --task my_module:MyTask, "
        "--optimizer my_module:MyOptimizer",
        highlight=False,
    )
    return 0


def _others(title: str, kind: str, entries: Mapping[str, Entry]) -> Table:
    table = _table(title, kind, "what it is", "source")
    for name, entry in entries.items():
        options = "".join(f"\n{key}={written(value)}" for key, value in entry.options.items())
        table.add_row(":".join(filter(None, (name, entry.argument))) + options, entry.summary, entry.source)
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, no_wrap=index == 0, style="bold" if index == 0 else None)
    return table
