"""The archive's text format of sequences: is it read as it is written, and are malformed files named by line?"""

from pathlib import Path

import numpy as np
import pytest

from normzoo.data import Dataset, RawArrays, load_dataset
from normzoo.data.ts import load
from normzoo.errors import DataError

HEADER = """# Two lines of what it is about
@problemName Waves
@timeStamps false
@missing false
@univariate false
@dimensions 2
@equalLength false
@classLabel true a b
@data
"""
CASES = ["1,2,3:4,5,6:a", "1.5,-2e1:0,1:b", "7:8:a", "1,1,1,1:2,2,2,3:b"]


def write(folder: Path, train: str, test: str | None = None) -> Path:
    for name, text in (("TRAIN", train), ("TEST", train if test is None else test)):
        (folder / f"Waves_{name}.ts").write_bytes(text.encode())
    return folder / "Waves_TRAIN.ts"


def text(cases: list[str], header: str = HEADER) -> str:
    return header + "".join(f"{case}\n" for case in cases)


def read(folder: Path, train: str, test: str | None = None) -> RawArrays:
    return load(argument=str(write(folder, train, test)))


def loaded(folder: Path, train: str) -> Dataset:
    return load_dataset(f"ts:{write(folder, train)}")


def test_cases_become_padded_sequences_with_their_lengths(tmp_path: Path) -> None:
    """As long as the longest of both files."""
    raw = read(tmp_path, text(CASES), text(["1,2,3,4,5:6,7,8,9,10:b"]))
    assert (raw.kind, raw.x_train.shape, raw.x_test.shape) == ("sequences", (4, 5, 2), (1, 5, 2))
    assert raw.lengths_train is not None
    assert raw.lengths_train.tolist() == [3, 2, 1, 4]
    assert raw.x_train[0, :3].tolist() == [[1, 4], [2, 5], [3, 6]]
    assert raw.x_train[1, :2].tolist() == [[1.5, 0], [-20, 1]]
    assert raw.x_test[0, 4].tolist() == [5, 10]
    assert raw.y_train.tolist() == ["a", "b", "a", "b"]


WRITTEN = {
    "Windows line ends": text(CASES).replace("\n", "\r\n"),
    "a mark of the bytes": "\ufeff" + text(CASES),
    "upper case": text(CASES, HEADER.upper().replace("A B", "a b")),
    "tabs": text(CASES, HEADER.replace(" ", "\t")),
    "blanks": text([f"  {case.replace(',', ' , ').replace(':', ' : ')}  " for case in CASES]),
    "empty lines and comments": text([line for case in CASES for line in ("", "# a case", case)]) + "\n\n",
    "comments that are indented": text(["  # a case", *CASES]),
    "no line end at the end": text(CASES).rstrip("\n"),
    "labels that are not listed": text(CASES, HEADER.replace("true a b", "true")),
    "a blank behind @data": text(CASES, HEADER.replace("@data", "@data  ")),
    "dimensions by their other name": text(CASES, HEADER.replace("dimensions", "dimension")),
    "a header with little in it": text(CASES, "@classLabel true a b\n@data\n"),
    "values missing by the header alone": text(CASES, HEADER.replace("@missing false", "@missing true")),
}


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", WRITTEN)
def test_the_same_is_read_however_it_is_written(name: str, tmp_path: Path) -> None:
    raw, plain = read(tmp_path, WRITTEN[name]), read(tmp_path, text(CASES))
    assert np.array_equal(raw.x_train, plain.x_train)
    assert raw.y_train.tolist() == plain.y_train.tolist()


def test_labels_may_have_blanks_and_signs(tmp_path: Path) -> None:
    header = HEADER.replace("true a b", "true a dog big-cat -1.0")
    raw = read(tmp_path, text(["1:2:a dog", "3:4:big-cat", "5:6:-1.0"], header))
    assert raw.y_train.tolist() == ["a dog", "big-cat", "-1.0"]


def test_targets_may_be_numbers(tmp_path: Path) -> None:
    header = HEADER.replace("@classLabel true a b", "@classLabel false\n@targetLabel true")
    assert read(tmp_path, text(["1:2:0.5", "3:4: -3e2 "], header)).y_train.tolist() == [0.5, -300]


def test_cases_of_a_single_step_and_a_single_channel_are_sequences(tmp_path: Path) -> None:
    header = HEADER.replace("univariate false\n@dimensions 2", "univariate true")
    dataset = loaded(tmp_path, text([f"{index}:{'ab'[index % 2]}" for index in range(30)], header))
    assert (dataset.kind, dataset.shape, dataset.ragged) == ("sequences", (1, 1), 0)


def test_the_test_set_may_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, text(CASES))
    path.rename(tmp_path / "waves.txt")
    (tmp_path / "Waves_TEST.ts").rename(tmp_path / "others.ts")
    raw = load(argument=str(tmp_path / "waves.txt"), test=str(tmp_path / "others.ts"))
    assert (len(raw.x_train), len(raw.x_test)) == (4, 4)
    with pytest.raises(DataError, match=r"its name does not end in _TRAIN\.ts, so say which file the test set is"):
        load(argument=str(tmp_path / "waves.txt"))


