"""Shows what a comparison would train, and by which strategy."""

from collections import Counter

from rich.console import Console
from rich.table import Table

from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.plan import Plan
from normzoo.experiment.planning.groups import total_steps
from normzoo.progress.state import duration


def show_plan(configuration: Configuration, plan: Plan, console: Console) -> None:
    """Print, for each template, norm and batch size, how many runs are to be trained and how many are stored."""
    matrix = configuration.matrix
    missing = {run.key for group in plan.groups for run in group.runs}
    planned = Counter((run.template, run.norm, run.batch_size) for run in plan.runs)
    to_train = Counter((run.template, run.norm, run.batch_size) for run in plan.runs if run.key in missing)
    table = Table(title="Runs to train (+ already stored)", title_justify="left", title_style="bold")
    for column in ("template", "norm", *(f"batch {size}" for size in matrix.batch_sizes)):
        table.add_column(column)
    for template in matrix.templates:
        for norm in matrix.norms:
            places = [(template, norm, size) for size in matrix.batch_sizes]
            table.add_row(
                template, norm, *(f"{to_train[place]} (+{planned[place] - to_train[place]})" for place in places)
            )
    console.print(table)
    facts = plan.prepared.dataset
    console.print(
        f"{len(missing)} of {len(plan.runs)} runs to train, {total_steps(plan.groups):,} optimizer steps, "
        f"on {plan.prepared.device} in {plan.slots.count} worker{'s' if plan.slots.count > 1 else ''}; "
        f"{facts.name}: {facts.train} training, {facts.validation} validation and {facts.test} test samples.",
        highlight=False,
    )
    if plan.groups:
        for line in strategy_lines(plan):
            console.print(line, highlight=False)
        console.print(f"Expected to take about {duration(plan.seconds)}, by steps that were timed.", highlight=False)


def strategy_lines(plan: Plan) -> list[str]:
    """Say how each template is trained at which batch sizes."""
    sizes: dict[tuple[str, str, bool], set[int]] = {}
    for group in plan.groups:
        run = group.runs[0]
        sizes.setdefault((run.template, run.strategy, run.compile), set()).add(run.batch_size)
    lines = [
        f"{template} at batch size {', '.join(map(str, sorted(at)))}: "
        f"{WORDS[strategy]}{', compiled' if compiled else ''} ({strategy})"
        for (template, strategy, compiled), at in sizes.items()
    ]
    return lines + [f"not side by side: {reason}" for reason in plan.unstacked]


WORDS = {"stacked": "all seeds side by side", "sequential": "one seed after the other"}
