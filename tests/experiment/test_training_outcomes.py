"""Does every end that a run can come to leave a record that says so?"""

import math

import pytest

from normzoo.data import Dataset
from normzoo.experiment.records import EpochRecord, RunRecord
from normzoo.experiment.spec import RunSpec
from normzoo.experiment.train import train_group

from . import troubled_norms
from .conftest import Train, tiny_spec

NORMS = troubled_norms.__name__


@pytest.mark.parametrize("template", ["cnn", "lstm"])
def test_an_ok_run_has_all_its_epochs(train: Train, template: str) -> None:
    """Metrics in their units, time, memory, environment and no error."""
    record = train(template=template, epochs=2)
    assert record.status == "ok"
    assert (record.error, record.traceback) == (None, None)
    assert [epoch.epoch for epoch in record.epochs] == [1, 2]
    for epoch in record.epochs:
        assert 0 <= epoch.test_accuracy <= 1
        assert 0 <= epoch.val_accuracy <= 1
        assert 0 < epoch.test_loss < 10
        assert epoch.seconds > 0
    assert record.seconds > sum(epoch.seconds for epoch in record.epochs)
    trained = 2 * (1078 // 64) * 64
    assert record.samples_per_second == pytest.approx(trained / sum(epoch.seconds for epoch in record.epochs))
    assert record.peak_memory_bytes is not None
    assert record.peak_memory_bytes > 2**26
    assert record.environment["device"] == "cpu"
    assert record.environment["torch"]
    assert record.engine == "loop"


def test_training_helps(train: Train) -> None:
    """Losses fall and accuracy rises above chance: it is training, not bookkeeping."""
    record = train(epochs=3, lr=0.1, options={"placement": "post", "widths": [8], "hidden": 16}, norm="batch")
    first, last = record.epochs[0], record.epochs[-1]
    assert last.train_loss < first.train_loss
    assert last.test_accuracy > 0.5


def test_divergence_is_a_status_with_its_epoch_and_ends_the_run(train: Train) -> None:
    """A learning rate of 1e9 gives losses that are not finite; the epochs left are not trained."""
    record = train(lr=1e9, epochs=5)
    assert record.status == "diverged"
    last = record.epochs[-1]
    assert record.error == f"the loss is no longer finite in epoch {last.epoch}"
    assert last.epoch < 5
    assert not all(math.isfinite(loss) for loss in (last.train_loss, last.val_loss, last.test_loss))
    assert record.traceback is None
    assert record.test_accuracy is None


def test_an_exception_is_a_status_with_its_traceback(train: Train) -> None:
    """One line of error, and the place in the user's own file."""
    record = train(norm=f"{NORMS}:Raising")
    assert record.status == "failed"
    assert record.error == "ZeroDivisionError: as it was told"
    assert record.traceback is not None
    assert "troubled_norms.py" in record.traceback
    assert record.epochs == ()
    assert record.samples_per_second is None


@pytest.mark.parametrize("norm", ["Greedy", "Swallowing"])
def test_running_out_of_memory_is_a_status_of_its_own(train: Train, norm: str) -> None:
    """Whether torch cannot allocate or Python."""
    record = train(norm=f"{NORMS}:{norm}")
    assert record.status == "out-of-memory"
    assert record.error
    assert "\n" not in record.error


def test_a_norm_that_cannot_be_built_is_a_failed_run(train: Train) -> None:
    """The parent checks it before; a worker survives it anyway."""
    record = train(norm="group:groups=3")
    assert record.status == "failed"
    assert record.error is not None
    assert "groups must divide channels" in record.error


def test_notes_of_the_template_reach_the_record(train: Train) -> None:
    """Where a place has no norm, the table can say so."""
    assert train(norm="instance:affine=True").notes == (
        "no norm after the dense layer, whose vectors have no positions",
    )
    assert train(norm="none").notes == ()


def test_a_group_is_trained_run_by_run_and_a_failure_stops_none_of_it(digits: Dataset) -> None:
    """What happens is told in order: a start, its epochs, its record, then the next."""
    heard: list[tuple[str, int]] = []
    runs = [tiny_spec(seed=0), tiny_spec(seed=1, norm=f"{NORMS}:Raising"), tiny_spec(seed=2)]

    def on_start(spec: RunSpec) -> None:
        heard.append(("start", spec.seed))

    def on_epoch(spec: RunSpec, epoch: EpochRecord) -> None:
        heard.append((f"epoch {epoch.epoch}", spec.seed))

    def on_record(record: RunRecord) -> None:
        heard.append((record.status, record.spec.seed))

    train_group(runs, digits, "cpu", on_start=on_start, on_epoch=on_epoch, on_record=on_record)
    assert heard == [
        *(("start", 0), ("epoch 1", 0), ("ok", 0)),
        *(("start", 1), ("failed", 1)),
        *(("start", 2), ("epoch 1", 2), ("ok", 2)),
    ]
