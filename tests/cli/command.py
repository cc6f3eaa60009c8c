"""Runs the command in a folder, as a process or in this one, and reads what it leaves in its store."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TextIO
from unittest.mock import patch

import normzoo
from normzoo.cli import main
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.store import Store

COMMAND = (sys.executable, "-P", "-m", "normzoo")
"""``-P``: the current folder is not on the path, as for the installed ``normzoo``."""

TINY = (
    "--epochs",
    "1",
    "--lr",
    "0.05",
    "--batch-sizes",
    "64",
    "--templates",
    "cnn,lstm",
    "--device",
    "cpu",
    "--jobs",
    "1",
)
"""What every comparison here has in common: a run takes a tenth of a second."""

SECONDS = 240
"""After which a command hangs; far more than any takes on a busy machine."""

_REMOVED = ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "PYTHONPATH", "PYTHONSAFEPATH")


@dataclass(frozen=True)
class Outcome:
    """What a command said, and its exit code."""

    code: int
    stdout: str
    stderr: str


def environment(**changes: str) -> dict[str, str]:
    """Return an environment in which the output does not depend on who runs the tests.

    Threads that wait sleep (``OMP_WAIT_POLICY``): on a machine that is busy otherwise, those that spin make a run of
    a tenth of a second take twenty, and so exceed its time limit.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _REMOVED}
    root = Path(normzoo.__file__).parents[1]
    return {**kept, "PYTHONPATH": str(root), "COLUMNS": "100", "LINES": "40", "OMP_WAIT_POLICY": "PASSIVE", **changes}


def run(folder: Path, *arguments: str, **variables: str) -> Outcome:
    """Run ``normzoo`` with these arguments."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def run_here(folder: Path, *arguments: str, stream: TextIO | None = None, **variables: str) -> Outcome:
    """Run ``normzoo`` with these arguments in this process, and have it write to a stream if one is given.

    Its workers are real ones, but forked from a process that has loaded torch for the command before, which is what
    takes long of a command of its own. What workers print is not in the outcome.
    """
    stdout, stderr = StringIO(), StringIO()
    surroundings = patch.dict(os.environ, environment(**variables), clear=True)
    words, streams = patch.object(sys, "argv", ["", *arguments]), (stream or stdout, stream or stderr)
    with chdir(folder), surroundings, words, redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        code = main(list(arguments))
    return Outcome(code, stdout.getvalue(), stderr.getvalue())


def compare(folder: Path, *arguments: str) -> Outcome:
    """Run ``normzoo compare`` on tiny networks, as a process; arguments given here win."""
    return run(folder, "compare", *merged(*arguments))


def compare_here(folder: Path, *arguments: str) -> Outcome:
    """Do the same in this process."""
    return run_here(folder, "compare", *merged(*arguments))


CNN, LSTM = "cnn:hidden=8,widths=4", "lstm:hidden=8"
"""The templates, with few parameters."""

SMALL = {"cnn": CNN, "lstm": LSTM}


def merged(*arguments: str) -> list[str]:
    """Return ``TINY`` with the flags that ``arguments`` name replaced, and with small templates."""
    pairs = dict(zip(TINY[::2], TINY[1::2], strict=True))
    kept = [word for flag, value in pairs.items() if flag not in arguments for word in (flag, value)]
    words = [*arguments, *kept]
    if "--lrs" in arguments:
        at = words.index("--lr")
        del words[at : at + 2]
    at = words.index("--templates") + 1
    words[at] = ",".join(SMALL.get(name, name) for name in words[at].split(","))
    return words


def template(record: RunRecord) -> str:
    """Return the name of a run's template, without its options."""
    return record.spec.template.partition(":")[0]


def stored(folder: Path) -> dict[str, RunRecord]:
    """Return all records in the store, by key."""
    with Store(folder / "normzoo.sqlite", writable=False) as store:
        return store.records(list(store.statuses()))


def as_json(records: dict[str, RunRecord]) -> dict[str, str]:
    """Return records in a form in which NaN equals NaN."""
    return {key: record.model_dump_json() for key, record in records.items()}


def wait_for(happened: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Wait until something has happened, or fail."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
