"""The user's own pictures, in a folder for each class: ``folder:PATH``."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import PIL

from normzoo.data._cache import Write, cached
from normzoo.data._dataset import Progress, RawArrays
from normzoo.data._pictures import Header, UnreadableError, read_all, read_header, read_picture
from normzoo.data._splitting import hold_out
from normzoo.data.torchvision import torchvision_class
from normzoo.errors import DataError, counted
from normzoo.memory import free_bytes, require_memory
from normzoo.registry.datasets import at_home, circular_link, not_there

_SPLITS: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""What the folders of parts are called, in letters of either case."""
_ORDER = ("train", "val", "test")
_HELD_OUT = 0.2
_MAX_CLASSES = 100_000
_SHOWN = 3
_STEPS = 1000
"""How often it is told how far it is."""
_BYTES_PER_PIXEL = 12
"""Of a picture that is decoded, laid upon white, converted and resized: three times four channels."""
_VERSION = 2
"""Of how pictures are read: another one has all of them read again."""


class _Picture(NamedTuple):
    """A file, and the class that it is in."""

    path: Path
    label: str


def load(
    *,
    argument: str,
    progress: Progress,
    size: int | str | None = None,
    channels: int | None = None,
    corrupt: Literal["refuse", "skip"] = "refuse",
) -> RawArrays:
    """Read the pictures of a folder, whose folders are the classes, or ``train``, ``val`` and ``test`` with those each.

    What is a picture is torchvision's ``ImageFolder`` to say, by the ending of its name; hidden files and folders are
    left out. Without a folder ``test`` a fifth of each class is the test set, always the same pictures. What was
    decoded is kept in the user's cache folder until a file changes, and mapped into memory from there, as uint8.

    Args:
        argument: the path of the folder.
        progress: is told how many pictures were decoded, and of how many.
        size: width and height in pixels that all are resized to, ``64`` or ``64x48``; None: all have the same as it is.
        channels: 1 or 3; None: 3, or 1 where all pictures are grayscale.
        corrupt: refuse files that cannot be read, or skip them.

    Raises:
        DataError: the folder is missing or not as it should be, or pictures cannot be read; the message says which.
    """
    source, root = f"folder '{argument}'", at_home(argument)
    torchvision_class("folder", "ImageFolder")
    wanted = _size(source, size)
    if channels not in (None, 1, 3):
        raise DataError(f"{source}: channels must be 1 (grayscale) or 3 (RGB), got {channels}")
    parts, notes = _find(source, root)
    if "test" not in parts:
        parts |= _held_out(parts["train"])
        notes.append(
            "without a folder test, a fifth of each class is the dataset's own test set, always the same pictures"
        )
    parts = {split: parts[split] for split in _ORDER if split in parts}
    paths = [picture.path for part in parts.values() for picture in part]
    options = [os.fsencode(root.resolve()).hex(), size, channels, corrupt]
    found = cached(
        _checksum(options),
        _checksum([_VERSION, PIL.__version__, *map(_stamp, paths)]),
        partial(_decode, source, root, paths, wanted, channels, corrupt == "skip", progress),
    )
    skipped = frozenset(found.facts["skipped"])
    arrays: dict[str, Any] = {}
    first, start = 0, 0
    for split, part in parts.items():
        labels = [each.label for index, each in enumerate(part, first) if index not in skipped]
        lost = sorted({each.label for each in part} - set(labels))
        if lost and (split == "train" or not labels):
            raise DataError(f"{source}: none of the pictures of {_listed(lost)} can be read, of those for {split}")
        arrays[f"x_{split}"] = found.samples[start : start + len(labels)]
        arrays[f"y_{split}"] = np.array(labels)
        first, start = first + len(part), start + len(labels)
    return RawArrays(**arrays, kind="images", notes=(*found.facts["notes"], *notes))


def _size(source: str, size: int | str | None) -> tuple[int, int] | None:
    """Return width and height."""
    if size is None:
        return None
    width, times, height = str(size).partition("x")
    pair = (width, height if times else width)
    if not all(each.isascii() and each.isdigit() and int(each) for each in pair):
        raise DataError(f"{source}: size must be pixels, or width x height, such as 64 or 64x48, got '{size}'")
    return int(pair[0]), int(pair[1])


