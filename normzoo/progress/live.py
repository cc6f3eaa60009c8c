"""The progress of a comparison in a terminal: preparing, then failures, the table as it fills in, and bars."""

import os
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from datetime import timedelta
from statistics import fmean
from threading import RLock
from time import monotonic
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.control import Control
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.plan import Plan
from normzoo.experiment.results.records import EpochRecord, RunRecord
from normzoo.experiment.results.store import Store
from normzoo.interrupts import SCREEN_TAKEN, interrupts_deferred
from normzoo.metric import Metric
from normzoo.progress.plain import PlainProgress
from normzoo.progress.state import CellProgress, ProgressState, run_id

RUNNING, FAILED, NOTHING = "~", "!", "-"
"""Stand before a mean over running runs, after a number of failed runs, and in place of a mean."""

GAP = 2
MIN_NORM_WIDTH, MAX_NORM_WIDTH = 8, 24
MAX_FAILURES = 5
LINES_PER_FAILURE = 4
"""Each line of a failure needs this many lines of the terminal besides those of the bars."""

PREPARING = "loading torch and the data, timing a few steps"

OVERALL_BAR, BAR = 30, 15
MIN_WIDTH_WITH_BARS = 60
"""In a narrower terminal, groups have neither bars nor times."""

Item = TypeVar("Item")


def shortened(name: str, width: int) -> str:
    """Cut the middle out of a name that is too long, since either end may distinguish it from others.

    >>> shortened("group:groups=4,eps=1e-3", 12)
    'group…s=1e-3'
    """
    if len(name) <= width:
        return name
    tail = width // 2
    return f"{name[: width - tail - 1]}\N{HORIZONTAL ELLIPSIS}{name[-tail:]}"


