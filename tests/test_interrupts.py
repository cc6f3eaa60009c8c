"""Ctrl-C comes when it may, and is never lost."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from normzoo.interrupts import interrupts_deferred, interrupts_raised, terminal_blocked


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_deferred_interrupt_comes_at_the_end(number: signal.Signals) -> None:
    """What is under way is done whole, and then the interrupt is raised."""
    done = []

    def work() -> None:
        with interrupts_deferred():
            os.kill(os.getpid(), number)
            done.append("all of it")

    with interrupts_raised(), pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["all of it"]


def test_a_second_interrupt_after_a_deferred_one_counts_as_one_with_it() -> None:
    """What the first ends is put in order undisturbed."""
    done = []
    with interrupts_raised():
        with pytest.raises(KeyboardInterrupt), interrupts_deferred():
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        done.append("put in order")
    assert done == ["put in order"]


def test_without_an_interrupt_nothing_is_raised_and_handlers_are_as_before() -> None:
    """The context leaves no trace."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with interrupts_deferred():
        pass
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_process_started_while_ctrl_c_is_blocked_does_not_hear_it() -> None:
    """This is how workers leave Ctrl-C in a terminal to their parent."""
    script = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('alive')"
    with terminal_blocked():
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.communicate(timeout=240)[0] == "alive\n"


def test_interrupts_in_a_row_count_as_one() -> None:
    """So that what the first one ends is put in order undisturbed; a later one counts again."""
    handled = []

    def work() -> None:
        with interrupts_raised():
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGTERM)
                handled.append("undisturbed")

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            work()
    assert handled == ["undisturbed"] * 2


@pytest.mark.parametrize("context", [interrupts_raised, interrupts_deferred])
def test_what_is_ignored_stays_ignored(context: Callable[[], AbstractContextManager[None]]) -> None:
    """As Ctrl-C is in a shell's background job, and the terminal's end under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with context():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("context", [interrupts_raised, interrupts_deferred])
def test_what_a_program_around_python_answers_is_left_to_it(
    context: Callable[[], AbstractContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python knows no handler of it, and could not put it back."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(signal, "getsignal", lambda number: None if number == signal.SIGTERM else signal.SIG_IGN)
    with context():
        monkeypatch.undo()
        assert signal.getsignal(signal.SIGTERM) == before