def _find(source: str, root: Path) -> tuple[dict[str, list[_Picture]], list[str]]:
    """Return the pictures of each part, and what is to be said of what is not read."""
    if not root.exists():
        raise not_there(source, "folder", root)
    if not root.is_dir():
        raise DataError(f"{source}: it is a file; unpack it if it is an archive, and name the folder")
    names = _folders(source, root)
    splits: dict[str, str] = {}
    for name in names:
        split = _SPLITS.get(name.casefold(), "")
        if split in splits:
            raise DataError(f"{source}: '{splits[split]}' and '{name}' would both be its {split} part; remove one")
        if split:
            splits[split] = name
    if splits and "train" not in splits and len(splits) == len(names):
        raise DataError(f"{source}: it holds {_listed(names)}, and no folder train")
    is_divided = "train" in splits and (len(splits) > 1 or len(names) == 1)
    folders = {split: root / name for split, name in splits.items()} if is_divided else {"train": root}
    unread = Counter[str]()
    parts = {split: _pictures(source, root, folder, unread) for split, folder in folders.items()}
    labels = {each.label for each in parts["train"]}
    if len(labels) == 1:
        is_nested = not is_divided and _folders(source, root / names[0])
        hint = "; if that one's folders are the classes, name it instead" if is_nested else ""
        raise DataError(f"{source}: it holds the one class '{labels.pop()}'; at least 2 are needed to classify{hint}")
    notes = []
    if is_divided and (others := [name for name in names if name not in splits.values()]):
        notes.append(f"not read, as there is a folder {splits['train']} beside: {_listed(others)}")
    if unread:
        common = sorted(unread.items(), key=lambda each: (-each[1], each[0]))[:_SHOWN]
        kinds = ", ".join(f"{kind} ({number:,})" for kind, number in common)
        notes.append(f"files that are not read: {kinds}{', ...' if len(unread) > _SHOWN else ''}")
    return parts, notes


def _folders(source: str, folder: Path) -> list[str]:
    """Return the names of the folders in a folder, in their order, but for hidden ones."""
    try:
        with os.scandir(folder) as entries:
            return sorted(each.name for each in entries if each.is_dir() and not each.name.startswith("."))
    except OSError as error:
        raise DataError(f"{source}: '{folder}' cannot be read ({error.strerror})") from error


def _pictures(source: str, root: Path, folder: Path, unread: Counter[str]) -> list[_Picture]:
    """Return the pictures of a part, class by class; count what is not read."""
    from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset

    where = source if folder == root else f"{source}: {folder.name}"
    classes = _folders(source, folder)
    if len(classes) > _MAX_CLASSES:
        raise DataError(
            f"{where}: it holds {len(classes):,} folders, each of them a class; {_MAX_CLASSES:,} are the most"
        )
    found = _other_files(source, folder, IMG_EXTENSIONS)
    if not classes and found[_LOOSE]:
        raise DataError(
            f"{where}: it holds {counted(found[_LOOSE], 'picture')} and no folders; put the pictures of each class "
            "into a folder of their own"
        )
    if not classes:
        raise DataError(f"{where}: it is empty; it needs a folder of pictures for each class")
    unread.update(found)
    start = len(str(folder))
    samples = make_dataset(
        str(folder),
        {name: index for index, name in enumerate(classes)},
        is_valid_file=lambda path: not _is_hidden(path[start:]) and path.lower().endswith(IMG_EXTENSIONS),
        allow_empty=True,
    )
    empty = sorted(set(range(len(classes))) - {number for _, number in samples})
    if empty:
        endings = ", ".join(each.removeprefix(".") for each in IMG_EXTENSIONS)
        raise DataError(
            f"{where}: there is no picture ({endings}) in {_listed([classes[each] for each in empty])}; every folder "
            "is a class, so remove what is none"
        )
    return [_Picture(Path(path), _printable(classes[number])) for path, number in samples]


_LOOSE = "pictures outside the folders of classes"


def _other_files(source: str, folder: Path, endings: tuple[str, ...]) -> Counter[str]:
    """Count the files below a folder that are not read, by their endings; hidden ones do not count.

    Raises:
        DataError: a folder cannot be read, or a link leads in a circle, which would be followed without end.
    """

    def refuse(error: OSError) -> None:
        raise DataError(f"{source}: '{error.filename}' cannot be read ({error.strerror})") from error

    found, start = Counter[str](), len(str(folder))
    for inside, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        if link := circular_link(Path(inside), folders, folder):
            raise DataError(f"{source}: the link '{link}' leads to a folder that holds it; remove it")
        if _is_hidden(inside[start:]):
            continue
        for name in files:
            is_picture = name.lower().endswith(endings)
            if not name.startswith(".") and not (is_picture and inside != str(folder)):
                found[_LOOSE if is_picture else f"{Path(name).suffix.lower() or 'without an ending'}"] += 1
    return found


def _is_hidden(path: str) -> bool:
    """Whether a path below a folder, which begins with a separator, or a folder that it leads through is hidden."""
    return f"{os.sep}." in path


def _held_out(pictures: Sequence[_Picture]) -> dict[str, list[_Picture]]:
    """Return a training and a test part."""
    kept, held = hold_out(np.unique([each.label for each in pictures], return_inverse=True)[1], _HELD_OUT)
    return {split: [pictures[index] for index in chosen] for split, chosen in (("train", kept), ("test", held))}


