"""Arrays of an ``.npz`` file that stay in the file, and are read from it as they are looked at."""

import os
import re
import shutil
import struct
import tempfile
import weakref
import zipfile
from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from normzoo.errors import DataError
from normzoo.tasks import Array

_LOCAL_HEADER = struct.Struct("<26xHH")
"""What stands before a member of a zip file; of it, the lengths of the name and of what follows it."""

_IN_MEMORY = 1 << 20
"""Bytes up to which what is to be written to is in memory."""

_CHUNK = 1 << 20
_READERS: dict[tuple[int, int], Callable[..., tuple[tuple[int, ...], bool, np.dtype[Any]]]] = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}


class MappedFile:
    """A file that arrays are mapped from, which must stay as it is while they are read.

    Args:
        source: what messages call it.
        file: the open file. If another is put in its place, what is mapped stays what it was.
    """

    def __init__(self, source: str, file: IO[bytes]) -> None:
        self._source, self._descriptor = source, os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        self._stamp = self._look()

    def _look(self) -> tuple[int, int]:
        found = os.fstat(self._descriptor)
        return found.st_size, found.st_mtime_ns

    def check(self) -> None:
        """Refuse a file that was written to or cut short since it was opened.

        Raises:
            DataError: it was.
        """
        if self._look() != self._stamp:
            raise DataError(f"{self._source}: the file was changed while it was read; start again once it is complete")


def room_for(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Return an array to be written to: in memory, or where it is large mapped from a temporary file."""
    needed = prod(shape) * np.dtype(dtype).itemsize
    if needed <= _IN_MEMORY:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:  # which is gone once nobody reads the array any more
        return np.memmap(file, dtype, shape=shape)


def mapped(source: str, blocks: Iterable[Array]) -> Array:
    """Return blocks of samples, one after the other, as one array that is mapped from a temporary file.

    Args:
        source: what messages call what they are of.
        blocks: at least one, of one type.

    Raises:
        DataError: there is no room for them.
    """
    count = 0
    with tempfile.TemporaryFile() as file:  # which is gone once nobody reads the array any more
        for block in blocks:
            count += len(block)
            try:
                file.write(np.ascontiguousarray(block).data)
                file.flush()
            except OSError as error:
                raise DataError(
                    f"{source}: its rows cannot be kept in '{tempfile.gettempdir()}' ({error.strerror}); make room "
                    "there, or name another folder in TMPDIR"
                ) from error
        shape = (count, *block.shape[1:])
        return np.memmap(file, block.dtype, "r", shape=shape) if prod(shape) else np.empty(shape, block.dtype)


def check_sizes(source: str, names: Sequence[str], archive: zipfile.ZipFile) -> None:
    """Refuse arrays of an ``.npz`` file that there is no room to unpack, by the sizes that it says they have.

    Args:
        source: what messages call the file.
        names: of the arrays.
        archive: the file.

    Raises:
        DataError: there is too little room.
    """
    infos = [archive.getinfo(f"{name}.npy") for name in names]
    needed = sum(info.file_size for info in infos if info.compress_type != zipfile.ZIP_STORED)
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{source}: unpacked it takes {needed:,} bytes, and {free:,} are left in '{folder}'; name another folder "
            "in TMPDIR"
        )


def map_member(source: str, name: str, archive: zipfile.ZipFile, file: IO[bytes]) -> Array:
    """Return an array of an ``.npz`` file without reading it into memory, once its checksum was found right.

    It is mapped where it lies in the file; one that is compressed is unpacked to a temporary file and mapped there.

    Args:
        source: what messages call the file.
        name: of the array.
        archive: the file, opened as what it is.
        file: the file itself.

    Raises:
        DataError: it holds objects, which are not read; or is no array; or does not hold what it says.
        zipfile.BadZipFile: it is damaged; likewise the other errors that zipfile raises of damaged files.
    """
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as member:
        shape, is_fortran, dtype = _header(f"{source}: {name}", member)
        begin = member.tell()
    needed = prod(shape) * dtype.itemsize
    if any(each < 0 for each in shape) or begin + needed != info.file_size:
        raise DataError(
            f"{source}: {name} cannot be read (its header says {dtype} of shape {shape}, {needed:,} bytes, and "
            f"{info.file_size - begin:,} follow); write it again"
        )
    order: Literal["C", "F"] = "F" if is_fortran else "C"
    if not needed:  # of which there is nothing to map
        return np.empty(shape, dtype)
    if info.compress_type == zipfile.ZIP_STORED:
        with archive.open(info) as member:
            while member.read(_CHUNK):  # to its end, where its checksum is looked at
                pass
        return np.memmap(file, dtype, "r", _begin_of(file, info) + begin, shape, order)
    with tempfile.TemporaryFile() as unpacked:  # which is gone once nobody reads the array any more
        _unpack(source, name, archive, info, unpacked)
        return np.memmap(unpacked, dtype, "r", begin, shape, order)


def _header(source: str, member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, order and type of an array; objects are refused, since reading them would run code from the file."""
    try:
        version = npy.read_magic(member)
    except ValueError as error:
        raise DataError(f"{source} is not a numpy array; write the file with numpy.savez") from error
    if version not in _READERS:
        raise DataError(f"{source} cannot be read (version {version} of the format); write it as an array of numbers")
    try:
        shape, is_fortran, dtype = _READERS[version](member)
    except ValueError as error:
        reason = re.sub(": <.*>$", "", str(error))  # objects of Python's parser
        raise DataError(f"{source} cannot be read ({reason}); write it again") from error
    if dtype.hasobject:
        raise DataError(
            f"{source} holds Python objects; give all its samples one shape, sequences of different "
            "lengths padded and with their lengths beside them, and write it as one array of numbers"
        )
    return shape, is_fortran, dtype


def _begin_of(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Return where the bytes of a member that is not compressed begin in the file."""
    file.seek(info.header_offset)
    name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    return info.header_offset + _LOCAL_HEADER.size + int(name) + int(extra)


def _unpack(source: str, name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: IO[bytes]) -> None:
    with archive.open(info) as member:
        while chunk := member.read(_CHUNK):  # to its end, where its checksum is looked at
            try:
                file.write(chunk)
                file.flush()
            except OSError as error:
                raise DataError(
                    f"{source}: {name} cannot be unpacked to '{tempfile.gettempdir()}' ({error.strerror}); write the "
                    "file with numpy.savez, which does not compress, or name another folder in TMPDIR"
                ) from error
