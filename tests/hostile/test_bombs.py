"""Is a file that would take more memory, room or time than there is refused by what its header says of its size?"""

import io
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy
from PIL import Image

import normzoo.memory
from normzoo.data import RawArrays, _mapped, folder, load_dataset
from normzoo.data._load import _check
from normzoo.errors import DataError
from normzoo.memory import free_bytes, require_memory
from normzoo.tables import _file

ROWS = 40


def header(shape: Sequence[int], descr: str = "<f4") -> bytes:
    """Return what stands before the values of an array of a shape."""
    written = io.BytesIO()
    npy.write_array_header_1_0(written, {"descr": descr, "fortran_order": False, "shape": tuple(shape)})
    return written.getvalue()


def arrays(path: Path, **changed: bytes) -> str:
    """Write an ``.npz`` file of which some members hold these bytes, and return its spec."""
    plain: dict[str, Any] = {"x": np.random.default_rng(0).random((ROWS, 5), np.float32), "y": np.arange(ROWS) % 2}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            whole = io.BytesIO()
            np.save(whole, plain[name[0]])
            archive.writestr(f"{name}.npy", changed.get(name, whole.getvalue()))
    return f"npz:{path}"


def declaring(path: Path, name: str, size: int) -> None:
    """Have an ``.npz`` file say that a member has so many bytes, all of them zeros."""
    content = bytearray(path.read_bytes())
    start = content.rindex(b"PK\x01\x02", 0, content.rindex(name.encode()))
    content[start + 24 : start + 28] = struct.pack("<L", size)
    path.write_bytes(content)


def refusal(spec: str) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset(spec)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            header([10**30]),
            r"its header says float32 of shape \(1000000000000000000000000000000,\), 4,0.* and 0 follow",
        ),
        (header([10**15, 10**15]) + bytes(40), "and 40 follow"),
        (header([-4, 5]) + bytes(80), r"its header says float32 of shape \(-4, 5\)"),
        (header([ROWS, 5]) + bytes(7), "800 bytes, and 7 follow"),
        (header([ROWS, 5], "<f8") + bytes(800), "its header says float64 of shape .* 1,600 bytes, and 800 follow"),
        (header([ROWS, 5])[:20], "cannot be read"),
        (header([ROWS, 5], "|O") + bytes(800), "holds Python objects"),
        (b"", "is not a numpy array"),
    ],
    ids=["1e30 values", "1e30 in two", "negative", "cut", "wide", "half a header", "objects", "nothing"],
)
@pytest.mark.parametrize("name", ["x_train", "y_test"])
def test_a_header_that_lies_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """By the array, before anything is allocated."""
    spec = arrays(tmp_path / "a.npz", **{name: content})
    with pytest.raises(DataError, match=f"{name} .*{message}|{name}.*{message}"):
        load_dataset(spec)


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four gigabytes are said to be in a file of some kilobytes, and less room is left for them."""
    spec = arrays(tmp_path / "a.npz")
    declaring(tmp_path / "a.npz", "x_train.npy", 2**32 - 2)
    usage = shutil.disk_usage(tmp_path)._replace(free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(_mapped, "_unpack", None)
    left = f"bytes, and 1,000,000,000 are left in '{tempfile.gettempdir()}'; name another folder in TMPDIR"
    assert refusal(spec).endswith(left)


def little(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Let so many bytes be free."""
    monkeypatch.setattr(normzoo.memory, "free_bytes", lambda: size)
    monkeypatch.setattr(folder, "free_bytes", lambda: size)


def test_targets_that_do_not_fit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read, while inputs are mapped."""
    little(monkeypatch, 500)
    message = "y_train, y_test takes 6.4e-07 GB of memory, and 5e-07 GB are free; give fewer samples"
    assert message in refusal(arrays(tmp_path / "a.npz"))


def test_samples_that_do_not_fit_are_refused() -> None:
    """Of which a file may hold many, all of them the same zeros."""
    x = np.lib.stride_tricks.as_strided(np.zeros(1), (ROWS, 10**13), (0, 0))
    raw = RawArrays(x_train=x, y_train=np.zeros(ROWS), x_test=x, y_test=np.zeros(ROWS))
    message = r"^mine: x_train: samples of shape \(10000000000000,\), of which 4 are tried at once, takes? .* are free"
    with pytest.raises(DataError, match=message):
        _check("mine", raw, "vectors")


def png(path: Path, width: int, height: int) -> None:
    """Write a picture that says it has such a size; its pixels are missing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))

    size = struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of two classes."""
    monkeypatch.setenv("NORMZOO_CACHE", str(tmp_path / "cache"))
    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "photos" / label / f"{number}.png")
    return tmp_path / "photos"


def test_a_picture_far_too_large_is_refused_by_its_header(pictures: Path) -> None:
    png(pictures / "cat" / "3.png", 60_000, 60_000)
    assert "cat/3.png (more than 89,478,485 pixels)" in refusal(f"folder:{pictures}:size=8")


def test_pictures_are_not_resized_to_what_does_not_fit(pictures: Path) -> None:
    assert (
        "decoding its largest picture, resized to 1000000 x 1000000 pixels, takes 12,000 GB of memory, and "
    ) in refusal(f"folder:{pictures}:size=1000000")


def test_as_many_pictures_are_decoded_at_once_as_fit(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One at least, if one fits."""
    needed = 12 * 2 * 64
    with monkeypatch.context() as patch:
        patch.setattr(folder, "free_bytes", lambda: needed)
        assert len(load_dataset(f"folder:{pictures}").train) > 0
    (pictures / "cat" / "0.png").unlink()  # so that what is kept is of another state
    little(monkeypatch, needed - 1)
    assert "resized to 8 x 8 pixels, takes" in refusal(f"folder:{pictures}")


@pytest.mark.slow
def test_a_line_without_end_is_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more of it is read than a row may have; a row in quotes may still have several lines."""
    monkeypatch.setattr(_file, "_LONGEST", 1_000)
    path = tmp_path / "a.csv"
    path.write_text("a,b,y\n" + "".join(f'{each},"two\nlines",{each % 2}\n' for each in range(30)))
    assert len(load_dataset(f"csv:{path}").train) > 0
    path.write_text("a,b,y\n1,2,0\n" + "1," * 1_000)
    assert "line 3 is longer than 1,000 characters; write one line for each row" in refusal(f"csv:{path}")
    path.write_text("a" * 2_000)
    assert "line 1 is longer than 1,000 characters" in refusal(f"csv:{path}")


@pytest.mark.parametrize("kind", ["text", "ts"])
def test_a_file_larger_than_memory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = tmp_path / f"a_TRAIN.{kind}"
    path.write_text("a,y\n" + "1,0\n2,1\n" * 50)
    little(monkeypatch, 300)
    assert "of memory, and 3e-07 GB are free; give" in refusal(f"{kind}:{path}")


@pytest.mark.parametrize("needed", [1, 10**30])
def test_memory_is_required_before_it_is_taken(needed: int) -> None:
    """Of what there is, less than which is always free."""
    if needed == 1:
        require_memory(needed, "it", "wait")
    else:
        with pytest.raises(DataError, match=r"^it takes 1,000,000.* GB of memory, and [\d,.]+ GB are free; wait$"):
            require_memory(needed, "it", "wait")


def test_the_limit_of_a_process_counts() -> None:
    """As ``ulimit -v`` sets it."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_AS)
    free = free_bytes()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, before[1]))
    try:
        assert free_bytes() <= min(free, 2**28)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
