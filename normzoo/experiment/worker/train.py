"""Training one group of runs: the only code that trains. Runs in a worker, and imports torch."""

import gc
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import torch
from torch import nn

from normzoo.data import Augmentations, BlocksOfSteps, Dataset, OrderedBatches
from normzoo.devices import device_name, release_memory
from normzoo.errors import DataError, error_line
from normzoo.experiment.config.environment import describe_environment
from normzoo.experiment.config.spec import RunSpec
from normzoo.experiment.planning.facts import Device
from normzoo.experiment.results.records import EpochRecord, RunRecord, Status, pack_hits
from normzoo.experiment.worker.evaluation import EVALUATION_SAMPLES, evaluate_further
from normzoo.experiment.worker.memory import is_out_of_memory, peak_memory_bytes, reset_peak_memory
from normzoo.experiment.worker.trainer import EpochRecorder, OnEpoch, is_finite, light_trainer
from normzoo.layers import backend, norm_factory
from normzoo.layers._make import NormFactory
from normzoo.metric import Metric, is_comparable
from normzoo.registry.backends import Backend, backend_of_process
from normzoo.tasks import Task, make_task
from normzoo.templates import CudaGraph, MemberMetrics, MemberModule, make_network, make_schedule

MAPS_NO_DRAWS = "randomness error mode"
"""Of what ``torch.func.vmap`` says where the network of a stack draws random numbers."""

OnStart = Callable[[RunSpec], None]
OnRecord = Callable[[RunRecord], None]


def train_group(
    runs: Sequence[RunSpec],
    dataset: Dataset,
    device: Device,
    *,
    on_start: OnStart,
    on_epoch: OnEpoch,
    on_record: OnRecord,
) -> None:
    """Train runs that differ only in their seed and learning rate, and report each as it goes.

    Stacked runs are trained all at once, the others one after the other. Whatever goes wrong within a
    run becomes its record's status and error; the others go on. If a whole stack fails, its runs are started
    again, each as a stack of its own; if compiled ones fail, they are started again without the compiler.

    Raises:
        DataError: the data cannot be read, as its file was changed: that ends all runs, and is the result of none.
    """
    compiled = runs[0].compile
    stacks = [list(runs)] if runs[0].strategy == "stacked" else [[spec] for spec in runs]
    while stacks:
        stack = stacks.pop(0)
        for spec in stack:
            on_start(spec)
        records = _Training(sorted(stack, key=member_order), dataset, device, on_epoch, compiled=compiled).run()
        if records[0].status.is_lost:
            _free_memory(device)
            if compiled:  # it may be the compiler's doing, or there is none
                compiled, stacks = False, [stack, *stacks]
                continue
            if len(stack) > 1:
                stacks = [[spec] for spec in stack] + stacks
                continue
        for record in records:
            on_record(record)


def _free_memory(device: Device) -> None:
    """Let go of what was trained, in which parts refer to each other."""
    gc.collect()
    release_memory(device)


def member_order(spec: RunSpec) -> tuple[float, int]:
    """Bring equal learning rates together, as their one optimizer wants them."""
    return spec.lr, spec.seed


