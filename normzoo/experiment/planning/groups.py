"""From the matrix a user asks for to the groups of runs that are still to be trained. Pure and torch-free."""

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.planning.facts import DatasetFacts, NetworkFacts, Networks, Timings, timing_key
from normzoo.experiment.planning.strategy import FLOPS_OF_A_STEP, is_compiled, strategy_for
from normzoo.registry import DATASETS
from normzoo.registry.datasets import with_paths

MAX_MEMBERS = 32
"""How many runs are stacked at most: beyond, their parameters leave the processor's caches, and little is gained."""

WORTH_SPLITTING = 1.05
"""How many times as long as without any waiting a comparison must take for groups to be split among workers."""

MIN_STEP_SECONDS, FLOPS_PER_SECOND = 2e-3, 2e10
"""Of one run, until a step was timed: a guess."""

GPU_STEP_SECONDS, GPU_FLOPS_PER_SECOND = 1e-3, 5e12
"""Of one small network, or of a stack, on a GPU: guesses. On an H200 the cnn and the lstm take 0.2 to 1.2 ms a step."""


@dataclass(frozen=True)
class Group:
    """Runs of one fold that differ only in their seed and learning rate; a worker trains a group at a time.

    Attributes:
        steps: optimizer steps of each run.
        flops: floating-point operations of a step of one run.
        seconds_per_step: of all runs together, as timed before; None where that is not known.
        on_gpu: whether it is trained on a GPU.
    """

    runs: tuple[RunSpec, ...]
    steps: int
    flops: int = 0
    seconds_per_step: float | None = None
    on_gpu: bool = False

    @property
    def is_stacked(self) -> bool:
        """Whether the runs are trained side by side."""
        return self.runs[0].strategy == "stacked"

    @property
    def seconds(self) -> float:
        """How long the group is expected to take; where nothing was timed, a guess."""
        if self.seconds_per_step is not None:
            return self.steps * self.seconds_per_step
        runs = len(self.runs)
        if not self.on_gpu:
            return self.steps * runs * max(MIN_STEP_SECONDS, self.flops / FLOPS_PER_SECOND)
        networks = 1 if self.is_stacked else runs  # a step of a small network takes as long as that of a stack
        return self.steps * max(networks * GPU_STEP_SECONDS, runs * self.flops / GPU_FLOPS_PER_SECOND)

    def values_per_step(self, shape: Sequence[int]) -> int:
        """Return how many input values a step of all runs has, for samples of this shape."""
        return len(self.runs) * self.runs[0].batch_size * math.prod(shape)

    def part(self, runs: tuple[RunSpec, ...]) -> "Group":
        """Return the group of some of its runs."""
        share = len(runs) / len(self.runs)
        per_step = None if self.seconds_per_step is None else self.seconds_per_step * share
        return replace(self, runs=runs, seconds_per_step=per_step)


