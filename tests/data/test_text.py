"""Text in characters: is it cut as promised, and is what is no text refused?"""

from pathlib import Path

import numpy as np
import pytest

from normzoo.data import Dataset, load_dataset
from normzoo.data.text import load
from normzoo.errors import DataError, UsageError
from normzoo.tasks import NextToken

TEXT = "the quick brown fox jumps over the lazy dog\n" * 30


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "book.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(folder: Path, content: str | bytes = TEXT, length: int = 8) -> Dataset:
    return load_dataset(f"text:{write(folder, content)}:length={length}", task=NextToken())


def test_each_character_is_a_token_and_what_follows_is_its_target(tmp_path: Path) -> None:
    """In the order of the text, the first eight tenths for training, then validation, then the test set."""
    dataset = read(tmp_path)
    assert (dataset.kind, dataset.shape, dataset.vocabulary, dataset.outputs) == ("tokens", (8,), 28, 28)
    names = sorted(set(TEXT))
    training = "".join(names[token] for row in dataset.train.inputs for token in row)
    assert TEXT.startswith(training)
    assert len(training) == 1056 - 8  # the last ones have no more that follows them
    following = "".join(names[token] for row in dataset.train.targets for token in row)
    assert following == TEXT[1 : len(training) + 1]
    test = "".join(names[token] for row in dataset.test.inputs for token in row)
    assert TEXT[-132:].startswith(test)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (131, 16, 16)
    assert dataset.notes[0] == "28 different characters, in samples of 8"


def test_characters_that_training_does_not_teach_are_one_token(tmp_path: Path) -> None:
    """Those of later parts, and of training the first one and those after its last sample."""
    text = "Ä" + "ab" * 400 + "Q" + "ba" * 100 + "€Ä" + "ab" * 40
    assert len(text) == 1084
    dataset = read(tmp_path, text, length=7)
    assert (dataset.vocabulary, dataset.outputs) == (4, 4)
    assert int(dataset.train.inputs[0, 0]) == 0
    assert int((dataset.test.inputs == 0).sum()) in (1, 2)
    assert dataset.notes[:2] == (
        "3 different characters, in samples of 7",
        "2 characters not among training targets, 3 times in all, are one token",
    )


def test_a_character_behind_the_last_training_sample_is_not_known(tmp_path: Path) -> None:
    """It is in no sample, so that nothing could be learned of it; in the test set it stands for the unknown."""
    dataset = read(tmp_path, "ab" * 399 + "az" + "ab" * 50 + "zb" + "ab" * 49, length=50)
    assert (dataset.vocabulary, dataset.outputs) == (3, 3)
    assert int(dataset.train.inputs.min()) == 1
    assert int((dataset.test.inputs == 0).sum()) == 1


def test_the_bytes_of_a_mark_and_of_windows_line_ends_are_no_characters(tmp_path: Path) -> None:
    plain = read(tmp_path)
    marked = read(tmp_path, b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert marked.checksum == plain.checksum


def test_one_line_may_be_all_of_the_text(tmp_path: Path) -> None:
    raw = load(argument=str(write(tmp_path, "abcd" * 50_000)), length=100)
    assert raw.x_train.shape == (1599, 100)
    assert np.array_equal(raw.x_train[:, 1:], raw.y_train[:, :-1])


@pytest.mark.parametrize(
    ("content", "length", "message"),
    [
        ("", 8, "it holds 0 characters; samples of 8 need at least 90, as a tenth is the test set"),
        ("ab" * 40, 8, "it holds 80 characters; samples of 8 need at least 90, as a tenth is the test set"),
        (TEXT, 2000, "it holds 1,320 characters; samples of 2000 need at least 20,010, as a tenth is the test set"),
        (TEXT, 0, "length must be at least 1, got 0"),
        ("a" * 900, 8, "its training part is the one character 'a'; there is nothing to learn"),
        (b"abc\xff" * 90, 8, "byte 3 is not UTF-8; convert the file to UTF-8"),
        (TEXT.encode("utf-16"), 8, "byte 0 is not UTF-8; it looks like UTF-16; convert the file to UTF-8"),
        (
            TEXT.encode("utf-16-le"),
            8,
            "character 1 is NUL, so it is no text in UTF-8; convert the file to UTF-8",
        ),
        (b"\x89PNG\r\n\x1a\n" + bytes(900), 8, "byte 0 is not UTF-8; convert the file to UTF-8"),
    ],
    ids=[
        "empty",
        "short",
        "long samples",
        "no length",
        "one character",
        "binary",
        "UTF-16",
        "UTF-16 unmarked",
        "image",
    ],
)
def test_what_is_no_text_is_refused(content: str | bytes, length: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as refusal:
        read(tmp_path, content, length)
    assert str(refusal.value) == f"text '{tmp_path / 'book.txt'}': {message}"


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path, told in ((tmp_path / "none.txt", "no such file; check the path"), (tmp_path, "it is a folder")):
        with pytest.raises(DataError, match=told):
            load_dataset(f"text:{path}", task=NextToken())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("text:BOOK:lenght=10", "text 'BOOK': it has no option 'lenght'; did you mean 'length'? (it takes: length)"),
        ("text:BOOK:length=16,foo=3", "text 'BOOK': it has no option 'foo' (it takes: length)"),
        ("npz:BOOK:kin=images", "npz 'BOOK': it has no option 'kin'; did you mean 'kind'? (it takes: kind)"),
        ("ts:BOOK:tset=b", "ts 'BOOK': it has no option 'tset'; did you mean 'test'? (it takes: test)"),
        ("text:BOOK:8", "text 'BOOK': it has no option '8' (it takes: length)"),
    ],
)
def test_an_option_that_does_not_read_is_no_missing_file(tmp_path: Path, spec: str, message: str) -> None:
    """Of whatever is a file: the option is named, and those that there are."""
    book = tmp_path / "book.txt"
    book.write_text("abc" * 300)
    with pytest.raises(UsageError) as refused:
        load_dataset(spec.replace("BOOK", str(book)), task=NextToken())
    assert str(refused.value).startswith(message.replace("BOOK", str(book)))


def test_nine_tenths_of_the_least_text_is_enough(tmp_path: Path) -> None:
    """As many characters as the message asks for."""
    dataset = read(tmp_path, "abc" * 30, length=8)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (8, 1, 1)
