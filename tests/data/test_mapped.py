"""Do arrays of an ``.npz`` file stay in it, and is a file that is not what it says refused?"""

import io
import os
import struct
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from normzoo.data import load_dataset
from normzoo.data._dataset import Array
from normzoo.data.npz import load
from normzoo.errors import DataError

from .fakes import npz_arrays, npz_refusal, write_npz


def header(shape: tuple[int, ...], dtype: str = "|u1", *, version: tuple[int, int] = (1, 0)) -> bytes:
    """What an ``.npy`` file of such an array begins with, by hand, so that it may say anything."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape!r}, }}".encode().ljust(117) + b"\n"
    return saying(text, version=version)


def saying(text: bytes, *, version: tuple[int, int] = (1, 0)) -> bytes:
    """What an ``.npy`` file begins with, whatever it says of itself."""
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H" if version == (1, 0) else "<I", len(text)) + text


def replace_member(path: Path, name: str, content: bytes, *, compression: int = zipfile.ZIP_STORED) -> Path:
    """Write a file again with other bytes for one of its arrays."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for each, bytes_ in {**members, f"{name}.npy": content}.items():
            archive.writestr(each, bytes_)
    return path


def mapped(path: Path) -> Array:
    """Return the training images of a file."""
    images: Array = load(root=None, download=False, argument=str(path)).x_train
    return images


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["uint8", ">f4", "float64"])
def test_inputs_are_mapped_and_are_what_was_written(save: Any, order: Any, dtype: str, tmp_path: Path) -> None:
    """Wherever they lie, and in whatever order of their axes; nobody can write to them."""
    arrays = npz_arrays(shape=(6, 5, 3))
    images = np.asarray(arrays["x_train"].astype(dtype), order=order)
    save(tmp_path / "mine.npz", **{**arrays, "x_train": images})
    found = mapped(tmp_path / "mine.npz")
    assert isinstance(found, np.memmap)
    assert not found.flags.writeable
    assert found.dtype == images.dtype
    np.testing.assert_array_equal(found, images)


def test_an_array_is_found_wherever_the_zip_has_it(tmp_path: Path) -> None:
    """Something may stand before the zip, and between a member's name and its bytes."""
    expected = mapped(write_npz(tmp_path)).copy()
    path = tmp_path / "mine.npz"
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    np.testing.assert_array_equal(mapped(path), expected)


def test_an_array_in_the_second_version_of_the_format_is_read(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, npz_arrays()["x_train"], version=(2, 0))
    path = replace_member(write_npz(tmp_path), "x_train", stream.getvalue())
    np.testing.assert_array_equal(mapped(path), npz_arrays()["x_train"])


VALUES = npz_arrays()["x_train"].tobytes()
LIES = [
    ((41, 6, 5), "1,230"),
    ((39, 6, 5), "1,170"),
    ((10**12, 6, 5), "30,000,000,000,000"),
    ((-40, -6, 5), "1,200"),
    ((2**62, 4, 5), f"{2**62 * 20:,}"),
]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(("shape", "needed"), LIES)
def test_a_file_that_lies_about_its_shape_is_refused(
    shape: tuple[int, ...], needed: str, compression: int, tmp_path: Path
) -> None:
    """More samples than there are, fewer, many more, negative ones, and more than there are addresses."""
    path = replace_member(write_npz(tmp_path), "x_train", header(shape) + VALUES, compression=compression)
    assert npz_refusal(path) == (
        f"x_train cannot be read (its header says uint8 of shape {shape}, {needed} bytes, and 1,200 follow); "
        "write it again"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x_train is not a numpy array; write the file with numpy.savez"),
        (b"some text", "x_train is not a numpy array; write the file with numpy.savez"),
        (header((40, 6, 5), version=(9, 0)), "x_train cannot be read (version (9, 0) of the format); write it as an"),
        (header((40, 6, 5))[:50], "x_train cannot be read (EOF: reading array header"),
        (header((40, 6, 5), "nonsense") + VALUES, "x_train cannot be read (descr is not a valid dtype descriptor"),
        (header((40, 6, 5), "|O") + VALUES, "x_train holds Python objects; give all its samples one shape"),
        (header(()).replace(b"()", b"__import__('os').getpid(), "), "x_train cannot be read (Cannot parse header"),
        (saying(b"print()"), "x_train cannot be read (malformed node or string on line 1); write it again"),
        (saying(b"(" * 5000), ("cannot be read (", "x_train cannot be read (")),
        (saying(b"-" * 5000 + b"1"), ("cannot be read (", "x_train cannot be read (")),
    ],
    ids=["empty", "text", "version", "cut", "type", "objects", "code", "call", "brackets", "signs"],
)
def test_a_header_that_does_not_read_is_refused(content: bytes, message: str | tuple[str, ...], tmp_path: Path) -> None:
    assert npz_refusal(replace_member(write_npz(tmp_path), "x_train", content)).startswith(message)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_changed_byte_is_noticed_by_the_checksum(save: Any, tmp_path: Path) -> None:
    """Whether the array lies in the file as it is or is unpacked: before anything is made of it."""
    save(tmp_path / "mine.npz", **npz_arrays())
    with zipfile.ZipFile(tmp_path / "mine.npz") as archive:
        info = archive.getinfo("x_test.npy")
    content = bytearray((tmp_path / "mine.npz").read_bytes())
    content[info.header_offset + info.compress_size] ^= 0xFF
    (tmp_path / "mine.npz").write_bytes(content)
    assert npz_refusal(tmp_path / "mine.npz").startswith("cannot be read (")
    assert npz_refusal(tmp_path / "mine.npz").endswith("the file is damaged, write it again")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_was_cut_short_is_refused(share: float, tmp_path: Path) -> None:
    path = write_npz(tmp_path)
    os.truncate(path, int(path.stat().st_size * share))
    assert npz_refusal(path).startswith("not an .npz file")


