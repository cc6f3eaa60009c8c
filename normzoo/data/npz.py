"""The user's own arrays: ``npz:PATH``."""

import difflib
import struct
import zipfile
import zlib
from collections.abc import Sequence
from errno import ENOMEM
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from normzoo.data._dataset import Array, RawArrays, SampleKind
from normzoo.data._mapped import MappedFile, check_sizes, map_member
from normzoo.errors import DataError
from normzoo.memory import require_memory
from normzoo.registry.datasets import at_home, not_there

REQUIRED = ("x_train", "y_train", "x_test", "y_test")
NOTES = "normzoo_notes"
"""Lines of text for the reader of the results, where normzoo wrote the file itself."""

_TRAIN, _VALIDATION, _TEST = ("x_train", "y_train"), ("x_val", "y_val"), ("x_test", "y_test")
_LENGTHS = ("lengths_train", "lengths_test", "lengths_val")

_DAMAGE = (
    *(OSError, EOFError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError),
    *(SyntaxError, TokenError, struct.error, zipfile.BadZipFile, zlib.error),
)
"""What zipfile and numpy raise of files that are damaged, or say of themselves what is not true."""

_CLOSE = 0.85
"""How alike a name must be to be suggested: x_test and y_test are 0.83 alike."""


def load(*, root: Path | None, download: bool, argument: str, kind: SampleKind | None = None) -> RawArrays:
    """Read the ``.npz`` file at the path ``argument``.

    It holds ``x_train``, ``y_train``, ``x_test``, ``y_test`` and optionally ``x_val`` and ``y_val``; other
    arrays in it are not read. Where there are folds, it needs no test set. Channels are last: images are (N, H, W) or
    (N, H, W, C), vectors (N, F), volumes (N, D, H, W, C), and sequences (N, T, C) with ``lengths_train``,
    ``lengths_test`` and, where there is an ``x_val``, ``lengths_val``, or by ``kind=sequences`` where all are of one
    length. Tokens (N, T) need ``kind=tokens`` and a ``vocabulary``: how many different ones there are, or an array of
    them. What targets may be is the task's to say: integers 0..K-1 of shape (N,) or (N, 1) for classes. Inputs are not
    read into memory, but mapped.
    ``root`` and ``download`` are ignored: a path says where it is.

    Args:
        root: ignored.
        download: ignored.
        argument: the path.
        kind: of the samples, where it does not follow from the number of dimensions.

    Raises:
        DataError: the file is missing or unreadable.
    """
    del root, download
    path = at_home(argument)
    source = f"npz '{argument}'"
    arrays = _read(source, path, ("vocabulary", NOTES) if kind == "tokens" else (NOTES,))
    vocabulary, notes = arrays.pop("vocabulary", None), arrays.pop(NOTES, None)
    return RawArrays(
        **arrays,
        kind=kind,
        vocabulary=None if vocabulary is None else _size(source, vocabulary),
        notes=() if notes is None else tuple(map(str, notes.reshape(-1))),
    )


def _size(source: str, vocabulary: Array) -> int:
    """Return how many tokens there are."""
    if vocabulary.ndim:
        return len(vocabulary)
    if vocabulary.dtype.kind not in "iu":
        raise DataError(
            f"{source}: vocabulary has type {vocabulary.dtype}; it is a whole number, or an array of tokens"
        )
    return int(vocabulary)


def _read(source: str, path: Path, further: Sequence[str]) -> dict[str, Any]:
    """Map the inputs of the splits and read the other arrays, by name, and further ones; and the file they are in."""
    if not path.is_file():
        raise not_there(source, "npz", path)
    if not zipfile.is_zipfile(path):
        raise DataError(f"{source}: not an .npz file; write one with numpy.savez('{path.name}', x_train=..., ...)")
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            mapped = MappedFile(source, file)
            present = [each.removesuffix(".npy") for each in archive.namelist()]
            names = [*wanted(source, present), *(name for name in further if name in present)]
            check_sizes(source, names, archive)
            arrays = {name: map_member(source, name, archive, file) for name in names}
    except DataError:
        raise
    except _DAMAGE as error:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == ENOMEM):
            raise DataError(f"{source}: there is not enough memory to map it; give fewer samples") from error
        raise DataError(f"{source}: cannot be read ({error}); the file is damaged, write it again") from error
    read = {name: array for name, array in arrays.items() if not name.startswith("x_")}
    require_memory(sum(each.nbytes for each in read.values()), f"{source}: {', '.join(read)}", "give fewer samples")
    in_memory = {name: np.array(array) for name, array in read.items()}
    return {**arrays, **in_memory, "files": (mapped,)}


def wanted(source: str, present: list[str]) -> list[str]:
    """Return which of the arrays that are there are a dataset's; what is missing is named, with its nearest name.

    A test set may be missing, if nothing there seems to be meant for it.
    """
    names = [*REQUIRED, *(_VALIDATION if set(_VALIDATION) & set(present) else ())]
    if set(REQUIRED) & set(present) == set(_TRAIN) and not any(_alike(name, names, present) for name in _TEST):
        names = [name for name in names if name not in _TEST]
    if set(_LENGTHS) & set(present):
        names += [name for name, x in zip(_LENGTHS, ("x_train", "x_test", "x_val"), strict=True) if x in names]
    missing = [name for name in names if name not in present]
    if not missing:
        optional = [name for name in (*_VALIDATION, *_LENGTHS) if name not in names]
        longer = [(name, each) for name in optional for each in present if each.lower().startswith(name)]
        meant = longer or [(name, near) for name in optional for near in _alike(name, names, present)]
        if meant:
            renames = ", ".join(f"'{near}' to '{name}'" for name, near in meant)
            raise DataError(f"{source}: some of what it holds would not be read; rename {renames}, or leave it out")
        return names
    nearest = {name: _alike(name, names, present) for name in missing}
    renames = ", ".join(f"'{near}' to '{name}'" for name, found in nearest.items() for near in found)
    raise DataError(
        f"{source}: no array named {', '.join(missing)}; it holds {', '.join(present) or 'nothing'}; "
        + (f"rename {renames}" if renames else f"write {', '.join(names)}")
    )


def _alike(name: str, names: Sequence[str], present: Sequence[str]) -> list[str]:
    """Return the array that seems to be meant by a name, among those that are there under none of the names."""
    spare = {each.lower(): each for each in present if each not in names}
    return [spare[near] for near in difflib.get_close_matches(name, spare, n=1, cutoff=_CLOSE)]
