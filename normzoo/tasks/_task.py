"""What a task is: a loss for each sample, and the metrics by which networks are judged."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from normzoo.errors import ComponentError, error_line
from normzoo.metric import Metric
from normzoo.registry import TASKS

if TYPE_CHECKING:
    from torchmetrics import Metric as TorchMetric


Array = npt.NDArray[Any]


class Scale(NamedTuple):
    """How targets were standardized, ``(y - mean) / std``, each a number, or one for every output."""

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
        notes: what a reader of the results should know of them, such as which class is which.
    """

    by_split: Mapping[str, Array]
    outputs: int
    scale: Scale = UNSCALED
    notes: tuple[str, ...] = ()


class Task(ABC):
    """What is learned.

    A task of your own derives from this, in a file of its own: ``--task my_package.my_module:MyTask``.

    Attributes:
        loss: what is said of the mean of ``losses``.
        metrics: by which networks are judged; the first decides.
        per_step: a network puts out numbers for every step of a sample, ``(N, T, outputs)``, and must look at no later
            step for it; otherwise for every sample, ``(N, outputs)``.
    """

    loss: ClassVar[Metric]
    metrics: ClassVar[tuple[Metric, ...]]
    per_step: ClassVar[bool] = False

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
        """Return the loss of each sample, ``(N,)``, of outputs ``(N, outputs)`` and targets ``(N, *)``.

        Outputs are ``(N, T, outputs)`` where they are of every step.
        """

    def training_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return what is trained instead of ``losses``, likewise, where that is not the same."""
        return self.losses(outputs, targets)

    @abstractmethod
    def torchmetric(self, name: str, outputs: int) -> "TorchMetric":
        """Return a new metric of torchmetrics for one of ``metrics``, to be updated with outputs and targets."""

    def hits(self, outputs: Tensor, targets: Tensor) -> Tensor | None:  # noqa: ARG002
        """Return for each sample whether it is right, ``(N,)`` of bools, where the deciding metric is their share.

        It is given what that metric is given; where their share is not the metric, they are not recorded. None where
        samples are neither right nor wrong.
        """
        return None

    def constant(self, targets: Tensor, outputs: int) -> Tensor | None:  # noqa: ARG002
        """Return the outputs ``(outputs,)`` that serve all samples best, learned from training targets ``(N, *)``.

        What a network reaches is compared with what they reach. None where there is no such thing.
        """
        return None

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
        raise ComponentError(f"task '{spec}' cannot be built: {error_line(error)}") from error
    if not isinstance(task, Task):
        raise ComponentError(f"task '{spec}': it must be a normzoo.tasks.Task, it is a {type(task).__name__}")
    return task
