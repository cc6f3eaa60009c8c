"""Cross-validation: is each sample in the test set of one fold, and nowhere else in it?"""

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from normzoo.data import Dataset, load_dataset
from normzoo.data._dataset import Array
from normzoo.data._splitting import hold_out, hold_out_notes
from normzoo.errors import DataError
from normzoo.tasks import Regression, Task

from .fakes import write_npz
from .test_table import frame, write

SAMPLES = 60


def marked(samples: int = SAMPLES, *, classes: int = 3) -> dict[str, Array]:
    """Return images of which each has one value throughout, its own, in the splits of a file."""
    values, labels = np.arange(samples, dtype=np.float64), np.arange(samples) % classes
    x = values[:, None, None] * np.ones((6, 5))
    cuts = {"train": slice(0, -20), "val": slice(-20, -12), "test": slice(-12, None)}
    return {f"{name}_{split}": array[cut] for split, cut in cuts.items() for name, array in (("x", x), ("y", labels))}


def folds_of(path: Path, folds: int = 5, **options: Any) -> list[Dataset]:
    return [load_dataset(f"npz:{path}", folds=folds, fold=fold, **options) for fold in range(folds)]


def original(dataset: Dataset) -> list[set[int]]:
    """Return which samples of ``marked`` are in training, validation and test, by their values in even steps."""
    splits = (dataset.train, dataset.validation, dataset.test)
    values = [split.inputs[:, 0, 0, 0].double() for split in splits]
    every = torch.cat(values)
    step = (every.max() - every.min()) / (len(every) - 1)
    return [set(((each - every.min()) / step).round().int().tolist()) for each in values]


@pytest.mark.parametrize("task", [None, Regression()], ids=["in strata", "without"])
def test_each_sample_is_tested_in_one_fold_and_not_trained_on_there(task: Task | None, tmp_path: Path) -> None:
    """Of all splits of the file; what is held out for validation is in neither part."""
    splits = [original(each) for each in folds_of(write_npz(tmp_path, **marked()), task=task)]
    assert sorted(sample for _, _, test in splits for sample in test) == list(range(SAMPLES))
    for train, validation, test in splits:
        assert len(test) == SAMPLES // 5
        assert len(train) + len(validation) + len(test) == len(train | validation | test) == SAMPLES
        assert len(validation) in (5, 6)


@pytest.mark.parametrize(("folds", "fold"), [(0, 0), (1, 1), (3, -1), (3, 3)])
def test_a_fold_that_there_is_not_is_refused(folds: int, fold: int) -> None:
    with pytest.raises(DataError, match=f"got fold={fold} and folds={folds}$"):
        load_dataset("digits", folds=folds, fold=fold)


def test_what_remains_for_training_is_what_samples_are_standardized_by(tmp_path: Path) -> None:
    for dataset in folds_of(write_npz(tmp_path, **marked())):
        train = dataset.train.inputs.double()
        assert abs(train.mean()) < 1e-6
        assert train.var(correction=0) == pytest.approx(1, abs=1e-5)
        assert abs(dataset.test.inputs.mean()) > 1e-3


def test_targets_of_a_regression_are_standardized_likewise(tmp_path: Path) -> None:
    scales = set()
    for dataset in folds_of(write_npz(tmp_path, **marked(classes=SAMPLES)), task=Regression()):
        assert abs(dataset.train.targets.double().mean()) < 1e-6
        scales.add(dataset.scale)
    assert len(scales) > 1


