"""Where the numbers come from, and what a reader should know besides them: notes, missing tests, failures."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from normzoo.experiment.results.records import RunRecord
from normzoo.report.analysis.numbers import Row
from normzoo.report.analysis.selection import diverged_or_failed
from normzoo.report.statistics.family import Family
from normzoo.report.statistics.standings import seeds_for


@dataclass(frozen=True)
class Provenance:
    """What the records say of their origin; where they differ, every distinct value.

    Attributes:
        environment: versions, device, CPU, threads, commit: the distinct values of each.
        training_seconds: training time over all runs, without evaluation.
        compute_seconds: time of all runs, also of those without a result, evaluation included.
    """

    runs: int
    dataset_checksums: tuple[str, ...]
    strategies: tuple[str, ...]
    environment: Mapping[str, tuple[str, ...]]
    training_seconds: float
    compute_seconds: float


def provenance(records: Mapping[str, RunRecord]) -> Provenance:
    """Collect the origin of the records; the same for any order of them."""
    runs = list(records.values())
    names: dict[str, set[str]] = {}
    for run in runs:
        for name, value in _flat(run.environment):
            names.setdefault(name, set()).add(value)
    return Provenance(
        runs=len(runs),
        dataset_checksums=tuple(sorted({run.spec.dataset_checksum for run in runs})),
        strategies=tuple(sorted({run.spec.strategy for run in runs})),
        environment={name: tuple(sorted(values)) for name, values in sorted(names.items())},
        training_seconds=math.fsum(epoch.seconds for run in runs for epoch in run.epochs),
        compute_seconds=math.fsum(run.seconds for run in runs),
    )


def _flat(environment: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield names and values; a mapping within gives ``outer.inner``."""
    for name, value in environment.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)


MAX_SHOWN = 10
"""Failures that are listed one by one."""


def record_notes(runs: Mapping[str, Iterable[RunRecord]]) -> list[str]:
    """Return the distinct notes of the runs, each headed by the norms it is about unless it is about all.

    A note that already begins with a norm's name is left as it is.
    """
    norms: dict[str, list[str]] = {}
    for norm, records in runs.items():
        for note in dict.fromkeys(note for record in records for note in record.notes):
            norms.setdefault(note, []).append(norm)
    return [_headed(note, about, list(runs)) for note, about in norms.items()]


def _headed(note: str, about: Sequence[str], norms: Sequence[str]) -> str:
    names_itself = any(note.startswith(norm.partition(":")[0]) for norm in about)
    return note if names_itself or len(about) == len(norms) else f"{', '.join(about)}: {note}"


def mark_notes(rows: Sequence[Row], before: Family) -> list[str]:
    """Say where nothing was tested against the best, and why; ``before`` is the family that is tested first."""
    cells = [(row.norm, cell) for row in rows for cell in row.cells]
    unmarked = [cell for _, cell in cells if cell.mark == "leading"]
    partial = sorted(cell.batch_size for cell in unmarked if cell.is_partial)
    counts = Counter(cell.batch_size for _, cell in cells if cell.mark is not None)
    few = sorted(cell.batch_size for cell in unmarked if not cell.is_partial and counts[cell.batch_size] > 1)
    notes = []
    if partial:
        notes.append(f"no norm has all of its runs at batch size {_listed(partial)}, so none is marked as best")
    if few:
        needed = max(seeds_for(len(rows)), before.needed)
        notes.append(f"no norm is marked as best at batch size {_listed(few)}: a test needs at least {needed} seeds")
    notes += [
        f"not tested: {norm} at batch size {cell.batch_size} shares too few seeds with the best"
        for norm, cell in cells
        if cell.mark == "untested" and cell.batch_size not in (*partial, *few)
    ]
    return notes


def _listed(sizes: Iterable[int]) -> str:
    return ", ".join(map(str, sizes))


def edge_notes(rows: Sequence[Row], rates: Sequence[float]) -> list[str]:
    """Say which picks lie at an end of the learning rates that were tried, so that a better one may lie beyond."""
    if len(rates) < 2:
        return []
    ends = {min(rates): "lowest", max(rates): "highest"}
    notes = []
    for rate, which in ends.items():
        where = [
            f"{row.norm} at {cell.batch_size}" for row in rows for cell in row.cells if cell.rate == rate and cell.ok
        ]
        if where:
            notes.append(f"the {which} learning rate tried, {rate:g}, was chosen for {', '.join(where)}")
    return notes


def failure_lines(records: Mapping[str, RunRecord], *, shown: int = MAX_SHOWN) -> list[str]:
    """Return a line for each run that ended without a result; after ``shown`` of them, how many more.

    Interrupted runs are merely unfinished, and are not among them.
    """
    ended = sorted(runs_without_result(records), key=_order)
    lines = [record.trouble for record in ended[:shown]]
    return lines if len(ended) <= shown else [*lines, f"and {len(ended) - shown} more"]


def runs_without_result(records: Mapping[str, RunRecord]) -> list[RunRecord]:
    """Return the runs that ended without a result, or diverged."""
    return list(filter(diverged_or_failed, records.values()))


def _order(record: RunRecord) -> tuple[str, str, int, float, int]:
    spec = record.spec
    return spec.template, spec.norm, spec.batch_size, spec.lr, spec.seed
