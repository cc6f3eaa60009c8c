"""What is refused of a dataset's inputs, and how many targets they need. What targets may be is the task's to say."""

import numpy as np

from normzoo.data import _part
from normzoo.data._dataset import DIMENSIONS, SHAPES, Array, SampleKind, channels_last
from normzoo.errors import DataError

_AXES: dict[SampleKind, str] = {
    "vectors": "(F,)",
    "sequences": "(T, C)",
    "images": "(H, W, C)",
    "volumes": "(D, H, W, C)",
}


def check_inputs(source: str, values: Array, kind: SampleKind) -> None:
    """Refuse what cannot be samples of a kind; ``source`` names the file and the array.

    Raises:
        DataError: an unsuitable type or shape, no samples, or values that float32 cannot hold as finite.
    """
    if kind == "tokens":
        if values.dtype.kind not in "iu":
            raise DataError(f"{source} has type {values.dtype}; tokens are integers")
    elif values.dtype.kind not in "buif" or values.dtype.itemsize > 8:
        raise DataError(f"{source} has type {values.dtype}; {kind} are integers or float16, float32 or float64")
    _check_layout(source, values, kind)


def _check_layout(source: str, values: Array, kind: SampleKind) -> None:
    shape, layout = values.shape, f"{kind} are {SHAPES[kind]}"
    least = DIMENSIONS[kind] - (kind not in ("vectors", "tokens"))
    if not least <= values.ndim <= DIMENSIONS[kind]:
        raise DataError(f"{source} has shape {shape}; {layout}, so reshape it")
    if 0 in shape:
        raise DataError(f"{source} is empty, with shape {shape}; it needs at least one sample of at least one value")
    if kind == "images" and values.ndim == 4 and shape[1] in (1, 3) and shape[3] > 4:
        raise DataError(
            f"{source} has shape {shape}, which looks like (N, C, H, W); {layout}, so use numpy.moveaxis(x, 1, -1)"
        )


def check_same_shape(source: str, values: Array, reference: Array, kind: SampleKind) -> None:
    """Refuse samples of another shape than the training split's."""
    shape, expected = (channels_last(each, kind).shape[1:] for each in (values, reference))
    if shape != expected:
        axes = _AXES.get(kind, "(T,)")
        way_out = "resize one" if kind in ("images", "volumes") else "give both the same"
        raise DataError(f"{source} has {kind} of shape {shape} {axes}, but x_train's are {expected}; {way_out}")


def check_count(source: str, targets: Array, *, samples: int, kind: SampleKind) -> None:
    """Refuse another number of targets than of samples."""
    if targets.ndim == 0 or len(targets) != samples:
        held = f"{len(targets):,} targets" if targets.ndim else "a single value"
        one = kind.removesuffix("s")
        raise DataError(f"{source} holds {held} for {samples:,} {kind}; give every {one} one")


def check_lengths(source: str, lengths: Array, values: Array) -> None:
    """Refuse what cannot be the lengths of sequences ``(N, T, *)``."""
    if lengths.shape != values.shape[:1]:
        raise DataError(f"{source} has shape {lengths.shape}; lengths are ({len(values)},), one for each sequence")
    if lengths.dtype.kind not in "iu":
        raise DataError(f"{source} has type {lengths.dtype}; lengths are integers, so use .astype('int64')")
    wrong = np.flatnonzero((lengths < 1) | (lengths > values.shape[1]))
    if len(wrong):
        raise DataError(
            f"{source} holds {lengths[wrong[0]]} at sample {wrong[0]}; lengths are 1 to {values.shape[1]}, the steps "
            "that there are"
        )


def check_tokens(source: str, tokens: Array, vocabulary: int | None) -> None:
    """Refuse tokens that are not 0 to the size of the vocabulary, less one."""
    if vocabulary is None:
        raise DataError(
            f"{source} holds tokens, and of how many kinds is not said; say it by an array vocabulary beside it"
        )
    if vocabulary < 1:
        raise DataError(f"{source} holds tokens, and a vocabulary of {vocabulary}; it is at least 1")
    low, high = int(tokens.min()), int(tokens.max())
    if low < 0 or high >= vocabulary:
        raise DataError(
            f"{source} holds the token {low if low < 0 else high}; with a vocabulary of {vocabulary} tokens are 0 to "
            f"{vocabulary - 1}"
        )


def check_finite(source: str, part: "_part.Part") -> None:
    """Refuse NaN, infinities and values beyond float32, and say how many there are and where the first is.

    What is beyond the end of a sequence may be anything.
    """
    if part.values.dtype.kind != "f":
        return
    count, first = 0, None
    for start, block in part.raw_blocks():
        with np.errstate(over="ignore"):
            wrong = ~np.isfinite(block.astype(np.float32))
        count += int(wrong.sum())
        if first is None and wrong.any():
            sample, *position = (int(index) for index in np.argwhere(wrong)[0])
            first = (start + sample, *position)
    if first is not None:
        values = "1 value that is not" if count == 1 else f"{count:,} values that are not"
        raise DataError(
            f"{source} holds {values} finite in float32, the first ({part.values[first]}) at index {first}; "
            "remove those samples or replace the values"
        )
