"""Tables: what is made of their columns, and by what it is fitted."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from normzoo.data import Dataset, load_dataset
from normzoo.data._splitting import hold_out
from normzoo.errors import DataError
from normzoo.tasks import Regression, Task

ROWS = 60


def frame(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Numbers, text with missing values, and truth; the target is text."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": random.integers(18, 80, rows),
            "fare": random.normal(10, 3, rows).round(3),
            "port": random.choice(np.array(["Q", "S", "C, D", None], dtype=object), rows),
            "alone": random.random(rows) > 0.5,
            "class": [("no", "yes", "so so")[row % 3] for row in range(rows)],
        }
    )


def write(folder: Path, table: pd.DataFrame | str | bytes, name: str = "mine.csv") -> Path:
    """Write a table, or a file as it is."""
    path = folder / name
    if isinstance(table, pd.DataFrame):
        table = table.to_csv(index=False)
    path.write_bytes(table.encode() if isinstance(table, str) else table)
    return path


def load(path: Path, options: str = "", task: Task | None = None) -> Dataset:
    spec = f"{path.suffix.removeprefix('.')}:{path}"
    return load_dataset(f"{spec}:{options}" if options else spec, task=task)


def refusal(path: Path, options: str = "", task: Task | None = None) -> str:
    """Load, expect a refusal in one line, and return it without the folder."""
    with pytest.raises(DataError) as caught:
        load(path, options, task)
    message = str(caught.value).replace(f"{path.parent}/", "")
    assert "\n" not in message
    return message


def by_hand(train: pd.DataFrame, numbers: list[str], texts: list[str], *, impute: bool = False) -> Any:
    """Fit scikit-learn's own pipeline to training rows."""
    columns = ColumnTransformer(
        [
            ("numbers", SimpleImputer(strategy="median") if impute else "passthrough", numbers),
            ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts),
        ]
    )
    return make_pipeline(columns, StandardScaler()).fit(train)


def splits_by_hand(table: pd.DataFrame, classes: bool) -> list[pd.DataFrame]:
    """Return training, validation and test rows."""
    target = table["class"].to_numpy(str) if classes else np.zeros(len(table))
    kept, tested = hold_out(target, 0.2)
    train, validation = hold_out(target[kept])
    return [table.iloc[kept[train]], table.iloc[kept[validation]], table.iloc[tested]]


@pytest.mark.slow_but_one
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_numbers_are_those_of_scikit_learns_own_pipeline(suffix: str, tmp_path: Path) -> None:
    """Fitted on the training rows alone, after both hold-outs; a missing category is one of its own."""
    path = tmp_path / f"mine.{suffix}"
    if suffix == "csv":
        frame().to_csv(path, index=False)
    else:
        pytest.importorskip("pyarrow")
        frame().to_parquet(path)
    dataset = load(path)
    table = frame().fillna({"port": "none"})
    train, *others = splits_by_hand(table, classes=True)
    pipeline = by_hand(train, ["age", "fare"], ["port", "alone"])
    for split, rows in zip((dataset.train, dataset.validation, dataset.test), (train, *others), strict=True):
        expected = pipeline.transform(rows)
        # One-hot features come in the order of their categories, and "none" is sorted elsewhere than "(missing)".
        order = [0, 1, 5, 2, 3, 4, 6, 7]
        assert np.allclose(split.inputs.numpy(), expected[:, order], atol=1e-5)
        assert [("no", "so so", "yes")[each] for each in split.targets] == rows["class"].tolist()


def test_medians_are_those_of_the_training_rows(tmp_path: Path) -> None:
    table = frame()
    table.loc[::7, "fare"] = None
    dataset = load(write(tmp_path, table), "missing=median,drop=port+alone+class,target=age", Regression())
    train, _, test = splits_by_hand(table, classes=False)
    expected = by_hand(train, ["fare"], [], impute=True).transform(test)
    assert np.allclose(dataset.test.inputs.numpy(), expected, atol=1e-5)
    assert "'fare' is missing in 9 rows: the median of training takes its place" in dataset.notes


def test_nothing_of_the_test_set_leaks_into_what_is_fitted(tmp_path: Path) -> None:
    """However its rows are changed, the training rows stay as they were, and so do the number of their features."""
    train, test = frame(), frame(20, seed=1)
    write(tmp_path, test, "test.csv")
    path = write(tmp_path, train)
    before = load(path, f"test={tmp_path / 'test.csv'}")
    write(tmp_path, test.assign(age=test["age"] * 1000, port="elsewhere"), "test.csv")
    after = load(path, f"test={tmp_path / 'test.csv'}")
    assert before.train.inputs.equal(after.train.inputs)
    assert before.validation.inputs.equal(after.validation.inputs)
    assert not before.test.inputs.equal(after.test.inputs)
    assert before.checksum != after.checksum
    note = (
        "'port' has categories that training does not have, in 0 rows of validation and 20 of the test set, where all"
    )
    assert any(each.startswith(note) for each in after.notes)


