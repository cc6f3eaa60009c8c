"""A peer's process: trains the runs of a ``Job``, and leaves in the job's folder how long that took."""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from normzoo.bench.matrix.job import RESULT, Job
from normzoo.data import Dataset, Split, load_dataset

TrainRun = Callable[[Job, Dataset, str, int], float]
"""Trains the run of a norm and a seed, and returns its test accuracy."""


def main(job: Job) -> None:
    """Train all runs, and write the seconds they took, without imports and loading, as JSON."""
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
        from normzoo.bench.matrix.bare_loop import train_run
    else:
        from normzoo.bench.matrix.plain_lightning import train_run
    return train_run


def _warm_up(train_run: TrainRun, job: Job, dataset: Dataset) -> None:
    """Train every norm on one batch, so that a process's first calls are not multiplied up with the seeds."""

    def first(split: Split) -> Split:
        return Split(split.images[: job.batch_size], split.labels[: job.batch_size])

    small = replace(dataset, train=first(dataset.train), validation=first(dataset.validation), test=first(dataset.test))
    for norm in job.norms:
        train_run(replace(job, epochs=1), small, norm, 0)


if __name__ == "__main__":
    main(Job.from_json(sys.argv[1]))
