"""Times a few training steps of a group of runs. Runs in a worker, and imports torch."""

import statistics
import time
from collections.abc import Iterable, Iterator, Sequence

import torch

from normzoo.data import BlocksOfSteps, Dataset
from normzoo.experiment.engines import How, Timing, TrainingEngine
from normzoo.experiment.prepared import Device
from normzoo.experiment.spec import RunSpec
from normzoo.experiment.train import build_network, make_classifier, member_order, norm_backend
from normzoo.layers import backend

WARM_UP = {"cpu": 1, "cuda": 5}
"""Steps before those that are timed: the first one allocates; on a GPU a few, until steps are recorded."""

LEAST, MOST, SECONDS = 3, 20, 0.03
"""Steps that are timed at least, and at most; in between, as many as fit into so many seconds."""


def calibrate_all(
    groups: Iterable[tuple[Sequence[RunSpec], TrainingEngine, str]], dataset: Dataset, device: Device
) -> Iterator[Timing]:
    """Time one group after the other, each on the engine beside it, with the key of its timing.

    The first is timed twice: a process that has not trained yet is slower than it will be.
    """
    for number, (runs, engine, key) in enumerate(groups):
        if number == 0:
            calibrate(runs, dataset, device, engine, key)
        yield calibrate(runs, dataset, device, engine, key)


def calibrate(runs: Sequence[RunSpec], dataset: Dataset, device: Device, engine: TrainingEngine, key: str) -> Timing:
    """Return how long one step of all runs takes on an engine, not compiled: the median of a few.

    On ``loop`` a single run is timed, and counted as often as there are runs. Whatever goes wrong is the reason why
    there is no time.
    """
    specs = sorted(runs, key=member_order) if engine == "stacked" else runs[:1]
    try:
        seconds = _step_seconds(specs, dataset, device, engine)
    except Exception as error:
        reason = f"{runs[0].norm} in {runs[0].template}: {type(error).__name__}: {' '.join(str(error).split())}"
        return Timing(key=key, engine=engine, members=len(runs), seconds_per_step=None, reason=reason)
    return Timing(key=key, engine=engine, members=len(runs), seconds_per_step=seconds * len(runs) / len(specs))


def _step_seconds(specs: Sequence[RunSpec], dataset: Dataset, device: Device, engine: TrainingEngine) -> float:
    networks = [build_network(spec, dataset) for spec in specs]
    module = make_classifier(specs, networks, device, How(engine)).to(device)
    module.on_train_epoch_start()
    images, labels = next(iter(BlocksOfSteps(dataset.train, specs[0].batch_size, seeds=[spec.seed for spec in specs])))
    warm_up = WARM_UP[device]
    seconds: list[float] = []
    # As the Trainer does in mixed precision.
    is_mixed = specs[0].precision == "bf16-mixed"
    mixed = torch.autocast(device, torch.bfloat16, enabled=is_mixed, cache_enabled=False)
    with backend(norm_backend()), mixed:
        while _is_to_be_continued(seconds[warm_up:]):
            start, step = time.perf_counter(), len(seconds) % len(labels)
            module.training_step((images[step : step + 1], labels[step : step + 1]), step)
            if device == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[warm_up:])


def _is_to_be_continued(seconds: Sequence[float]) -> bool:
    return len(seconds) < LEAST or (len(seconds) < MOST and sum(seconds) < SECONDS)