class _Training:
    """One ``Trainer.fit``: of a single run or of a stack of them."""

    def __init__(
        self, specs: Sequence[RunSpec], dataset: Dataset, device: Device, on_epoch: OnEpoch, *, compiled: bool
    ) -> None:
        self._specs, self._dataset, self._device, self._compiled = specs, dataset, device, compiled
        self._callback = EpochRecorder(specs, on_epoch)

    def run(self) -> list[RunRecord]:
        """Train, and return a record of each run, whatever the outcome."""
        started_at, start = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
        if self._device != "cpu":
            _free_memory(self._device)  # or what was timed or trained before would count
        reset_peak_memory(self._device)
        status = Status.OK
        notes: tuple[str, ...] = ()
        error = trace = constant = None
        task = make_task(self._specs[0].task)
        try:
            constant = constant_value(task, self._dataset)
            networks = [build_network(spec, self._dataset) for spec in self._specs]
            notes = tuple(getattr(networks[0], "notes", ()))
            if self._specs[0].compile and not self._compiled:
                notes = (*notes, "trained without compiling, as that failed")
            with backend(norm_backend()):
                self._fit(networks)
        except DataError:
            raise
        except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit) as caught:
            status = Status.OUT_OF_MEMORY if is_out_of_memory(caught) else Status.FAILED
            # Of an interrupt Lightning makes the end of the process.
            raised = caught.__context__ if isinstance(caught.__context__, KeyboardInterrupt) else caught
            error, trace = error_line(raised), traceback.format_exc()
            if MAPS_NO_DRAWS in error:
                error += "; it draws random numbers after some steps, so use --strategy sequential"
        seconds = (time.perf_counter() - start) / len(self._specs)
        common: dict[str, Any] = {
            "started_at": started_at,
            "seconds": seconds,
            "peak_memory_bytes": peak_memory_bytes(self._device),
            "metrics": task.metrics,
            "loss": task.loss,
            "members": len(self._specs),
            "compiled": self._compiled,
            "train_samples": len(self._dataset.train),
            "validation_samples": len(self._dataset.validation),
            "test_samples": len(self._dataset.test),
            "constant_value": constant,
            "data": (self._dataset.description, *self._dataset.notes),
            "notes": notes,
            "environment": worker_environment(self._device),
        }
        return [self._record(spec, status, error, trace, common) for spec in self._specs]

    def _record(
        self, spec: RunSpec, status: Status, error: str | None, trace: str | None, common: dict[str, Any]
    ) -> RunRecord:
        epochs = self._callback.epochs[spec.key]
        if status is Status.OK and not is_finite(epochs[-1]):
            status, error = Status.DIVERGED, f"the loss is no longer finite in epoch {epochs[-1].epoch}"
        elif status is Status.OK:
            status, error = _judged(epochs[-1], common["metrics"][0])
        training_seconds = sum(epoch.seconds for epoch in epochs)
        samples = len(epochs) * (len(self._dataset.train) // spec.batch_size) * spec.batch_size
        return RunRecord(
            spec=spec,
            status=status,
            error=error,
            traceback=trace,
            epochs=tuple(epochs),
            eval_stats=self._callback.eval_stats.get(spec.key, {}) if status is Status.OK else {},
            test_hits=self._test_hits(spec, epochs[-1], common["metrics"][0]) if status is Status.OK else None,
            samples_per_second=samples / training_seconds if training_seconds else None,
            **common,
        )

    def _test_hits(self, spec: RunSpec, last: EpochRecord, metric: Metric) -> str | None:
        """Return which test samples were right, packed; None where there is no such thing, or it is not the metric."""
        hits = self._callback.hits.get(spec.key)
        if hits is None or abs(hits.double().mean() - last.test[metric.name]) > 1e-6:  # some metrics are in float32
            return None
        return pack_hits(hits.cpu().numpy())

    def _fit(self, networks: list[nn.Module]) -> None:
        first = self._specs[0]
        module = make_module(self._specs, networks, self._dataset, self._device, compiled=self._compiled)
        torch.manual_seed(drawing_seed(first))  # whatever ran before, and however many numbers the weights took
        train = training_blocks(self._specs, self._dataset)
        self._callback.batches = train
        if first.further_eval_stats:
            self._callback.at_end = partial(evaluate_further, spec=first, dataset=self._dataset)
        splits = (self._dataset.validation, self._dataset.test)
        evaluation = [OrderedBatches(split, EVALUATION_SAMPLES) for split in splits]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            warnings.filterwarnings("ignore", message=".*capturable=True.*")  # of the steps before one is recorded
            trainer = light_trainer(first, self._device, self._callback)
            trainer.fit(module, train_dataloaders=train, val_dataloaders=evaluation)


def training_blocks(specs: Sequence[RunSpec], dataset: Dataset) -> BlocksOfSteps:
    """Return what some runs are trained on, one or a stack."""
    first = specs[0]
    return BlocksOfSteps(
        dataset.train,
        first.batch_size,
        seeds=[spec.seed for spec in specs],
        augmentations=Augmentations(first.augment) if first.augment else None,
    )


def constant_value(task: Task, dataset: Dataset) -> float | None:
    """Return the deciding metric on the test set of the constant outputs that serve the training set best."""
    constant = task.constant(dataset.train.targets, dataset.outputs)
    if constant is None:
        return None
    metrics = MemberMetrics(task, 1, dataset.scale, dataset.test.targets.device)
    for targets in torch.split(dataset.test.targets, EVALUATION_SAMPLES):
        steps = targets.shape[1:] if task.per_step else ()
        metrics.update(constant.float().expand(len(targets), 1, *steps, -1), targets)
    value = metrics.compute()[0][task.metrics[0].name]
    return value if is_comparable(value) else None  # a correlation with what is constant, for one


def _judged(last: EpochRecord, metric: Metric) -> tuple[Status, str | None]:
    """Return how a run ended whose losses are finite, by its metric: a perplexity can overflow where they do not."""
    for name, values in (("test", last.test), ("validation", last.validation)):
        value = values[metric.name]
        if not is_comparable(value):
            return Status.DIVERGED, f"its {metric.title} on the {name} set is {value:g} after the last epoch"
        if not metric.is_possible(value):
            is_low = metric.lowest is not None and value < metric.lowest
            bound = f"less than {metric.lowest:g}" if is_low else f"more than {metric.highest:g}"
            return Status.FAILED, f"its {metric.title} on the {name} set is {value:.9g}, {bound}, its bound by the task"
    return Status.OK, None


def build_network(spec: RunSpec, dataset: Dataset, norm: NormFactory | None = None) -> nn.Module:
    """Build the template of a run; the same seed gives shared parameters the same values under every norm.

    Args:
        spec: the run.
        dataset: what it is trained on.
        norm: makes the run's norms, if not as they are.
    """
    norm = norm or norm_factory(spec.norm)
    torch.manual_seed(spec.seed)
    return make_network(
        spec.template,
        norm,
        shape=dataset.shape,
        outputs=dataset.outputs,
        vocabulary=dataset.vocabulary,
        ragged=dataset.ragged,
        per_step=make_task(spec.task).per_step,
    )


def drawing_seed(spec: RunSpec) -> int:
    """Return the seed of the random numbers that a run draws in training: other ones than its weights start from."""
    return spec.seed + 2**31


def norm_backend() -> Backend:
    """Return the backend for norms: ``NORMZOO_BACKEND``, or eager, since ``auto`` depends on measured time."""
    return backend_of_process("eager")


def worker_environment(device: Device) -> dict[str, Any]:
    """Return the environment with what only torch knows."""
    return {
        **describe_environment(),
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "norm_backend": norm_backend(),
    }


def _lay_channels_last(network: nn.Module) -> None:
    """Lay out weights of four dimensions, as of 2d convolutions, channels-last; ``to`` refuses those of five."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def make_module(
    specs: Sequence[RunSpec], networks: Sequence[nn.Module], dataset: Dataset, device: Device, *, compiled: bool
) -> MemberModule:
    """Make what trains the networks of some runs, one or a stack.

    On a CUDA GPU, steps are recorded and replayed, and a network by itself is laid out channels-last. A stack is not:
    its convolutions have groups.
    """
    first = specs[0]
    is_stacked = first.strategy == "stacked"
    if device == "cuda" and not is_stacked:
        for network in networks:
            _lay_channels_last(network)
    return MemberModule(
        networks,
        task=make_task(first.task),
        scale=dataset.scale,
        lrs=[spec.lr for spec in specs],
        optimizer=first.optimizer,
        schedule=make_schedule(first.schedule, first.epochs * (len(dataset.train) // first.batch_size)),
        weight_decay=first.weight_decay,
        decays_all=first.weight_decay_on == "all",
        clip_norm=first.clip_norm,
        splits=2,
        stacked=is_stacked,
        compiled=compiled,
        seeds=[drawing_seed(spec) for spec in specs],
        recorder=CudaGraph if device == "cuda" else None,
    )
