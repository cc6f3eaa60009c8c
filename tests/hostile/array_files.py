"""Archives of arrays that are damaged, lie, or hold what is no data: good ones, and what is done to them."""

import random
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from .stores import ESCAPES

Array = np.ndarray[Any, Any]
ROWS = 40


def arrays(kind: str) -> dict[str, Array]:
    """Return the arrays of a good ``.npz`` file of a kind of samples."""
    shape = {"vectors": (5,), "sequences": (6, 2), "images": (6, 5), "volumes": (3, 4, 5, 1), "tokens": (6,)}[kind]
    found, values = dict[str, Array](), np.random.default_rng(0)
    for split, count in (("train", ROWS), ("test", 10)):
        found[f"x_{split}"] = values.random((count, *shape)).astype("f4")
        found[f"y_{split}"] = np.arange(count) % 3
        if kind == "tokens":
            found[f"x_{split}"] = found[f"y_{split}"] = np.arange(count * 6).reshape(count, 6) % 7
        if kind == "sequences":
            found[f"lengths_{split}"] = np.arange(count) % 6 + 1
    return {**found, "vocabulary": np.array(7)} if kind == "tokens" else found


def npz(folder: Path, kind: str = "images", changed: Mapping[str, Any] | None = None, *, packed: bool = False) -> Path:
    """Write arrays, some of them changed, or left out where they are None."""
    kept = {name: each for name, each in {**arrays(kind), **(changed or {})}.items() if each is not None}
    (np.savez_compressed if packed else np.savez)(folder / "a.npz", **kept)
    return folder / "a.npz"


ODD_ARRAYS: list[Callable[[Array], Any]] = [
    lambda _: None,
    lambda a: a.astype(object),
    lambda _: np.array([print, {}, "x", None], dtype=object),
    lambda a: a.astype(str),
    lambda a: a.astype("S3"),
    lambda a: a.astype("complex64"),
    lambda a: a.astype("datetime64[s]"),
    lambda a: a.astype("longdouble"),
    lambda a: a.astype(">f8"),
    lambda a: a.astype("f2"),
    lambda a: a > 0.5,
    lambda a: np.zeros(len(a), dtype=[("x", "f4"), ("y", "O")]),
    lambda a: np.full(a.shape, np.nan),
    lambda a: np.where(np.arange(a.size).reshape(a.shape) == 3, np.inf, a),
    lambda a: np.full(a.shape, 1e308),
    lambda a: np.full(a.shape, 5e-324),
    lambda a: np.full(a.shape, 2**64 - 1, dtype="u8"),
    lambda a: np.full(a.shape, -(2**63), dtype="i8"),
    lambda a: a - 1,
    lambda a: a * 10**9,
    lambda a: a * 0,
    lambda a: a + 0.5,
    lambda a: np.asfortranarray(a),
    lambda a: a[:0],
    lambda a: a[:1],
    lambda a: a[:-1],
    lambda a: a[..., None],
    lambda a: a[..., None, None, None, None],
    lambda a: a.reshape(-1),
    lambda a: a[0],
    lambda a: a.reshape(-1)[0],
    lambda a: a[:, :0] if a.ndim > 1 else a[:0],
    lambda a: np.repeat(a[:1], len(a), 0),
    lambda a: np.array(["\0" + ESCAPES, "\ud800"[:0] + "x", "a" * 5000] * 20)[: len(a)],
    lambda _: np.array([]),
]
"""What an array can be instead."""


def odd_array(folder: Path, chance: random.Random) -> str:
    kind = chance.choice(["vectors", "sequences", "images", "volumes", "tokens"])
    good = arrays(kind)
    changed = {
        name: chance.choice(ODD_ARRAYS)(np.atleast_1d(good[name]))
        for name in chance.sample(list(good), chance.choice([1, 1, 2]))
    }
    path = npz(folder, kind, changed, packed=chance.random() < 0.3)
    options = {"tokens": ":kind=tokens", "sequences": chance.choice(["", ":kind=sequences"])}
    return f"npz:{path}{options.get(kind, chance.choice(['', '', ':kind=vectors', ':kind=images', ':kind=x']))}"


