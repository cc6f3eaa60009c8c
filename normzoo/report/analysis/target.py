"""When runs reach a value of the deciding metric on validation, in seconds and in updates."""

import math
from collections.abc import Sequence
from statistics import median

from normzoo.experiment.results.records import RunRecord
from normzoo.metric import Metric
from normzoo.report.analysis.numbers import ToTarget


def to_target(records: Sequence[RunRecord], metric: Metric, target: float) -> ToTarget:
    """Return when the runs of a cell reach the target; one that was interrupted is none of them."""
    ended = [record for record in records if record.status.is_final]
    epochs = [_epochs_to(record, metric, target) for record in ended]
    return ToTarget(
        runs=len(ended),
        reached=sum(count is not None for count in epochs),
        seconds=_median_to([_seconds_of(*each) for each in zip(ended, epochs, strict=True)]),
        updates=_median_to([_updates_of(*each) for each in zip(ended, epochs, strict=True)]),
    )


def _epochs_to(record: RunRecord, metric: Metric, target: float) -> int | None:
    """Return after how many epochs a run had reached the target on validation; None if it never had."""
    reached = (metric.sign * epoch.validation[metric.name] >= metric.sign * target for epoch in record.epochs)
    return next((count for count, has_reached in enumerate(reached, 1) if has_reached), None)


def _seconds_of(record: RunRecord, epochs: int | None) -> float | None:
    """Return the training seconds of the first epochs, of those that were timed while nothing else was trained."""
    if epochs is None:
        return math.inf
    if record.contended:
        return None if record.epoch_seconds_alone is None else epochs * record.epoch_seconds_alone
    return sum(epoch.seconds for epoch in record.epochs[:epochs])


def _updates_of(record: RunRecord, epochs: int | None) -> float | None:
    """Return the optimizer steps of the first epochs; None where the size of the training set is not known."""
    if epochs is None:
        return math.inf
    return None if record.train_samples is None else epochs * (record.train_samples // record.spec.batch_size)


def _median_to(values: Sequence[float | None]) -> float | None:
    """Return the median of what is known; None where it is beyond what was trained."""
    known = [value for value in values if value is not None]
    found = median(known) if known else math.inf
    return found if math.isfinite(found) else None
