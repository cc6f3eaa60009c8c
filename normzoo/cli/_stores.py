"""What commands that read a store share: which comparisons are asked for, and what is said of rows that do not read."""

import shlex
import sys
from collections.abc import Sequence
from typing import Any, Literal

from cyclopts import Parameter, Token

from normzoo.cli import EXIT_FAILED_RUNS, EXIT_OK
from normzoo.errors import ConfigError, counted
from normzoo.experiment.results.store import Store
from normzoo.visible import one_line

_NAMED = 10
"""How many rows are named at most; the doctor names all."""


def tell_passed_over(*stores: Store) -> int:
    """Say on stderr which rows of stores were passed over, and why; return the exit code that makes."""
    lines = []
    for store in stores:
        rows = [f"{what} is passed over: {why}" for what, why in store.passed_over.items()]
        lines += [f"store '{store.path}': {row}" for row in rows[:_NAMED]]
        if len(rows) > _NAMED:
            more = f"{counted(len(rows) - _NAMED, 'row')} more of '{store.path}' passed over"
            lines.append(f"{more}; `normzoo doctor --store {shlex.quote(str(store.path))}` names them")
    sys.stderr.writelines(f"normzoo: {one_line(line)}\n" for line in lines)
    return EXIT_FAILED_RUNS if lines else EXIT_OK


def _numbers(_: Any, tokens: Sequence[Token]) -> list[int]:
    """Read ``1,3`` as two numbers, like every other list."""
    words = [word for token in tokens for word in token.value.split(",")]
    if not all(word.isdecimal() for word in words):
        raise ValueError(f"expected numbers such as 1 or 1,3, got '{','.join(words)}'")
    return list(map(int, words))


def comparisons_flag(text: str) -> Parameter:
    """Return the flag ``--comparison``, which may be given several numbers, or several times."""
    return Parameter(name="--comparison", help=text, converter=_numbers, n_tokens=1, accepts_keys=False, negative="")


def all_flag(text: str) -> Parameter:
    """Return the flag ``--all``."""
    return Parameter(name="--all", help=text, negative="", show_default=False)


def chosen_comparisons(numbers: list[int] | None, all_: bool) -> list[int] | Literal["all"] | None:
    """Return which comparisons are asked for; None where none is named.

    Raises:
        ConfigError: all of them, and some.
    """
    if all_ and numbers is not None:
        raise ConfigError("--all: stands beside --comparison, which names some; use one")
    return "all" if all_ else numbers