def _decode(
    source: str,
    root: Path,
    paths: Sequence[Path],
    size: tuple[int, int] | None,
    channels: int | None,
    skips: bool,
    progress: Progress,
    write: Write,
) -> dict[str, Any]:
    """Write all pictures, and return which were skipped and what is to be said of them.

    Raises:
        DataError: sizes differ and none is asked for, or files cannot be read.
    """
    headers = list(read_all(read_header, paths))
    problems = {index: str(each) for index, each in enumerate(headers) if isinstance(each, UnreadableError)}
    known = {index: each for index, each in enumerate(headers) if isinstance(each, Header)}
    size = size or _common_size(source, known.values()) or (1, 1)
    channels = channels or (1 if all(each.is_gray for each in known.values()) else 3)
    largest = max((prod(each.size) for each in known.values()), default=0)
    at_once = free_bytes() // (_BYTES_PER_PIXEL * (largest + prod(size)))
    if not at_once:
        require_memory(
            _BYTES_PER_PIXEL * (largest + prod(size)),
            f"{source}: decoding its largest picture, resized to {_by(size)} pixels,",
            "make it smaller, or resize to less with size=",
        )
    read = partial(read_picture, size=size, channels=channels)
    for index, picture in enumerate(read_all(read, paths, at_once=at_once)):
        if isinstance(picture, UnreadableError):
            problems[index] = str(picture)
        elif index not in problems:  # also one that can be read now, as it is to be left out
            write(picture)
        if (index + 1) * _STEPS // len(paths) > index * _STEPS // len(paths):
            progress(index + 1, len(paths))
    lost, of = f"{len(problems):,} of {counted(len(paths), 'picture')}", _named(root, paths, problems)
    if problems and not skips:
        raise DataError(
            f"{source}: {lost} cannot be read: {of}; repair or remove what is damaged, or leave it out with "
            "corrupt=skip"
        )
    if len(problems) == len(paths):
        raise DataError(f"{source}: none of its pictures can be read: {of}")
    notes = _notes([each for index, each in known.items() if index not in problems], size, channels)
    if problems:
        notes.append(f"{lost} are left out, as they cannot be read: {of}")
    return {"skipped": sorted(problems), "notes": notes}


def _common_size(source: str, headers: Iterable[Header]) -> tuple[int, int] | None:
    """Return the size that all pictures have; None where there is none."""
    sizes = sorted({each.size for each in headers}, key=lambda size: (size[0] * size[1], size))
    if len(sizes) > 1:
        raise DataError(
            f"{source}: its pictures have {len(sizes):,} different sizes, from {_by(sizes[0])} to {_by(sizes[-1])} "
            "pixels; say which all are resized to, such as size=64"
        )
    return sizes[0] if sizes else None


def _named(root: Path, paths: Sequence[Path], problems: Mapping[int, str]) -> str:
    """Name the first few files that cannot be read, each with what is wrong with it."""
    first = sorted(problems, key=lambda each: paths[each])[:_SHOWN]
    shown = [f"{_printable(str(paths[each].relative_to(root)))} ({problems[each]})" for each in first]
    return ", ".join(shown + ["..."] * (len(problems) > _SHOWN))


def _notes(headers: Sequence[Header], size: tuple[int, int], channels: int) -> list[str]:
    """Say what was done to pictures."""
    resized = sum(each.size != size for each in headers)
    cropped = sum(each.size[0] * size[1] != each.size[1] * size[0] for each in headers)
    gray = sum(each.is_gray for each in headers)
    said = {
        "turned or mirrored, as their EXIF data says": sum(each.is_turned for each in headers),
        f"resized to {_by(size)} pixels": resized,
        "cut to their middle, as their width and height are in another proportion": cropped,
        "laid upon white, as they are transparent in part": sum(each.is_transparent for each in headers),
        "grayscale, and read as RGB": gray if channels == 3 else 0,
        "in colour, and read as grayscale": len(headers) - gray if channels == 1 else 0,
        "in other colours than red, green and blue, and converted": sum(each.is_of_other_colours for each in headers),
        "of 16 bits a value, of which the upper 8 are read": sum(each.is_deep for each in headers),
    }
    total = counted(len(headers), "picture")
    shares = {what: "all" if number == len(headers) else f"{number:,}" for what, number in said.items() if number}
    return [f"{share} of {total}: {what}" for what, share in shares.items()]


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _listed(names: Sequence[str]) -> str:
    """Write the first few names.

    >>> _listed(["a", "b", "c", "d"])
    "'a', 'b', 'c', ... (4 in all)"
    """
    shown = ", ".join(f"'{_printable(each)}'" for each in names[:_SHOWN])
    return f"{shown}, ... ({len(names):,} in all)" if len(names) > _SHOWN else shown


def _printable(name: str) -> str:
    r"""Write a name as it is, but for what no terminal or file takes: control characters, and bytes that are no UTF-8.

    >>> _printable("Bäume"), _printable(chr(27))
    ('Bäume', '\\x1b')
    """
    return name if name.isprintable() else ascii(name)[1:-1]


def _stamp(path: Path) -> list[str | int]:
    """Return what changes when a file does."""
    try:
        found = path.stat()
    except OSError:
        return [os.fsencode(path).hex()]
    return [os.fsencode(path).hex(), found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _checksum(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