MALFORMED: dict[str, tuple[str, str]] = {
    "no data": (text(CASES, HEADER.replace("@data", "")), " has no line @data, so it is not in the .ts format"),
    "empty": ("", " has no line @data, so it is not in the .ts format"),
    "a table": ("x,y\n1,2\n", " has no line @data, so it is not in the .ts format"),
    "no cases": (text([]), " holds no cases after @data"),
    "comments alone": (text(["# 1:2:a"]), " holds no cases after @data"),
    "time stamps": (
        text(CASES, HEADER.replace("timeStamps false", "timeStamps True")),
        " has time stamps, which are not read; write the values alone",
    ),
    "time stamps unsaid": (
        text(["(0,1),(1,2):(0,1),(1,2):a"]),
        ", line 10: could not convert string to float: '(0'; fill it in or leave the case out",
    ),
    "no labels": (
        text(CASES, HEADER.replace("true a b", "false")),
        " has no labels (@classLabel true); there is nothing to learn",
    ),
    "labels unsaid": (
        text(CASES, HEADER.replace("@classLabel true a b\n", "")),
        " has no labels (@classLabel true); there is nothing to learn",
    ),
    "a missing value": (
        text([*CASES, "1,?,3:4,5,6:a"]),
        ", line 14: a value is missing (?); fill it in or leave the case out",
    ),
    "a word": (
        text([*CASES, "1,two,3:4,5,6:a"]),
        ", line 14: could not convert string to float: 'two'; fill it in or leave the case out",
    ),
    "a comma too many": (
        text(["1,2,:4,5,6:a"]),
        ", line 10: could not convert string to float: ''; fill it in or leave the case out",
    ),
    "blanks for commas": (
        text(["1 2 3:4 5 6:a"]),
        ", line 10: could not convert string to float: '1 2 3'; fill it in or leave the case out",
    ),
    "an empty channel": (text([CASES[0], "1,2::a"]), ", line 11: channel 2 has no values; leave the case out"),
    "no channels": (text(["a"]), ", line 10: expected channels and a label, divided by colons"),
    "header in the data": (
        text([CASES[0], "@classLabel true a b"]),
        ", line 11: expected channels and a label, divided by colons",
    ),
    "channels of two lengths": (
        text(["1,2,3:4,5:a"]),
        ", line 10: its channels are of different lengths, 2, 3; correct the case",
    ),
    "a channel less": (
        text([*CASES, "1,2,3:a"]),
        ": cases have different numbers of channels, 1, 2; correct the file",
    ),
    "a colon less": (
        text(["1,2,3:4,5,6"] * 2),
        ", line 10: the label '4,5,6' is none of those of @classLabel, a, b",
    ),
    "no label": (text(["1,2,3:4,5,6:"]), ", line 10: there is no label after the last colon"),
    "another label": (
        text([*CASES, "1:2:A"]),
        ", line 14: the label 'A' is none of those of @classLabel, a, b",
    ),
    "a long label": (
        text([f"1:2:{'x' * 10_000}"]),
        f", line 10: the label '{'x' * 40}...' is none of those of @classLabel, a, b",
    ),
    "other channels than said": (
        text(CASES, HEADER.replace("dimensions 2", "dimensions 3")),
        ": its cases have 2 channels, and its header says 3; correct the file",
    ),
    "more than one channel": (
        text(CASES, HEADER.replace("univariate false", "univariate true")),
        ": its cases have 2 channels, and its header says 1; correct the file",
    ),
    "other lengths than said": (
        text(CASES, HEADER.replace("equalLength false", "equalLength true")),
        ": its cases have 1 to 4 steps, and its header says that all have as many (@equalLength); correct the file",
    ),
    "targets that are no numbers": (
        text(CASES, HEADER.replace("@classLabel true a b", "@targetLabel true")),
        ", line 10: 'a' is no number, and @targetLabel says that targets are",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_named_with_its_line(name: str, tmp_path: Path) -> None:
    content, message = MALFORMED[name]
    with pytest.raises(DataError) as refusal:
        read(tmp_path, content)
    assert str(refusal.value) == f"ts '{tmp_path / 'Waves_TRAIN.ts'}': Waves_TRAIN.ts{message}"


@pytest.mark.parametrize("value", ["NaN", "inf", "1e400"])
def test_values_that_are_not_finite_are_refused(value: str, tmp_path: Path) -> None:
    cases = [f"{index},{index}:1,2:{'ab'[index % 2]}" for index in range(20)]
    with pytest.raises(DataError, match=r"x_train holds 1 value that is not finite in float32, the first \(.*\) at"):
        loaded(tmp_path, text([*cases, f"1,{value}:1,2:a"]))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "").write_bytes(text(CASES).encode("utf-16"))
    with pytest.raises(DataError, match=r"Waves_TRAIN.ts is no text in UTF-8 \(byte 0\); write it as such$"):
        load(argument=str(tmp_path / "Waves_TRAIN.ts"))


def test_two_files_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Waves_TRAIN.ts has 2 channels, Waves_TEST.ts 1$"):
        read(tmp_path, text(CASES), text(["1,2:a"], HEADER.replace("@dimensions 2\n", "")))


def test_a_missing_test_set_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, text(CASES))
    (tmp_path / "Waves_TEST.ts").unlink()
    with pytest.raises(DataError, match=f"no such file; check the path '{tmp_path / 'Waves_TEST.ts'}'"):
        load(argument=str(path))
