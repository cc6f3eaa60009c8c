"""``normzoo report``: write stored results as markdown."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from normzoo.errors import StoreError
from normzoo.experiment.store import Store, Sweep


def report(
    *,
    store: Annotated[Path, Parameter(help="File in which results are kept.")] = Path("normzoo.sqlite"),
    output: Annotated[
        Path, Parameter(name=["--output", "-o"], help="Markdown file to write; its plot goes beside it.")
    ],
    sweep: Annotated[
        int | None, Parameter(help="Number of the comparison in the store; the latest by default.")
    ] = None,
) -> int:
    """Write the results of a comparison as markdown."""
    from normzoo.cli._write_report import write_report  # scipy and pandas take a while
    from normzoo.report import summarize

    with Store(store, writable=False) as opened:
        chosen = _choose(opened.sweeps(), sweep, store)
        records = opened.records(chosen.keys)
    written = write_report(output, summarize(chosen.matrix, records), records)
    sys.stdout.write(f"written: {', '.join(map(str, written))}\n")
    return 0


def _choose(sweeps: list[Sweep], number: int | None, store: Path) -> Sweep:
    if not sweeps:
        raise StoreError(f"store: '{store}' holds no comparison yet; `normzoo compare` makes one")
    if number is None:
        return sweeps[-1]
    for sweep in sweeps:
        if sweep.id == number:
            return sweep
    raise StoreError(f"store: '{store}' holds no comparison {number}; it holds 1 to {sweeps[-1].id}")
