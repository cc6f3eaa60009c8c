"""Chooses what is shown while a matrix is trained: a live display in a terminal, plain lines elsewhere. On stderr."""

from rich.console import Console

from normzoo.cli._account import identify
from normzoo.cli._live import LiveProgress
from normzoo.cli._plain_progress import PlainProgress
from normzoo.cli._standing import Standing
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.plan import Plan
from normzoo.experiment.results.store import Store

Display = LiveProgress | PlainProgress


def progress_for(matrix: MatrixSpec, plan: Plan, store: Store, console: Console) -> Display:
    """Return the display that suits the console; the live one shows what the store holds of the matrix, too."""
    if not console.is_interactive or not console.file.isatty():  # rich takes FORCE_COLOR for a terminal
        return PlainProgress(plan.groups, plan.slots.count, console)
    to_train = {identify(run) for group in plan.groups for run in group.runs}
    records = store.records([run.key for run in plan.runs if identify(run) not in to_train])
    return LiveProgress(Standing(matrix, plan.groups, plan.slots.count, records.values()), console)
