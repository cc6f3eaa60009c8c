"""What every task says."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from normzoo.errors import ComponentError
from normzoo.metric import Metric
from normzoo.registry import TASKS

if TYPE_CHECKING:  # importing it imports torchvision, and takes longer than importing torch
    from torchmetrics import Metric as TorchMetric

Array = npt.NDArray[Any]


class Scale(NamedTuple):
    """How targets were standardized: ``(y - mean) / std``, each a number, or one for every output."""

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)


UNSCALED = Scale()
"""Of targets that are learned as they are."""


@dataclass(frozen=True, eq=False)
class Targets:
    """The targets of a dataset as a network learns them.

    Attributes:
        by_split: arrays ``(N,)`` or ``(N, *)``, by the name of the split.
        outputs: how many numbers a network is to put out for a sample.
        scale: how they were standardized.
    """

    by_split: Mapping[str, Array]
    outputs: int
    scale: Scale = UNSCALED


class Task(ABC):
    """What is learned.

    A task of your own derives from this, in a file of its own: ``--task my_package.my_module:MyTask``.

    Attributes:
        loss: what is said of the mean of ``losses``.
        metrics: by which networks are judged; the first decides.
    """

    loss: ClassVar[Metric]
    metrics: ClassVar[tuple[Metric, ...]]

    @abstractmethod
    def prepare(self, source: str, targets: Mapping[str, Array]) -> Targets:
        """Check the targets of each split, and bring them into the form in which they are learned.

        Where a part of ``train`` is held out as ``val``, it is called twice: before, with what was given, and after.

        Args:
            source: what they are read from, for messages.
            targets: by split: ``train``, ``test`` and ``val``. What is estimated is estimated on ``train`` alone.

        Raises:
            DataError: they are no targets of this task.
        """

    @abstractmethod
    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each sample, ``(N,)``, of outputs ``(N, outputs)`` and targets ``(N, *)``."""

    @abstractmethod
    def torchmetric(self, name: str, outputs: int) -> "TorchMetric":
        """Return a new metric of torchmetrics for one of ``metrics``, to be updated with outputs and targets."""

    def in_units(self, values: Tensor, scale: Scale) -> Tensor:  # noqa: ARG002
        """Return outputs or targets in the units of the data, as the metrics are to see them."""
        return values

    def strata(self, targets: Array) -> Array:
        """Return what a hold-out is to keep the shares of: for each sample its stratum; by default one for all.

        The targets are as they were read, and ``prepare`` did not refuse them.
        """
        return np.zeros(len(targets), dtype=np.int64)


def make_task(spec: str) -> Task:
    """Make the task that a spec names.

    >>> make_task("classification").metrics[0].name
    'accuracy'

    Raises:
        UnknownNameError: no task of that name.
        ComponentError: it cannot be imported or built, or is no ``Task``.
    """
    target, options = TASKS.load(spec)
    try:
        task = target(**options)
    except Exception as error:
        raise ComponentError(f"task '{spec}' cannot be built: {type(error).__name__}: {error}") from error
    if not isinstance(task, Task):
        raise ComponentError(f"task '{spec}': it must be a normzoo.tasks.Task, it is a {type(task).__name__}")
    return task
