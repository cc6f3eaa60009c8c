"""Which engine each column is trained on, and what must be timed to know. Torch-free."""

from collections.abc import Container, Iterable, Mapping
from typing import Any

from normzoo.experiment.engines import Timing, Timings, TrainingEngine, column_key, faster, needs_the_loop, timing_key
from normzoo.experiment.plan import Group


def to_be_timed(
    groups: Iterable[Group],
    engines: Mapping[str, TrainingEngine | None],
    timings: Timings,
    environment: Mapping[str, Any],
    *,
    settled: Container[TrainingEngine] = (),
) -> list[tuple[Group, TrainingEngine]]:
    """Return what to time before the groups are settled, once each, on the engine of their column.

    Where that has none, all are timed as stacks, since each must be able to be one, and the first in the loop as well.
    Nothing is timed on the engines in ``settled``.
    """
    wanted: dict[tuple[str, TrainingEngine], tuple[Group, TrainingEngine]] = {}
    compared: set[str] = set()
    for group in groups:
        column = column_key(group.runs[0])
        engine = engines[column]
        if engine is not None and engine in settled:
            continue
        key = timing_key(group.runs, environment)
        candidates: list[TrainingEngine] = [engine or "stacked"]
        if engine is None and column not in compared:
            compared.add(column)
            candidates.append("loop")
        for candidate in candidates:
            if (key, candidate) not in timings:
                wanted[key, candidate] = (group, candidate)
    return list(wanted.values())


def unstackable(
    groups: Iterable[Group], timings: Timings, environment: Mapping[str, Any]
) -> list[tuple[Group, TrainingEngine]]:
    """Return the groups that cannot be stacked, to be timed in the loop: one that fails there, too, is just broken."""
    wanted: dict[str, tuple[Group, TrainingEngine]] = {}
    for group in groups:
        key = timing_key(group.runs, environment)
        stacked = timings.get((key, "stacked"))
        if stacked is not None and stacked.seconds_per_step is None and (key, "loop") not in timings:
            wanted[key] = (group, "loop")
    return list(wanted.values())


def choose(
    groups: Iterable[Group],
    engines: Mapping[str, TrainingEngine | None],
    timings: Timings,
    environment: Mapping[str, Any],
) -> dict[str, TrainingEngine]:
    """Return the engine of every column: the one it has, else the faster; the loop where a group cannot be stacked."""
    timed: dict[str, list[tuple[Timing | None, Timing]]] = {column: [] for column in engines}
    for group in groups:
        key = timing_key(group.runs, environment)
        if (key, "stacked") in timings:
            timed[column_key(group.runs[0])].append((timings.get((key, "loop")), timings[key, "stacked"]))
    return {
        column: faster(timed[column])
        if engine is None or any(needs_the_loop(*timings_of_group) for timings_of_group in timed[column])
        else engine
        for column, engine in engines.items()
    }