@pytest.mark.slow
def test_folds_keep_the_shares_of_classes() -> None:
    """Of the digits, of which there are 174 to 183 of each."""
    for fold in range(3):
        counts = torch.bincount(load_dataset("digits", folds=3, fold=fold).test.targets)
        assert counts.min() >= 174 // 3
        assert counts.max() <= -(-183 // 3)


def test_the_same_file_has_the_same_folds_on_every_call(tmp_path: Path) -> None:
    """Whatever the global random state; and they are drawn."""
    path = write_npz(tmp_path, **marked())
    np.random.seed(1)
    first = folds_of(path)
    np.random.seed(2)
    again = folds_of(path)
    assert [each.checksum for each in first] == [each.checksum for each in again]
    assert all(torch.equal(one.test.inputs, other.test.inputs) for one, other in zip(first, again, strict=True))
    assert original(first[0])[2] != set(range(SAMPLES // 5))


def test_folds_are_fixed() -> None:
    """A change here, by another scikit-learn for one, changes the key of every run on folds."""
    assert load_dataset("digits", folds=5).checksum == "d0d40faf5a04b129"


def test_the_sizes_of_all_folds_are_known_in_each(tmp_path: Path) -> None:
    """So that a batch size can be checked before all are loaded; without folds there are none."""
    path = write_npz(tmp_path, **marked(59))
    datasets = folds_of(path, 4)
    assert {each.fold_sizes for each in datasets} == {tuple(len(each.train) for each in datasets)}
    assert len({len(each.test) for each in datasets}) == 2
    assert load_dataset(f"npz:{path}").fold_sizes == ()


def test_a_note_says_that_the_test_set_of_the_dataset_is_no_more() -> None:
    assert load_dataset("digits", folds=5).notes == (
        "all 1,797 samples, also those of the dataset's own test set, are pooled and cut into 5 folds",
    )


def test_sequences_keep_their_lengths(tmp_path: Path) -> None:
    """Each has as many steps as its first value says."""
    lengths = 1 + np.arange(40) % 4
    x = (np.arange(4)[None, :, None] < lengths[:, None, None]) * lengths[:, None, None] * 10.0
    y = np.arange(40) % 2
    parts = {"train": slice(0, 30), "test": slice(30, None)}
    arrays: dict[str, Any] = {
        f"{name}_{split}": array[part]
        for split, part in parts.items()
        for name, array in (("x", x), ("y", y), ("lengths", lengths))
    }
    path = tmp_path / "ragged.npz"
    np.savez(path, **arrays)
    found: list[int] = []
    for dataset in folds_of(path, 4):
        assert dataset.ragged
        split = dataset.test
        steps = (~split.inputs[:, 0].isnan()).sum(-1)
        order = split.inputs[:, 0, 0].argsort()
        assert torch.equal(steps[order], steps.sort().values)
        found += steps.tolist()
    assert sorted(found) == sorted(lengths.tolist())


TABLE = """
    import numpy as np
    from normzoo.data import RawArrays

    SEEN = []

    class Encoder:
        names = ("size", "is_even")
        content = np.zeros(1)

        def fit(self, train):
            sizes = [block[:, 0] for _, block in train.raw_blocks()]
            SEEN.append(set(np.concatenate(sizes)))
            self.largest = max(SEEN[-1])

        def __call__(self, rows):
            return np.stack([rows[:, 0] / self.largest, rows[:, 0] % 2 == 0], 1)

        def notes(self, parts):
            return ()

    def load():
        rows, y = np.arange(40.0)[:, None], np.arange(40) % 2
        return RawArrays(x_train=rows[:30], y_train=y[:30], x_test=rows[30:], y_test=y[30:], encoder=Encoder())
"""


def test_a_table_is_fitted_to_what_remains_for_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And to no row that is held out or tested; all rows are tested once."""
    (tmp_path / "table_in_folds.py").write_text(textwrap.dedent(TABLE))
    monkeypatch.syspath_prepend(tmp_path)
    import table_in_folds  # type: ignore[import-not-found]

    tested = 0
    for fold in range(4):
        dataset = load_dataset("table_in_folds:load", folds=4, fold=fold)
        tested += len(dataset.test)
        assert dataset.shape == (2,)
        assert len(table_in_folds.SEEN[-1]) == len(dataset.train)
    assert tested == 40
    assert len({frozenset(each) for each in table_in_folds.SEEN}) == 4


def test_a_class_with_fewer_samples_than_folds_is_in_training_always(tmp_path: Path) -> None:
    """It is tested in as many folds as it has samples."""
    y = np.repeat([0, 1], [38, 2])
    x = np.arange(40.0)[:, None, None] * np.ones((6, 5))
    order = np.random.default_rng(0).permutation(40)
    arrays = {"x_train": x[order], "y_train": y[order], "x_test": x[:5], "y_test": y[:5]}
    datasets = folds_of(write_npz(tmp_path, **arrays), 5)
    assert all((each.train.targets == 1).any() for each in datasets)
    assert sum(bool((each.test.targets == 1).any()) for each in datasets) == 2


def test_splits_may_give_their_arrays_different_shapes(tmp_path: Path) -> None:
    """Images with and without an axis of channels, labels as a column and not."""
    arrays = marked()
    arrays |= {"x_test": arrays["x_test"][..., None], "y_test": arrays["y_test"][:, None]}
    assert len(folds_of(write_npz(tmp_path, **arrays))[0].test) == SAMPLES // 5


def test_what_is_said_of_samples_is_the_same_in_every_fold(tmp_path: Path) -> None:
    """Of those that occur more than once, and of a class of which some folds train on 10 samples, and some on 9."""
    x, y = np.random.default_rng(0).random((60, 6, 5)), np.repeat([0, 1], [47, 13])
    x[1] = x[0]
    x[47] = x[2]
    datasets = folds_of(write_npz(tmp_path, x_train=x[::2], y_train=y[::2], x_test=x[1::2], y_test=y[1::2]))
    assert len({int(dataset.train.targets.sum()) for dataset in datasets}) == 2
    assert {dataset.notes for dataset in datasets} == {
        (
            "all 60 samples, also those of the dataset's own test set, are pooled and cut into 5 folds",
            "in one of the folds, from which the others differ by little: 1 of 2 classes has fewer than 10 training "
            "samples, class 1 the fewest, 9",
            "4 of 60 samples occur more than once (2 of them with another label), and may be in training where their "
            "like is tested",
        )
    }


def test_no_test_set_is_needed(tmp_path: Path) -> None:
    """Which is asked for where there are no folds."""
    path = write_npz(tmp_path, **marked())
    whole = {
        name: np.concatenate([np.load(path)[f"{name}_{split}"] for split in ("train", "val", "test")]) for name in "xy"
    }
    np.savez(path, x_train=whole["x"], y_train=whole["y"])
    datasets = folds_of(path)
    assert set().union(*(original(each)[2] for each in datasets)) == set(range(SAMPLES))
    assert datasets[0].notes[0] == f"all {SAMPLES} samples are pooled and cut into 5 folds"
    with pytest.raises(DataError, match="it has no test set; add x_test and y_test, or cut it by --folds, which needs"):
        load_dataset(f"npz:{path}")


def test_nor_do_datasets_of_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one_set.py").write_text(
        "def load():\n    return {'train': [([float(n)], n % 2) for n in range(40)]}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert len(load_dataset("one_set:load", folds=4).test) == 10


@pytest.mark.parametrize(
    ("counts", "folds", "message"),
    [
        ([6, 6], 7, "has 6 samples of its largest class, too few for 7 folds; use at most 6"),
        ([40, 1], 5, "has a single sample of the class 1, of which none is in training where that one is in the"),
        ([2, 1], 2, "has 2 samples of its largest class, too few for 2 folds; gather more"),
    ],
)
def test_too_few_samples_are_refused(counts: list[int], folds: int, message: str, tmp_path: Path) -> None:
    """With how many folds would do."""
    y = np.repeat(np.arange(len(counts)), counts)
    x = np.random.default_rng(0).random((len(y), 6, 5))
    path = write_npz(tmp_path, x_train=x[1:], y_train=y[1:], x_test=x[:1], y_test=y[:1])
    with pytest.raises(DataError, match=message):
        load_dataset(f"npz:{path}", folds=folds)


def test_a_text_is_not_cut_into_folds(tmp_path: Path) -> None:
    """Of what is before and after a sample of the test set, all would be in training."""
    from normzoo.tasks import NextToken

    path = tmp_path / "text.txt"
    path.write_text("to be or not to be, that is the question. " * 40)
    with pytest.raises(DataError, match=r"follow one another in one text, .*; leave --folds out"):
        load_dataset(f"text:{path}", task=NextToken(), folds=5)


@pytest.mark.parametrize(
    ("strata", "note"),
    [
        (np.repeat(np.arange(10), 10), ()),
        (np.zeros(100), ()),
        (
            np.repeat(np.arange(23), 4),
            ("23 of 92 training samples are held out for validation: one of each class at least",),
        ),
        (np.zeros(14), ("1 of 14 training samples is held out for validation",)),
        (np.zeros(4), ("1 of 4 training samples is held out for validation",)),
        (np.repeat(np.arange(2), 14), ("2 of 28 training samples are held out for validation",)),
    ],
    ids=["a tenth of each", "a tenth", "small classes", "rounded", "few", "rounded in each"],
)
def test_a_hold_out_that_is_no_tenth_is_said(strata: Array, note: tuple[str, ...]) -> None:
    assert hold_out_notes(strata, hold_out(strata)[1]) == note


def test_the_note_of_a_hold_out_reaches_the_dataset(tmp_path: Path) -> None:
    """With folds and without; not where there is a validation split."""
    y = np.arange(40) % 20
    x = np.random.default_rng(0).random((40, 6, 5))
    path = tmp_path / "small_classes.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x[:20], y_test=y[:20])
    held = "20 of 40 training samples are held out for validation: one of each class at least"
    assert load_dataset(f"npz:{path}").notes[0] == held
    assert "held out for validation: one of each class" in load_dataset(f"npz:{path}", folds=2).notes[1]
    np.savez(path, x_train=x, y_train=y, x_test=x[:20], y_test=y[:20], x_val=x[:20], y_val=y[:20])
    assert not any("held out" in note for note in load_dataset(f"npz:{path}").notes)


def test_rows_of_a_table_are_standardized_by_the_training_rows_of_each_fold(tmp_path: Path) -> None:
    """All rows are pooled, and each is tested once."""
    table = frame().assign(age=np.arange(SAMPLES) + 0.5)
    path, tested = write(tmp_path, table[["age", "class"]]), set[float]()
    for fold in range(3):
        dataset = load_dataset(f"csv:{path}", folds=3, fold=fold)
        train, test = dataset.train.inputs[:, 0].double(), dataset.test.inputs[:, 0].double()
        assert abs(float(train.mean())) < 1e-6
        assert float(train.std(correction=0)) == pytest.approx(1, abs=1e-6)
        everything = np.sort(np.concatenate([train, dataset.validation.inputs[:, 0], test]))
        tested |= {float(np.searchsorted(everything, float(value) - 1e-4)) for value in test}
    assert len(tested) == SAMPLES