def test_categories_that_are_all_missing_in_the_test_set_are_a_category_there(tmp_path: Path) -> None:
    """They are no numbers, of which missing ones are refused."""
    write(tmp_path, frame(20, seed=1).assign(port=None), "test.csv")
    dataset = load(write(tmp_path, frame(), "train.csv"), f"test={tmp_path / 'test.csv'}")
    distinct = [len(feature.unique()) for feature in dataset.test.inputs.T]
    assert sum(count == 1 for count in distinct) == frame()["port"].nunique(dropna=False)


def test_what_the_validation_rows_alone_have_does_not_leak_either(tmp_path: Path) -> None:
    table = frame()
    held = splits_by_hand(table, classes=True)[1].index
    table.loc[held, "port"] = "elsewhere"
    dataset = load(write(tmp_path, table))
    assert f"in {len(held)} rows of validation and 0 of the test set" in " ".join(dataset.notes)


def test_the_rows_that_are_held_out_are_always_the_same(tmp_path: Path) -> None:
    """A fifth of each class."""
    one, other = (load(write(tmp_path, frame())) for _ in range(2))
    assert one.checksum == other.checksum
    assert one.test.targets.bincount().tolist() == [4, 4, 4]
    assert (
        "no test=, so 12 of 60 rows, a fifth, class by class, always the same ones, are its own test set" in one.notes
    )


def test_what_is_to_know_is_said(tmp_path: Path) -> None:
    table = frame().assign(same=1)[["age", "port", "alone", "same", "class"]]
    assert load(write(tmp_path, table.to_csv())).notes == (  # with the index, as pandas writes it
        "the first column, which has no name and counts the rows, is left out",
        "target 'class', the last column: 3 different texts, so classification unless --task says otherwise",
        f"'port' is missing in {table['port'].isna().sum()} rows: a category of its own",
        "no test=, so 12 of 60 rows, a fifth, class by class, always the same ones, are its own test set",
        "6 of 48 training samples are held out for validation",
        "classes by their labels: 0 = no, 1 = so so, 2 = yes",
        "8 features: age, port (4 categories), alone (2 categories), same",
        "1 of 8 features is constant in training: 'same'",
        "1 of 12 test samples is also in the training set",
    )


def test_a_column_that_counts_the_rows_and_one_of_many_categories_are_noted(tmp_path: Path) -> None:
    table = frame(180).assign(id=range(5, 185), street=[f"street {row % 60}" for row in range(180)])
    notes = " ".join(load(write(tmp_path, table), "target=class").notes)
    assert "'id' counts the rows, and is taken for a number; drop=id leaves it out" in notes
    assert "'street' has 60 categories, each of which becomes a feature" in notes
    assert "target 'class': 3 different texts" in notes


@pytest.mark.slow_but_one
@pytest.mark.parametrize(("values", "note"), [([0, 5], "0 = 0, 1 = 5"), ([3, 1, 2, 10], "0 = 1, 1 = 2, 2 = 3, 3 = 10")])
def test_whole_numbers_are_classes_whatever_their_gaps(values: list[int], note: str, tmp_path: Path) -> None:
    table = frame().assign(rating=np.resize(values, ROWS))
    dataset = load(write(tmp_path, table))
    assert dataset.outputs == len(values)
    assert f"classes by their labels: {note}" in dataset.notes
    numbers = load(write(tmp_path, table), task=Regression())
    assert numbers.outputs == 1
    assert numbers.scale.mean[0] == pytest.approx(np.mean(values), abs=0.5)


def test_a_column_of_truth_is_a_target(tmp_path: Path) -> None:
    assert "classes by their labels: 0 = False, 1 = True" in load(write(tmp_path, frame()), "target=alone").notes


@pytest.mark.slow_but_one
@pytest.mark.parametrize(("sep", "sign"), [("semicolon", ";"), ("tab", "\t"), ("bar", "|")])
def test_files_are_read_as_they_are_written(sep: str, sign: str, tmp_path: Path) -> None:
    """With another separator, decimal commas, a byte order mark, and lines that end as on Windows."""
    expected = load(write(tmp_path, frame()))
    text = frame().to_csv(index=False, sep=sign, decimal=",").replace("\n", "\r\n")
    found = load(write(tmp_path, text.encode("utf-8-sig")), f"sep={sep},decimal=comma")
    assert found.checksum == expected.checksum


def test_a_test_file_may_have_its_columns_in_another_order_and_codes_that_read_as_numbers(tmp_path: Path) -> None:
    """What is text in training is text there, too."""
    table = frame().assign(port=np.resize(["01", "02", "x"], ROWS))
    test = table[table["port"] != "x"]
    path, other = write(tmp_path, table), write(tmp_path, test[test.columns[::-1]], "test.csv")
    assert not any("training does not have" in note for note in load(path, f"test={other}").notes)


def test_an_index_in_parquet_is_the_first_column(tmp_path: Path) -> None:
    """As in CSV, so that it is not the target unless that is said."""
    pytest.importorskip("pyarrow")
    frame().set_index("class").to_parquet(tmp_path / "mine.parquet")
    assert load(tmp_path / "mine.parquet", "target=class").outputs == 3
    frame().set_index("age").to_parquet(tmp_path / "mine.parquet")
    of_index = load(tmp_path / "mine.parquet")
    assert of_index.outputs == 3
    assert any("features: age" in note for note in of_index.notes)


