"""The worker process: waits for tasks, carries them out, sends back what happens. Imports torch, once."""

import atexit
import gc
import os
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path

from normzoo.experiment.messages import (
    Calibrate,
    Checked,
    EpochDone,
    GroupDone,
    Message,
    Prepare,
    Refused,
    RunDone,
    Started,
    Task,
    Timed,
    Train,
)


def main(connection: "Connection[Message, Task]", environment: Mapping[str, str]) -> None:
    """Serve a parent, whose environment this is, until it closes the connection; Ctrl-C is the parent's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(environment)  # a process that is forked has that of the one it is forked from
    os.dup2(2, 1)  # what a user's norm prints goes to stderr: stdout is for the tables
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _serve(connection)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone


def _end_with_parent() -> None:
    """End this process once its parent is gone, even in the middle of an epoch, however long that is."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def load() -> None:
    """Import all that a worker needs."""
    gc.disable()  # looking for garbage among what is imported takes a sixth of the time
    import normzoo.data
    import normzoo.experiment.calibrate
    import normzoo.experiment.prepare
    import normzoo.experiment.train  # noqa: F401

    gc.freeze()
    gc.enable()
    atexit.register(gc.unfreeze)  # or libraries complain, when the process ends, of what was not cleared away


def _serve(connection: "Connection[Message, Task]") -> None:
    sys.path.append(str(Path.cwd()))  # where a user's own norm may be

    load()
    import torch

    from normzoo.data import Dataset, load_dataset
    from normzoo.errors import UsageError
    from normzoo.experiment.calibrate import calibrate_all
    from normzoo.experiment.prepare import prepare
    from normzoo.experiment.train import train_group

    loaded: dict[str, Dataset] = {}
    while True:
        task = connection.recv()
        if isinstance(task, Prepare):
            try:
                prepared, loaded[task.matrix.dataset] = prepare(task.matrix, task.execution)
            except UsageError as error:
                connection.send(Refused(str(error)))
            else:
                connection.send(Checked(prepared))
            continue
        torch.set_num_threads(task.threads)
        if isinstance(task, Train) and task.device == "cuda":
            torch.cuda.set_device(task.gpu)
        dataset = loaded.get(task.dataset) or load_dataset(task.dataset, root=task.execution.data_root)
        dataset = loaded[task.dataset] = dataset.to(task.device)
        if isinstance(task, Calibrate):
            for timing in calibrate_all(task.groups, dataset, task.device):
                connection.send(Timed(timing))
        else:
            train_group(
                task.runs,
                dataset,
                task.device,
                how=task.how,
                on_start=lambda spec: connection.send(Started(spec)),
                on_epoch=lambda spec, epoch: connection.send(EpochDone(spec, epoch)),
                on_record=lambda record: connection.send(RunDone(record)),
            )
        connection.send(GroupDone())
