"""Are targets checked, prepared and standardized as each task says, and refused in words that help?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from normzoo.errors import ComponentError, DataError, UnknownNameError
from normzoo.registry import TASKS
from normzoo.tasks import UNSCALED, Classification, NextToken, Regression, Task, make_task

Array = np.ndarray[Any, Any]
LABELS = np.arange(12) % 3
NUMBERS = np.random.default_rng(0).standard_normal((12, 2))


def splits(train: Any, test: Any = None, val: Any = None) -> Mapping[str, Array]:
    return {"train": train, "test": train if test is None else test, "val": train if val is None else val}


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64", ">i4"])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_classes_become_int64(dtype: str, shape: tuple[int, ...]) -> None:
    found = Classification().prepare("here", splits(LABELS.astype(dtype).reshape(shape)))
    assert (found.outputs, found.scale) == (3, UNSCALED)
    for array in found.by_split.values():
        assert array.dtype == np.dtype("=i8")
        assert array.tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("labels", "numbers", "shown"),
    [
        (np.array(["dog", "cat", "dog"]), [1, 0, 1], "0 = cat, 1 = dog"),
        (np.array([["dog"], ["cat"], ["dog"]]), [1, 0, 1], "0 = cat, 1 = dog"),
        (np.array(["dog", "cat", "dog"], dtype=object), [1, 0, 1], "0 = cat, 1 = dog"),
        (np.array(["Wölfe", "Äpfel", "Wölfe"]).astype(object), [0, 1, 0], "0 = Wölfe, 1 = Äpfel"),
        (np.char.encode(np.array(["dog", "Äpfel", "dog"]), "utf-8"), [0, 1, 0], "0 = dog, 1 = Äpfel"),
        (np.array(["10", "9", "-3"]), [2, 1, 0], "0 = -3, 1 = 9, 2 = 10"),
        (np.array(["9" * 30, "9", "9"]), [1, 0, 0], f"0 = 9, 1 = {'9' * 30}"),
        (np.array(["10", "9", "-"]), [1, 2, 0], "0 = -, 1 = 10, 2 = 9"),
    ],
    ids=["text", "a column", "objects", "not ASCII", "bytes", "whole numbers", "large ones", "not all numbers"],
)
def test_texts_are_numbered_in_their_order_and_it_is_said_which_is_which(
    labels: Array, numbers: list[int], shown: str
) -> None:
    found = Classification().prepare("here", splits(np.concatenate([labels] * 10)))
    assert found.by_split["train"].tolist() == numbers * 10
    assert found.notes == (f"classes by their labels: {shown}",)


def test_of_many_classes_the_first_are_shown() -> None:
    found = Classification().prepare("here", splits(np.array([f"{index:02}a" for index in range(20)] * 10)))
    (note,) = found.notes
    assert note.startswith("classes by their labels: 0 = 00a, 1 = 01a, ")
    assert note.endswith("11 = 11a, ... (20 in all)")


def test_texts_that_look_like_one_class_are_named() -> None:
    """They are different classes all the same."""
    found = Classification().prepare("here", splits(np.array(["Cat", "cat ", "dog", "a  b", "a b"] * 10)))
    assert found.outputs == 5
    assert found.notes[1:] == ("classes that differ in case or blanks alone: 'Cat' and 'cat '; 'a  b' and 'a b'",)


@pytest.mark.parametrize(
    ("counts", "notes"),
    [
        ([10, 10], ()),
        ([10, 9], ("1 of 2 classes has fewer than 10 training samples, class 1 the fewest, 9",)),
        ([3, 20, 1], ("2 of 3 classes have fewer than 10 training samples, class 2 the fewest, 1",)),
    ],
)
def test_classes_with_few_samples_are_counted(counts: list[int], notes: tuple[str, ...]) -> None:
    assert Classification().prepare("here", splits(np.repeat(np.arange(len(counts)), counts))).notes == notes


def test_few_samples_may_be_of_a_class_each() -> None:
    """Up to five classes, as of a sketch; more labels than half of the samples are no classes."""
    assert Classification().prepare("here", splits(np.arange(5))).outputs == 5


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float16", "float64", ">f4"])
@pytest.mark.parametrize("shape", [(12,), (12, 1), (6, 2)])
def test_numbers_become_standardized_float32(dtype: str, shape: tuple[int, ...]) -> None:
    values = np.arange(12).astype(dtype).reshape(shape)
    found = Regression().prepare("here", splits(values))
    wide = values.reshape(len(values), -1).astype(np.float64)
    assert found.outputs == wide.shape[1] == len(found.scale.mean) == len(found.scale.std)
    for array in found.by_split.values():
        assert (str(array.dtype), array.shape) == ("float32", wide.shape)
        np.testing.assert_allclose(array, (wide - wide.mean(0)) / wide.std(0), rtol=1e-6, atol=1e-7)


def test_what_is_estimated_is_estimated_on_the_training_part_alone(random: np.random.Generator) -> None:
    train, test, val = (scale * random.standard_normal((20, 2)) + scale for scale in (1, 10, 100))
    found = Regression().prepare("here", splits(train, test, val))
    np.testing.assert_allclose(found.scale.mean, train.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.scale.std, train.std(0), rtol=1e-12)
    np.testing.assert_allclose(found.by_split["train"].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(found.by_split["train"].std(0), 1, rtol=1e-6)
    np.testing.assert_allclose(found.by_split["val"], (val - train.mean(0)) / train.std(0), rtol=1e-5)


@pytest.mark.parametrize("values", [1e8 + np.arange(12.0), 1e-12 * np.arange(12.0), 1e12 * np.arange(12.0)])
def test_numbers_of_any_size_are_standardized(values: Array) -> None:
    found = Regression().prepare("here", splits(values)).by_split["train"][:, 0]
    expected = (np.arange(12) - 5.5) / np.arange(12).std()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


ONE_HOT = "turn one-hot rows into integers with y.argmax(axis=1), or use --task regression for several numbers"
REFUSED: list[tuple[Task, Mapping[str, Array], str]] = [
    (
        Classification(),
        splits(LABELS, np.array(["cat", "dog"] * 6)),
        "here: y_test holds text, but y_train numbers; give both as text or both as integers",
    ),
    (
        Classification(),
        splits(np.array([["cat", "dog"]] * 6)),
        f"here: y_train has shape (6, 2); labels are (N,) or (N, 1), so {ONE_HOT}",
    ),
    (
        Classification(),
        splits(np.array(["cat", "dog"] * 6), np.array(["cat", "Dog "])),
        "here: y_test holds the class 'Dog ', which y_train does not; remove those samples, or add their classes to "
        "the training split",
    ),
    (
        Classification(),
        splits(np.array(["cat"] * 6)),
        "here: y_train holds the one class 'cat'; at least 2 classes are needed to classify",
    ),
    (
        Classification(),
        splits(np.array(["cat", "", "dog"])),
        "here: y_train holds no label at sample 1, but empty text; remove such samples",
    ),
    (
        Classification(),
        splits(np.array([b"cat", b"\xff"])),
        "here: y_train holds bytes that are no text in UTF-8; give numbers or text",
    ),
    (
        Classification(),
        splits(np.array(["cat", "dog", None], dtype=object)),
        "here: y_train holds no label at sample 2, but None; remove such samples",
    ),
    (
        Classification(),
        splits(np.array(["cat", float("nan"), "dog"], dtype=object)),
        "here: y_train holds no label at sample 1, but nan; remove such samples",
    ),
    (
        Classification(),
        splits(np.array(["cat", pd.NA, "dog"], dtype=object)),
        "here: y_train holds no label at sample 1, but <NA>; remove such samples",
    ),
    (
        Classification(),
        splits(np.array(["cat", 3, "dog"], dtype=object)),
        "here: y_train holds labels of type int, str; give all of them as text or all as integers",
    ),
    (
        Classification(),
        splits(LABELS / 2),
        "here: y_train holds 0.5 at sample 1, which is no class; for numbers to be predicted use --task regression",
    ),
    (
        Classification(),
        splits(np.where(np.arange(12) == 4, np.nan, LABELS)),
        "here: y_train holds nan at sample 4, which is no class; for numbers to be predicted use --task regression",
    ),
    (
        Classification(),
        splits(np.arange(12), np.arange(6), np.arange(5)),
        "here: y_train holds 12 different labels for 23 samples, too many for classes; for numbers to be "
        "predicted use --task regression",
    ),
    (
        Classification(),
        splits(LABELS.astype(float)),
        "here: y_train has type float64; for numbers to be predicted use --task regression, for classes "
        "y.astype('int64')",
    ),
    (
        Classification(),
        splits(np.eye(3)[LABELS]),
        f"here: y_train has shape (12, 3); labels are (N,) or (N, 1), so {ONE_HOT}",
    ),
    (
        Classification(),
        splits(LABELS, LABELS.reshape(3, 2, 2)),
        "here: y_test has shape (3, 2, 2); labels are (N,) or (N, 1), so reshape it",
    ),
    (
        Classification(),
        splits(LABELS > 0),
        "here: y_train has type bool; labels are integers, so use y.astype('int64')",
    ),
    (
        Classification(),
        splits(2 * LABELS),
        "here: y_train holds the labels 0, 2, 4; labels are 0 to K-1 without gaps, so renumber them with "
        "numpy.unique(y, return_inverse=True)",
    ),
    (
        Classification(),
        splits(0 * LABELS),
        "here: y_train holds the one class 0; at least 2 classes are needed to classify",
    ),
    (
        Classification(),
        splits(LABELS, LABELS, LABELS + 1),
        "here: y_val holds the label 3, but y_train's are 0 to 2; remove those samples, or add their classes to the "
        "training split",
    ),
    (
        Regression(),
        splits(np.array(["1.5"] * 12)),
        "here: y_train has type <U3; targets of a regression are numbers",
    ),
    (
        Regression(),
        splits(NUMBERS, NUMBERS + 1j),
        "here: y_test has type complex128; targets of a regression are numbers",
    ),
    (
        Regression(),
        splits(NUMBERS.reshape(3, 2, 2, 2)),
        "here: y_train has shape (3, 2, 2, 2); targets of a regression are (N,) or (N, K), so reshape it",
    ),
    (
        Regression(),
        splits(NUMBERS[:, :0]),
        "here: y_train has shape (12, 0); targets of a regression are (N,) or (N, K), so reshape it",
    ),
    (
        Regression(),
        splits(np.where(np.arange(24).reshape(12, 2) == 7, np.nan, NUMBERS)),
        "here: y_train holds values that are not finite, the first (nan) at sample 3; remove those samples or replace "
        "the values",
    ),
    (
        Regression(),
        splits(NUMBERS, np.where(np.arange(24).reshape(12, 2) > 7, -np.inf, NUMBERS)),
        "here: y_test holds values that are not finite, the first (-inf) at sample 4; remove those samples or replace "
        "the values",
    ),
    (
        Regression(),
        splits(NUMBERS, NUMBERS[:, :1]),
        "here: y_test has 1 number per sample, but y_train has 2",
    ),
    (
        Regression(),
        splits(NUMBERS[:, 0], NUMBERS),
        "here: y_test has 2 numbers per sample, but y_train has 1",
    ),
    (
        Regression(),
        splits(NUMBERS * [1, 0]),
        "here: y_train is constant in column 1; there is nothing to learn, so leave it out",
    ),
    (Regression(), splits(np.full(12, 0.1)), "here: y_train is constant; there is nothing to learn"),
    (
        Regression(),
        splits(1e-200 * NUMBERS),
        "here: y_train holds values that are too small or too large: float64 has no square of them; give them in "
        "another unit",
    ),
    (
        Regression(),
        splits(1e200 * NUMBERS),
        "here: y_train holds values that are too small or too large: float64 has no square of them; give them in "
        "another unit",
    ),
    (
        Regression(),
        splits(NUMBERS, NUMBERS, NUMBERS[:1]),
        "here: y_val holds one sample; R2 needs at least two, so give more, or an x_val and y_val",
    ),
]


@pytest.mark.parametrize(("task", "targets", "message"), REFUSED)
def test_targets_that_break_a_rule_are_refused(task: Task, targets: Mapping[str, Array], message: str) -> None:
    with pytest.raises(DataError) as refusal:
        task.prepare("here", targets)
    assert str(refusal.value) == message


def test_a_hold_out_keeps_the_shares_of_classes_and_has_no_strata_of_numbers() -> None:
    assert Classification().strata(LABELS[:, None]).tolist() == LABELS.tolist()
    assert not Regression().strata(NUMBERS).any()
    assert Regression().strata(NUMBERS).shape == (12,)


MODULE = """
from normzoo.tasks import Regression

