"""``normzoo diff``: in what two runs differ."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from normzoo.cli import EXIT_OK
from normzoo.cli._console import plain_console
from normzoo.cli._tables import facts, format_distinct, plain_table
from normzoo.errors import counted
from normzoo.experiment.results.difference import Difference, differences, first_apart
from normzoo.experiment.results.lookup import find_key
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.store import Store
from normzoo.experiment.results.tabular import Row, flat

_TIMES = ("started_at", "seconds", "samples_per_second", "peak_memory_bytes", "epoch_seconds_alone", "contended")
_RESULTS = ("status", "error")
_TIMES_TITLE = "Times and memory"
_KEY_HELP = "A run's key, or its beginning, as `normzoo runs` lists it."


def diff(
    a: Annotated[str, Parameter(help=_KEY_HELP)],
    b: Annotated[str, Parameter(help=_KEY_HELP)],
    /,
    *,
    store: Annotated[Path, Parameter(help="File in which results are kept.")] = Path("normzoo.sqlite"),
    other: Annotated[Path | None, Parameter(help="The store that B is in, if it is another.")] = None,
) -> int:
    """Show in what two runs differ: configuration, results, machine and times."""
    (key_a, one), (key_b, two) = _find(a, store), _find(b, other or store)
    console = plain_console()
    if key_a == key_b and other is None:
        console.print(f"Both are the same run, {key_a}: {one.spec.label}.", soft_wrap=True)
        return EXIT_OK
    console.print(facts([("A", key_a, one.spec.label), ("B", key_b, two.spec.label)]))
    parts = _by_part(one, two)
    for title, found in parts.items():
        if found:
            _show_part(title, found, console)
    console.print()
    console.print(_curves(one, two), soft_wrap=True)
    console.print(_conclusion([title.lower() for title, found in parts.items() if not found], len(parts)))
    return EXIT_OK


def _find(text: str, path: Path) -> tuple[str, RunRecord]:
    with Store(path, writable=False) as store:
        key = find_key(text, store.statuses(), path)
        return key, store.record(key)


def _conclusion(alike: Sequence[str], parts: int) -> str:
    if len(alike) == parts:
        return "Nothing differs."
    if len(alike) == parts - 1 and _TIMES_TITLE.lower() not in alike:
        return "Nothing differs but times and memory."
    return f"No difference in: {', '.join(alike)}." if alike else ""


def _by_part(one: RunRecord, other: RunRecord) -> dict[str, list[Difference]]:
    """Return the differences under the title that they are shown under."""
    parts = [_parts(one), _parts(other)]
    return {title: differences(parts[0][title], parts[1][title]) for title in parts[0]}


def _parts(record: RunRecord) -> dict[str, Row]:
    values = flat(record.model_dump(exclude={"spec", "epochs", "environment", "traceback", "places", "test_hits"}))
    values |= flat({"places": list(map(str, record.places))})
    last = record.epochs[-1].model_dump(exclude={"epoch"}) if record.epochs else {}
    seconds = {"last.seconds": last.pop("seconds", None)}
    return {
        "Configuration": flat(record.spec.model_dump(mode="json")),
        "Results": {
            **{name: values[name] for name in _RESULTS},
            "finished epochs": len(record.epochs),
            **flat({"last": last}),
        },
        "Training": {name: value for name, value in values.items() if name not in (*_RESULTS, *_TIMES)},
        "Environment": flat(record.environment),
        _TIMES_TITLE: {**{name: values[name] for name in _TIMES}, **seconds},
    }


def _show_part(title: str, found: Sequence[Difference], console: Console) -> None:
    rows: list[tuple[str, ...]] = [(each.name, *format_distinct(each.a, each.b), _change(each)) for each in found]
    columns: tuple[str, ...] = (title, "A", "B", "B - A")
    if not any(row[-1] for row in rows):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    console.print()
    console.print(plain_table(columns, rows, fold=("A", "B")))


def _change(difference: Difference) -> str:
    """Write by how much a measured number is larger in B; of others there is nothing to say."""
    a, b = difference.a, difference.b
    if not (isinstance(a, float) and isinstance(b, float) and math.isfinite(b - a)):
        return ""
    return f"{b - a:+.4g}"


def _curves(one: RunRecord, other: RunRecord) -> str:
    """Say how long the curves are the same."""
    apart = first_apart(one, other)
    if apart is None:
        epochs = counted(len(one.epochs), "epoch")
        return (
            f"The curves are the same, to the last digit, in all of {epochs}." if one.epochs else "There are no curves."
        )
    if apart.epoch > min(len(one.epochs), len(other.epochs)):
        return f"The curves are the same until one ends, after {counted(apart.epoch - 1, 'epoch')}."
    first = apart.differences[0]
    values = " and ".join(format_distinct(first.a, first.b))
    return f"The curves differ from epoch {apart.epoch} on: {first.name.replace('_', ' ')} is {values}."
