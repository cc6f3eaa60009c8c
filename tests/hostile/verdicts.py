"""What becomes of hostile cases: judged by what a command says and leaves behind, ended when it hangs, and counted."""

import re
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

from cli.command import Outcome

OF_PROCESSOR, OF_CLOCK = 60.0, 900.0
"""Seconds after which a case hangs: of the processor, far more than any takes, and for one that waits."""

ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What would do something to the terminal."""

MUDDLED = re.compile(
    r"Traceback|(?<!subclass )<class '|object at 0x|errors\.pydantic\.dev|\[type=|"
    r"^normzoo: error: \W*(\w+(Error|Exception)\b|$)",
    re.M,
)
"""What is for programmers, or says nothing."""

LONGEST = 2000
"""Characters of a refusal."""


class Verdict(NamedTuple):
    """What became of a case, and what is said of it."""

    name: Literal["done", "refused", "unclear", "hung"]
    said: str = ""


class HungError(BaseException):
    """A case took too long."""


@contextmanager
def limited() -> Iterator[None]:
    """Raise ``HungError`` when what is done takes too long."""

    def end(*_: object) -> None:
        raise HungError

    timers = {signal.SIGPROF: (signal.ITIMER_PROF, OF_PROCESSOR), signal.SIGALRM: (signal.ITIMER_REAL, OF_CLOCK)}
    before = {number: signal.signal(number, end) for number in timers}
    try:
        for timer, seconds in timers.values():
            signal.setitimer(timer, seconds)
        yield
    finally:
        for timer, _ in timers.values():
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def of_refusal(message: str) -> Verdict:
    """Judge the line by which something is refused."""
    is_clear = not ACTING.search(message) and not MUDDLED.search(message) and 20 < len(message) < LONGEST
    return Verdict("refused" if is_clear and message.count("\n") <= 1 else "unclear", message)


def of_outcome(outcome: Outcome) -> Verdict:
    """Judge a command: that it did what it was asked for, or said in one line why not, and did nothing else."""
    said = outcome.stdout + outcome.stderr
    if outcome.code == 2 and not outcome.stdout and outcome.stderr.startswith("normzoo: error: "):
        return of_refusal(outcome.stderr)
    is_clear = outcome.code in (0, 1) and not ACTING.search(said) and not MUDDLED.search(said)
    return Verdict("done" if is_clear else "unclear", str(outcome))


def weigh(record: Callable[[str, object], None], kind: str, cases: Iterable[tuple[str, Callable[[], Verdict]]]) -> None:
    """Carry out cases, tell pytest how many came to what, and fail with those that were unclear or hung.

    Args:
        record: the fixture ``record_property``.
        kind: of the cases.
        cases: what each is, and what carries it out.
    """
    counts, faults = Counter[str](), list[str]()
    for what, carry_out in cases:
        try:
            with limited():
                verdict = carry_out()
        except HungError:
            verdict = Verdict("hung")
        except Exception as error:  # what would be a traceback
            verdict = Verdict("unclear", f"{type(error).__name__}: {error}")
        counts[verdict.name] += 1
        if verdict.name in ("unclear", "hung"):
            faults.append(f"{verdict.name}: {what}\n    {verdict.said}")
    record("hostile", (kind, dict(counts)))
    assert not faults, "\n".join([f"{len(faults)} of {counts.total()}", *faults])
