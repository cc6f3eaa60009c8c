"""From the matrix a user asks for to the groups of runs that are still to be trained. Pure and torch-free."""

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, Literal

from normzoo.experiment.engines import (
    COMPILING_REPAYS_AFTER,
    How,
    Timings,
    TrainingEngine,
    column_key,
    timing_key,
)
from normzoo.experiment.spec import MatrixSpec, RunSpec
from normzoo.registry import TEMPLATES, canonical_norm

MOST_MEMBERS = 32
"""How many runs are stacked at most: beyond, their parameters leave the processor's caches, and little is gained."""

WORTH_SPLITTING = 1.05
"""How many times as long as without any waiting a comparison must take for groups to be split among workers."""

GUESSED_STEP_SECONDS = 2e-3
"""Of one run, until a step was timed."""

UNSETTLED = How()


@dataclass(frozen=True)
class DatasetFacts:
    """What planning needs to know of a dataset: checksum, shape (C, H, W), classes, and the samples of each split."""

    name: str
    checksum: str
    shape: tuple[int, int, int]
    classes: int
    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class Group:
    """Runs that differ only in their seed and learning rate; a worker trains a group at a time.

    Attributes:
        steps: optimizer steps of each run.
        how: the engine, once it is settled.
        seconds_per_step: of all runs together, as timed before; None where that is not known.
    """

    runs: tuple[RunSpec, ...]
    steps: int
    how: How = UNSETTLED
    seconds_per_step: float | None = None

    @property
    def seconds(self) -> float:
        """How long the group is expected to take; where nothing was timed, a guess for small networks."""
        per_step = len(self.runs) * GUESSED_STEP_SECONDS if self.seconds_per_step is None else self.seconds_per_step
        return self.steps * per_step

    def values_per_step(self, shape: Sequence[int]) -> int:
        """Return how many input values a step of all runs has, for images of this shape."""
        return len(self.runs) * self.runs[0].batch_size * math.prod(shape)

    def part(self, runs: tuple[RunSpec, ...]) -> "Group":
        """Return the group of some of its runs."""
        share = len(runs) / len(self.runs)
        per_step = None if self.seconds_per_step is None else self.seconds_per_step * share
        return replace(self, runs=runs, seconds_per_step=per_step)


def expand(matrix: MatrixSpec, dataset: DatasetFacts, norm_sources: Mapping[str, str | None]) -> list[RunSpec]:
    """Return every run of the matrix, in the order of the tables.

    Args:
        matrix: what the user asks for.
        dataset: the dataset's facts; its checksum goes into every run.
        norm_sources: for each norm as written, the checksum of the user's own file, or None.
    """
    return [
        RunSpec(
            template=template,
            options=_template_options(matrix, template),
            norm=canonical_norm(norm),
            norm_source=norm_sources.get(norm),
            dataset=dataset.name.partition(":")[0],
            dataset_checksum=dataset.checksum,
            batch_size=batch_size,
            seed=seed,
            epochs=matrix.epochs,
            optimizer=matrix.optimizer,
            lr=matrix.lr_at(batch_size, rate),
            clip_norm=matrix.clip_norm,
            precision=matrix.precision,
        )
        for template in matrix.templates
        for norm in matrix.norms
        for batch_size in matrix.batch_sizes
        for rate in matrix.rates
        for seed in range(matrix.seeds)
    ]


def _template_options(matrix: MatrixSpec, template: str) -> dict[str, Any]:
    """Return the settings that this template uses, and none that it ignores."""
    return matrix.model_dump(mode="json", include=set(TEMPLATES[template].options))


def plan(runs: Iterable[RunSpec], done: Container[str], train_samples: int) -> list[Group]:
    """Return the groups of runs whose keys are not done, in the order of the tables, none larger than a stack."""
    groups: dict[str, list[RunSpec]] = {}
    for run in runs:
        if run.key not in done:
            groups.setdefault(run.group_key, []).append(run)
    return [
        Group(tuple(part), _steps(group[0], train_samples))
        for group in groups.values()
        for part in _even_parts(group, MOST_MEMBERS)
    ]


def _even_parts(runs: Sequence[RunSpec], most: int) -> Iterator[Sequence[RunSpec]]:
    parts = -(-len(runs) // most)
    for part in range(parts):
        yield runs[part * len(runs) // parts : (part + 1) * len(runs) // parts]


def settle(
    groups: Iterable[Group],
    engines: Mapping[str, TrainingEngine],
    timings: Timings,
    environment: Mapping[str, Any],
    compiling: Literal["auto", "always", "never"],
) -> list[Group]:
    """Return the groups with their engine and expected time, the longest first.

    All of a column are compiled, or none: automatically, where they were timed, and take long enough on average. The
    order only serves the load of the workers: no result depends on it.
    """
    columns: dict[str, list[Group]] = {}
    for group in groups:
        column = column_key(group.runs[0])
        timing = timings.get((timing_key(group.runs, environment), engines[column]))
        timed = replace(group, seconds_per_step=timing.seconds_per_step if timing else None)
        columns.setdefault(column, []).append(timed)
    settled: list[Group] = []
    for column, members in columns.items():
        repays = (
            fmean(0.0 if group.seconds_per_step is None else group.seconds for group in members)
            > COMPILING_REPAYS_AFTER
        )
        how = How(engines[column], compiling == "always" or (compiling == "auto" and repays))
        settled += [replace(group, how=how) for group in members]
    return sorted(settled, key=lambda group: -group.seconds)


def balance(groups: Sequence[Group], jobs: int) -> list[Group]:
    """Return the groups, the longest first, with some in halves where workers would else wait long for the last one."""
    balanced = sorted(groups, key=lambda group: -group.seconds)
    ideal = sum(group.seconds for group in balanced) / jobs
    while balanced:
        ends = [(0.0, balanced[0])] * jobs
        for group in balanced:
            first = min(range(jobs), key=lambda job: ends[job][0])
            ends[first] = (ends[first][0] + group.seconds, group)
        end, last = max(ends, key=lambda each: each[0])
        if end <= WORTH_SPLITTING * ideal or len(last.runs) == 1:
            break
        half = -(-len(last.runs) // 2)
        others = [group for group in balanced if group is not last]
        balanced = sorted([*others, last.part(last.runs[:half]), last.part(last.runs[half:])], key=lambda g: -g.seconds)
    return balanced


def _steps(run: RunSpec, train_samples: int) -> int:
    return run.epochs * (train_samples // run.batch_size)


def total_steps(groups: Sequence[Group]) -> int:
    """Return the optimizer steps of all runs of the groups."""
    return sum(group.steps * len(group.runs) for group in groups)
