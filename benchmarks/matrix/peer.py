"""The process that trains one cell's runs in one of the other ways, and leaves its time in the job's folder.

The module itself imports only the standard library, so that the parent can describe a ``Job`` without torch and a
timed process imports nothing that a script of its own would not.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from normzoo.data import Dataset, Split

PeerWay = Literal["lightning", "bare"]

EVALUATION_ROWS = 1000
"""The number of samples that each of the other ways evaluates at once."""

RESULT = "result.json"
"""The file in the job's folder that the process leaves."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """The runs of one cell: every norm with every seed, one after the other.

    Attributes:
        way: how they are trained.
        lr: the learning rate in force.
        sizes: of the template's network; see ``build_network``.
        warm_up: take one step with every norm first, which is not timed.
        folder: where the process works, and leaves its result.
    """

    way: PeerWay
    template: str
    batch_size: int
    norms: tuple[str, ...]
    seeds: tuple[int, ...]
    epochs: int
    lr: float
    sizes: dict[str, Any]
    dataset: str
    data_root: str
    warm_up: bool
    folder: str

    def to_json(self) -> str:
        """Write it in one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """Read what ``to_json`` wrote."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**{**_with_tuples(fields), "sizes": _with_tuples(fields["sizes"])})


def _with_tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields as they were before JSON made lists of tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


TrainRun = Callable[[Job, "Dataset", str, int], float]
"""Trains the run of a norm and a seed, and returns its test accuracy."""


def main(job: Job) -> None:
    """Train all runs, and write the seconds they took, without imports and loading, as JSON."""
    import torch

    from normzoo.data import load_dataset

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dataset = load_dataset(job.dataset, root=Path(job.data_root))
    train_run = _trainer_of(job)
    if job.way == "bare":
        dataset = dataset.to(device)  # Lightning moves the batches itself
    os.chdir(job.folder)
    if job.warm_up:
        _warm_up(train_run, job, dataset)
    start = time.perf_counter()
    accuracies = [train_run(job, dataset, norm, seed) for norm in job.norms for seed in job.seeds]
    seconds = time.perf_counter() - start
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    result = {"seconds": seconds, "accuracies": accuracies, "device": name, "threads": torch.get_num_threads()}
    Path(RESULT).write_text(json.dumps(result), encoding="utf-8")


def _trainer_of(job: Job) -> TrainRun:
    """Import what the way needs, and no more."""
    if job.way == "bare":
        from benchmarks.matrix.bare_torch import train_run
    else:
        from benchmarks.matrix.plain_lightning import train_run
    return train_run


def _warm_up(train_run: TrainRun, job: Job, dataset: "Dataset") -> None:
    """Train every norm on one batch, so that a process's first calls are not multiplied up with the seeds."""

    def first(split: "Split") -> "Split":
        return replace(split, samples=split.inputs[: job.batch_size], targets=split.targets[: job.batch_size])

    small = replace(dataset, train=first(dataset.train), validation=first(dataset.validation), test=first(dataset.test))
    for norm in job.norms:
        train_run(replace(job, epochs=1), small, norm, 0)


if __name__ == "__main__":
    main(Job.from_json(sys.argv[1]))
