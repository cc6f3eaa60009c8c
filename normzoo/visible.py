"""Text from elsewhere, such as names, errors and what another's store holds: shown so that it does nothing."""

import codecs
import re
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

_ACTING = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ud800-\\udfff\\ufeff"
    "\\ufff9-\\ufffb\\U000e0000-\\U000e007f]"
)
"""Control characters but for tab and new line, signs that turn the direction of writing or are not seen, and halves of
pairs, which no file can hold."""


SIMPLER = "normzoo-simpler"
"""How a stream takes signs that its encoding lacks: as one that is in all of them, or else as a question mark."""

_SIMPLER = {
    "\N{BLACK CIRCLE}": "#",
    "\N{WHITE CIRCLE}": "o",
    "\N{DAGGER}": "+",
    "\N{DOUBLE DAGGER}": "^",
    "\N{PLUS-MINUS SIGN}": "~",
    "\N{LESS-THAN OR EQUAL TO}": "<",
    "\N{RIGHTWARDS ARROW}": ">",
    "\N{BLACK LEFT-POINTING TRIANGLE}": "<",
    "\N{EN DASH}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{HORIZONTAL ELLIPSIS}": ".",
    "\N{MULTIPLICATION SIGN}": "x",
}
"""Signs of tables and sentences, each by one as wide; no two marks of a table by the same."""


def _simpler(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_SIMPLER.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


codecs.register_error(SIMPLER, _simpler)


def visible(text: str) -> str:
    r"""Write out what in a text would act on a terminal, hide or reorder what stands around it, or not be writable.

    >>> visible("gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n \x1b]0;title\x07 \u202e \udc80")
    'grün \\x1b]0;title\\x07 \\u202e \\udc80'
    """
    return _ACTING.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    r"""Write a text in one line.

    >>> one_line("two\n  lines")
    'two lines'
    """
    return visible(re.sub(r"\s*\n\s*", " ", text.strip()))


def as_utf8(text: str) -> str:
    r"""Write out halves of pairs, which UTF-8 does not have; all else is as it was.

    >>> as_utf8("\x1b\udc80")
    '\x1b\\udc80'
    """
    return text.encode(errors="backslashreplace").decode()


class SafeConsole(Console):
    """Writes out what of a text would act on the terminal; styles, and what moves the cursor for rich, pass."""

    def on_broken_pipe(self) -> None:
        """Have whoever prints answer it, where rich would end the process as failed; on stderr say no more."""
        self.quiet = True
        if not self.stderr:
            raise  # rich calls this where it has caught one

    def render_str(self, text: str, **settings: Any) -> Text:
        """Read a text as rich does, which would leave some of those signs out."""
        return super().render_str(visible(text), **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, with ``visible`` text."""
        for segment in super().render(renderable, options):
            if segment.control is None and _ACTING.search(segment.text):
                yield Segment(visible(segment.text), segment.style)
            else:
                yield segment
