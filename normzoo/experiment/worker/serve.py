"""Carries out what an executor is asked to do, in a process of its own or in this one. Imports torch."""

import os
from collections.abc import Callable

import torch

from normzoo.data import Dataset, load_dataset
from normzoo.devices import choose_device
from normzoo.errors import DataError, UsageError
from normzoo.experiment.worker.attempts import told_attempts
from normzoo.experiment.worker.memory import resident_limit
from normzoo.experiment.worker.messages import (
    TIMING_SECONDS,
    Checked,
    EpochDone,
    Loading,
    Message,
    Prepare,
    Rejected,
    RunDone,
    Started,
    Task,
    TaskDone,
    Timed,
    TimeSteps,
    Train,
)
from normzoo.experiment.worker.prepare import prepare
from normzoo.experiment.worker.time_steps import time_steps
from normzoo.experiment.worker.train import train_group
from normzoo.tasks import make_task


class Server:
    """Carries out one task after the other; datasets stay loaded between them, of folds the latest.

    Args:
        send: is told what happens.
    """

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._tell, self._process = send, os.getpid()
        self._loaded: dict[tuple[str, str, int, int], Dataset] = {}

    def carry_out(self, task: Task) -> None:
        """Carry out a task, and tell what happens; ``TaskDone`` comes last."""
        try:
            if isinstance(task, Prepare):
                self._prepare(task)
            else:
                self._on_device(task)
        except UsageError as error:
            self._send(Rejected(str(error)))
        self._send(TaskDone())

    def _send(self, message: Message) -> None:
        if os.getpid() != self._process:  # forked by what is carried out: it is the other's to tell
            os._exit(0)
        self._tell(message)

    def _on_device(self, task: TimeSteps | Train) -> None:
        torch.set_num_threads(task.threads)
        choose_device(task.device, task.index)
        dataset = self._dataset(task)
        if isinstance(task, TimeSteps):
            attempt = told_attempts(self._send, TIMING_SECONDS)
            for timing in time_steps(task.groups, dataset, task.device, attempt):
                self._send(Timed(timing))
        else:
            self._train(task, dataset)

    def _prepare(self, task: Prepare) -> None:
        prepared, dataset = prepare(
            task.matrix,
            task.execution,
            progress=lambda done, total: self._send(Loading(done, total)),
            attempt=told_attempts(self._send, task.seconds),
        )
        self._loaded[task.matrix.dataset, task.matrix.task, task.matrix.folds, 0] = dataset
        self._send(Checked(prepared))

    def _train(self, task: Train, dataset: Dataset) -> None:
        train_group(
            task.runs,
            dataset,
            task.device,
            on_start=lambda spec: self._send(Started(spec)),
            on_epoch=lambda spec, epoch: self._send(EpochDone(spec, epoch)),
            on_record=lambda record: self._send(RunDone(record)),
        )

    def _dataset(self, task: TimeSteps | Train) -> Dataset:
        """Return the dataset on its device, of folds that of the runs; what was planned with another is refused."""
        run = task.runs[0] if isinstance(task, Train) else task.groups[0][0][0]
        fold = run.fold if isinstance(task, Train) else 0
        name = task.dataset, task.task, run.folds, fold
        loaded = self._loaded.get(name)
        if loaded is None:
            # All folds together would be many times the data.
            self._loaded = {other: each for other, each in self._loaded.items() if other[:3] != name[:3]}
            with told_attempts(self._send, task.seconds)(f"loading dataset '{task.dataset}'"):
                loaded = load_dataset(
                    task.dataset,
                    task=make_task(task.task),
                    root=task.execution.data_root,
                    folds=run.folds,
                    fold=fold,
                    resident_bytes=resident_limit(task.execution, task.device),
                )
        if loaded.checksum != run.dataset_checksum:
            raise DataError(
                f"dataset '{task.dataset}' is another one than when this was planned (checksum {loaded.checksum}, "
                f"planned with {run.dataset_checksum}); once it stays as it is, give the same command again"
            )
        self._loaded[name] = loaded.to(task.device)
        return self._loaded[name]
