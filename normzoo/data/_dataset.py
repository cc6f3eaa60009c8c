"""What a dataset is: the arrays that a loader hands over, and three splits of tensors, all on one device."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from normzoo.data._mapped import MappedFile
from normzoo.data._part import Part
from normzoo.data._stored import StoredInputs
from normzoo.tasks import UNSCALED, Scale

Array = npt.NDArray[Any]

Progress = Callable[[int, int], None]
"""Is told how much of something is done, and of how much in all."""


def tell_nobody(done: int, total: int) -> None:
    """Be told, and do nothing."""


SampleKind = Literal["vectors", "sequences", "images", "volumes", "tokens"]
"""Of samples: ``(F,)``, ``(C, T)``, ``(C, H, W)``, ``(C, D, H, W)``, and ``(T,)`` integers."""

DIMENSIONS: Mapping[SampleKind, int] = {"vectors": 2, "sequences": 3, "images": 4, "volumes": 5, "tokens": 2}
"""Of an array of samples, channels last."""

SHAPES: Mapping[SampleKind, str] = {
    "vectors": "(N, F)",
    "sequences": "(N, T) or (N, T, C)",
    "images": "(N, H, W) or (N, H, W, C)",
    "volumes": "(N, D, H, W) or (N, D, H, W, C)",
    "tokens": "(N, T)",
}
"""Of arrays, as they are given."""


class Encoder(Protocol):
    """Makes numbers of the inputs of a table, once it is fitted to training inputs."""

    @property
    def content(self) -> Array:
        """What is hashed of it, beside the inputs."""

    def fit(self, train: Part) -> None:
        """Look at training inputs, which may be of any number."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the features."""

    def __call__(self, inputs: Array) -> Array:
        """Return some inputs as finite numbers ``(n, F)``, float64."""

    def notes(self, inputs: Mapping[str, Part]) -> tuple[str, ...]:
        """Return what a reader of the results should know of it, and of what it made of the inputs of each split."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RawArrays:
    """A dataset as its loader found it.

    Inputs are numbers of any integer or float type, channels last, in the shapes of ``SHAPES``; targets are of shape
    (N,) or (N, K), and it is the task's to check them. A dataset without a validation split of its own leaves
    ``x_val`` and ``y_val`` at None, and a part of its training samples is held out. One that is cut into folds needs no
    test set either.

    Attributes:
        kind: of the samples; None: it follows from the number of dimensions, and sequences are what has lengths.
        lengths_train: of sequences, how many steps of each count, (N,); None: all. Likewise the other two.
        vocabulary: of tokens, how many different ones there are; they are 0 to that, less one.
        encoder: where features are still to be made of inputs, as of a table, what makes them.
        notes: what a reader of the results should know of the data.
        files: that inputs are mapped from.
    """

    x_train: Any
    y_train: Array
    x_test: Any = None
    y_test: Array | None = None
    x_val: Any = None
    y_val: Array | None = None
    kind: SampleKind | None = None
    lengths_train: Array | None = None
    lengths_test: Array | None = None
    lengths_val: Array | None = None
    vocabulary: int | None = None
    encoder: Encoder | None = None
    notes: tuple[str, ...] = ()
    files: tuple[MappedFile, ...] = ()

    def cut_to_longest(self) -> "RawArrays":
        """Return sequences in arrays no wider than the longest of all: what is beyond is no part of the data."""
        lengths = [each for each in (self.lengths_train, self.lengths_test, self.lengths_val) if each is not None]
        if not lengths:
            return self
        longest = max(int(each.max()) for each in lengths)
        inputs = {"x_train": self.x_train, "x_test": self.x_test, "x_val": self.x_val}
        return replace(self, **{name: each[:, :longest] for name, each in inputs.items() if each is not None})


def kind_of_arrays(raw: RawArrays) -> SampleKind:
    """Return the kind of the samples of a dataset: what its loader says, or what their number of dimensions says."""
    if raw.kind is not None:
        return raw.kind
    if raw.encoder is not None:
        return "vectors"
    if raw.lengths_train is not None:
        return "sequences"
    kinds: Mapping[int, SampleKind] = {2: "vectors", 5: "volumes"}
    return kinds.get(np.ndim(raw.x_train), "images")


def channels_last(values: Array, kind: SampleKind) -> Array:
    """View samples of a kind with an axis of channels, if they have none."""
    is_without = kind not in ("vectors", "tokens") and values.ndim == DIMENSIONS[kind] - 1
    return values[..., np.newaxis] if is_without else values


@dataclass(frozen=True, eq=False)
class Split:
    """Samples ``(N, C, *)``, float32, and their targets as the task has them: for classes ``(N,)``, int64.

    Vectors are ``(N, F)``, and tokens ``(N, T)``, int64. Steps beyond the end of a sequence are NaN, so that what
    forgets to leave them out does not go unnoticed. Samples that do not fit as a tensor are made when they are read.
    """

    samples: Tensor | StoredInputs
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def inputs(self) -> Tensor:
        """The samples as one tensor.

        Raises:
            TypeError: they do not fit.
        """
        if not isinstance(self.samples, Tensor):
            raise TypeError("the samples stay as they were stored, and are not one tensor; use Split.read")
        return self.samples

    def read(self, slices: Sequence[slice], order: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs and targets of slices of all samples, or of an order of them: indices ``(I, *)`` on the host."""
        there = None if order is None else order.to(self.targets.device)  # all at once, as the host waits for it
        return zip(_parts(self.samples, slices, order, there), _parts(self.targets, slices, order, there), strict=True)

    def to(self, device: torch.device | str) -> "Split":
        """Return the split on ``device``."""
        return Split(self.samples.to(device), self.targets.to(device))


