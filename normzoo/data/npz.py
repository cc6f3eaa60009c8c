"""The user's own arrays: ``npz:PATH``."""

import difflib
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from normzoo.data._dataset import Array, Kind, RawArrays
from normzoo.errors import DataError

_REQUIRED = ("x_train", "y_train", "x_test", "y_test")
_VALIDATION = ("x_val", "y_val")
_LENGTHS = ("lengths_train", "lengths_test", "lengths_val")

_CLOSE = 0.85
"""How alike a name must be to be suggested: x_test and y_test are 0.83 alike."""


def load(*, root: Path | None, download: bool, argument: str, kind: Kind | None = None) -> RawArrays:
    """Read the ``.npz`` file at the path ``argument``.

    It holds ``x_train``, ``y_train``, ``x_test``, ``y_test`` and optionally ``x_val`` and ``y_val``; other
    arrays in it are not read. Channels are last: images are (N, H, W) or (N, H, W, C), vectors (N, F), volumes
    (N, D, H, W, C), and sequences (N, T, C) with ``lengths_train``, ``lengths_test`` and, where there is an ``x_val``,
    ``lengths_val``, or by ``kind=sequences`` where all are of one length. What targets may be is the task's to say:
    integers 0..K-1 of shape (N,) or (N, 1) for classes. ``root`` and ``download`` are ignored: a path says where it is.

    Args:
        root: ignored.
        download: ignored.
        argument: the path.
        kind: of the samples, where it does not follow from the number of dimensions.

    Raises:
        DataError: the file is missing or unreadable.
    """
    del root, download
    path = Path(argument).expanduser()
    source = f"npz '{argument}'"
    arrays: dict[str, Any] = _read(source, path)
    return RawArrays(**arrays, kind=kind)


def _read(source: str, path: Path) -> dict[str, Array]:
    """Read the arrays of the splits by name."""
    if not path.is_file():
        raise DataError(f"{source}: no such file; check the path '{path.absolute()}'")
    if not zipfile.is_zipfile(path):
        raise DataError(f"{source}: not an .npz file; write one with numpy.savez('{path.name}', x_train=..., ...)")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: _array(source, name, archive) for name in _wanted(source, list(archive))}
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{source}: cannot be read ({error}); the file is damaged, write it again") from error


def _wanted(source: str, present: list[str]) -> list[str]:
    """Return the names to read, or raise a ``DataError`` that names those missing and their nearest."""
    wanted = [*_REQUIRED, *(_VALIDATION if set(_VALIDATION) & set(present) else ())]
    if set(_LENGTHS) & set(present):
        wanted += [name for name, x in zip(_LENGTHS, ("x_train", "x_test", "x_val"), strict=True) if x in wanted]
    missing = [name for name in wanted if name not in present]
    if not missing:
        return wanted
    spare = {name.lower(): name for name in present if name not in wanted}
    nearest = {name: difflib.get_close_matches(name, spare, n=1, cutoff=_CLOSE) for name in missing}
    renames = ", ".join(f"'{spare[near]}' to '{name}'" for name, found in nearest.items() for near in found)
    raise DataError(
        f"{source}: no array named {', '.join(missing)}; it holds {', '.join(present) or 'nothing'}; "
        + (f"rename {renames}" if renames else f"write {', '.join(wanted)}")
    )


def _array(source: str, name: str, archive: Mapping[str, object]) -> Array:
    """Read one array; objects are refused, since reading them would run code from the file."""
    try:
        array = archive[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise DataError(f"{source}: {name} cannot be read ({error}); write it again") from error
        raise DataError(
            f"{source}: {name} holds Python objects; give all its images one shape and write it as one array of numbers"
        ) from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{source}: {name} is not a numpy array; write the file with numpy.savez")
    return array