class Doubled(Regression):
    def __init__(self, factor: float = 2.0):
        self.factor = factor

    def losses(self, outputs, targets):
        return self.factor * super().losses(outputs, targets)

class NoTask:
    pass

class Fails(Regression):
    def __init__(self):
        raise RuntimeError("only on Sundays")

def made():
    return Doubled(3.0)
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"own_tasks_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_tasks_are_made_by_name_and_by_import_path(own: str) -> None:
    assert {name: type(make_task(name)) for name in TASKS} == {
        "classification": Classification,
        "regression": Regression,
        "next-token": NextToken,
    }
    for spec, factor in {"Doubled": 2.0, "Doubled:factor=5": 5, "made": 3.0}.items():
        task: Any = make_task(f"{own}:{spec}")
        assert task.factor == factor


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("regresion", UnknownNameError, "unknown task 'regresion'; did you mean 'regression'? (known: classification,"),
        ("regression:delta=1", ComponentError, "task 'regression:delta=1': it has no option 'delta'"),
        ("OWN:Doubled:factor=x", ComponentError, "task 'OWN:Doubled:factor=x': factor must be a number, got 'x'"),
        ("OWN:NoTask", ComponentError, "task 'OWN:NoTask': it must be a normzoo.tasks.Task, it is a NoTask"),
        ("OWN:Fails", ComponentError, "task 'OWN:Fails' cannot be built: RuntimeError: only on Sundays"),
        ("OWN:Dubled", UnknownNameError, "did you mean 'Doubled'?"),
        ("normzoo.tasks:Task", ComponentError, "task 'normzoo.tasks:Task' cannot be built: TypeError: "),
    ],
)
def test_what_is_no_task_is_refused(spec: str, error: type[Exception], message: str, own: str) -> None:
    with pytest.raises(error) as refusal:
        make_task(spec.replace("OWN", own))
    assert message.replace("OWN", own) in str(refusal.value)
