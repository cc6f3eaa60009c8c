"""What the tests that train share."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from normzoo.data import Dataset, load_dataset
from normzoo.experiment.records import EpochRecord, RunRecord
from normzoo.experiment.spec import RunSpec
from normzoo.experiment.train import train_run

from .synthetic import run_spec

Train = Callable[..., RunRecord]


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    """On networks this small, threads only wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="session")
def train(digits: Dataset) -> Train:
    """Train a tiny run on the CPU, with whatever else is asked for."""

    def train_tiny(**changes: Any) -> RunRecord:
        return train_run(tiny_spec(**changes), digits, "cpu", _ignore)

    return train_tiny


def tiny_spec(**changes: Any) -> RunSpec:
    """Return a run of a tenth of a second."""
    tiny: dict[str, Any] = {
        "options": {"placement": "post", "widths": [4], "hidden": 8},
        "norm": "none",
        "batch_size": 64,
        "epochs": 1,
    }
    if changes.get("template") == "lstm":
        tiny["options"] = {"hidden": 8}
    return run_spec(**{**tiny, **changes})


def _ignore(spec: RunSpec, epoch: EpochRecord) -> None:
    """Hear of an epoch."""
