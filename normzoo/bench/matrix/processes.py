"""Starts a process, takes its time, and says what went wrong in it. Torch-free."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from normzoo.errors import NormzooError


def timed_process(command: Sequence[str], *, name: str, environment: Mapping[str, str] | None = None) -> float:
    """Run a process to its end, and return its wall time in seconds. An interruption kills it.

    Args:
        command: the program and its arguments.
        name: what the process is called in the error's message.
        environment: variables that it gets besides this process's.

    Raises:
        NormzooError: its exit code is not 0; the message holds the last line that it wrote.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        start = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603  # our own commands
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
        try:
            process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - start
        if process.returncode:
            said.seek(0)
            last = said.read().strip().splitlines()[-1:]
            raise NormzooError(f"{name} ended with exit code {process.returncode}: {' '.join(last)}")
    return seconds


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Answer SIGTERM like Ctrl-C, so that no process is left behind."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