def _parts(
    samples: Tensor | StoredInputs, slices: Sequence[slice], order: Tensor | None, there: Tensor | None
) -> Iterator[Tensor]:
    """Yield samples of slices; the order is on the host, where stored ones are made, and on the device."""
    if isinstance(samples, StoredInputs):
        return samples.ahead(slices if order is None else (order[each] for each in slices))
    return (samples[each if there is None else there[each]] for each in slices)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three splits, standardized by the training split's mean and standard deviation per channel.

    Attributes:
        name: the spec it was asked for by, such as ``digits`` or ``npz:my.npz``.
        train: what a network is trained on.
        validation: held out from training, to choose by.
        test: the test set.
        outputs: how many numbers a network is to put out for a sample: the classes, for instance.
        checksum: of the arrays before standardization and of their split; 16 hex digits, the same on every device.
        scale: how the targets were standardized.
        kind: of its samples.
        vocabulary: how many different tokens there are; None where samples are no tokens.
        ragged: of sequences of different lengths, which are NaN beyond their ends, how many steps the longest one of
            training has; 0 where they are of one length.
        notes: what a reader of the results should know of the data.
        fold_sizes: of a fold, how many samples the training split of each fold has; else empty.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    outputs: int
    checksum: str
    scale: Scale = UNSCALED
    kind: SampleKind = "images"
    vocabulary: int | None = None
    ragged: int = 0
    notes: tuple[str, ...] = ()
    fold_sizes: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """One input's shape, (C, H, W) of images, (C, T) of sequences, (F,) of vectors, (T,) of tokens."""
        return tuple(self.train.samples.shape[1:])

    @property
    def is_stored(self) -> bool:
        """Whether samples stay as they were stored."""
        return isinstance(self.train.samples, StoredInputs)

    @property
    def description(self) -> str:
        """What samples are, and how they were standardized, as it stands in reports."""
        if self.kind == "tokens":
            return f"{self.shape[0]} tokens a sample, of {self.vocabulary} different ones"
        samples = f"{self.kind} of shape {self.shape}"
        if self.ragged:
            lengths = _lengths(self.train.samples)
            samples += f", {lengths.min()} to {lengths.max()} steps long in training"
        each = "feature" if self.kind == "vectors" else "channel"
        return f"{samples}, standardized per {each} by mean and standard deviation of the training samples"

    def to(self, device: torch.device | str) -> "Dataset":
        """Return the dataset with all its splits on ``device``."""
        return replace(
            self, train=self.train.to(device), validation=self.validation.to(device), test=self.test.to(device)
        )


def _lengths(samples: Tensor | StoredInputs) -> Array:
    """Return how many steps of each sequence count, ``(N,)``."""
    if isinstance(samples, Tensor):
        return (~samples[:, 0].isnan()).sum(-1).numpy(force=True)
    assert samples.lengths is not None  # noqa: S101
    return samples.lengths