def test_an_index_without_a_name_in_parquet_is_left_out(tmp_path: Path) -> None:
    """As pandas keeps it whenever rows were sorted, shuffled or filtered; it may tell the target."""
    pq = pytest.importorskip("pyarrow.parquet")
    plain, shuffled = tmp_path / "plain.parquet", tmp_path / "shuffled.parquet"
    table = frame().sort_values("class").sample(frac=1, random_state=0)
    table.to_parquet(shuffled)
    table.reset_index(drop=True).to_parquet(plain)
    assert "__index_level_0__" in pq.read_schema(shuffled).names
    found, expected = load(shuffled), load(plain)
    assert found.outputs == 3
    rewritten = pq.read_table(shuffled).replace_schema_metadata(None)  # as others than pandas write it again
    pq.write_table(rewritten, tmp_path / "other.parquet")
    assert load(tmp_path / "other.parquet").checksum == expected.checksum
    assert load(shuffled, "drop=__index_level_0__").checksum == expected.checksum
    assert found.description == expected.description
    assert found.checksum == expected.checksum


def test_codes_that_parquet_keeps_as_text_are_categories(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "mine.parquet"
    zips = np.resize(["01067", "10115"], ROWS)
    frame().assign(zip=zips, kind=pd.Categorical(zips))[["age", "zip", "kind", "class"]].to_parquet(path)
    assert "5 features: age, zip (2 categories), kind (2 categories)" in load(path).notes


def parts(folder: Path, ending: str, train: pd.DataFrame, test: pd.DataFrame) -> tuple[Path, str]:
    """Write a training and a test file, and return the one with the option that names the other."""
    paths = [folder / f"{name}.{ending}" for name in ("train", "test")]
    for path, table in zip(paths, (train, test), strict=True):
        table.to_parquet(path) if ending == "parquet" else table.to_csv(path, index=False)
    return paths[0], f"test={paths[1]}"


def unseen(dataset: Dataset) -> list[str]:
    return [note for note in dataset.notes if "categories that training does not have" in note]


@pytest.mark.parametrize("categories", ["text", "categories"])
def test_whole_numbers_beside_missing_ones_are_the_categories_of_training(tmp_path: Path, categories: str) -> None:
    """In Parquet they come as 1.0; a missing one is a category of its own."""
    pytest.importorskip("pyarrow")
    table = pd.DataFrame({"code": list("123") * 20, "a": np.arange(60.0), "y": list("uv") * 30})
    if categories == "categories":
        table["code"] = table["code"].astype("category")
    test = table[:20].assign(code=pd.array([1, 2, None, 3] * 5, dtype="Int64"))
    (note,) = unseen(load(*parts(tmp_path, "parquet", table, test)))
    assert "'code'" in note
    assert "5 of the test set" in note


def test_true_and_false_stay_so_beside_another_text(tmp_path: Path) -> None:
    """However pandas reads a column of them alone."""
    table = pd.DataFrame({"flag": ["true", "false"] * 30, "a": np.arange(60.0), "y": list("uvw") * 20})
    test = table[:20].assign(flag=["true"] * 9 + ["false"] * 10 + ["unknown"])
    (note,) = unseen(load(*parts(tmp_path, "csv", table, test)))
    assert "1 of the test set" in note


def test_what_is_missing_in_the_test_file_alone_is_noted(tmp_path: Path) -> None:
    """As it is of training."""
    table = pd.DataFrame({"a": np.arange(60.0), "b": np.arange(60.0) ** 2, "y": list("uv") * 30})
    test = table[:20].assign(b=[None] * 16 + [1.0] * 4)
    path, option = parts(tmp_path, "csv", table, test)
    notes = load(path, f"{option},missing=median").notes
    assert "'b' is missing in 16 rows of the test set: the median of training takes its place" in notes


def test_columns_of_parquet_may_be_numbers(tmp_path: Path) -> None:
    """As those of a frame without names are; there is no line that could be a row."""
    pytest.importorskip("pyarrow")
    table = pd.DataFrame(np.random.default_rng(0).standard_normal((60, 3)))
    table.columns = table.columns.map(str)
    table.to_parquet(tmp_path / "n.parquet")
    assert load(tmp_path / "n.parquet", "target=1", Regression()).shape == (2,)


@pytest.mark.parametrize("size", [1e19, 1e20, 1e30])
def test_large_targets_keep_their_values(tmp_path: Path, size: float) -> None:
    """Beyond 2^63 they are no whole numbers that an int64 could hold."""
    random = np.random.default_rng(0)
    table = pd.DataFrame({"a": random.standard_normal(60), "y": random.lognormal(0, 1, 60) * size})
    scale = load(write(tmp_path, table), task=Regression()).scale
    assert scale.mean[0] == pytest.approx(table["y"].mean(), rel=0.5)
    assert scale.mean[0] > 0
