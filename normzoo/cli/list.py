"""``normzoo list``: what there is to choose from."""

from rich.console import Console
from rich.table import Table

from normzoo.registry import DATASETS, NORMS, TEMPLATES


def list_entries() -> int:
    """Show the norms (what each pools, formula, source), templates and datasets."""
    console = Console()
    norms = _table("Norms", "norm", "pools", "formula", "source")
    for name, norm in NORMS.items():
        options = "".join(f"\n{key}={value}" for key, value in norm.options.items())
        norms.add_row(name + options, norm.summary, norm.formula, norm.source)
    templates = _table("Templates", "template", "network", "source")
    for name, template in TEMPLATES.items():
        templates.add_row(name, template.summary, template.source)
    datasets = _table("Datasets", "dataset", "what", "source")
    for name, dataset in DATASETS.items():
        datasets.add_row(name, dataset.summary, dataset.source)
    for table in (norms, templates, datasets):
        console.print(table)
        console.print()
    console.print("A norm of your own: --norms batch,my_package.my_module:MyNorm", highlight=False)
    return 0


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, no_wrap=index == 0, style="bold" if index == 0 else None)
    return table
