"""Classes: the cross-entropy of logits, and accuracy."""

from collections.abc import Mapping, Sequence
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

_MANY = 5
"""Classes, up to which there may be as many as samples."""

_FEW = 10
"""Training samples of a class, below which it is said that they are few."""


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
        _check_classes(f"{source}: y_train", flat["train"], sum(map(len, flat.values())))
        classes = int(flat["train"].max()) + 1
        for split, labels in flat.items():
            unknown = np.unique(labels[(labels < 0) | (labels >= classes)])
            if len(unknown):
                raise DataError(
                    f"{source}: y_{split} holds {_listed(unknown)}, but y_train's are 0 to {classes - 1}; "
                    "remove those samples, or add their classes to the training split"
                )
        return Targets(flat, classes, notes=(*notes, *_few(flat["train"])))

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
    """Number classes that are texts, in their order, and say which is which; others stay as they are.

    Texts are taken as they are: those that differ in case or in blanks are different classes.
    """
    targets = {split: _texts(f"{source}: y_{split}", labels) for split, labels in targets.items()}
    train = targets["train"]
    if train.dtype.kind != "U" or train.size != len(train):
        return targets, ()
    known = np.unique(train)
    names: list[str] = known.tolist()
    if all(name.removeprefix("-").isdecimal() for name in names):
        names.sort(key=int)
    if len(names) == 1:
        raise DataError(
            f"{source}: y_train holds the one class '{names[0]}'; at least 2 classes are needed to classify"
        )
    ranks = {name: index for index, name in enumerate(names)}
    numbers = np.array([ranks[name] for name in known.tolist()])
    found = {}
    for split, labels in targets.items():
        texts = labels.reshape(-1).astype(str, copy=False)
        places = np.searchsorted(known, texts).clip(max=len(known) - 1)
        if unknown := np.unique(texts[known[places] != texts]).tolist():
            some = ", ".join(f"'{each}'" for each in unknown[:_SHOWN])
            some += f", ... ({len(unknown):,} in all)" if len(unknown) > _SHOWN else ""
            raise DataError(
                f"{source}: y_{split} holds the class{'es' if len(unknown) > 1 else ''} {some}, which y_train does "
                "not; remove those samples, or add their classes to the training split"
            )
        found[split] = numbers[places]
    shown = ", ".join(f"{index} = {name}" for index, name in enumerate(names[:_CLASSES_SHOWN]))
    more = f", ... ({len(names):,} in all)" if len(names) > _CLASSES_SHOWN else ""
    return found, (f"classes by their labels: {shown}{more}", *_alike(names))


def _texts(source: str, labels: Array) -> Array:
    """Return labels that are texts as such, also bytes and Python objects, or refuse them; others stay as they are."""
    if labels.dtype.kind == "O" and labels.size:
        _check_objects(source, labels)
        labels = labels.astype(str) if isinstance(labels.flat[0], str) else np.array(labels.tolist())
    if labels.dtype.kind == "S":
        try:
            labels = np.char.decode(labels, "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{source} holds bytes that are no text in UTF-8; give numbers or text") from error
    if labels.dtype.kind == "U" and (empty := np.flatnonzero(labels.reshape(-1) == "")).size:
        raise DataError(f"{source} holds no label at sample {empty[0]}, but empty text; remove such samples")
    return labels


def _check_objects(source: str, labels: Array) -> None:
    """Refuse labels that are missing or of several types."""
    for index, each in enumerate(labels.flat):
        if each is None or type(each).__name__ == "NAType" or each != each:  # NaN is not itself; pandas has an NA
            raise DataError(f"{source} holds no label at sample {index}, but {each}; remove such samples")
    types = {type(each) for each in labels.flat}
    if len(types) > 1 or not all(issubclass(each, str | bytes | int | float | np.number) for each in types):
        names = ", ".join(sorted(each.__name__ for each in types))
        raise DataError(f"{source} holds labels of type {names}; give all of them as text or all as integers")


def _alike(names: Sequence[str]) -> tuple[str, ...]:
    """Say which texts look like one class."""
    looks: dict[str, list[str]] = {}
    for name in names:
        looks.setdefault(" ".join(name.split()).casefold(), []).append(name)
    alike = [each for each in looks.values() if len(each) > 1]
    pairs = "; ".join(" and ".join(f"'{name}'" for name in each) for each in alike[:_SHOWN])
    return (f"classes that differ in case or blanks alone: {pairs}",) if alike else ()


def _flat(source: str, labels: Array) -> Array:
    """Return classes ``(N,)`` as int64."""
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise DataError(
            f"{source} has shape {labels.shape}; labels are (N,) or (N, 1), so turn one-hot rows into integers with "
            "y.argmax(axis=1), or use --task regression for several numbers"
        )
    if labels.ndim not in (1, 2) or labels.size != len(labels):
        raise DataError(f"{source} has shape {labels.shape}; labels are (N,) or (N, 1), so reshape it")
    if labels.dtype.kind == "U":
        raise DataError(f"{source} holds text, but y_train numbers; give both as text or both as integers")
    if labels.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            broken = np.flatnonzero(labels.reshape(-1) % 1 != 0)
        if len(broken):
            raise DataError(
                f"{source} holds {labels.reshape(-1)[broken[0]]} at sample {broken[0]}, which is no class; for numbers "
                "to be predicted use --task regression"
            )
        raise DataError(
            f"{source} has type {labels.dtype}; for numbers to be predicted use --task regression, for classes "
            "y.astype('int64')"
        )
    if labels.dtype.kind not in "iu":
        raise DataError(f"{source} has type {labels.dtype}; labels are integers, so use y.astype('int64')")
    return labels.reshape(len(labels)).astype(np.int64)


def _check_classes(source: str, labels: Array, samples: int) -> None:
    """Refuse training labels that are not 0..K-1 without gaps, with K at least 2 and at most half of the samples.

    Args:
        source: what they are read from.
        labels: of the training split.
        samples: of all splits, into whichever they are divided.
    """
    present = np.unique(labels)
    if len(present) > max(_MANY, samples / 2):
        raise DataError(
            f"{source} holds {len(present):,} different labels for {samples:,} samples, too many for classes; "
            "for numbers to be predicted use --task regression"
        )
    if not np.array_equal(present, np.arange(len(present))):
        raise DataError(
            f"{source} holds {_listed(present)}; labels are 0 to K-1 without gaps, so renumber them with "
            "numpy.unique(y, return_inverse=True)"
        )
    if len(present) < 2:
        raise DataError(f"{source} holds the one class 0; at least 2 classes are needed to classify")


def _few(labels: Array) -> tuple[str, ...]:
    """Say which classes have few training samples."""
    counts = np.bincount(labels)
    few = np.flatnonzero(counts < _FEW)
    if not len(few):
        return ()
    least = int(counts.argmin())
    have = "has" if len(few) == 1 else "have"
    return (
        f"{len(few):,} of {len(counts):,} classes {have} fewer than {_FEW} training samples, class {least} the fewest, "
        f"{counts[least]}",
    )


def _listed(values: Array) -> str:
    """Write the first few labels.

    >>> _listed(np.arange(7))
    'the labels 0, 1, 2, 3, 4, ... (7 in all)'
    """
    shown = ", ".join(str(value) for value in values[:_SHOWN])
    rest = f", ... ({len(values):,} in all)" if len(values) > _SHOWN else ""
    return f"the label{'s' if len(values) > 1 else ''} {shown}{rest}"
