"""Carries out what an executor is asked to do, in a process of its own or in this one. Imports torch."""

from collections.abc import Callable

import torch

from normzoo.data import Dataset, load_dataset
from normzoo.errors import UsageError
from normzoo.experiment.worker.messages import (
    Checked,
    EpochDone,
    Loading,
    Message,
    OnDevice,
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
        self._send = send
        self._loaded: dict[tuple[str, str, int, int], Dataset] = {}

    def carry_out(self, task: Task) -> None:
        """Carry out a task, and tell what happens; ``TaskDone`` comes last."""
        if isinstance(task, Prepare):
            self._prepare(task)
        else:
            torch.set_num_threads(task.threads)
            if task.device == "cuda":
                torch.cuda.set_device(task.index)
            if isinstance(task, TimeSteps):
                first_fold = self._dataset(task, task.groups[0][0][0].folds, 0)
                for timing in time_steps(task.groups, first_fold, task.device):
                    self._send(Timed(timing))
            else:
                self._train(task, self._dataset(task, task.runs[0].folds, task.runs[0].fold))
        self._send(TaskDone())

    def _prepare(self, task: Prepare) -> None:
        try:
            prepared, dataset = prepare(
                task.matrix, task.execution, lambda done, total: self._send(Loading(done, total))
            )
        except UsageError as error:
            self._send(Rejected(str(error)))
        else:
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

    def _dataset(self, task: OnDevice, folds: int, fold: int) -> Dataset:
        name = task.dataset, task.task, folds, fold
        loaded = self._loaded.get(name)
        if loaded is None:
            # All folds together would be many times the data.
            self._loaded = {other: each for other, each in self._loaded.items() if other[:3] != name[:3]}
            learned, root = make_task(task.task), task.execution.data_root
            loaded = load_dataset(task.dataset, task=learned, root=root, folds=folds, fold=fold)
        self._loaded[name] = loaded.to(task.device)
        return self._loaded[name]
