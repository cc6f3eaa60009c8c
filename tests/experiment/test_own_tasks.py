"""Is a task trained from its arrays to its records, be it normzoo's or the user's own?"""

import math
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
import torchmetrics

from normzoo.errors import UsageError
from normzoo.experiment.comparison import carry_out
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import resolve
from normzoo.experiment.executor.in_process import InProcessExecutor
from normzoo.experiment.executor.local import LocalExecutor
from normzoo.experiment.executor.protocol import Executor
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.store import Store
from normzoo.metric import Metric
from normzoo.tasks import Classification

from .conftest import Train
from .scripted import Listening

SIZE, SPREAD, MIDDLE = 90, 250.0, 1000.0
TASKS = """
import numpy as np
from torch.nn.functional import binary_cross_entropy_with_logits
from torchmetrics.classification import MultilabelAccuracy
from torchmetrics.regression import MeanAbsoluteError

from normzoo.tasks import Metric, Targets, Task


class Several(Task):
    loss = Metric(name="bce", higher_is_better=False)
    metrics = (Metric(name="accuracy", scale=100, unit="%", decimals=1, higher_is_better=True),)

    def prepare(self, source, targets):
        by_split = {split: values.astype(np.float32) for split, values in targets.items()}
        return Targets(by_split, by_split["train"].shape[1])

    def losses(self, outputs, targets):
        return binary_cross_entropy_with_logits(outputs, targets, reduction="none").mean(-1)

    def torchmetric(self, name, outputs):
        return Rounded(num_labels=outputs)


class Rounded(MultilabelAccuracy):
    def update(self, outputs, targets):
        super().update(outputs, targets.long())


class Absolute(Task):
    loss = Metric(name="absolute error", higher_is_better=False)
    metrics = (Metric(name="mae", label="MAE", unit="mm", higher_is_better=False, lowest=0),)

    def __init__(self, factor: float = 1.0):
        self.factor = factor

    def prepare(self, source, targets):
        by_split = {split: values.reshape(-1, 1).astype(np.float32) for split, values in targets.items()}
        return Targets(by_split, 1)

    def losses(self, outputs, targets):
        return self.factor * (outputs - targets).abs().mean(-1)

    def torchmetric(self, name, outputs):
        return MeanAbsoluteError()


class Mean(Several):
    def losses(self, outputs, targets):
        return super().losses(outputs, targets).mean()


class Each(Several):
    def torchmetric(self, name, outputs):
        return Rounded(num_labels=outputs, average="none")
"""


def write_arrays(path: Path, kind: str) -> Path:
    """Write images whose mean brightness, or the halves that are bright, are to be told."""
    random = np.random.default_rng(0)
    x = random.random((3 * SIZE, 8, 8)).astype(np.float32)
    brightness = random.random(3 * SIZE).astype(np.float32)
    x += brightness[:, None, None]
    y: npt.NDArray[Any]
    if kind == "several":
        left, right = random.random((2, 3 * SIZE)) > 0.5
        x[left, :, :4] += 2
        x[right, :, 4:] += 2
        y = np.stack([left, right], 1).astype(np.int64)
    else:
        y = brightness if kind == "small" else MIDDLE + SPREAD * brightness
    np.savez(
        path,
        x_train=x[:SIZE],
        y_train=y[:SIZE],
        x_val=x[SIZE : 2 * SIZE],
        y_val=y[SIZE : 2 * SIZE],
        x_test=x[2 * SIZE :],
        y_test=y[2 * SIZE :],
    )
    return path


def trained(executor: Executor, store: Path, arrays: Path, task: str, **flags: Any) -> list[RunRecord]:
    """Carry out what ``normzoo compare --task TASK --dataset npz:ARRAYS`` asks for."""
    small = {"norms": "layer", "templates": "cnn:hidden=8,widths=4", "batch_sizes": "8", "seeds": "2", "epochs": "8"}
    configuration = resolve([], [], {**small, "device": "cpu", "task": task, "dataset": f"npz:{arrays}", **flags})
    with Store(store) as results, executor:
        outcome = carry_out(configuration, results, executor, lambda _: nullcontext(Listening()), command="")
        return list(results.records(outcome.keys).values())


@pytest.fixture
def own_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with tasks of the user's own, in the folder from which normzoo is started."""
    path = tmp_path / "own_tasks_to_train.py"
    path.write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, path.stem, raising=False)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["stacked", "sequential"])
def test_numbers_are_learned_and_judged_in_their_own_units(strategy: str, tmp_path: Path) -> None:
    """RMSE of a few of the data's units where they spread over 250 about 1000, and R2 that says the same."""
    arrays = write_arrays(tmp_path / "numbers.npz", "large")
    records = trained(InProcessExecutor(), tmp_path / "s", arrays, "regression", strategy=strategy, lr="0.02")
    assert [(record.status, record.spec.task) for record in records] == [("ok", "regression")] * 2
    deviation = float(np.load(arrays)["y_test"].std())
    for record in records:
        assert [metric.name for metric in record.metrics] == ["rmse", "r2"]
        assert (record.metric.higher_is_better, record.metrics[1].higher_is_better) == (False, True)
        last = record.epochs[-1].test
        assert record.test_value == last["rmse"]
        assert 0 < last["rmse"] < 0.8 * deviation
        assert last["r2"] == pytest.approx(1 - (last["rmse"] / deviation) ** 2, abs=1e-4)
        assert last["loss"] == pytest.approx((last["rmse"] / np.load(arrays)["y_train"].std()) ** 2, rel=1e-3)


