"""A text file, character by character: ``text:PATH``."""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path

import numpy as np

from normzoo.data._dataset import Array, RawArrays
from normzoo.errors import DataError, counted
from normzoo.memory import require_memory
from normzoo.registry.datasets import at_home, not_there

_HELD_OUT = 0.1
"""Shares of the text that are the validation and the test set, at its end."""


def load(*, argument: str, length: int = 64) -> RawArrays:
    """Read a text file and cut it into samples of so many characters, each with the characters that follow.

    The first eight tenths are for training, the next for validation, and the last is the test set; samples do not
    overlap. Tokens are the different characters that follow another in the training samples, in the order of their code
    points; where there are others, they are token 0, all of them.

    Args:
        argument: the path of a file in UTF-8.
        length: characters of a sample.

    Raises:
        DataError: the file is missing, no text, or too short.
    """
    source = f"text '{argument}'"
    if length < 1:
        raise DataError(f"{source}: length must be at least 1, got {length}")
    text = _read(source, at_home(argument))
    held = round(_HELD_OUT * len(text))
    if held <= length:
        raise DataError(
            f"{source}: it holds {len(text):,} characters; samples of {length} need at least {10 * (length + 1):,}, as "
            "a tenth is the test set"
        )
    codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    cuts = {"train": codes[: -2 * held], "val": codes[-2 * held : -held], "test": codes[-held:]}
    known = np.unique(_windows(cuts["train"], length)[1])
    if len(known) < 2:
        raise DataError(
            f"{source}: its training part is the one character {chr(known[0])!r}; there is nothing to learn"
        )
    others = np.setdiff1d(codes, known)
    notes = [f"{len(known)} different characters, in samples of {length}"]
    if len(others):
        times = counted(int(np.isin(codes, others).sum()), "time")
        notes.append(f"{counted(len(others), 'character')} not among training targets, {times} in all, are one token")
    windows = {split: _windows(_tokens(cut, known, first=int(len(others) > 0)), length) for split, cut in cuts.items()}
    (x_train, y_train), (x_val, y_val), (x_test, y_test) = (windows[split] for split in ("train", "val", "test"))
    return RawArrays(
        x_train=x_train,
        y_train=y_train,
        x_val=x_val,
        y_val=y_val,
        x_test=x_test,
        y_test=y_test,
        kind="tokens",
        vocabulary=len(known) + bool(len(others)),
        notes=tuple(notes),
    )


def _read(source: str, path: Path) -> str:
    if not path.is_file():
        raise not_there(source, "text", path)
    try:
        require_memory(2 * path.stat().st_size, source, "give a part of the text")
        content = path.read_bytes()
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        way_out = "it looks like UTF-16; " if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else ""
        raise DataError(f"{source}: byte {error.start:,} is not UTF-8; {way_out}convert the file to UTF-8") from error
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror})") from error
    if "\0" in text:
        raise DataError(
            f"{source}: character {text.index(chr(0)):,} is NUL, so it is no text in UTF-8; convert the file to UTF-8"
        )
    return text


def _tokens(codes: Array, known: Array, *, first: int) -> Array:
    """Return the places of characters among those that are known, from ``first`` on; 0 where they are not."""
    return np.where(np.isin(codes, known), np.searchsorted(known, codes) + first, 0)


def _windows(tokens: Array, length: int) -> tuple[Array, Array]:
    """Return samples ``(N, length)`` and what follows each token, likewise."""
    count = (len(tokens) - 1) // length
    return tokens[: count * length].reshape(count, length), tokens[1 : count * length + 1].reshape(count, length)
