"""Pictures from their files to arrays of uint8, by Pillow."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from normzoo.data._dataset import Array
from normzoo.errors import error_text

FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's names of the types that are read, whatever a file's name says: those of torchvision's ``ImageFolder``.

Of the others, some are read by running a program: EPS by Ghostscript, which runs what the file says.
"""

_GRAY = {"1", "L", "LA", "La", "F"}
_OTHER_COLOURS = {"CMYK", "HSV", "LAB", "YCbCr"}
_UPRIGHT, _ORIENTATIONS, _TURNED = 1, range(1, 9), {5, 6, 7, 8}
"""Of those by EXIF that which changes nothing, all, and those that exchange width and height."""
_REDUCED = 2
"""A JPEG is decoded at a half, a fourth or an eighth where that is still so many times as large as wanted."""
_SHIFT = 8
"""Of 16 bits, the upper ones are kept."""
_CHUNK = 64
"""Pictures that are waiting or at work in threads at a time, of which each may be large."""

Result = TypeVar("Result")


class UnreadableError(Exception):
    """A picture cannot be read; the message says why."""


class Header(NamedTuple):
    """What a file says of its picture before it is decoded.

    Attributes:
        size: width and height in pixels, as it is to be looked at.
        is_gray: it has no colours.
        is_transparent: some of it may be.
        is_deep: its values have 16 bits.
        is_turned: it is to be turned or mirrored before it is looked at.
        is_of_other_colours: it has others than red, green and blue, such as CMYK.
    """

    size: tuple[int, int]
    is_gray: bool
    is_transparent: bool
    is_deep: bool
    is_turned: bool
    is_of_other_colours: bool


def read_all(
    read: Callable[[Path], Result], paths: Sequence[Path], *, at_once: int = _CHUNK
) -> Iterator[Result | UnreadableError]:
    """Yield what a function returns for each file, in their order, or why one cannot be read.

    It is called in threads, so many at a time as there may be: Pillow lets others work while it decodes.
    """
    threads = min(at_once, (os.cpu_count() or 1) + 4, 32)  # as many as by default
    with ThreadPoolExecutor(threads) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged EXIF data, for instance
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for start in range(0, len(paths), _CHUNK):
            yield from pool.map(partial(_attempt, read), paths[start : start + _CHUNK])


def _attempt(read: Callable[[Path], Result], path: Path) -> Result | UnreadableError:
    try:
        return read(path)
    except UnreadableError as error:
        return error


def read_header(path: Path) -> Header:
    """Return what a file says of its picture.

    Raises:
        UnreadableError: it cannot be read.
    """
    with _opened(path) as image:
        is_deep = image.mode.startswith("I")
        return Header(
            is_gray=image.mode in _GRAY or is_deep,
            is_transparent=image.has_transparency_data,
            is_deep=is_deep,
            is_turned=_orientation(image) != _UPRIGHT,
            is_of_other_colours=image.mode in _OTHER_COLOURS,
            size=_turned_size(image),
        )


def read_picture(path: Path, size: tuple[int, int], channels: int) -> Array:
    """Return a picture of this width and height, ``(H, W, C)``.

    It is turned as its EXIF data says, laid upon white where it is transparent, and resized so that it fills the size,
    by bilinear interpolation over all pixels that there are; of one with other proportions the middle is kept. Of
    several pictures in a file the first is read.

    Args:
        path: its file.
        size: width and height in pixels.
        channels: 1 for grayscale, by the luma of ITU-R 601, or 3 for RGB.

    Raises:
        UnreadableError: it cannot be read.
    """
    with _opened(path) as image:
        side = _REDUCED * max(size)
        image.draft(None, (side, side))
        is_png_or_ppm = image.format in ("PNG", "PPM")
        picture = _of_eight_bits(ImageOps.exif_transpose(image), is_16_bits=is_png_or_ppm)
        if picture.has_transparency_data:
            colours = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours)
        picture = picture.convert("L" if channels == 1 else "RGB")
        if picture.size != size:
            picture = ImageOps.fit(picture, size, Image.Resampling.BILINEAR)
        return np.asarray(picture, dtype=np.uint8).reshape(size[1], size[0], channels)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a file, and say in a few words what is wrong with it; whatever a hostile one makes Pillow raise."""
    try:
        if path.exists() and not path.is_file():
            raise UnreadableError("no regular file")
        with Image.open(path, formats=FORMATS) as image:
            yield image
    except UnreadableError:
        raise
    except UnidentifiedImageError as error:
        what = f"no picture in the format {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        raise UnreadableError("empty" if not path.stat().st_size else what) from error
    except Image.DecompressionBombWarning as error:
        raise UnreadableError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels") from error
    except Image.DecompressionBombError as error:
        raise UnreadableError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels") from error
    except Exception as error:
        text = getattr(error, "strerror", None) or error_text(error)
        raise UnreadableError(text or type(error).__name__) from error


def _orientation(image: Image.Image) -> int:
    """Return what EXIF data says of how a picture is to be turned, as far as can be told without decoding it."""
    if image.format == "PNG" and "exif" not in image.info:
        return _UPRIGHT  # Pillow would decode it, to look for EXIF data behind the pixels
    orientation = image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT)
    return orientation if orientation in _ORIENTATIONS else _UPRIGHT


def _turned_size(image: Image.Image) -> tuple[int, int]:
    """Return the size once it is turned as its EXIF data says, without decoding it where that can be told."""
    if _orientation(image) not in _TURNED:
        return image.size
    if image.format == "TIFF":  # which Pillow turns by itself: some versions when it is opened, some when it is decoded
        return ImageOps.exif_transpose(image).size
    return image.height, image.width


def _of_eight_bits(image: Image.Image, *, is_16_bits: bool) -> Image.Image:
    """Return a picture with values of 8 bits, where Pillow would cut off what is above 255.

    Args:
        image: any.
        is_16_bits: a picture that Pillow has as one of 32 bits has 16.
    """
    if image.mode == "F" or (image.mode == "I" and not is_16_bits):
        raise UnreadableError("values of 32 bits, which do not fit into 8")
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image) >> _SHIFT).astype(np.uint8))
