"""A text file, character by character: ``text:PATH``."""

from pathlib import Path

import numpy as np

from normzoo.data._dataset import Array, RawArrays
from normzoo.errors import DataError

_HELD_OUT = 0.1
"""Shares of the text that are the validation and the test set, at its end."""


def load(*, argument: str, length: int = 64) -> RawArrays:
    """Read a text file and cut it into samples of so many characters, each with the characters that follow.

    The first eight tenths are for training, the next for validation, and the last is the test set; samples do not
    overlap. Tokens are the different characters of the training part in the order of their code points; where others
    occur later, they are token 0, all of them.

    Args:
        argument: the path of a file in UTF-8.
        length: characters of a sample.

    Raises:
        DataError: the file is missing, no text, or too short.
    """
    source = f"text '{argument}'"
    if length < 1:
        raise DataError(f"{source}: length must be at least 1, got {length}")
    text = _read(source, Path(argument).expanduser())
    held = round(_HELD_OUT * len(text))
    if held <= length:
        raise DataError(
            f"{source}: it holds {len(text):,} characters; samples of {length} need at least {10 * (length + 1):,}, as "
            "a tenth is the test set"
        )
    cuts = {"train": text[: -2 * held], "val": text[-2 * held : -held], "test": text[-held:]}
    known = sorted(set(cuts["train"]))
    others = sum(each not in known for split in ("val", "test") for each in set(cuts[split]))
    tokens = {each: index + bool(others) for index, each in enumerate(known)}
    notes = [f"{len(known)} different characters, in samples of {length}"]
    if others:
        count = sum(each not in tokens for split in ("val", "test") for each in cuts[split])
        notes.append(
            f"{counted(others, 'character')} {'does' if others == 1 else 'do'} not occur in training, {count:,} times "
            "in all, and count as one and the same"
        )
    windows = {split: _windows(np.array([tokens.get(each, 0) for each in cut]), length) for split, cut in cuts.items()}
    (x_train, y_train), (x_val, y_val), (x_test, y_test) = (windows[split] for split in ("train", "val", "test"))
    return RawArrays(
        x_train=x_train,
        y_train=y_train,
        x_val=x_val,
        y_val=y_val,
        x_test=x_test,
        y_test=y_test,
        kind="tokens",
        vocabulary=len(known) + bool(others),
        notes=tuple(notes),
    )


def counted(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _read(source: str, path: Path) -> str:
    if not path.is_file():
        raise DataError(f"{source}: no such file; check the path '{path.absolute()}'")
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{source}: byte {error.start:,} is not UTF-8; convert the file to UTF-8") from error
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror})") from error


def _windows(tokens: Array, length: int) -> tuple[Array, Array]:
    """Return samples ``(N, length)`` and what follows each token, likewise."""
    count = (len(tokens) - 1) // length
    return tokens[: count * length].reshape(count, length), tokens[1 : count * length + 1].reshape(count, length)
