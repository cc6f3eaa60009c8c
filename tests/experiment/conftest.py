"""What the tests that train share."""

import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from normzoo.data import Dataset, Split, load_dataset
from normzoo.experiment.config.spec import RunSpec
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.worker.train import train_group

from .synthetic import run_spec

DIGITS = "9c3cc3ee288e9bad"
"""The checksum of that dataset, which workers compare with what was planned with."""

Train = Callable[..., RunRecord]
TrainAll = Callable[..., list[RunRecord]]


@pytest.fixture(autouse=True, scope="session")
def _what_is_imported_is_no_garbage() -> Iterator[None]:
    """As in a worker, which looks for garbage where a run has failed: among all that tests import, that takes long."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _nothing_trains_on() -> Iterator[None]:
    """Wait for what was cancelled: a thread that trains on would draw from the next test's random numbers."""
    yield
    for thread in threading.enumerate():
        if thread.name == "normzoo":
            thread.join(60)


TRAIN, TEST = 340, 120
"""Samples of the splits of ``digits``."""


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """Some of the digits, as no test needs them all."""

    def some(split: Split, samples: int) -> Split:
        return Split(split.inputs[:samples], split.targets[:samples])

    whole = load_dataset("digits")
    return replace(
        whole, train=some(whole.train, TRAIN), validation=some(whole.validation, TEST), test=some(whole.test, TEST)
    )


@pytest.fixture(scope="session")
def train_all(digits: Dataset) -> TrainAll:
    """Train a group of runs on the CPU, and return their records in the order of the runs."""

    def train_them(specs: Sequence[RunSpec]) -> list[RunRecord]:
        records: dict[str, RunRecord] = {}

        def on_record(record: RunRecord) -> None:
            assert record.spec.key not in records
            records[record.spec.key] = record

        train_group(specs, digits, "cpu", on_start=ignore, on_epoch=ignore, on_record=on_record)
        return [records[spec.key] for spec in specs]

    return train_them


@pytest.fixture(scope="session")
def train(train_all: TrainAll) -> Train:
    """Train a tiny run on the CPU, with whatever else is asked for."""

    def train_tiny(**changes: Any) -> RunRecord:
        (record,) = train_all([tiny_spec(**changes)])
        return record

    return train_tiny


def tiny_spec(**changes: Any) -> RunSpec:
    """Return a run of a tenth of a second, trained by itself unless another strategy is asked for."""
    template = changes.pop("template", "cnn")
    options = {"cnn": "hidden=8,widths=4", "lstm": "hidden=8"}.get(template)
    tiny: dict[str, Any] = {
        "dataset_checksum": DIGITS,
        "template": f"{template}:{options}" if options else template,
        "norm": "none",
        "strategy": "sequential",
        "batch_size": 64,
        "epochs": 1,
    }
    return run_spec(**{**tiny, **changes})


def ignore(*heard: Any) -> None:
    """Hear of a start or an epoch."""
