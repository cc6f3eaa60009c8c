"""What is learned: a loss for each sample, and the metrics by which networks are judged. Importing it imports torch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.nn.functional import cross_entropy

from normzoo.errors import ComponentError, DataError
from normzoo.metric import ACCURACY, CROSS_ENTROPY, Metric
from normzoo.registry import TASKS

if TYPE_CHECKING:
    from torchmetrics import Metric as TorchMetric


__all__ = ["UNSCALED", "Array", "Classification", "Metric", "Regression", "Scale", "Targets", "Task", "make_task"]

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
        raise ComponentError(f"task '{spec}' cannot be built: {type(error).__name__}: {error}") from error
    if not isinstance(task, Task):
        raise ComponentError(f"task '{spec}': it must be a normzoo.tasks.Task, it is a {type(task).__name__}")
    return task


_SHOWN = 5


class Classification(Task):
    """Targets are classes 0 to K-1, outputs their logits; the loss is the cross-entropy, and accuracy decides.

    Args:
        smoothing: the share of each label that is spread over all classes in training (Szegedy et al. 2016), as
            ``label_smoothing`` of torch's cross-entropy. What is evaluated is the loss of the labels as they are.

    Raises:
        ValueError: it is no share.
    """

    loss = CROSS_ENTROPY
    metrics = (ACCURACY,)
    smoothing = 0.0

    def __init__(self, smoothing: float = 0.0) -> None:
        if not 0 <= smoothing < 1:
            raise ValueError(f"smoothing is a share of each label, at least 0 and below 1, got {smoothing:g}")
        self.smoothing = smoothing

    def prepare(self, source: str, targets: Mapping[str, Array]) -> Targets:
        """Check that classes are integers 0 to K-1, each of which is seen in training."""
        flat = {split: _flat(f"{source}: y_{split}", labels) for split, labels in targets.items()}
        _check_classes(f"{source}: y_train", flat["train"])
        classes = int(flat["train"].max()) + 1
        for split, labels in flat.items():
            unknown = np.unique(labels[(labels < 0) | (labels >= classes)])
            if len(unknown):
                raise DataError(
                    f"{source}: y_{split} holds {_listed(unknown)}, but y_train's are 0 to {classes - 1}; "
                    "remove those samples, or add their classes to the training split"
                )
        return Targets(flat, classes)

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropy of each sample in nats, of logits ``(N, K)`` and classes ``(N,)``."""
        return cross_entropy(outputs, targets, reduction="none")

    def training_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the same of smoothed labels."""
        if not self.smoothing:
            return self.losses(outputs, targets)
        return cross_entropy(outputs, targets, reduction="none", label_smoothing=self.smoothing)

    def torchmetric(self, name: str, outputs: int) -> "TorchMetric":  # noqa: ARG002
        """Return the accuracy over all samples."""
        from torchmetrics.classification import MulticlassAccuracy

        return MulticlassAccuracy(outputs, average="micro", validate_args=False)

    def hits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return whether the largest logit is that of the class; of equal ones the first counts."""
        return outputs.argmax(-1) == targets

    def constant(self, targets: Tensor, outputs: int) -> Tensor:
        """Return the logarithms of the shares of the classes: the most frequent one is always chosen."""
        return targets.flatten().bincount(minlength=outputs).double().div(targets.numel()).log()

    def strata(self, targets: Array) -> Array:
        """Return the classes: a hold-out keeps their shares."""
        return targets.reshape(-1) if targets.size == len(targets) else super().strata(targets)


def _flat(source: str, labels: Array) -> Array:
    """Return classes ``(N,)`` as int64."""
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise DataError(
            f"{source} has shape {labels.shape}; labels are (N,) or (N, 1), so turn one-hot rows into integers with "
            "y.argmax(axis=1), or use --task regression for several numbers"
        )
    if labels.ndim not in (1, 2) or labels.size != len(labels):
        raise DataError(f"{source} has shape {labels.shape}; labels are (N,) or (N, 1), so reshape it")
    if labels.dtype.kind in "US":
        raise DataError(
            f"{source} holds text; labels are integers 0 to K-1, so use numpy.unique(y, return_inverse=True)[1]"
        )
    if labels.dtype.kind == "f":
        raise DataError(
            f"{source} has type {labels.dtype}; for numbers to be predicted use --task regression, for classes "
            "y.astype('int64')"
        )
    if labels.dtype.kind not in "iu":
        raise DataError(f"{source} has type {labels.dtype}; labels are integers, so use y.astype('int64')")
    return labels.reshape(len(labels)).astype(np.int64)


