"""What a terminal shows while a worker prepares a comparison: that it does, and how much of the data it has read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PREPARING = "loading torch and the data, timing a few steps"
BAR = 30


@contextmanager
def preparing(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Show it, and yield what is told how much of the data has been read."""
    bar = Progress(
        TextColumn("reading the data"), BarColumn(BAR), MofNCompleteColumn(), TimeRemainingColumn(), auto_refresh=False
    )
    task = bar.add_task("")
    with console.status(PREPARING) as status:

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            status.update(bar.get_renderable() if done < total else PREPARING)

        yield show
