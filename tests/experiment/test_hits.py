"""Do records keep which test samples were right?"""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from normzoo.data import Dataset, Split
from normzoo.experiment.config.spec import Strategy
from normzoo.experiment.results.records import RunRecord, pack_hits
from normzoo.experiment.worker.train import constant_value
from normzoo.experiment.worker.trainer import EpochRecorder
from normzoo.tasks import Classification, Scale, make_task
from normzoo.templates import MemberModule

from .conftest import TEST, TRAIN, TrainAll, tiny_spec
from .synthetic import run_record

each_strategy = pytest.mark.parametrize("strategy", ["sequential", "stacked"])


@pytest.mark.slow_but_one
@each_strategy
def test_hits_are_those_of_the_trained_network(
    train_all: TrainAll, digits: Dataset, strategy: Strategy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each run of a group, in the order of the test set; their share is the accuracy to the last digit."""
    predicted: dict[int, Any] = {}
    at_end = EpochRecorder.on_train_epoch_end

    def predict(recorder: EpochRecorder, trainer: Any, module: MemberModule) -> None:
        at_end(recorder, trainer, module)
        module.eval()
        inputs = digits.test.inputs.unsqueeze(1).expand(-1, module.members, -1, -1, -1)
        with torch.no_grad():
            outputs = torch.cat([module(part) for part in torch.split(inputs, 100)])
        for member, spec in enumerate(recorder._alive):
            predicted[spec.seed] = outputs[:, member].argmax(-1).numpy()
        module.train()

    monkeypatch.setattr(EpochRecorder, "on_train_epoch_end", predict)
    records = train_all([tiny_spec(norm="batch", seed=seed, epochs=2, strategy=strategy) for seed in range(3)])
    for record in records:
        assert record.test_hits is not None
        assert len(record.test_hits) == 20  # 15 bytes
        hits = record.hits
        assert hits is not None
        assert hits.shape == (TEST,)
        assert hits.dtype == np.bool_
        assert np.array_equal(hits, predicted[record.spec.seed] == digits.test.targets.numpy())
        assert record.test_value == float(hits.mean())
    assert len({record.test_hits for record in records}) == 3


@pytest.mark.slow_but_one
@each_strategy
def test_a_run_that_diverged_has_none_and_leaves_the_others_theirs(train_all: TrainAll, strategy: Strategy) -> None:
    """Also where it does so in the last epoch."""
    specs = [tiny_spec(seed=seed, lr=lr, strategy=strategy) for seed, lr in ((0, 0.05), (1, 1e9), (2, 0.05))]
    records = train_all(specs)
    assert [record.status for record in records] == ["ok", "diverged", "ok"]
    assert [record.hits is None for record in records] == [False, True, False]
    for record in (records[0], records[2]):
        assert record.hits is not None
        assert record.test_value == pytest.approx(record.hits.mean(), abs=1e-6)


class Lenient(Classification):
    """Takes the second best class for right, too, which is not what its metric counts."""

    def hits(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs.topk(2).indices == targets.unsqueeze(-1)).any(-1)


def test_hits_that_are_not_the_metric_are_not_kept(train_all: TrainAll) -> None:
    """They would contradict the result."""
    (record,) = train_all([tiny_spec(task=f"{__name__}:Lenient")])
    assert (record.status, record.test_hits) == ("ok", None)


@pytest.mark.parametrize("samples", [1, 7, 8, 9, 360])
def test_hits_come_back_as_they_were(samples: int) -> None:
    """Through JSON, whatever the number of samples."""
    hits = np.random.default_rng(samples).random(samples) < 0.5
    record = run_record(test_hits=pack_hits(hits), test_samples=samples)
    read = RunRecord.model_validate_json(record.model_dump_json()).hits
    assert read is not None
    assert np.array_equal(read, hits)


def test_an_older_record_has_none() -> None:
    """And no places either."""
    old = json.loads(run_record().model_dump_json())
    for name in ("test_hits", "places"):
        del old[name]
    record = RunRecord.model_validate(old)
    assert (record.hits, record.places) == (None, ())


def test_records_say_what_always_the_most_frequent_class_reaches(train_all: TrainAll, digits: Dataset) -> None:
    """That of the training set, on the test set."""
    (record,) = train_all([tiny_spec(epochs=1)])
    frequent = digits.train.targets.bincount().argmax()
    assert record.constant_value == pytest.approx(float((digits.test.targets == frequent).double().mean()))


def test_of_numbers_it_is_the_error_of_their_mean_in_their_units(digits: Dataset) -> None:
    """Though they are learned standardized."""
    train, test = torch.randn(TRAIN, 1), torch.randn(TEST, 1)
    dataset = replace(
        digits,
        train=Split(digits.train.inputs, train),
        test=Split(digits.test.inputs, test),
        outputs=1,
        scale=Scale(mean=(5.0,), std=(3.0,)),
    )
    wanted = 3 * (test - train.mean()).square().mean().sqrt()
    assert constant_value(make_task("regression"), dataset) == pytest.approx(wanted.item())
