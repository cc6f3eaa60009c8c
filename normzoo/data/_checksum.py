"""A dataset's identity: what it holds, whatever machine it is on."""

import hashlib
from collections.abc import Iterable

import numpy as np

from normzoo.data._arrays import Array


def checksum(arrays: Iterable[Array]) -> str:
    """Return 16 hex digits of the SHA-256 over every array's type, shape and bytes, in order.

    Bytes are taken little-endian and in C order, so neither the machine nor the memory layout enters.

    >>> checksum([np.zeros(2)]) == checksum([np.zeros(4)[::2]])
    True
    >>> checksum([np.zeros(2)]) == checksum([np.zeros(1), np.zeros(1)])
    False
    """
    digest = hashlib.sha256()
    for array in arrays:
        portable = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{portable.dtype.str}{portable.shape}".encode())
        digest.update(portable.data)
    return digest.hexdigest()[:16]
