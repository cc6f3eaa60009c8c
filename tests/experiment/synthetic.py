"""Specs and records that were never trained."""

from collections.abc import Sequence
from typing import Any

from normzoo.experiment.config.spec import RunSpec
from normzoo.experiment.planning.facts import DatasetFacts
from normzoo.experiment.results.records import EpochRecord, RunRecord, Status

SPEC: dict[str, Any] = {
    "template": "cnn",
    "norm": "group",
    "dataset": "digits",
    "dataset_checksum": "0123456789abcdef",
    "task": "classification",
    "sources": {},
    "strategy": "stacked",
    "compile": False,
    "batch_size": 32,
    "seed": 0,
    "epochs": 5,
    "optimizer": "sgd",
    "lr": 0.05,
    "schedule": "constant",
    "weight_decay": 0.0,
    "weight_decay_on": "weights",
    "clip_norm": None,
    "precision": "32-true",
    "further_eval_stats": (),
    "augment": (),
    "folds": 1,
}
FACTS = DatasetFacts(
    name="digits", checksum="0123456789abcdef", shape=(1, 8, 8), outputs=10, train=100, validation=30, test=30
)


def run_spec(**changes: Any) -> RunSpec:
    return RunSpec(**{**SPEC, **changes})


def run_record(
    spec: RunSpec | None = None, status: Status | str = "ok", *, losses: Sequence[float] = (1.5,), **changes: Any
) -> RunRecord:
    epochs = tuple(
        EpochRecord(
            epoch=number,
            train_loss=loss,
            validation={"loss": loss, "accuracy": 0.5},
            test={"loss": loss, "accuracy": 0.25},
            seconds=0.1,
        )
        for number, loss in enumerate(losses, start=1)
    )
    settings: dict[str, Any] = {"started_at": "2025-01-01T00:00:00+00:00", "seconds": 1.0, **changes}
    return RunRecord(spec=spec or run_spec(), status=Status(status), epochs=epochs, **settings)
