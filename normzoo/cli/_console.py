"""Where commands print to: a terminal, or a file or a pipe, in which no line ends in blanks."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

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
