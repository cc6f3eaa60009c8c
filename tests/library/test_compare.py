"""Does ``normzoo.compare`` do what the command does, with what only Python can give it?"""

import inspect
import re
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torchvision.datasets import FakeData

import normzoo
from normzoo._given import _name, arrays_of
from normzoo.cli import main
from normzoo.data._own import raw_arrays
from normzoo.errors import ComponentError, ConfigError, DataError, StoreError, UsageError
from normzoo.experiment.config.resolve import KEYS
from normzoo.experiment.executor.in_process import InProcessExecutor
from normzoo.experiment.results.store import Store

from .in_process import TINY, in_process

SECONDS = 240


class Scaling(nn.Module):
    """A norm that worker processes cannot import by a name of their own path."""

    def __init__(self, num_features: int, by: float = 0.5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((num_features,), by))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight.reshape(-1, *(1 for _ in x.shape[2:]))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_takes_every_setting_of_the_command() -> None:
    """And nothing that the command lacks but what shows progress and where it is trained."""
    taken = set(inspect.signature(normzoo.compare).parameters)
    assert taken == {*KEYS, "rerun", "progress", "executor"}


@pytest.mark.slow
def test_it_is_the_command_to_the_digit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same runs under the same keys: what one has trained, the other does not train again."""
    monkeypatch.setattr("normzoo.cli.compare.LocalExecutor", lambda *_, **__: InProcessExecutor())
    comparison = in_process(norms=["batch", "none"])
    flags = "--norms batch,none --templates cnn:widths=4,hidden=8 --batch-sizes 64 --seeds 2 --epochs 1"
    assert main(["compare", *flags.split()]) == 0
    with Store(Path("normzoo.sqlite"), writable=False) as store:
        assert store.records(list(store.statuses())) == {**comparison.records}
    shown = capsys.readouterr().out
    means = comparison.to_frame()["mean"]
    assert all(re.search(rf"\b({100 * mean:.1f}|{100 * mean:.0f}) ", shown) for mean in means)


@pytest.mark.slow
def test_what_is_stored_is_not_trained_again() -> None:
    """Record by record the same; with ``rerun`` it is."""
    first, again = in_process(norms=["none"]), in_process(norms=["none"])
    assert first.records == again.records
    anew = in_process(norms=["none"], rerun="all")
    assert anew.records.keys() == first.records.keys()
    assert all(anew.records[key].started_at >= record.started_at for key, record in first.records.items())
    assert [record.test_value for record in anew.records.values()] == [
        record.test_value for record in first.records.values()
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "norms",
    [
        {"torch.nn.modules.batchnorm:BatchNorm2d": nn.BatchNorm2d, "group:groups=2": "group:groups=2"},
        {
            "session:lambda": lambda num_features: Scaling(num_features),
            "session:Scaling": partial(Scaling, by=0.25),
        },
    ],
    ids=["importable", "of this session"],
)
def test_norms_come_as_they_are(norms: dict[str, Any]) -> None:
    """By the path by which they can be imported, or as what only this session knows; with a checksum of their own."""
    comparison = normzoo.compare(norms=["none", *norms.values()], **TINY)
    assert comparison.matrix.norms == ("none", *norms)
    assert {record.status for record in comparison.records.values()} == {"ok"}
    for name in norms:
        ours = [record.spec for record in comparison.records.values() if record.spec.norm == name]
        assert len(ours) == 2
        assert all(bool(spec.sources.get("norm")) == (":" in name and "=" not in name) for spec in ours)


@pytest.mark.slow
def test_norms_of_one_name_are_kept_apart() -> None:
    """Within a comparison by another name, from one to the next by what they were made with, and beside other kinds."""
    first, second = (
        in_process(norms=[partial(Scaling, by=by), lambda channels, by=by: Scaling(channels, by=by)], seeds=1)
        for by in (0.0, 1.0)
    )
    assert first.matrix.norms == second.matrix.norms == ("session:Scaling", "session:lambda")
    assert not {*first.records} & {*second.records}
    of_zeros, of_all = (list(each.to_frame()["mean"]) for each in (first, second))
    assert of_zeros[0] == of_zeros[1] < of_all[0] == of_all[1]
    both = in_process(
        norms=[partial(Scaling, by=by) for by in (0.0, 1.0)],
        schedule=lambda step, steps: 1 - step / steps,
        optimizer=lambda parameters, lr: torch.optim.SGD(parameters, lr=lr),
        seeds=1,
    )
    assert both.matrix.norms == ("session:Scaling", "session:Scaling_2")
    assert (both.matrix.optimizer, both.matrix.schedule) == ("session:lambda", "session:lambda_2")
    found = dict(zip(both.to_frame()["norm"], both.to_frame()["mean"], strict=True))
    assert found["session:Scaling"] < found["session:Scaling_2"]


def test_an_augmentation_comes_as_it_is() -> None:
    """Beside one by its name, with a checksum of its own."""
    comparison = normzoo.compare(norms=["none"], augment=["flip", lambda images: images / 2], **TINY)
    assert comparison.matrix.augment == ("flip", "session:lambda")
    assert {record.status for record in comparison.records.values()} == {"ok"}
    assert all(record.spec.sources["augment"] for record in comparison.records.values())


@pytest.mark.slow
def test_an_optimizer_and_a_schedule_come_as_they_are() -> None:
    """A class that can be imported, and a function of this session, each with a checksum of its own."""

    def halved(step: int, steps: int) -> float:
        return 0.5 if step > steps // 2 else 1.0

    comparison = in_process(norms=["none"], optimizer=torch.optim.NAdam, schedule=halved, weight_decay=0.1, seeds=1)
    assert comparison.matrix.optimizer == "torch.optim.nadam:NAdam"
    (record,) = comparison.records.values()
    assert (record.status, set(record.spec.sources)) == ("ok", {"optimizer", "schedule"})


@pytest.mark.slow
def test_a_template_and_arrays_come_as_they_are() -> None:
    """A function of this session, and a regression on arrays that are nowhere on disk."""

    def linear(norm: Any, *, shape: tuple[int, ...], outputs: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 8), norm(8), nn.Linear(8, outputs))

    random = np.random.default_rng(0)
    x = random.normal(size=(120, 8, 8)).astype(np.float32)
    y = 100 * x[:, 0, 0] + 1000
    comparison = normzoo.compare(
        norms=["batch", "none"],
        dataset={"x_train": x[:100], "y_train": y[:100], "x_test": x[100:], "y_test": y[100:]},
        task="regression",
        **{**TINY, "templates": linear, "batch_sizes": [8], "epochs": 3},
    )
    frame = comparison.to_frame()
    assert set(frame["metric"]) == {"rmse"}
    assert (frame["mean"] < 3 * y.std()).all()
    assert set(frame["template"]) == {"session:linear"}
    assert "lower is better" in str(comparison)


SEQUENCES = [(torch.rand(2, 3 + index % 4), index % 2) for index in range(80)]


def load_sequences() -> Any:
    """Training and test data, as a function that can be imported."""
    return SEQUENCES, SEQUENCES[:10]


@pytest.mark.slow
def test_a_dataset_comes_as_it_is_in_every_form() -> None:
    """The same sequences of different lengths as Datasets, as arrays with lengths, and by a function of each kind."""
    arrays = raw_arrays("here", load_sequences())
    settings: dict[str, Any] = {
        **TINY,
        "templates": "lstm:hidden=4",
        "norms": ["none"],
        "batch_sizes": [16],
        "seeds": 1,
    }
    forms = [load_sequences(), {"train": SEQUENCES, "test": SEQUENCES[:10]}, arrays, load_sequences, lambda: arrays]
    comparisons = [normzoo.compare(dataset=form, executor=InProcessExecutor(), **settings) for form in forms]
    records = [record for each in comparisons for record in each.records.values()]
    assert {record.status for record in records} == {"ok"}
    assert len({record.spec.dataset_checksum for record in records}) == 1
    assert [each.matrix.dataset.partition(":")[0] for each in comparisons] == ["npz"] * 3 + [__name__, "session"]
    assert len({*comparisons[0].records, *comparisons[1].records, *comparisons[2].records}) == 1
    names = [repr(each).partition(":")[0].removeprefix("<Comparison on ") for each in comparisons[:3]]
    assert names == ["samples", "samples", "arrays"]
    assert any("3 to 6 steps long in training" in line for line in records[0].data)


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        (([[0.0]], [0], [[1.0]], [1]), "arrays"),
        ({"x_train": [[0.0]], "y_train": [0]}, "arrays"),
        (torch.utils.data.random_split(torch.utils.data.TensorDataset(torch.zeros(4, 1)), [2, 2]), "TensorDataset"),
        ({"train": FakeData(4), "test": FakeData(2)}, "FakeData"),
    ],
)
def test_objects_are_named_by_what_they_are(dataset: Any, name: str) -> None:
    assert _name(dataset) == name


@pytest.mark.slow
def test_a_function_of_this_session_is_read_in_this_process() -> None:
    """By the executor that is chosen where none is given."""
    comparison = normzoo.compare(
        dataset=lambda: load_sequences(),
        **{**TINY, "templates": "lstm:hidden=4", "norms": ["none"], "batch_sizes": [16], "seeds": 1},
    )
    assert [record.status for record in comparison.records.values()] == ["ok"]


def test_arrays_need_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not imported, nothing of it is among them; they are the same arrays as with it."""
    given: dict[str, Any] = {"x_train": [[1.0]], "y_train": [0], "x_test": [[2.0]], "y_test": [1]}
    expected = arrays_of(given)
    monkeypatch.delitem(sys.modules, "torch")
    for form in (given, tuple(given.values())):
        assert {name: np.asarray(value).tolist() for name, value in arrays_of(form).items()} == given
    assert {name: value.tolist() for name, value in expected.items()} == given
    with pytest.raises(DataError, match=r"^dataset: expected a name, a mapping of arrays .*, got a ndarray"):
        arrays_of(np.zeros(3))
    with pytest.raises(
        DataError, match=r"^dataset: it is not made of arrays \(.*; give all samples of an array one shape"
    ):
        normzoo.compare(dataset={**given, "x_train": [[1, 2], [1]]})
    assert "torch" not in sys.modules