@contextmanager
def preparing(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Show that a worker prepares a comparison, and yield what is told how much of the data it has read."""
    bar = Progress(
        TextColumn("reading the data"),
        BarColumn(OVERALL_BAR),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        auto_refresh=False,
    )
    task = bar.add_task("")
    with console.status(PREPARING) as status:

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            status.update(bar.get_renderable() if done < total else PREPARING)

        yield show


def progress_for(matrix: MatrixSpec, plan: Plan, store: Store, console: Console) -> "LiveProgress | PlainProgress":
    """Return the display that suits the console; it also shows what the store holds of the matrix."""
    to_train = {run_id(run) for group in plan.groups for run in group.runs}
    is_live = console.is_interactive and console.file.isatty()  # rich takes FORCE_COLOR for a terminal
    stored = [run.key for run in plan.runs if run_id(run) not in to_train] if is_live else []
    metric = plan.prepared.metrics[0]
    state = ProgressState(matrix, metric, plan.groups, plan.slots.count, store.records(stored).values())
    return LiveProgress(state, console) if is_live else PlainProgress(state, console)


class LiveProgress:
    """Draws the state of a comparison four times a second, whatever the number of events.

    It takes the terminal's alternate screen, as editors do: each picture replaces the last one as a whole, so that a
    change of the window's size leaves nothing behind. At the end the earlier contents come back, and below them the
    failures are printed once more.
    """

    def __init__(self, state: ProgressState, console: Console) -> None:
        self._state, self._console, self._lock = state, console, RLock()
        self._has_started = self._is_over = False
        self._live = Live(
            get_renderable=self._current, console=console, screen=True, redirect_stdout=False, redirect_stderr=False
        )

    def __enter__(self) -> Self:
        try:
            with interrupts_deferred():
                SCREEN_TAKEN.set()
                self._live.start(refresh=True)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def started(self, spec: RunSpec) -> None:
        """Show the run as running; the first at once, since a short comparison may end before the next picture."""
        with self._lock:
            self._state.started(spec)
        if not self._has_started:
            self._has_started = True
            self._live.refresh()

    def epoch(self, spec: RunSpec, epoch: EpochRecord) -> None:
        """Show the epoch's loss and score."""
        with self._lock:
            self._state.epoch(spec, epoch)

    def finished(self, record: RunRecord) -> None:
        """Show the result in the table, or the failure above it."""
        with self._lock:
            self._state.finished(record)

    def tried_again(self, specs: Sequence[RunSpec], killed_by: str) -> None:
        """Show it where failures are shown."""
        with self._lock:
            self._state.tried_again(specs, killed_by)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with self._lock:
            yield "" if self._is_over else picture(self._state, *options.size)

    def _current(self) -> RenderableType:
        """Give the console the size of the window, which it would not follow where COLUMNS and LINES are set."""
        with suppress(OSError, ValueError):  # no terminal, as in tests
            width, height = os.get_terminal_size(self._console.file.fileno())
            if width and height:
                self._console.size = (width, height)
        return self

    def _end(self) -> None:
        with interrupts_deferred():
            try:
                self._is_over = True
                self._live.refresh()  # a terminal without an alternate screen would keep the last picture
                self._console.control(Control.home())
            finally:
                self._live.stop()
                SCREEN_TAKEN.clear()
            for failure in self._state.failures:
                self._console.print(failure, markup=False, highlight=False, soft_wrap=True)


def picture(state: ProgressState, width: int, height: int) -> RenderableType:
    """Return the display in at most ``height`` lines: bars in any case, the latest failures, as much table as fits."""
    n_bars = min(height, 1 + len(state.running))
    n_failures = min(MAX_FAILURES, (height - n_bars) // LINES_PER_FAILURE, len(state.failures))
    failures = [_line(" ".join(text.split())) for text in state.failures[len(state.failures) - n_failures :]]
    table = result_table(state, width, height - n_bars - n_failures - bool(n_failures) - 1)
    blocks: list[Sequence[RenderableType]] = [block for block in (failures, table) if block]
    return Group(*(line for block in blocks for line in (*block, "")), *bars(state, width, n_bars))


def bars(state: ProgressState, width: int, height: int) -> list[RenderableType]:
    """Return the overall bar, one for each group in training, and where these are too many how many more there are."""
    overall = Progress(_Text("label"), BarColumn(OVERALL_BAR), _Text("status"), _Text("elapsed"), auto_refresh=False)
    _add(overall, "runs", state.eta.done, state.eta.total, f"{state.count}, {state.time_left}", state.eta.elapsed)
    running = state.running
    shown = running if len(running) < height else running[: max(0, height - 2)]
    columns: list[ProgressColumn] = [_Text("label"), _Text("status")]
    if width >= MIN_WIDTH_WITH_BARS:
        columns = [_Text("label"), BarColumn(BAR), _Text("status"), _Text("elapsed")]
    groups = Progress(*columns, auto_refresh=False)
    for group in shown:
        _add(groups, group.label, group.n_epochs_done, group.spec.epochs, group.status, monotonic() - group.started_at)
    parts: list[RenderableType] = [overall.get_renderable()]
    if shown:
        parts.append(groups.get_renderable())
    if len(shown) < len(running) and height > 1:
        parts.append(_line(f"and {len(running) - len(shown)} more groups", "dim"))
    return parts


class _Text(ProgressColumn):
    """A field of a task in one line; where the terminal is too narrow, the label is cut before the others."""

    def __init__(self, name: str) -> None:
        super().__init__(Column(no_wrap=name != "label", overflow="ellipsis"))
        self._name = name

    def render(self, task: Task) -> Text:
        return _line(task.fields[self._name], "progress.elapsed" if self._name == "elapsed" else "")


def _add(progress: Progress, label: str, done: float, total: float, status: str, seconds: float) -> None:
    elapsed = str(timedelta(seconds=int(seconds)))
    progress.add_task("", completed=done, total=total, label=label, status=status, elapsed=elapsed)  # type: ignore[arg-type]


def result_table(state: ProgressState, width: int, height: int) -> list[RenderableType]:
    """Return what the numbers are, and the mean of each cell, in at most ``height`` lines.

    Where the terminal is too small, the norms and batch sizes in training come first, and a last line counts what is
    left out; where it is too small for a single cell, nothing is returned.
    """
    matrix, scores = state.matrix, state.running_scores
    all_rows = [(template, norm) for template in matrix.templates for norm in matrix.norms_in(template)]
    template_width = max(map(len, matrix.templates))
    norm_width = min(max(map(len, ("norm", *matrix.norms))), MAX_NORM_WIDTH, max(MIN_NORM_WIDTH, width // 3))
    cell_width = max(len(f"batch {matrix.batch_sizes[-1]}"), len(_widest_cell(state)))
    n_sizes = (width - template_width - GAP - norm_width) // (GAP + cell_width)
    sizes = _first(matrix.batch_sizes, {size for _, _, size in scores}, n_sizes)
    n_rows = height - 2  # without the caption and the header
    if n_sizes < len(matrix.batch_sizes) or n_rows < len(all_rows):
        n_rows -= 1  # for what is left out
    running = {key[:2] for key in scores}
    rows = _first(all_rows, running, n_rows)
    if not sizes or not rows:
        return []
    table = Table(box=None, pad_edge=False, padding=(0, GAP // 2), header_style="bold")
    table.add_column("", width=template_width, no_wrap=True, style="bold")
    table.add_column("norm", width=norm_width, no_wrap=True)
    for size in sizes:
        table.add_column(f"batch {size}", width=cell_width, no_wrap=True, justify="right")
    for above, (template, norm) in zip([("", ""), *rows], rows, strict=False):
        keys = [(template, norm, size) for size in sizes]
        cells = [cell_text(state.cells[key], state.n_planned, scores.get(key), state.metric) for key in keys]
        table.add_row("" if template == above[0] else template, Text(shortened(norm, norm_width)), *cells)
    counts = ((len(matrix.batch_sizes), len(sizes), "batch sizes"), (len(all_rows), len(rows), "rows"))
    hidden = " and ".join(f"{total - shown} of {total} {noun}" for total, shown, noun in counts if shown < total)
    return [_caption(state), table, *([_line(f"no room for {hidden}", "dim")] if hidden else [])]


def _caption(state: ProgressState) -> Text:
    unit = f" in {state.metric.unit}" if state.metric.unit else ""
    over = ", over all learning rates" if state.matrix.lrs else ""
    signs = [f"{RUNNING} in training"] * bool(state.running) + [f"{FAILED} failed or diverged"] * bool(state.n_failed)
    return _line("; ".join([f"mean test {state.metric.title}{unit}{over} (finished/planned)", *signs]), "dim")


def cell_text(cell: CellProgress, n_planned: int, running: Sequence[float] | None, metric: Metric) -> Text:
    """Return the mean over the finished runs of a cell; before there are any, dimmed, that over the running ones.

    Args:
        cell: the finished runs.
        n_planned: how many runs there will be.
        running: the results so far of the running runs that have finished an epoch; None where none is running.
        metric: what they are of.
    """
    failed = f", {cell.n_failed}{FAILED}" if cell.n_failed else ""
    count = f"({cell.n_ok}/{n_planned}{failed})"
    if cell.mean is not None:
        return Text(f"{metric.write(cell.mean)} {count}", "yellow" if failed else "")
    if running is not None:
        return Text(f"{RUNNING}{metric.write(fmean(running))} {count}" if running else f"{RUNNING} {count}", "dim")
    return Text(f"{NOTHING} {count}", "yellow") if failed else Text(NOTHING, "dim")


def _widest_cell(state: ProgressState) -> str:
    """Return the longest text that a cell can have, so that the columns do not move while the table fills in."""
    n, metric = state.n_planned, state.metric
    number = "9999.9" if metric.highest is None else metric.write(metric.highest * 0.999)
    return f"{RUNNING}{number} ({n}/{n}, {n}{FAILED})" if state.n_failed else f"{RUNNING}{number} ({n}/{n})"


def _first(items: Sequence[Item], wanted: Set[Item], count: int) -> list[Item]:
    """Return ``count`` items in their order: those that are wanted, then from the first on.

    >>> _first([2, 4, 8, 16], {8}, 2)
    [2, 8]
    """
    if count >= len(items):
        return list(items)
    kept = set(sorted(items, key=lambda item: item not in wanted)[: max(0, count)])
    return [item for item in items if item in kept]


def _line(text: str, style: str = "") -> Text:
    """Return a text that is cut with an ellipsis rather than wrapped."""
    return Text(text, style, no_wrap=True, overflow="ellipsis")
