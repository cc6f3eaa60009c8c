"""How runs are trained, where it is not a matter of what they are: one by one or stacked, compiled or not. Torch-free.

The engine is chosen per column of the tables (template, dataset, batch size), for all norms alike, so that what is
compared was trained in the same way.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from normzoo.experiment.spec import RunSpec

TrainingEngine = Literal["loop", "stacked"]

LOOP_MUST_WIN_BY = 1.1
"""How many times as fast the loop must be to be chosen: with more seeds, stacks gain."""

COMPILING_REPAYS_AFTER = 300.0
"""Expected seconds of training from which on a group is compiled: that takes up to minutes, and may halve the rest."""


@dataclass(frozen=True)
class How:
    """The engine that trains a group of runs.

    Attributes:
        engine: ``loop``: one run after the other; ``stacked``: all at once, side by side.
        compiled: whether the step's forward and backward pass are compiled.
    """

    engine: TrainingEngine = "loop"
    compiled: bool = False


class Timing(BaseModel):
    """How long a step of a group takes, timed over a few steps while nothing else was trained.

    Attributes:
        key: what was timed, and on what machine: ``timing_key``.
        seconds_per_step: of one step of all members together: at once, or one after the other. None where the engine
            cannot train them.
        reason: why it cannot.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    engine: TrainingEngine
    members: int
    seconds_per_step: float | None
    reason: str | None = None


Timings = Mapping[tuple[str, TrainingEngine], Timing]
"""By key and engine."""


def timing_key(runs: Sequence[RunSpec], environment: Mapping[str, Any]) -> str:
    """Return what decides how long a step of a group takes: all of its runs but seeds and epochs; code and machine."""
    names = ("device", "cpu", "threads", "torch", "norm_backend", "normzoo", "protocol")
    machine = {name: environment.get(name) for name in names}
    work = runs[0].model_dump(mode="json", exclude={"seed", "lr", "epochs"})
    sizes = {"members": len(runs), "rates": len({run.lr for run in runs})}
    text = json.dumps({"machine": machine, "work": work, **sizes}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def column_key(spec: RunSpec) -> str:
    """Return the same for all runs that are compared with each other: those of a template at a batch size."""
    shared = spec.model_dump(mode="json", exclude={"norm", "norm_source", "seed", "lr"})
    return hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()[:16]


def engines_of_columns(
    runs: Iterable[RunSpec], stored: Mapping[str, str], wanted: Literal["auto", "loop", "stacked"]
) -> dict[str, TrainingEngine | None]:
    """Return the engine of every column: the one asked for, else the one of its stored results, else None.

    Args:
        runs: those of the matrix.
        stored: by key, the engine of the runs that have a result.
        wanted: ``auto`` goes on with what there is; where a column was trained on both, with the more frequent.
    """
    found: dict[str, Counter[str]] = {}
    for run in runs:
        engines = found.setdefault(column_key(run), Counter())
        if run.key in stored:
            engines[stored[run.key]] += 1
    if wanted != "auto":
        return dict.fromkeys(found, wanted)
    return {
        column: None if not engines else "stacked" if engines["stacked"] >= engines["loop"] else "loop"
        for column, engines in found.items()
    }


def needs_the_loop(loop: Timing | None, stacked: Timing) -> bool:
    """Whether a group cannot be stacked, and not because it fails in the loop as well."""
    return stacked.seconds_per_step is None and (loop is None or loop.seconds_per_step is not None)


def faster(timings: Sequence[tuple[Timing | None, Timing]]) -> TrainingEngine:
    """Return the engine for all groups of a column, from their timings on ``stacked``, and on ``loop`` where made.

    One that cannot be stacked decides for all; one that fails on either decides nothing.
    """
    total = {"loop": 0.0, "stacked": 0.0}
    for loop, stacked in timings:
        if needs_the_loop(loop, stacked):
            return "loop"
        if loop is not None and loop.seconds_per_step is not None and stacked.seconds_per_step is not None:
            total["loop"] += loop.seconds_per_step
            total["stacked"] += stacked.seconds_per_step
    return "loop" if total["loop"] * LOOP_MUST_WIN_BY < total["stacked"] else "stacked"