def test_masked_arrays_are_refused_without_torch_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is imported for that."""
    monkeypatch.delitem(sys.modules, "torch")
    x = np.ma.masked_less(np.array([[1.0], [-999.0]]), 0)
    with pytest.raises(DataError, match=r"^dataset: x_train has masked values"):
        normzoo.compare(dataset=(x, [0, 1], [[1.0], [2.0]], [0, 1]))


def test_texts_are_labels_in_whatever_array_they_are() -> None:
    """As pandas has them: objects, categories, or of a type of its own."""
    labels = pd.Series(["no", "yes"] * 20)
    x, settings = np.random.default_rng(0).normal(size=(40, 3)), {"norms": ["none"], "templates": "mlp:widths=4"}
    comparisons = [
        in_process(dataset=(x, y, x, y), batch_sizes=[8], **settings)
        for y in (labels.to_numpy(str), labels, labels.astype(object), labels.astype("category"))
    ]
    assert len({tuple(comparison.records) for comparison in comparisons}) == 1


def test_threads_do_not_take_each_others_components_of_one_name() -> None:
    """Lambdas all have one."""
    found: dict[float, list[float | None]] = {}

    def compare(factor: float) -> None:
        comparison = in_process(norms=[lambda channels: Scaling(channels, by=factor)], store=Path(f"{factor}.sqlite"))
        found[factor] = [record.epochs[-1].train_loss for record in comparison.records.values()]

    compare(0.0)
    compare(1.0)
    alone, found = found, {}
    threads = [threading.Thread(target=compare, args=(factor,)) for factor in (0.0, 1.0)]
    for factor in (0.0, 1.0):
        Path(f"{factor}.sqlite").unlink()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone


def test_a_program_without_a_console_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    comparison = in_process(norms=["none"], progress=True)
    assert [record.status for record in comparison.records.values()] == ["ok", "ok"]


def test_what_is_wrong_with_a_dataset_is_said_of_it_and_not_of_a_file() -> None:
    x = np.random.default_rng(0).random((20, 4))
    with pytest.raises(UsageError, match=r"^dataset: y_train holds 3 targets for 20 vectors; give every vector one$"):
        in_process(norms=["none"], templates="mlp", dataset=(x, [0, 1, 0], x, [0, 1] * 10))
    with pytest.raises(UsageError, match=r"^batch_sizes: 50 is larger than the training set of 'arrays' \(18 of 20 "):
        in_process(norms=["none"], templates="mlp", dataset=(x, [0, 1] * 10) * 2, batch_sizes=[50])


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"norms": ["bach"]}, ConfigError, "--norms: unknown norm 'bach'; did you mean 'batch'"),
        ({"norms": [nn.BatchNorm2d(3)]}, ComponentError, "pass the class, or a function that makes one"),
        ({"norms": [3]}, ComponentError, "expected a name, a class or a function, got a int"),
        ({"dataset": np.zeros(3)}, DataError, "dataset: it is a ndarray; a dataset is"),
        ({"lr": 0.1, "lrs": [0.1, 0.2]}, ConfigError, "--lr: stands beside --lrs"),
        ({"seeds": 0}, ConfigError, "--seeds: must be at least 1"),
        ({"norms": 5}, UsageError, "norms: expected specs, classes or a list of these, got 5"),
        ({"templates": 5}, UsageError, "templates: expected specs, classes or a list of these, got 5"),
        ({"rerun": "al"}, UsageError, "rerun: expected failed or all, got 'al'"),
        ({"rerun": True}, UsageError, "rerun: expected failed or all, got True"),
        ({"device": torch.device("meta")}, UsageError, "unknown device 'meta'"),
    ],
)
def test_mistakes_are_told_in_one_line(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    """As on the command line."""
    with pytest.raises(error) as told:
        in_process(**{"norms": ["none"], **settings})
    assert message in str(told.value)


@pytest.mark.slow
def test_a_changed_class_of_the_session_is_another_run() -> None:
    """The checksum is of its code."""

    def made(text: str) -> type[nn.Module]:
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(text, names)  # noqa: S102
        return names["make"]  # type: ignore[no-any-return]

    one = "from torch import nn\ndef make(num_features):\n    return nn.Identity()\n"
    other = one.replace("nn.Identity()", "nn.Sequential()")
    first = in_process(norms=[made(one)])
    second = in_process(norms=[made(other)])
    assert first.records.keys().isdisjoint(second.records)


@pytest.mark.slow
def test_the_session_keeps_its_random_numbers_and_its_type() -> None:
    """Training in this process draws from a state of its own, and is in float32 whatever the session's type is."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = in_process(norms=["batch", Scaling])
    assert torch.equal(torch.rand(3), expected)
    torch.set_default_dtype(torch.float64)
    try:
        again = in_process(norms=["batch", Scaling], rerun="all")
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert again.to_frame()["mean"].tolist() == first.to_frame()["mean"].tolist()


@pytest.mark.slow
def test_numbers_of_numpy_and_devices_of_torch_are_taken() -> None:
    comparison = in_process(
        norms=["none"], batch_sizes=np.int64(64), seeds=np.int32(1), epochs=torch.tensor(1), device=torch.device("cpu")
    )
    assert len(comparison.records) == 1
    for numbers in (np.int64(1), np.array([1])):
        loaded = normzoo.Comparison.load(numbers=numbers)  # type: ignore[arg-type]
        assert loaded.records == comparison.records
    with pytest.raises(StoreError, match=r"no comparison is asked for; give a number, several, or all$"):
        normzoo.Comparison.load(numbers=[])
