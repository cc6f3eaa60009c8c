"""What is shown while a matrix is trained in a terminal: one live display, on a screen of its own."""

import os
from contextlib import suppress
from threading import RLock
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.control import Control
from rich.live import Live

from normzoo.cli._live_frame import frame
from normzoo.cli._standing import Standing
from normzoo.experiment.config.spec import RunSpec
from normzoo.experiment.executor.interrupts import interrupts_deferred
from normzoo.experiment.results.records import EpochRecord, RunRecord


class LiveProgress:
    """The troubles so far, the table as it fills in, and bars: for all of it, and for each group in flight.

    It takes the terminal's second screen, as editors do: each picture replaces the whole of the last, so that nothing
    is left over where lines have come to be wrapped or pushed out by a change of the window's size. What was there
    before comes back with the end; below it, the troubles are told once more, to stay.

    An event only changes numbers; a thread draws what they are, four times a second.
    """

    def __init__(self, standing: Standing, console: Console) -> None:
        self._standing, self._console = standing, console
        self._lock = RLock()
        self._is_begun = self._is_over = False
        self._live = Live(
            get_renderable=self._current, console=console, screen=True, redirect_stdout=False, redirect_stderr=False
        )

    def __enter__(self) -> Self:
        try:
            with interrupts_deferred():
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
        """Show the run in flight; the first at once, since a short comparison may be over before the next picture."""
        with self._lock:
            self._standing.started(spec)
            is_first, self._is_begun = not self._is_begun, True
        if is_first:
            self._live.refresh()

    def epoch(self, spec: RunSpec, epoch: EpochRecord) -> None:
        """Move the bars, and show the epoch's loss and accuracy."""
        with self._lock:
            self._standing.epoch(spec, epoch)

    def finished(self, record: RunRecord) -> None:
        """Show the result in the table, or what went wrong above it."""
        with self._lock:
            self._standing.finished(record)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with self._lock:
            yield "" if self._is_over else frame(self._standing, *options.size)

    def _current(self) -> RenderableType:
        """Have the console follow the window, which the variables COLUMNS and LINES do not."""
        with suppress(OSError, ValueError):  # no terminal, as in tests
            width, height = os.get_terminal_size(self._console.file.fileno())
            if width and height:
                self._console.size = (width, height)
        return self

    def _end(self) -> None:
        with interrupts_deferred():
            try:
                self._is_over = True
                self._live.refresh()  # a terminal without a second screen would keep the last picture
                self._console.control(Control.home())
            finally:
                self._live.stop()
            for trouble in self._standing.troubles:
                self._console.print(trouble, markup=False, highlight=False, soft_wrap=True)