def _check_classes(source: str, labels: Array) -> None:
    """Refuse training labels that are not 0..K-1 without gaps, with K at least 2."""
    present = np.unique(labels)
    if not np.array_equal(present, np.arange(len(present))):
        raise DataError(
            f"{source} holds {_listed(present)}; labels are 0 to K-1 without gaps, so renumber them with "
            "numpy.unique(y, return_inverse=True)"
        )
    if len(present) < 2:
        raise DataError(f"{source} holds the one class 0; at least 2 classes are needed to classify")


def _listed(values: Array) -> str:
    """Write the first few labels.

    >>> _listed(np.arange(7))
    'the labels 0, 1, 2, 3, 4, ... (7 in all)'
    """
    shown = ", ".join(str(value) for value in values[:_SHOWN])
    rest = f", ... ({len(values):,} in all)" if len(values) > _SHOWN else ""
    return f"the label{'s' if len(values) > 1 else ''} {shown}{rest}"


class Regression(Task):
    """Targets are numbers; the loss is their squared error, and the root of its mean (RMSE) decides.

    Targets are standardized by the training split's mean and standard deviation, so that one learning rate serves data
    of any size; the metrics are in the units of the data. RMSE is over all outputs, R2 their mean.
    """

    loss = Metric(name="squared error", higher_is_better=False, lowest=0)
    metrics = (
        Metric(name="rmse", label="RMSE", higher_is_better=False, lowest=0),
        Metric(name="r2", label="R2", decimals=3, higher_is_better=True, highest=1),
    )

    def prepare(self, source: str, targets: Mapping[str, Array]) -> Targets:
        """Check that targets are finite numbers of one shape, and standardize them."""
        numbers = {split: _numbers(f"{source}: y_{split}", values) for split, values in targets.items()}
        train = numbers["train"]
        for split, values in numbers.items():
            if values.shape[1:] != train.shape[1:]:
                numbers_here = f"{values.shape[1]} number{'s' if values.shape[1] > 1 else ''}"
                raise DataError(f"{source}: y_{split} has {numbers_here} per sample, but y_train has {train.shape[1]}")
            if len(values) < 2:
                raise DataError(
                    f"{source}: y_{split} holds one sample; R2 needs at least two, so give more, or an x_val and y_val"
                )
        mean, std = train.mean(0), train.std(0)
        constant = np.flatnonzero(train.min(0) == train.max(0))  # of which the deviation may be a rounded zero
        if len(constant) == train.shape[1]:
            raise DataError(f"{source}: y_train is constant; there is nothing to learn")
        if len(constant):
            raise DataError(
                f"{source}: y_train is constant in column {constant[0]}; there is nothing to learn, so leave it out"
            )
        standardized = {split: ((values - mean) / std).astype(np.float32) for split, values in numbers.items()}
        return Targets(standardized, train.shape[1], Scale(tuple(mean.tolist()), tuple(std.tolist())))

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the squared error of each sample, the mean over its numbers, of ``(N, K)`` and ``(N, K)``."""
        return (outputs - targets).square().mean(-1)

    def torchmetric(self, name: str, outputs: int) -> "TorchMetric":  # noqa: ARG002
        """Return the root mean squared error, or R2."""
        from torchmetrics.regression import MeanSquaredError, R2Score

        if name == "r2":
            return R2Score()
        return MeanSquaredError(squared=False)

    def constant(self, targets: Tensor, outputs: int) -> Tensor:  # noqa: ARG002
        """Return the means."""
        return targets.mean(0)

    def in_units(self, values: Tensor, scale: Scale) -> Tensor:
        """Return numbers in the units of the data."""
        return values * values.new_tensor(scale.std) + values.new_tensor(scale.mean)


def _numbers(source: str, values: Array) -> Array:
    """Return targets ``(N, K)`` as float64."""
    if values.ndim not in (1, 2) or values.size == 0:
        raise DataError(f"{source} has shape {values.shape}; targets of a regression are (N,) or (N, K), so reshape it")
    if values.dtype.kind not in "iuf":
        raise DataError(f"{source} has type {values.dtype}; targets of a regression are numbers")
    numbers = values.reshape(len(values), -1).astype(np.float64)
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        where = tuple(int(index) for index in np.argwhere(wrong)[0])
        raise DataError(
            f"{source} holds values that are not finite, the first ({numbers[where]}) at sample {where[0]}; "
            "remove those samples or replace the values"
        )
    return numbers
