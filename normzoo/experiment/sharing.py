"""How many workers share a machine, and how many threads each of them gets. Torch-free."""

from collections.abc import Sequence

from normzoo.experiment.config import Configuration
from normzoo.experiment.environment import available_cpus
from normzoo.experiment.plan import Group
from normzoo.experiment.prepared import Prepared

MOST_PER_GPU, SMALL_STEP = 4, 2**18
"""How many workers share a GPU, where no group has more input values than that in a step."""


def jobs_for(configuration: Configuration, prepared: Prepared, groups: Sequence[Group]) -> int:
    """Return how many workers to run; on a GPU several if none of their steps could keep it busy."""
    values = max((group.values_per_step(prepared.dataset.shape) for group in groups), default=0)
    per_gpu = MOST_PER_GPU if values <= SMALL_STEP else 1
    return configuration.execution.jobs_for(prepared.device, len(groups), prepared.gpus, per_gpu)


def threads_for(jobs: int) -> int:
    """Return how many of torch's threads each of so many workers gets."""
    return max(1, available_cpus() // jobs)
