"""What a worker process writes: passed on to stderr, and its end kept for when it dies. Torch-free."""

import os
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from normzoo.libraries import is_installed, is_of_library
from normzoo.visible import visible

KEPT = 4_096
"""Bytes of what was written that are kept, the last of them."""

_DUMPED = 2**16
"""Bytes of what is known of the death that are looked at, the first of them."""

_FRAMES = 12
"""Calls of a stack that are shown, the innermost."""

_GRACE = 1.0
"""Seconds to hear the rest of a process that has ended; a process that it has left behind may hold its streams open."""

_STREAMS_ARE_PIPES = os.name == "posix"

_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+) in ', re.MULTILINE)
_THREAD = re.compile(r"^(?:Current thread .*|Thread .*|Stack) \(most recent call first\):\n", re.MULTILINE)
_OVERDUE = "Timeout ("
"""Forms of ``faulthandler``."""


class LastWords:
    """Listens to a process: to its stderr, and to what Python and the watch over it say of its death.

    Args:
        pipe: makes a pipe that such a process can be given.

    Attributes:
        theirs: the ends that the process writes to, in this order; empty where streams are no pipes.
    """

    def __init__(self, pipe: Callable[[bool], tuple["Connection[Any, Any]", "Connection[Any, Any]"]]) -> None:
        self._said, self._dumped = bytearray(), bytearray()
        pipes = [pipe(False), pipe(False)] if _STREAMS_ARE_PIPES else []
        self.theirs = tuple(writing for _, writing in pipes)
        self._listening = threading.Thread(target=self._listen, args=([each for each, _ in pipes],), daemon=True)
        self._listening.start()

    def begin(self) -> None:
        """Forget what was written before."""
        self._said.clear()

    def end(self) -> None:
        """Hear what is left of a process that has ended."""
        self._listening.join(_GRACE)

    @property
    def place(self) -> str:
        """Where in the user's code it ended, in brackets; empty where that is not known."""
        frames = [(Path(each["file"]), each["line"]) for each in _FRAME.finditer(self._main_thread())]
        named = [each for each in frames if not str(each[0]).startswith("<")]  # that is of Python itself
        own = [each for each in named if not is_of_library(each[0])]
        own = own or [each for each in named if is_installed(each[0])]
        return f" ({own[0][0]}:{own[0][1]})" if own else ""

    @property
    def is_overdue(self) -> bool:
        """Whether the watch ended it."""
        return self._dumped.startswith(_OVERDUE.encode())

    @property
    def text(self) -> str:
        """The last that it wrote, and the innermost calls of its stack, as they can be shown."""
        said = self._said.decode(errors="replace")
        if len(self._said) == KEPT:
            said = said.partition("\n")[2] or said
        dumped = self._dumped.decode(errors="replace")
        if _THREAD.search(dumped):
            first = "" if self.is_overdue else dumped.partition("\n")[0]
            stack = [each for each in self._main_thread().splitlines() if _FRAME.match(each)]
            dumped = "\n".join([first, *stack[:_FRAMES], *(["  ..."] if len(stack) > _FRAMES else [])])
        else:
            dumped = dumped[-KEPT:]  # of an error, which Python writes with its outermost call first
        return visible("\n".join(filter(None, (said.strip(), dumped.strip("\n")))))

    def _main_thread(self) -> str:
        """Return the calls of the thread that died, or of the first that there was: that is written last."""
        return _THREAD.split(self._dumped.decode(errors="replace"))[-1]

    def _listen(self, ours: list["Connection[Any, Any]"]) -> None:
        said = ours[0] if ours else None
        while ours:
            for each in connection.wait(ours):
                assert isinstance(each, Connection)  # noqa: S101
                chunk = os.read(each.fileno(), 2**16)
                if not chunk:
                    ours.remove(each)
                    each.close()
                elif each is said:
                    with suppress(OSError):
                        os.write(2, chunk)
                    self._said += chunk
                    del self._said[:-KEPT]
                else:
                    self._dumped += chunk[: _DUMPED - len(self._dumped)]
