"""Shows what a comparison would train."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from normzoo.experiment.config import Configuration
from normzoo.experiment.plan import Group, total_steps
from normzoo.experiment.prepared import Prepared
from normzoo.experiment.spec import RunSpec
from normzoo.registry import canonical_norm


def show_plan(
    configuration: Configuration, prepared: Prepared, runs: Sequence[RunSpec], groups: Sequence[Group], console: Console
) -> None:
    """Print, for each template, norm and batch size, how many runs are to be trained and how many are stored."""
    matrix = configuration.matrix
    missing = {run.key for group in groups for run in group.runs}
    table = Table(title="Runs to train (+ already stored)", title_justify="left", title_style="bold")
    for column in ("template", "norm", *(f"batch {size}" for size in matrix.batch_sizes)):
        table.add_column(column)
    for template in matrix.templates:
        for norm in matrix.norms:
            cells = []
            for size in matrix.batch_sizes:
                place = (template, canonical_norm(norm), size)
                keys = [run.key for run in runs if (run.template, run.norm, run.batch_size) == place]
                to_train = sum(key in missing for key in keys)
                cells.append(f"{to_train} (+{len(keys) - to_train})")
            table.add_row(template, norm, *cells)
    console.print(table)
    jobs = configuration.execution.jobs_for(prepared.device, len(groups))
    facts = prepared.dataset
    console.print(
        f"{len(missing)} of {len(runs)} runs to train, {total_steps(groups):,} optimizer steps, "
        f"on {prepared.device} in {jobs} worker{'s' if jobs > 1 else ''}; "
        f"{facts.name}: {facts.train} training, {facts.validation} validation and {facts.test} test samples.",
        highlight=False,
    )
