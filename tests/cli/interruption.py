"""One comparison that is interrupted in every way, and ends well all the same."""

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from normzoo.experiment.records import RunRecord

from .command import COMMAND, SECONDS, Outcome, compare, environment, merged, stored, wait_for

MATRIX = ("--norms", "none,holding:First,holding:Second", "--seeds", "2", "--templates", "cnn")

Records = dict[str, RunRecord]


@dataclass(frozen=True)
class Interruption:
    """What came of a command that was ended from outside.

    Attributes:
        left: processes of the command's group that were still there some seconds after its end.
    """

    outcome: Outcome
    records: Records
    left: list[int]


@dataclass(frozen=True)
class Story:
    """Killed in the norm ``First``, interrupted in ``Second``, then repeated, and repeated with a changed file."""

    early: Interruption
    killed: Interruption
    stopped: Interruption
    finished: tuple[Outcome, Records]
    changed: tuple[Outcome, Records]


def interrupt(folder: Path) -> Story:
    """Play it."""
    shutil.copy(Path(__file__).with_name("holding.py"), folder)
    early = _ended(folder, "normzoo.sqlite", signal.SIGINT)
    (folder / "hold-First").touch()
    killed = _ended(folder, "held-First", signal.SIGKILL)
    (folder / "hold-First").rename(folder / "hold-Second")
    stopped = _ended(folder, "held-Second", signal.SIGINT)
    (folder / "hold-Second").unlink()
    finished = compare(folder, *MATRIX), stored(folder)
    with (folder / "holding.py").open("a") as file:
        file.write("# changed\n")
    return Story(early, killed, stopped, finished, (compare(folder, *MATRIX), stored(folder)))


def _ended(folder: Path, sign: str, number: signal.Signals) -> Interruption:
    """Start the command, and send a signal once a file shows how far it is: SIGINT to all, as a terminal does."""
    with (folder / "stdout").open("w+") as stdout, (folder / "stderr").open("w+") as stderr:
        process = subprocess.Popen(
            [*COMMAND, "compare", *merged(*MATRIX)],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        try:
            wait_for(lambda: (folder / sign).exists() or process.poll() is not None, sign)
            (process.send_signal if number == signal.SIGKILL else lambda to: os.killpg(process.pid, to))(number)
            process.wait(SECONDS)
            left = _left_of(process.pid)
        finally:
            if _members(process.pid):
                os.killpg(process.pid, signal.SIGKILL)
        stdout.seek(0)
        stderr.seek(0)
        outcome = Outcome(process.returncode, stdout.read(), stderr.read())
    return Interruption(outcome, stored(folder), left)


def _left_of(group: int) -> list[int]:
    """Return the processes of a group that do not end within some seconds."""
    try:
        wait_for(lambda: not _members(group), "the end of the workers", seconds=10)
    except AssertionError:
        return _members(group)
    return []


def _members(group: int) -> list[int]:
    """Return the living processes of a group; those that wait to be buried do not count."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,pgid=,stat="],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    processes = [line.split() for line in listing.splitlines()]
    return [int(pid) for pid, pgid, state in processes if int(pgid) == group and not state.startswith("Z")]
