"""Times a few training steps of groups of runs. Imports torch."""

import statistics
import time
from collections.abc import Iterable, Iterator, Sequence

import torch

from normzoo.data import Dataset
from normzoo.data.batches import Batch
from normzoo.devices import synchronize
from normzoo.errors import error_line
from normzoo.experiment.config.spec import RunSpec
from normzoo.experiment.planning.facts import Device, Timing
from normzoo.experiment.worker.attempts import Attempt, freely
from normzoo.experiment.worker.train import build_network, make_module, member_order, norm_backend, training_blocks
from normzoo.layers import backend

WARM_UP, WARM_UP_ELSEWHERE = {"cpu": 1}, 5
"""Steps before those that are timed: the first one allocates; on a GPU a few, until steps are recorded."""

MIN_STEPS, MAX_STEPS, SECONDS = 3, 20, 0.03
"""Steps that are timed at least, and at most; in between, as many as fit into so many seconds."""


def time_steps(
    groups: Iterable[tuple[Sequence[RunSpec], str]], dataset: Dataset, device: Device, attempt: Attempt = freely
) -> Iterator[Timing]:
    """Time one group after the other, each with the key of its timing.

    The first is timed twice: a process that has not trained yet is slower than it will be.
    """
    for number, (runs, key) in enumerate(groups):
        with attempt(f"timing norm '{runs[0].norm}' in the {runs[0].template}"):
            if number == 0:
                _timing(runs, dataset, device, key)
            timing = _timing(runs, dataset, device, key)
        yield timing


def _timing(runs: Sequence[RunSpec], dataset: Dataset, device: Device, key: str) -> Timing:
    """Return how long one step of all runs takes, not compiled: the median of a few.

    Of runs that are trained one by one a single one is timed, and counted as often as there are runs. Whatever goes
    wrong is the reason why there is no time.
    """
    specs = sorted(runs, key=member_order) if runs[0].strategy == "stacked" else runs[:1]
    try:
        seconds = _step_seconds(specs, dataset, device)
    except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit) as error:
        reason = f"{runs[0].norm} in {runs[0].template}: {error_line(error)}"
        return Timing(key=key, members=len(runs), seconds_per_step=None, reason=reason)
    return Timing(key=key, members=len(runs), seconds_per_step=seconds * len(runs) / len(specs))


def _step_seconds(specs: Sequence[RunSpec], dataset: Dataset, device: Device) -> float:
    networks = [build_network(specs[0], dataset)] * len(specs)  # a stack takes copies of their tensors
    module = make_module(specs, networks, dataset, device, compiled=False).to(device)
    module.on_train_epoch_start()
    (inputs, targets), augmenting = _block(specs, dataset, device)
    warm_up = WARM_UP.get(device, WARM_UP_ELSEWHERE)
    seconds: list[float] = []
    # As the Trainer does in mixed precision.
    is_mixed = specs[0].precision == "bf16-mixed"
    mixed = torch.autocast(device, torch.bfloat16, enabled=is_mixed, cache_enabled=False)
    try:
        with backend(norm_backend()), mixed:
            while _is_to_be_continued(seconds[warm_up:]):
                start, step = time.perf_counter(), len(seconds) % len(targets)
                module.training_step((inputs[step : step + 1], targets[step : step + 1]), step)
                synchronize(device)
                seconds.append(time.perf_counter() - start)
    finally:
        module.on_fit_end()
    return statistics.median(seconds[warm_up:]) + augmenting


def _block(specs: Sequence[RunSpec], dataset: Dataset, device: Device) -> tuple[Batch, float]:
    """Return a block of steps, and how long it takes to read it, for each step; zero where nothing is augmented."""
    blocks = training_blocks(specs, dataset)
    block = next(iter(blocks))
    if not specs[0].augment:
        return block, 0.0
    epoch, start = iter(blocks), time.perf_counter()
    block = next(epoch)
    synchronize(device)
    return block, (time.perf_counter() - start) / len(block[1])


def _is_to_be_continued(seconds: Sequence[float]) -> bool:
    return len(seconds) < MIN_STEPS or (len(seconds) < MAX_STEPS and sum(seconds) < SECONDS)
