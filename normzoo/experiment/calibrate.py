"""Times a few training steps of a group of runs. Runs in a worker, and imports torch."""

import statistics
import time
from collections.abc import Sequence

import torch

from normzoo.data import BlocksOfSteps, Dataset
from normzoo.experiment.engines import How, Timing, TrainingEngine
from normzoo.experiment.prepared import Device
from normzoo.experiment.spec import RunSpec
from normzoo.experiment.train import build_network, make_classifier, member_order, norm_engine
from normzoo.layers import engine as engine_of_norms

WARM_UP, TIMED = {"cpu": 1, "cuda": 5}, 3
"""Steps: the first one allocates; on a GPU a few, until steps are recorded."""


def calibrate(runs: Sequence[RunSpec], dataset: Dataset, device: Device, engine: TrainingEngine, key: str) -> Timing:
    """Return how long one step of all runs takes on an engine, not compiled: the median of a few.

    On ``loop`` a single run is timed, and counted as often as there are runs. Whatever goes wrong is the reason why
    there is no time.
    """
    specs = sorted(runs, key=member_order) if engine == "stacked" else runs[:1]
    try:
        seconds = _step_seconds(specs, dataset, device, engine)
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return Timing(key=key, engine=engine, members=len(runs), seconds_per_step=None, reason=reason)
    return Timing(key=key, engine=engine, members=len(runs), seconds_per_step=seconds * len(runs) / len(specs))


def _step_seconds(specs: Sequence[RunSpec], dataset: Dataset, device: Device, engine: TrainingEngine) -> float:
    networks = [build_network(spec, dataset) for spec in specs]
    module = make_classifier(specs, networks, device, How(engine)).to(device)
    module.on_train_epoch_start()
    images, labels = next(iter(BlocksOfSteps(dataset.train, specs[0].batch_size, seeds=[spec.seed for spec in specs])))
    seconds = []
    with engine_of_norms(norm_engine()):
        for step in range(WARM_UP[device] + TIMED):
            start = time.perf_counter()
            part = slice(step % len(labels), step % len(labels) + 1)
            module.training_step((images[part], labels[part]), step)
            if device == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[WARM_UP[device] :])
