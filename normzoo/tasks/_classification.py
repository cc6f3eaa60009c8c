"""Classes: the cross-entropy of logits, and accuracy."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor
from torch.nn.functional import cross_entropy

from normzoo.errors import DataError
from normzoo.metric import ACCURACY, CROSS_ENTROPY
from normzoo.tasks._task import Array, Targets, Task

if TYPE_CHECKING:
    from torchmetrics import Metric as TorchMetric

_SHOWN = 5
_CLASSES_SHOWN = 12


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
        """Check that classes are integers 0 to K-1, or texts, each of which is seen in training."""
        targets, notes = _numbered(source, targets)
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
        return Targets(flat, classes, notes=notes)

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


def _numbered(source: str, targets: Mapping[str, Array]) -> tuple[Mapping[str, Array], tuple[str, ...]]:
    """Number classes that are texts, in their order, and say which is which; others stay as they are."""
    train = targets["train"]
    if train.dtype.kind not in "US" or train.size != len(train):
        return targets, ()
    names = np.unique(train)
    if all(each.removeprefix("-").isdecimal() for each in names):
        names = names[np.argsort(names.astype(np.int64), kind="stable")]
    numbers = {str(name): index for index, name in enumerate(names)}
    found = {}
    for split, labels in targets.items():
        texts = labels.reshape(-1).astype(str)
        if unknown := sorted(set(texts) - set(numbers)):
            some = ", ".join(f"'{each}'" for each in unknown[:_SHOWN])
            some += f", ... ({len(unknown):,} in all)" if len(unknown) > _SHOWN else ""
            raise DataError(
                f"{source}: y_{split} holds the class{'es' if len(unknown) > 1 else ''} {some}, which y_train does "
                "not; remove those samples, or add their classes to the training split"
            )
        found[split] = np.array([numbers[each] for each in texts])
    shown = ", ".join(f"{index} = {name}" for index, name in enumerate(names[:_CLASSES_SHOWN]))
    more = f", ... ({len(names):,} in all)" if len(names) > _CLASSES_SHOWN else ""
    return found, (f"classes by their labels: {shown}{more}",)


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
