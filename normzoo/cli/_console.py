"""Where commands print to: streams that are there, and consoles on them, for a terminal or for a file or a pipe."""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook
from rich.segment import Segment

from normzoo.visible import SafeConsole

_BOUNDLESS = 100_000


class _Trimming(RenderHook):
    """Takes the blanks off the ends of lines: rich fills the last column of a table up with them."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Trimmed(renderables)]


@dataclass(frozen=True)
class _Trimmed:
    renderables: list[ConsoleRenderable]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        segments = (segment for each in self.renderables for segment in console.render(each, options))
        yield Segment(re.sub(r" +(?=\n)", "", "".join(segment.text for segment in segments)))


def stdout_console(*, markup: bool = False, **settings: Any) -> Console:
    """Return a console on stdout; in a file or a pipe, where there are no styles either, no line ends in blanks.

    Names and notes that are shown may hold anything: they are no markup, and nothing in them acts on the terminal.
    """
    console = SafeConsole(markup=markup, emoji=False, **settings)
    if not console.is_terminal:
        console.push_render_hook(_Trimming())
    return console


def stderr_console() -> Console:
    """Return a console on stderr, for what is shown while a command works."""
    return SafeConsole(stderr=True, markup=False, emoji=False)


def plain_console() -> Console:
    """Return a console on stdout as wide as the terminal; in a file or a pipe lines are as long as they get."""
    console = stdout_console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _BOUNDLESS
    return console


@contextmanager
def steady_streams() -> Iterator[None]:
    """Put a stream that takes everything where one was closed, and let what cannot be said on stderr be lost.

    A file that is opened would otherwise take the place of a closed stream, and be written over by what is said.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest number that is free
    before = sys.stdout, sys.stderr
    sys.stdout = before[0] or open(1, "w", closefd=False)  # noqa: SIM115  # for as long as the process is
    said: Any = _Forgiving(before[1] or open(2, "w", closefd=False))  # noqa: SIM115
    sys.stderr = said
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def give_up(stream: TextIO) -> None:
    """Let a stream that cannot be written to lead nowhere, so that nothing else fails by it."""
    with suppress(OSError, ValueError):  # one of a test has no number
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class _Forgiving:
    """A stream on which what cannot be written is lost."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            give_up(self._stream)
            return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            give_up(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