HEADERS = [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 6, 5)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-40, 6, 5)}",
    f"{{'descr': '<f4', 'fortran_order': False, 'shape': (4{'0' * 5000}, 6)}}",
    f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({'1, ' * 100})}}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (40.0, 6, 5)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': 'abc'}",
    "{'descr': '<f4', 'fortran_order': 1, 'shape': (True, 6, 5)}",
    "{'descr': '|V0', 'fortran_order': False, 'shape': (40, 6, 5)}",
    "{'descr': '|S999999999', 'fortran_order': False, 'shape': (40, 6, 5)}",
    "{'descr': '|O', 'fortran_order': False, 'shape': (40, 6, 5)}",
    "{'descr': 'os.system', 'fortran_order': False, 'shape': (40, 6, 5)}",
    "{'descr': [('a', '<f4'), ('a', '<f4')], 'fortran_order': False, 'shape': (40,)}",
    "{'descr': [('a', '<f4', (10000000,))], 'fortran_order': False, 'shape': (40,)}",
    "{'descr': None, 'fortran_order': False, 'shape': (40, 6, 5)}",
    "{'descr': '<f4', 'fortran_order': False}",
    "__import__('os').system('touch PWNED')",
    "(" * 5000,
    "[" * 90 + "]" * 90,
    "-" * 5000 + "1",
    "{" + "'a': 1, " * 100_000 + "}",
    "\xff\xfe",
    "",
    "\0" * 100,
]
"""What can stand where an array says its type and shape."""


def member(header: str, version: tuple[int, int] = (1, 0), payload: bytes = b"\0" * 4800) -> bytes:
    """Return an array as it stands in a file, with a header of one's own."""
    said = header.encode("latin-1")
    length = struct.pack("<H" if version == (1, 0) else "<I", min(len(said), 65535 if version == (1, 0) else 2**32 - 1))
    return npy.magic(*version) + length + said + payload


def lying(folder: Path, chance: random.Random) -> str:
    """Have an array say what is not so."""
    path, name = npz(folder), chance.choice(["x_train", "y_train", "x_test", "y_test"])
    with zipfile.ZipFile(path) as archive:
        content = {each: archive.read(each) for each in archive.namelist()}
    good = content[f"{name}.npy"]
    content[f"{name}.npy"] = chance.choice(
        [member(chance.choice(HEADERS), chance.choice([(1, 0), (2, 0)]))] * 6
        + [good[:6] + b"\x03\x00" + good[8:], good[:8] + b"\xff\xff" + good[10:], good[: chance.randrange(len(good))]]
        + [b"", b"x", good + b"x", b"\x93NUMPY", good.replace(b"<", b">"), b"\x80\x04cposix\nsystem\n."]
    )
    with zipfile.ZipFile(path, "w", chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for each, data in content.items():
            archive.writestr(each, data)
        if chance.random() < 0.1:
            archive.writestr("../../PWNED.npy", b"x")
    return f"npz:{path}"


MARKS = (bytearray(b"PK\1\2"), bytearray(b"PK\3\4"), bytearray(b"PK\5\6"))
"""What the parts of an archive begin with."""


def odd_archive(folder: Path, chance: random.Random) -> str:
    """Change bytes of what says where in the file its arrays are, or what is compressed."""
    path = npz(folder, packed=chance.random() < 0.5)
    content = bytearray(path.read_bytes())
    ends = [at for at in range(len(content) - 4) if content[at : at + 4] in MARKS]
    for _ in range(chance.choice([1, 2, 5])):
        content[min(len(content) - 1, chance.choice(ends) + chance.randrange(4, 46))] = chance.choice(
            [0, 1, 127, 128, 255]
        )
    path.write_bytes(content)
    return f"npz:{path}"
