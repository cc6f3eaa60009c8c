"""Runs the command in a pseudo-terminal, where it shows colours and a live display."""

import os
import pty
import subprocess
import threading
from pathlib import Path

from .command import COMMAND, SECONDS, Outcome, environment, run_here


def run_in_terminal(folder: Path, *arguments: str, **variables: str) -> Outcome:
    """Run ``normzoo`` with stdout and stderr in one terminal; what it shows is the outcome's ``stdout``."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(TERM="xterm-256color", **variables),
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
    ) as process:
        os.close(slave)
        shown = b"".join(iter(lambda: read(master), b""))
        code = process.wait(SECONDS)
    os.close(master)
    return Outcome(code, shown.decode(errors="replace"), "")


def run_here_in_terminal(folder: Path, *arguments: str) -> Outcome:
    """Do the same in this process, with workers that are forked from one that has loaded torch before."""
    master, slave = pty.openpty()
    shown: list[bytes] = []
    reader = threading.Thread(target=lambda: shown.extend(iter(lambda: read(master), b"")))
    reader.start()
    with os.fdopen(slave, "w", encoding="utf-8") as terminal:
        outcome = run_here(folder, *arguments, stream=terminal, TERM="xterm-256color")
    reader.join()
    os.close(master)
    return Outcome(outcome.code, b"".join(shown).decode(errors="replace"), "")


def read(terminal: int) -> bytes:
    """Return what was written since, up to the end of all who write."""
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux's way of saying that nobody has it open any more
        return b""
