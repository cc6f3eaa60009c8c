"""Where the numbers come from: data, machines, versions and time, over all records."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from normzoo.experiment.results.records import RunRecord


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
