"""Samples that take long to read, kept in the user's cache folder and mapped into memory.

The folder is what ``NORMZOO_CACHE`` names, else ``normzoo`` in ``XDG_CACHE_HOME`` or ``~/.cache``. An entry is a file
of samples, ``.npy``, whose pages are shared by the workers that map it, and a ``.json`` with all that is known of them.
It may be deleted at any time.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from filelock import FileLock

from normzoo.data._dataset import Array
from normzoo.data._part import checksum
from normzoo.errors import DataError
from normzoo.registry.datasets import at_home

Write = Callable[[Array], None]
"""Adds a sample; all are of one shape and type."""


class Cached(NamedTuple):
    """What is kept.

    Attributes:
        samples: mapped into memory, not to be written.
        facts: what is known of them, as JSON has it.
    """

    samples: Array
    facts: dict[str, Any]


def cache_folder() -> Path:
    """Return the folder of what normzoo keeps to save time."""
    ours = os.environ.get("NORMZOO_CACHE")
    if ours:
        return at_home(ours)
    base = os.environ.get("XDG_CACHE_HOME")
    return at_home(base or "~/.cache") / "normzoo"


def cached(name: str, state: str, make: Callable[[Write], dict[str, Any]]) -> Cached:
    """Return the samples that are kept under a name; where they are of another state or damaged, make them anew.

    Of two processes that want the same at once, one makes it and the other waits. An entry appears as a whole or not at
    all.

    Args:
        name: a file name without an ending; what is kept under it is replaced.
        state: checksum of all that the samples are made from.
        make: writes the samples one by one, and returns what is known of them.

    Raises:
        DataError: the cache folder cannot be written.
    """
    folder = cache_folder() / "samples"
    path = folder / name
    found = _read(path, state)
    if found is not None:
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            return _read(path, state) or _made(path, state, make)
    except OSError as error:
        raise DataError(
            f"the cache folder '{folder}' cannot be written ({error.strerror or error}); name another one with the "
            "environment variable NORMZOO_CACHE"
        ) from error


def _read(path: Path, state: str) -> Cached | None:
    """Return an entry; None where there is none, or it is of another state or damaged."""
    try:
        told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if told["state"] != state:
            return None
        samples = _mapped(path.with_suffix(".npy"))
        return Cached(samples, told["facts"]) if told["seal"] == _seal(state, told["facts"], samples) else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _made(path: Path, state: str, make: Callable[[Write], dict[str, Any]]) -> Cached:
    samples_part, facts_part = path.with_suffix(".npy.part"), path.with_suffix(".json.part")
    try:
        with samples_part.open("wb") as file:
            writer = _Writer(file)
            facts = json.loads(json.dumps(make(writer.write)))
            writer.finish()
        samples = _mapped(samples_part)
        told = {"state": state, "facts": facts, "seal": _seal(state, facts, samples)}
        facts_part.write_text(json.dumps(told), encoding="utf-8")
        samples_part.replace(path.with_suffix(".npy"))
        facts_part.replace(path.with_suffix(".json"))
    finally:
        samples_part.unlink(missing_ok=True)
        facts_part.unlink(missing_ok=True)
    return Cached(samples, facts)


class _Writer:
    """Writes an ``.npy`` file sample by sample, how many there will be not being known.

    It is written rather than mapped, as a full disk then raises an error and does not end the process.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._count = file, 0
        self._shape: tuple[int, ...] = (0,)
        self._dtype = np.dtype(np.uint8)

    def write(self, sample: Array) -> None:
        """Add a sample."""
        if not self._count:
            self._shape, self._dtype = sample.shape, sample.dtype
            self._write_header()
        self._file.write(np.ascontiguousarray(sample).data)
        self._count += 1

    def finish(self) -> None:
        """Write how many there are over the header, which is as long whatever it says."""
        self._file.seek(0)
        self._write_header()

    def _write_header(self) -> None:
        described = {"descr": self._dtype.str, "fortran_order": False, "shape": (self._count, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, described)


def _mapped(path: Path) -> Array:
    """Map an ``.npy`` file into memory; Python objects, which would run code from the file, are refused."""
    return np.lib.format.open_memmap(path, mode="r")


def _seal(state: str, facts: dict[str, Any], samples: Array) -> str:
    """Return the checksum of an entry."""
    return hashlib.sha256(json.dumps([state, facts, checksum([samples])]).encode()).hexdigest()
