"""The streams of a command: there is something to write to, and what cannot be written ends no work."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


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
