"""Does a command make sense of any surroundings: variables, limits, streams, folders, and packages that are missing?"""

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from cli.command import COMMAND, Outcome
from cli.command import environment as usual

from .environments import BLOCKING, Environment, environment
from .requests import furnish
from .stores import make_store
from .verdicts import ACTING, MUDDLED, OF_CLOCK, Verdict, of_refusal, weigh

DRAWN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
"""Colours, and what moves the cursor of what is shown live."""

ABRUPT = re.compile(r"Exception ignored|Fatal Python error|Segmentation|core dumped|Aborted")


def run(folder: Path, asked: Environment) -> Outcome | None:
    """Run a line of a shell in which ``normzoo`` is the command; nothing where it hangs."""
    (folder / "path").mkdir()
    (folder / "path" / "sitecustomize.py").write_text(BLOCKING)
    before = usual(BLOCKED=",".join(asked.blocked))
    before["PYTHONPATH"] = os.pathsep.join([str(folder / "path"), before["PYTHONPATH"]])
    variables = {name: value for name, value in {**before, **asked.variables}.items() if value is not None}
    script = f'normzoo() {{ {shlex.join(COMMAND)} "$@"; }}\n{asked.line}'
    process = subprocess.Popen(
        ["/bin/sh", "-c", script],
        cwd=folder / "here",
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        try:
            stdout, stderr = process.communicate(timeout=OF_CLOCK)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None
    return Outcome(process.returncode, stdout.decode(errors="replace"), stderr.decode(errors="replace"))


def judge(folder: Path, asked: Environment) -> Verdict:
    """Say what a command did: what was asked for, or one line about why not."""
    outcome = run(folder, asked)
    if outcome is None:
        return Verdict("hung")
    said = DRAWN.sub("", outcome.stdout + outcome.stderr)
    lines = [line for line in said.splitlines(keepends=True) if line.startswith("normzoo: error: ")]
    if ACTING.search(said) or MUDDLED.search(said) or ABRUPT.search(said) or outcome.code not in (0, 1, 2):
        return Verdict("unclear", str(outcome))
    if lines:
        return of_refusal("".join(lines))
    return Verdict("done" if outcome.code < 2 or "2>" in asked.line else "unclear", str(outcome))


def cases(folder: Path, numbers: range) -> Iterator[tuple[str, Callable[[], Verdict]]]:
    make_store(folder / "store.sqlite")
    for number in numbers:
        asked = environment(number)
        (folder / str(number)).mkdir()
        furnish(folder / str(number) / "here", folder / "store.sqlite", b"")
        yield f"{number}: {asked}"[:500], partial(judge, folder / str(number), asked)


@pytest.mark.slow
def test_a_command_makes_sense_of_surroundings(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    weigh(record_property, "environments", cases(tmp_path, range(5)))


@pytest.mark.hostile
@pytest.mark.slow
@pytest.mark.parametrize("start", range(5, 105, 10))
def test_a_command_makes_sense_of_one_of_many_surroundings(
    tmp_path: Path, record_property: Callable[[str, object], None], start: int
) -> None:
    weigh(record_property, "environments", cases(tmp_path, range(start, start + 10)))