def test_a_disk_that_is_full_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compressed file is unpacked on it."""

    class Full(io.FileIO):
        def write(self, _: Any, /) -> int:
            raise OSError(28, "No space left on device")

    arrays: dict[str, Any] = npz_arrays()
    np.savez_compressed(tmp_path / "mine.npz", **arrays)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: Full(tmp_path / "unpacked", "w+"))
    assert npz_refusal(tmp_path / "mine.npz") == (
        f"x_train cannot be unpacked to '{tempfile.gettempdir()}' (No space left on device); write the file with "
        "numpy.savez, which does not compress, or name another folder in TMPDIR"
    )


def test_a_file_that_is_cut_short_while_it_is_mapped_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """The system ends a process that reads what is not there any more."""
    path = write_npz(tmp_path)
    dataset = load_dataset(f"npz:{path}", resident_bytes=0)
    os.truncate(path, 300)
    with pytest.raises(DataError) as caught:
        dataset.train.samples[:3]
    assert str(caught.value) == (
        f"npz '{path}': the file was changed while it was read; start again once it is complete"
    )


def test_a_file_that_is_written_to_while_it_is_mapped_is_refused(tmp_path: Path) -> None:
    """Even if it is as long as before."""
    path = write_npz(tmp_path)
    dataset, content = load_dataset(f"npz:{path}", resident_bytes=0), path.read_bytes()
    path.write_bytes(content[:500] + b"!" + content[501:])
    os.utime(path, ns=(0, 0))  # as it may be written within the same tick of the system's clock
    with pytest.raises(DataError, match="the file was changed while it was read"):
        dataset.train.samples[:3]


def test_a_file_that_is_replaced_while_it_is_mapped_stays_what_it_was(tmp_path: Path) -> None:
    path = write_npz(tmp_path)
    dataset, expected = load_dataset(f"npz:{path}", resident_bytes=0), load_dataset(f"npz:{path}")
    others: dict[str, Any] = {**npz_arrays(), "x_train": 255 - npz_arrays()["x_train"]}
    np.savez(tmp_path / "other.npz", **others)
    (tmp_path / "other.npz").replace(path)
    assert dataset.train.samples[:].equal(expected.train.inputs)
    assert load_dataset(f"npz:{path}").checksum != dataset.checksum


def test_a_file_that_changes_while_it_is_loaded_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be one half the old and one half the new."""
    path = write_npz(tmp_path)

    def as_another_writes(*_: Any, **__: Any) -> None:
        os.utime(path, ns=(0, 0))

    monkeypatch.setattr("normzoo.data._load.check_count", as_another_writes)
    assert npz_refusal(path) == "the file was changed while it was read; start again once it is complete"


OPEN = Path("/proc/self/fd")


@pytest.mark.skipif(not OPEN.exists(), reason="open files are counted as Linux lists them")
def test_no_file_stays_open_once_a_resident_dataset_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the dataset's own nor the temporary one that it is unpacked to; what others have open is theirs."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    arrays: dict[str, Any] = npz_arrays()
    np.savez_compressed(tmp_path / "packed.npz", **arrays)
    for path in (write_npz(tmp_path), tmp_path / "packed.npz"):
        with path.open("rb"):
            assert opened_in(tmp_path) == [str(path)]
        load_dataset(f"npz:{path}")
        assert opened_in(tmp_path) == []


def opened_in(folder: Path) -> list[str]:
    """Return the files of a folder that this process has open."""
    links = []
    for each in OPEN.iterdir():
        with suppress(OSError):  # that of the listing itself
            links.append(str(each.readlink()))
    return [link for link in links if link.startswith(str(folder))]
