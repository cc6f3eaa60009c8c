"""One comparison that is interrupted in every way, and ends well all the same."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from normzoo.experiment.results.records import RunRecord

from .command import COMMAND, SECONDS, Outcome, compare_here, environment, merged, stored, wait_for

MATRIX = (
    *("--norms", "none,holding:First,holding:Second", "--seeds", "2"),
    *("--templates", "cnn", "--strategy", "sequential"),
)

Records = dict[str, RunRecord]


@dataclass(frozen=True)
class Interruption:
    """What came of a command that was ended from outside.

    Attributes:
        left: processes of the command's group that were still there some seconds after its end; of one that was carried
            out in this process its worker, if it was still there.
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
    early = _ended(folder, "a worker", signal.SIGINT)
    (folder / "hold-First").touch()
    killed = _ended(folder, "held-First", signal.SIGKILL)
    (folder / "hold-First").rename(folder / "hold-Second")
    stopped = _stopped_here(folder)
    (folder / "hold-Second").unlink()
    finished = compare_here(folder, *MATRIX), stored(folder)
    with (folder / "holding.py").open("a") as file:
        file.write("# changed\n")
    return Story(early, killed, stopped, finished, (compare_here(folder, *MATRIX), stored(folder)))


def _ended(folder: Path, sign: str, number: signal.Signals) -> Interruption:
    """Start the command, and send a signal once it is so far: SIGINT to all its processes, as a terminal does.

    What a terminal's signals do to a comparison that is being trained, ``tests/hostile/test_interrupts.py`` asks.

    Args:
        folder: where it runs.
        sign: by what one sees how far it is: a file that appears, or ``a worker``.
        number: the signal.
    """
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
            wait_for(lambda: _shows(folder, sign, process.pid) or process.poll() is not None, sign)
            (process.send_signal if number == signal.SIGKILL else lambda to: os.killpg(process.pid, to))(number)
            process.wait(SECONDS)
            left = left_of(process.pid)
        finally:
            if members(process.pid):
                os.killpg(process.pid, signal.SIGKILL)
        stdout.seek(0)
        stderr.seek(0)
        outcome = Outcome(process.returncode, stdout.read(), stderr.read())
    return Interruption(outcome, stored(folder), left)


def _stopped_here(folder: Path) -> Interruption:
    """Carry out the command in this process, and send it Ctrl-C once ``Second`` holds it up."""
    held, over = folder / "held-Second", Event()

    def interrupt() -> None:
        while not held.exists() and not over.wait(0.05):
            pass
        if not over.is_set():  # it cannot be over before, as it is held up
            os.kill(os.getpid(), signal.SIGINT)

    thread = Thread(target=interrupt)
    thread.start()
    try:
        outcome = compare_here(folder, *MATRIX)
    finally:
        over.set()
        thread.join()
    worker = int(held.read_text())
    left = [pid for pid, _, state in _processes() if pid == worker and state != "Z"]
    return Interruption(outcome, stored(folder), left)


def _shows(folder: Path, sign: str, group: int) -> bool:
    if sign == "a worker":
        return len(members(group)) == 3  # the parent, its worker, and what Python starts beside it
    return (folder / sign).exists()


def left_of(group: int) -> list[int]:
    """Return the processes of a group that do not end by themselves; it takes them a second, but for a busy machine."""
    try:
        wait_for(lambda: not members(group), "the end of the workers", seconds=60)
    except AssertionError:
        return members(group)
    return []


def members(group: int) -> list[int]:
    """Return the living processes of a group; those that wait to be buried do not count."""
    return [pid for pid, of_group, state in _processes() if of_group == group and state != "Z"]


def _processes() -> Iterator[tuple[int, int, str]]:
    """Yield number, group and state of every process: from /proc, and where there is none, from ps."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended since
            state, _, group = path.read_text().rpartition(") ")[2].split()[:3]
            yield int(path.parent.name), int(group), state
    if not Path("/proc").exists():
        command = ["ps", "-A", "-o", "pid=,pgid=,stat="]
        for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
            pid, pgid, states = line.split()
            yield int(pid), int(pgid), states[0]
