"""Is a picture read as one would look at it, whatever its file holds, and is no file run or trusted?"""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from normzoo.data._dataset import Array
from normzoo.data._pictures import UnreadableError, read_all, read_header, read_picture
from normzoo.data.folder import load

COLOURS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
GRAYS = COLOURS[..., 0]
ORIENTATION = 0x0112
TURNS: dict[int, Callable[[Array], Array]] = {
    1: lambda image: image,
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image, 2).swapaxes(0, 1),
    8: np.rot90,
}
"""What each orientation of EXIF says is to be done to the pixels of a file."""


def saved(path: Path, pixels: Array | Image.Image, **options: Any) -> Path:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def read(path: Path, channels: int = 3) -> Array:
    """Read a picture in the size that its header says."""
    return read_picture(path, read_header(path).size, channels)


@pytest.mark.parametrize("ending", ["png", "bmp", "ppm", "tif", "webp"])
def test_pixels_are_those_of_the_file(ending: str, tmp_path: Path) -> None:
    options = {"lossless": True} if ending == "webp" else {}
    np.testing.assert_array_equal(read(saved(tmp_path / f"a.{ending}", COLOURS, **options)), COLOURS)


def test_a_file_is_read_by_what_it_holds(tmp_path: Path) -> None:
    """Not by its name."""
    np.testing.assert_array_equal(read(saved(tmp_path / "a.jpg", COLOURS, format="PNG")), COLOURS)


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
def test_a_picture_is_turned_as_its_exif_data_says(orientation: int, ending: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    turned = TURNS[orientation](COLOURS)
    path = saved(tmp_path / f"a.{ending}", COLOURS, exif=exif, lossless=True)
    assert read_header(path).size == turned.shape[1::-1]
    np.testing.assert_array_equal(read(path), turned)


def test_grayscale_is_one_channel(tmp_path: Path) -> None:
    for name, pixels in (("a.png", GRAYS), ("b.pgm", GRAYS), ("c.png", GRAYS > 127)):
        path = saved(tmp_path / name, pixels)
        assert read_header(path).is_gray
        np.testing.assert_array_equal(
            read(path, 1)[..., 0], pixels.astype(np.uint8) * (255 if pixels.dtype == bool else 1)
        )
        np.testing.assert_array_equal(read(path, 3), read(path, 1).repeat(3, axis=-1))


def test_of_16_bits_the_upper_8_are_read(tmp_path: Path) -> None:
    """Pillow would cut them off at 255."""
    deep = GRAYS.astype(np.uint16) << 8 | 0x7F
    for name in ("a.png", "b.tif", "c.pgm"):
        path = saved(tmp_path / name, deep)
        assert read_header(path)[1:] == (True, False, True, False, False)
        np.testing.assert_array_equal(read(path, 1)[..., 0], GRAYS)


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_values_that_do_not_fit_are_refused(dtype: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", GRAYS.astype(dtype))
    with pytest.raises(UnreadableError, match=r"^values of 32 bits, which do not fit into 8$"):
        read(path, 1)


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    image = Image.fromarray(COLOURS).quantize(16)
    path = saved(tmp_path / "a.png", image)
    assert not read_header(path).is_gray
    np.testing.assert_array_equal(read(path), np.asarray(image.convert("RGB")))


def test_what_is_transparent_is_laid_upon_white(tmp_path: Path) -> None:
    alpha = np.full((5, 7, 1), 255, dtype=np.uint8)
    alpha[:2] = 0
    expected = np.where(alpha > 0, COLOURS, 255)
    path = saved(tmp_path / "a.png", np.concatenate([COLOURS, alpha], axis=-1))
    assert read_header(path).is_transparent
    np.testing.assert_array_equal(read(path), expected)
    gray = saved(tmp_path / "b.png", np.stack([GRAYS, alpha[..., 0]], axis=-1))
    np.testing.assert_array_equal(read(gray, 1), np.where(alpha > 0, GRAYS[..., None], 255))
    palette = Image.fromarray(np.zeros((5, 7), dtype=np.uint8), "P")
    palette.putpalette([9, 9, 9])
    np.testing.assert_array_equal(read(saved(tmp_path / "c.png", palette, transparency=0)), np.full((5, 7, 3), 255))


def test_a_picture_is_resized_to_fill_the_size_from_its_middle(tmp_path: Path) -> None:
    """Eight columns by four: the outer ones on both sides are left out, and each value is the mean of four."""
    pixels = np.zeros((4, 8), dtype=np.uint8)
    pixels[:, 4:] = 200
    pixels[:, [0, 1, 6, 7]] = 77
    found = read_picture(saved(tmp_path / "a.png", pixels), (2, 2), 1)
    assert found.shape == (2, 2, 1)
    assert (found[:, 0] < 60).all()
    assert (found[:, 1] > 140).all()
    assert read_picture(tmp_path / "a.png", (4, 2), 1).shape == (2, 4, 1)


def test_a_large_jpeg_is_read_as_it_would_be_in_full(tmp_path: Path) -> None:
    """Decoding it at a fraction moves values a little."""
    smooth = np.linspace(0, 255, 256, dtype=np.uint8)[None, :, None].repeat(256, 0).repeat(3, 2)
    path = saved(tmp_path / "a.jpg", smooth)
    in_full = np.asarray(Image.open(path).resize((16, 16), Image.Resampling.BILINEAR), dtype=int)
    assert np.abs(read_picture(path, (16, 16), 3) - in_full).max() <= 3


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of_size(width: int, height: int) -> bytes:
    """A PNG with a header and next to no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


UNKNOWN = "no picture in the format BMP, JPEG, PNG, PPM, TIFF or WEBP"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"<html>", UNKNOWN),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n%%EOF\n", UNKNOWN),  # for Ghostscript to run
        (b"GIF89a" + b"\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;", UNKNOWN),
        (png_of_size(10_000, 9_000), "more than 89,478,485 pixels"),
        (png_of_size(60_000, 60_000), "more than 89,478,485 pixels"),
        (png_of_size(20, 20), "image file is truncated"),
    ],
    ids=["empty", "text", "eps", "gif", "large", "bomb", "cut"],
)
def test_what_is_no_picture_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    (found,) = read_all(lambda path: read_picture(path, (2, 2), 3), [tmp_path / "a.png"])
    assert isinstance(found, UnreadableError)
    assert str(found).startswith(message)


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "c.png").mkdir()
    found = list(read_all(read_header, [tmp_path / name for name in ("a.png", "b.png", "c.png")]))
    assert [str(each) for each in found] == ["no regular file", "No such file or directory", "no regular file"]


@pytest.mark.slow
def test_files_are_read_in_their_order(tmp_path: Path) -> None:
    """However many there are at a time."""
    paths = [saved(tmp_path / f"{index}.png", np.full((2, 2), index, dtype=np.uint8)) for index in range(150)]
    found = [
        each.mean()
        for each in read_all(lambda path: read_picture(path, (2, 2), 1), paths)
        if not isinstance(each, UnreadableError)
    ]
    assert found == list(range(150))


def test_a_picture_that_can_be_read_at_the_second_look_alone_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the labels of those after it would be those of others."""
    for number, name in enumerate(("cat", "dog")):
        for part in ("train", "test"):
            (tmp_path / part / name).mkdir(parents=True)
            for index in range(3):
                saved(tmp_path / part / name / f"{index}.png", np.full((2, 2), 100 * number + index, np.uint8))

    def header(path: Path) -> Any:
        if path.parts[-2:] == ("cat", "1.png"):
            raise UnreadableError("too many open files")
        return read_header(path)

    monkeypatch.setattr("normzoo.data.folder.read_header", header)
    raw = load(argument=str(tmp_path), progress=lambda done, total: None, corrupt="skip")  # noqa: ARG005
    for x, y in ((raw.x_train, raw.y_train), (raw.x_test, raw.y_test)):
        assert y is not None
        assert x[:, 0, 0, 0].tolist() == [0, 2, 100, 101, 102]
        assert y.tolist() == ["cat"] * 2 + ["dog"] * 3


def test_what_was_done_to_how_many_pictures_is_said(tmp_path: Path) -> None:
    """Turned or mirrored, and converted from other colours; what says that it is upright is."""
    cmyk = Image.fromarray(COLOURS).convert("CMYK")
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for index in range(5):
            saved(tmp_path / name / f"{index}.png", COLOURS)
        for orientation in (1, 2, 3):
            exif = Image.Exif()
            exif[ORIENTATION] = orientation
            saved(tmp_path / name / f"turned{orientation}.jpg", COLOURS, exif=exif)
        saved(tmp_path / name / "printed.jpg", cmyk)
    raw = load(argument=str(tmp_path), progress=lambda done, total: None)  # noqa: ARG005
    said = [each for each in raw.notes if "18 pictures" in each]
    assert said == [
        "4 of 18 pictures: turned or mirrored, as their EXIF data says",
        "2 of 18 pictures: in other colours than red, green and blue, and converted",
    ]