def expand(
    matrix: MatrixSpec,
    dataset: DatasetFacts,
    *,
    device: str = "cpu",
    sources: Mapping[str, Mapping[str, str]] | None = None,
    networks: Networks | None = None,
) -> list[RunSpec]:
    """Return every run of the matrix, in the order of the tables.

    Args:
        matrix: what the user asks for.
        dataset: the dataset's facts; its checksum goes into every run.
        device: where it is trained, on which the strategy depends.
        sources: by kind and spec, the checksum of the user's own file, or a library's version.
        networks: what is known of each template with each norm.
    """
    chosen = {"task": matrix.task, "optimizer": matrix.optimizer, "schedule": matrix.schedule}
    common: dict[str, Any] = {
        **chosen,
        "dataset": str(with_paths(DATASETS.parse(matrix.dataset), lambda _: "")),
        "dataset_checksum": dataset.checksum,
        "epochs": matrix.epochs,
        "weight_decay": matrix.weight_decay,
        "weight_decay_on": matrix.weight_decay_on,
        "clip_norm": matrix.clip_norm,
        "precision": matrix.precision,
        "augment": matrix.augment,
        "folds": matrix.folds,
    }
    runs: list[RunSpec] = []
    for template in matrix.templates:
        for norm in matrix.norms_in(template):
            network = (networks or {}).get((template, norm), NetworkFacts())
            named = {"template": template, "norm": norm, **chosen, "augment": ",".join(matrix.augment)}
            own = {kind: (sources or {}).get(kind, {}).get(spec) for kind, spec in named.items()}
            common["sources"] = {kind: checksum for kind, checksum in own.items() if checksum}
            common["further_eval_stats"] = matrix.eval_stats[1:] if network.keeps_statistics else ()
            for batch_size in matrix.batch_sizes:
                samples = matrix.epochs * (dataset.train // batch_size) * batch_size
                common["strategy"] = strategy_for(matrix.strategy, network, device, batch_size)
                common["compile"] = is_compiled(matrix.compile, network, samples)
                runs += [
                    RunSpec(
                        **common,
                        template=template,
                        norm=norm,
                        batch_size=batch_size,
                        lr=matrix.lr_at(batch_size, rate),
                        seed=seed,
                    )
                    for rate in matrix.rates
                    for seed in matrix.seed_range
                ]
    return runs


def group(
    runs: Iterable[RunSpec],
    done: Container[str],
    train_samples: int,
    networks: Networks | None = None,
    *,
    on_gpu: bool = False,
) -> list[Group]:
    """Return the groups of runs whose keys are not done, in the order of the tables, none larger than a stack."""
    groups: dict[str, list[RunSpec]] = {}
    for run in runs:
        if run.key not in done:
            groups.setdefault(run.group_key, []).append(run)
    found = []
    for members in groups.values():
        run = members[0]
        network = (networks or {}).get((run.template, run.norm), NetworkFacts())
        steps, flops = run.epochs * (train_samples // run.batch_size), FLOPS_OF_A_STEP * network.flops * run.batch_size
        found += [Group(tuple(part), steps, flops, on_gpu=on_gpu) for part in _even_parts(members, MAX_MEMBERS)]
    return found


def _even_parts(runs: Sequence[RunSpec], most: int) -> Iterator[Sequence[RunSpec]]:
    parts = -(-len(runs) // most)
    for part in range(parts):
        yield runs[part * len(runs) // parts : (part + 1) * len(runs) // parts]


def with_timings(groups: Iterable[Group], timings: Timings, environment: Mapping[str, Any]) -> list[Group]:
    """Return the groups with the time that a step takes, where it is known."""
    timed = []
    for each in groups:
        timing = timings.get(timing_key(each.runs, environment))
        timed.append(replace(each, seconds_per_step=timing.seconds_per_step if timing else None))
    return timed


def balance(groups: Sequence[Group], jobs: int) -> list[Group]:
    """Return the groups, the longest first, with some in halves where workers would else wait long for the last one.

    A stack stays whole: how many are in it changes the order of sums, and no result may depend on times and workers
    by more than rounding.
    """
    balanced = sorted(groups, key=lambda group: -group.seconds)
    ideal = sum(group.seconds for group in balanced) / jobs
    while balanced:
        ends = [(0.0, balanced[0])] * jobs
        for group in balanced:
            first = min(range(jobs), key=lambda job: ends[job][0])
            ends[first] = (ends[first][0] + group.seconds, group)
        end, last = max(ends, key=lambda each: each[0])
        if end <= WORTH_SPLITTING * ideal or len(last.runs) == 1 or last.is_stacked:
            break
        half = -(-len(last.runs) // 2)
        others = [group for group in balanced if group is not last]
        balanced = sorted([*others, last.part(last.runs[:half]), last.part(last.runs[half:])], key=lambda g: -g.seconds)
    return balanced


def total_steps(groups: Sequence[Group]) -> int:
    """Return the optimizer steps of all runs of the groups."""
    return sum(group.steps * len(group.runs) for group in groups)
