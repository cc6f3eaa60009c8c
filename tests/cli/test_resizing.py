"""Does the live display survive a terminal whose size changes, and is the terminal whole after it?"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.cells import cell_len

from .command import environment

HOME, SECOND_SCREEN, FIRST_SCREEN = "\x1b[H", "\x1b[?1049h", "\x1b[?1049l"
SIZES = ((80, 24), (50, 12), (20, 3), (120, 40), (80, 24))
SECONDS = 60
TESTS = Path(__file__).parents[1]


@dataclass
class Terminal:
    """A pseudo-terminal, what runs in it, and what it has shown so far."""

    master: int
    process: subprocess.Popen[bytes]
    shown: str = field(default="")

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def read(self) -> bool:
        """Take in what is shown; whether there may be more."""
        if select.select([self.master], [], [], 0.1)[0]:
            with suppress(OSError):  # Linux's way of saying that nobody has it open any more
                data = os.read(self.master, 65536)
                self.shown += data.decode()
                return bool(data)
            return False
        return True

    def read_until_picture(self, width: int, height: int) -> list[str]:
        """Return the lines of the first whole picture of this size from now on, once the first run is lost."""
        begin, deadline = len(self.shown), time.monotonic() + SECONDS
        while time.monotonic() < deadline and self.read():
            for lines in map(plain_lines, self.shown[begin:].split(HOME)[1:-1]):
                if [cell_len(line) for line in lines] == [width] * height and "1/36, about" in "".join(lines):
                    return lines
        pytest.fail(f"no picture of {width} x {height} in {self.shown[begin:]!r}")

    def read_to_the_end(self) -> str:
        """Return what is shown from now on."""
        begin, deadline = len(self.shown), time.monotonic() + SECONDS
        while self.read():
            assert time.monotonic() < deadline
        return self.shown[begin:]


def plain_lines(text: str) -> list[str]:
    """Take away colours and movements of the cursor."""
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text).replace("\r", "").split("\n")


@contextmanager
def displaying(how: str, **variables: str) -> Iterator[Terminal]:
    """Show a display in a terminal of 80 x 24, which ends as ``how`` says."""
    master, slave = pty.openpty()
    changed = environment(**{"TERM": "xterm-256color", "COLUMNS": "", "LINES": "", **variables})
    changed["PYTHONPATH"] += f"{os.pathsep}{TESTS}"
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.displaying", how],
        env=changed,
        stdin=subprocess.PIPE,
        stdout=slave,
        stderr=slave,
    )
    terminal = Terminal(master, process)
    terminal.resize(*SIZES[0])
    os.close(slave)
    try:
        yield terminal
    finally:
        process.kill()
        process.communicate()
        os.close(master)


@pytest.mark.slow
@pytest.mark.parametrize("variables", [{}, {"COLUMNS": "100", "LINES": "40"}], ids=["", "COLUMNS"])
def test_every_picture_is_as_large_as_the_terminal(variables: dict[str, str]) -> None:
    """Smaller, far smaller, larger, and back: a picture fills it to the last column and line, bars in any case.

    Also where variables of the shell's say how large the terminal once was.
    """
    with displaying("end", **variables) as terminal:
        for width, height in SIZES[-2:] if variables else SIZES:
            terminal.resize(width, height)
            lines = terminal.read_until_picture(width, height)
            assert any("batch 16" in line for line in lines) == (height > 3)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["end", "raise", "interrupt"])
def test_afterwards_the_terminal_is_as_before(how: str) -> None:
    """However it ends: an empty picture, the first screen again, the cursor, what went wrong, and what comes after."""
    with displaying(how) as terminal:
        terminal.read_until_picture(80, 24)
        assert terminal.shown.index(SECOND_SCREEN) < terminal.shown.index(HOME)
        assert "\x1b[?25l" in terminal.shown
        assert terminal.process.stdin is not None
        if how == "interrupt":
            terminal.process.send_signal(signal.SIGINT)
        terminal.process.stdin.close()
        end = terminal.read_to_the_end()
        assert (terminal.process.wait(SECONDS) == 0) == (how == "end")
    before, _, after = end.partition(FIRST_SCREEN)
    assert not any(line.strip() for line in plain_lines(before.split(HOME)[-2]))
    assert "\x1b[?25h" in end
    first, *rest = plain_lines(after)
    assert first == "diverged: cnn, batch, batch size 4, seed 0, learning rate 0.00625: so it is"
    said = {"end": "the tables", "raise": "OSError: the disk is full", "interrupt": "KeyboardInterrupt"}[how]
    assert said in rest
