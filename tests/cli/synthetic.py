"""Records as a store would hold them, without any training."""

from collections.abc import Sequence
from typing import Any

from normzoo.experiment.config.spec import RunSpec
from normzoo.experiment.results.records import EpochRecord, RunRecord, Status

SPEC: dict[str, Any] = {
    "template": "cnn",
    "norm": "group",
    "dataset": "digits",
    "dataset_checksum": "0123456789abcdef",
    "batch_size": 32,
    "seed": 0,
    "epochs": 4,
    "optimizer": "sgd",
    "lr": 0.05,
}


def run_spec(**changes: Any) -> RunSpec:
    return RunSpec(**{**SPEC, **changes})


def run_record(
    spec: RunSpec | None = None, status: Status | str = Status.OK, *, losses: Sequence[float] = (1.5,), **changes: Any
) -> RunRecord:
    """Make a record with an epoch for every loss; accuracies rise by five points an epoch."""
    epochs = tuple(
        EpochRecord(
            epoch=number,
            train_loss=loss,
            validation={"loss": 2 * loss, "accuracy": 0.5 + 0.05 * number},
            test={"loss": 3 * loss, "accuracy": 0.2 + 0.05 * number},
            seconds=0.1,
        )
        for number, loss in enumerate(losses, start=1)
    )
    settings: dict[str, Any] = {"started_at": "2025-01-01T00:00:00+00:00", "seconds": 1.0, **changes}
    return RunRecord(spec=spec or run_spec(), status=Status(status), epochs=epochs, **settings)
