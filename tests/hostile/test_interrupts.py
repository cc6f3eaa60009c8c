"""Does a command that is interrupted end, at whatever moment, without a traceback and with the terminal as it was?"""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from cli.command import COMMAND, SECONDS, environment, merged, stored, wait_for
from cli.interruption import left_of, members
from cli.terminal import read

HERE = Path(__file__).parent
ACTING = (sys.executable, "-P", "-m", "tests.hostile.acting")

AT_AN_IMPORT = """
import os, runpy, signal, sys

moment, first, module, *words = sys.argv[1:]
left, begun = int(moment), False

def count(event, arguments):
    global begun, left
    if event == "import":
        begun = begun or arguments[0] == first
        left -= begun
        if begun and left == 0:
            os.kill(os.getpid(), signal.SIGINT)

sys.argv = [module, *words]
sys.addaudithook(count)
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""
"""Sends Ctrl-C at one of the imports of a command."""

FIRST = {"normzoo": "normzoo.interrupts", "benchmarks.matrix": "benchmarks.matrix.command"}
"""The import from which on they are counted: what comes before is Python's own start."""

MOMENTS = (1, 40, 150, 400)

SECOND_SCREEN = "\x1b[?1049h"
"""What a terminal is sent before a live display, for a screen of its own."""


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(
    "words",
    [
        "normzoo",
        "normzoo list",
        "normzoo runs",
        "normzoo report -o r.md",
        "normzoo explain batch",
        "normzoo compare --show-config",
        "normzoo bench layers --norms no",
        "benchmarks.matrix --norms no",
    ],
)
def test_ctrl_c_while_libraries_are_loaded_is_the_end_and_nothing_else(words: str, moment: int, tmp_path: Path) -> None:
    """By the signal, as every shell expects; a command that needs no more libraries has its own end."""
    module = words.partition(" ")[0]
    done = subprocess.run(
        [sys.executable, "-c", AT_AN_IMPORT, str(moment), FIRST[module], *words.split()],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == -signal.SIGINT or (moment > MOMENTS[0] and done.returncode in (0, 2))
    assert done.returncode != -signal.SIGINT or done.stderr == ""


@dataclass(frozen=True)
class Ended:
    """What came of a comparison in a terminal that was ended while its live display was on.

    Attributes:
        shown: all that the terminal was sent.
        is_as_before: the terminal's own settings, such as echo, are.
        statuses: of what is stored, by norm.
        left: processes that were still there after a while.
    """

    code: int
    shown: str
    is_as_before: bool
    statuses: dict[str, str]
    left: list[int]


IN_A_TERMINAL = "import os, sys; os.close(os.open(sys.argv[1], os.O_RDWR)); os.execv(sys.argv[2], sys.argv[2:])"
"""Carries out a command whose processes a terminal is to tell of the keys that are pressed."""


def ended(
    folder: Path, command: Sequence[str], is_time: Callable[[str], bool], end: Callable[[int, int], object]
) -> Ended:
    """Start a comparison in a terminal of its own, and end it.

    Args:
        folder: where it runs.
        command: carries it out.
        is_time: whether it is to be ended, by what the terminal was sent so far.
        end: is called with its processes' group, and with what the terminal's user writes to.
    """
    master, slave = pty.openpty()
    settings = termios.tcgetattr(slave)
    process = subprocess.Popen(
        [sys.executable, "-c", IN_A_TERMINAL, os.ttyname(slave), *command],
        cwd=folder,
        env=environment(TERM="xterm-256color"),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    shown: list[bytes] = []
    reader = threading.Thread(target=lambda: shown.extend(iter(lambda: read(master), b"")))
    reader.start()
    try:
        wait_for(lambda: is_time(b"".join(shown).decode(errors="replace")), "the display")
        end(process.pid, master)
        process.wait(SECONDS)
        left = left_of(process.pid)
    finally:
        if members(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        is_as_before = termios.tcgetattr(slave) == settings
        os.close(slave)
        reader.join()
        os.close(master)
    statuses = {record.spec.norm: str(record.status) for record in stored(folder).values()}
    return Ended(process.returncode, b"".join(shown).decode(errors="replace"), is_as_before, statuses, left)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "times", "code"),
    [
        (signal.SIGINT, 3, 130),
        (signal.SIGHUP, 1, 130),
        (signal.SIGQUIT, 1, -signal.SIGQUIT),
    ],
    ids=["three Ctrl-C in a row", "SIGHUP", "Ctrl-Backslash"],
)
def test_a_live_display_is_left_with_the_terminal_as_it_was(
    number: signal.Signals, times: int, code: int, tmp_path: Path
) -> None:
    """Its first screen, its cursor and its echo; what was finished is kept, and nothing lives on."""
    shutil.copy(HERE / "stuck.py", tmp_path)
    (tmp_path / "wait").touch()
    words = merged("--norms", "none,stuck:Waiting", "--templates", "cnn", "--seeds", "1")

    def kill(group: int, _: int) -> None:
        for _ in range(times):
            os.killpg(group, number)

    found = ended(
        tmp_path,
        [*ACTING, "compare", *words],
        lambda shown: SECOND_SCREEN in shown and any(tmp_path.glob("Waiting-*")),
        kill,
    )
    assert found.code == code
    assert "Traceback" not in found.shown
    assert found.shown.rfind(SECOND_SCREEN) < found.shown.rfind("\x1b[?1049l"), "the alternate screen is left"
    assert found.shown.rfind("\x1b[?25l") < found.shown.rfind("\x1b[?25h"), "the cursor is shown"
    assert found.is_as_before
    assert found.statuses["none"] == "ok"
    assert found.statuses.get("stuck:Waiting", "nothing") in ("interrupted", "nothing")
    assert found.left == []


@pytest.mark.slow
def test_ctrl_c_pressed_while_networks_are_trained_ends_all_of_it(tmp_path: Path) -> None:
    """Workers that compute hear of it too, each in a step of its own, and none of them says a word."""
    words = merged("--norms", "none,batch", "--templates", "cnn", "--seeds", "1", "--jobs", "2", "--epochs", "100000")
    found = ended(
        tmp_path,
        [*COMMAND, "compare", *words, "--strategy", "sequential"],
        lambda shown: all(re.search(rf"{norm}, .*epoch [1-9]", shown) for norm in ("none", "batch")),
        lambda _, terminal: os.write(terminal, b"\x03"),
    )
    assert found.code == 130
    assert "Traceback" not in found.shown
    said = found.shown.rpartition("\x1b[?1049l")[2]
    assert said.startswith("normzoo: interrupted before any run was finished; to go on, repeat:\r\n  normzoo compare")
    assert said.count("\n") == 2
    assert found.is_as_before
    assert set(found.statuses.values()) <= {"interrupted"}
    assert found.left == []