@pytest.mark.slow
def test_targets_of_any_size_are_learned_alike(tmp_path: Path) -> None:
    """They are standardized: brightness between 0 and 1 is learned as well as 250 times as much."""
    found = [
        trained(InProcessExecutor(), tmp_path / kind, write_arrays(tmp_path / f"{kind}.npz", kind), "regression")
        for kind in ("small", "large")
    ]
    for small, large in zip(*found, strict=True):
        assert large.epochs[-1].test["r2"] == pytest.approx(small.epochs[-1].test["r2"], abs=0.02)
        assert large.epochs[0].test["rmse"] == pytest.approx(SPREAD * small.epochs[0].test["rmse"], rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "kind", "metric", "bound"),
    [("Several", "several", "accuracy", 0.6), ("Absolute", "small", "mae", math.inf)],
)
def test_a_task_of_ones_own_is_trained_like_any_other(
    task: str, kind: str, metric: str, bound: float, own_tasks: Path, tmp_path: Path
) -> None:
    """In workers, from the folder they are started in; its loss falls, and its metric is in the record."""
    arrays = write_arrays(tmp_path / "own.npz", kind)
    name = f"{own_tasks.stem}:{task}"
    executor = LocalExecutor(Execution(device="cpu", jobs=1))
    for record in trained(executor, tmp_path / "store", arrays, name):
        assert (record.status, record.error) == ("ok", None)
        assert (record.spec.task, set(record.spec.sources)) == (name, {"task"})
        assert record.metric.name == metric
        assert set(record.epochs[-1].validation) == {"loss", metric}
        assert record.epochs[-1].train_loss < record.epochs[0].train_loss
        assert record.test_value is not None
        assert record.test_value > 0
        assert record.test_value > bound or bound == math.inf


@pytest.mark.slow
def test_changing_the_file_of_a_task_changes_the_keys(own_tasks: Path, tmp_path: Path) -> None:
    """What it trains is another thing; so do its options, while another file beside it changes nothing."""
    arrays = write_arrays(tmp_path / "own.npz", "small")
    name = f"{own_tasks.stem}:Absolute"

    def keys(task: str = name) -> list[str]:
        records = trained(InProcessExecutor(), tmp_path / "store", arrays, task, epochs="1")
        assert [record.status for record in records] == ["ok", "ok"]
        return [record.spec.key for record in records]

    first = keys()
    (tmp_path / "another.py").write_text("")
    assert keys() == first
    assert not set(keys(f"{name}:factor=2")) & set(first)
    own_tasks.write_text(TASKS + "# changed\n")
    assert not set(keys()) & set(first)


def test_a_task_that_does_not_fit_the_data_is_refused(tmp_path: Path) -> None:
    """Before anything is trained, with the way out."""
    arrays = write_arrays(tmp_path / "numbers.npz", "large")
    with pytest.raises(UsageError, match=r"y_train holds .*, which is no class; .* use --task regression"):
        trained(InProcessExecutor(), tmp_path / "store", arrays, "classification")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Mean", "losses must return the loss of each sample, of shape (90,), and returned shape (); leave out the "),
        ("Each", "metric 'accuracy' must be one number, it is of shape (2,)"),
    ],
)
def test_a_task_that_does_not_work_is_refused(name: str, message: str, own_tasks: Path, tmp_path: Path) -> None:
    """Before anything is trained: it is tried on random outputs."""
    arrays, task = write_arrays(tmp_path / "several.npz", "several"), f"{own_tasks.stem}:{name}"
    with pytest.raises(UsageError) as refusal:
        trained(InProcessExecutor(), tmp_path / "store", arrays, task)
    assert str(refusal.value).startswith(
        f"task '{task}': given outputs of shape (90, 2) and targets of shape (90, 2), {message}"
    )


class Odd(Classification):
    """Is judged by a metric that is what the test says."""

    metrics: ClassVar = (Metric(name="odd", higher_is_better=True, lowest=0, highest=1),)
    value = 0.0

    def torchmetric(self, name: str, outputs: int) -> torchmetrics.Metric:  # noqa: ARG002
        metric = torchmetrics.MeanMetric(nan_strategy="disable")
        update = metric.update
        metric.update = lambda *_: update(self.value)  # type: ignore[method-assign]
        return metric


@pytest.mark.parametrize(
    ("value", "status", "said"),
    [
        (0.5, "ok", None),
        (1.000001, "ok", None),
        (math.nan, "diverged", "its odd on the test set is nan after the last epoch"),
        (-math.inf, "diverged", "its odd on the test set is -inf after the last epoch"),
        (1e200, "diverged", "its odd on the test set is 1e+200 after the last epoch"),
        (93.0, "failed", "its odd on the test set is 93, more than 1, its bound by the task"),
        (-0.5, "failed", "its odd on the test set is -0.5, less than 0, its bound by the task"),
    ],
)
def test_a_metric_that_cannot_be_compared_is_no_result(
    train: Train, monkeypatch: pytest.MonkeyPatch, value: float, status: str, said: str | None
) -> None:
    """However finite the losses are; what is ok reads again."""
    monkeypatch.setattr(Odd, "value", value)
    record = train(task=f"{__name__}:Odd", epochs=1)
    assert (record.status, record.error) == (status, said)
    assert record.flaw == ""
