"""What commands say of a store whose rows do not all read."""

import shlex
import sys

from normzoo.cli import EXIT_FAILED_RUNS, EXIT_OK
from normzoo.errors import counted
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
