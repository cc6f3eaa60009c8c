"""The LightningModule that trains any template, one network or a stack of them: losses, metrics, optimizer."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torchmetrics import Metric

from normzoo.devices import with_float64
from normzoo.errors import ComponentError
from normzoo.registry import OPTIMIZERS
from normzoo.surgery import parameter_groups
from normzoo.tasks import Classification, Scale, Task
from normzoo.templates._optimizer import MemberOptimizer
from normzoo.templates._random import MemberRandom, draw_from
from normzoo.templates._recipe import Schedule
from normzoo.templates._recorded import RecordedSteps, Recorder, can_be_recorded
from normzoo.templates._stack import keep_members, stack

VALUES_AT_ONCE = 2**20
"""How many outputs are gathered before a metric is updated: an update takes as long as a step of a small network."""


class PerMemberMean(Metric):
    """The mean of a value per sample, for each of M members.

    >>> mean = PerMemberMean(2)
    >>> mean.update(torch.tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 3.0]]))
    >>> mean.compute().tolist()
    [2.0, 1.0]
    """

    total: Tensor
    samples: Tensor

    def __init__(self, members: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.add_state("total", torch.zeros(members, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("samples", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, values: Tensor) -> None:
        """Count in a batch of values ``(N, M)``; NaN and infinity are values, too."""
        self.total += values.sum(0, dtype=torch.float64)
        self.samples += len(values)

    def compute(self) -> Tensor:
        """Return the means ``(M,)``."""
        return self.total / self.samples


class MemberMetrics:
    """The mean loss and the metrics of a task over a split, for each of M members.

    Args:
        task: what is learned.
        members: M.
        scale: how the targets were standardized.
        device: where outputs come from. Where that may have no float64, they are counted on the host.
    """

    def __init__(self, task: Task, members: int, scale: Scale, device: torch.device) -> None:
        self._task, self._scale, self._members, self._device = task, scale, members, with_float64(device)
        self._loss = PerMemberMean(members).to(self._device)
        self._metrics: dict[str, list[Metric]] = {}
        self._waiting: list[tuple[Tensor, Tensor]] = []
        self._values = 0
        self._hits: list[Tensor] = []

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Count in a batch: outputs ``(N, M, *)`` and the targets ``(N, *)`` of all members."""
        everyones = targets.unsqueeze(1).expand(-1, self._members, *targets.shape[1:])
        self._loss.update(member_losses(self._task.losses, outputs, everyones).to(self._device))
        self._waiting.append((outputs.detach().to(self._device), targets.to(self._device)))
        self._values += outputs.numel()
        if self._values >= VALUES_AT_ONCE:
            self._count()

    def _count(self) -> None:
        if not self._waiting:
            return
        outputs, targets = (torch.cat(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting, self._values = [], 0
        outputs, targets = (self._task.in_units(_precise(values), self._scale) for values in (outputs, targets))
        if not self._metrics:
            width = outputs.shape[-1] if outputs.ndim > 2 else 1
            self._metrics = {
                metric.name: [
                    self._task.torchmetric(metric.name, width).to(self._device).set_dtype(torch.float64)
                    for _ in range(self._members)
                ]
                for metric in self._task.metrics
            }
        for metrics in self._metrics.values():
            for member, metric in enumerate(metrics):
                metric.update(outputs[:, member].contiguous(), targets)  # torchmetrics takes views of them
        if self._task.metrics[0].is_share:
            everyones = targets.unsqueeze(1).expand(-1, self._members, *targets.shape[1:])
            hits = self._task.hits(outputs.flatten(0, 1), everyones.flatten(0, 1))
            self._hits += [] if hits is None else [hits.view(outputs.shape[:2])]

    def compute(self) -> list[dict[str, float]]:
        """Return, for each member, its mean loss as ``loss``, and each metric by its name."""
        self._count()
        losses = self._loss.compute().reshape(-1).tolist()
        found = [{"loss": loss} for loss in losses]
        for name, metrics in self._metrics.items():
            for values, metric in zip(found, metrics, strict=True):
                values[name] = _number(name, metric.compute())
        return found

    @property
    def hits(self) -> Tensor | None:
        """For each sample and member whether it is right, ``(N, M)``; None where that is no question."""
        self._count()
        return torch.cat(self._hits) if self._hits else None


def _number(name: str, value: Any) -> float:
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ComponentError(f"metric '{name}' must be one number, it is of shape {tuple(value.shape)}")
    return float(value)


def _precise(values: Tensor) -> Tensor:
    """Return numbers in float64: far from zero, the units of the data take more digits than float32 has."""
    return values.double() if values.is_floating_point() else values


def member_losses(losses: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of each sample and member, ``(N, M)``, of outputs ``(N, M, *)`` and targets ``(N, M, *)``.

    Raises:
        ComponentError: it is not one for each.
    """
    found = losses(outputs.flatten(0, 1), targets.flatten(0, 1))
    count = outputs.shape[0] * outputs.shape[1]
    if found.numel() != count:
        raise ComponentError(
            f"losses must return the loss of each sample, of shape ({count},), and returned shape "
            f"{tuple(found.shape)}; leave out the mean, as with reduction='none'"
        )
    return found.view(outputs.shape[:2])


Batch = tuple[Tensor, Tensor]


class MemberModule(LightningModule):
    """Trains networks on a task, all at once, and evaluates them on any number of splits.

    What is trained is the sum of the members' losses, so that none has a part in the gradient of another. A training
    batch is a block of steps: inputs ``(steps, N, M, *)`` and targets ``(steps, N, M, *)``. An evaluation batch is the
    same for all members: ``(N, *)`` and ``(N, *)``.

    Args:
        members: M networks of one kind, each of which maps inputs ``(N, *)`` to outputs ``(N, *)``. The stack
            takes copies; a member that is not stacked is trained itself.
        task: what is learned.
        scale: how the targets were standardized.
        lrs: each member's learning rate; equal ones follow each other.
        optimizer: its spec.
        schedule: what all rates are multiplied by in each step, counted from 0; None: they are constant.
        weight_decay: as the optimizer understands it; not of norms and biases.
        decays_all: of these, too.
        clip_norm: limit for the norm of a member's gradient.
        splits: how many dataloaders validation gets.
        stacked: put the members side by side, in operations for all; otherwise there must be a single one.
        compiled: compile the training step's forward and backward pass.
        seeds: each member's, of the random numbers that it draws in training when stacked; by default all draw from
            torch's generator. A member that is not stacked draws from that.
        recorder: what training steps are recorded with, and replayed; None: none is recorded. Networks for which
            that would not do (``can_be_recorded``) are trained without, and so are all by the user's own optimizer.

    Raises:
        ValueError: several members that are not to be stacked.
    """

    def __init__(
        self,
        members: Sequence[nn.Module],
        *,
        lrs: Sequence[float],
        task: Task | None = None,
        scale: Scale | None = None,
        optimizer: str = "sgd",
        schedule: Schedule | None = None,
        weight_decay: float = 0.0,
        decays_all: bool = False,
        clip_norm: float | None = None,
        splits: int = 1,
        stacked: bool = True,
        compiled: bool = False,
        seeds: Sequence[int] | None = None,
        recorder: Callable[[], Recorder] | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        if not stacked and len(members) != 1:
            raise ValueError(f"MemberModule: without a stack there is one member, got {len(members)}; use stacked=True")
        self.network = stack(members) if stacked else SingleMember(members[0])
        if seeds is not None:
            draw_from(self.network, MemberRandom(seeds))
        self.task, self._scale = task or Classification(), scale or Scale()
        self.members = len(members)
        is_known = not OPTIMIZERS.parse(optimizer).is_own  # others may count steps, of which a recording knows nothing
        is_recorded = recorder is not None and is_known and can_be_recorded(self.network)
        self.optimizer = MemberOptimizer(
            self.network.parameters(),
            optimizer,
            lrs,
            weight_decay=weight_decay,
            without_decay=() if decays_all else self._of_norms_and_biases(members[0]),
            clip_norm=clip_norm,
            stacked=stacked,
            recorded=is_recorded,
        )
        self._schedule, self._steps_taken = schedule, 0
        self.evaluations: list[list[dict[str, float]]] = []
        self.hits: list[Tensor | None] = []
        self._splits = splits
        self._metrics: list[MemberMetrics] = []
        self._loss_sum, self._steps = torch.zeros(len(members)), 0
        self._losses = torch.compile(self._compute_losses) if compiled else self._compute_losses
        self._recorded = RecordedSteps(self._take_step, recorder) if recorder is not None and is_recorded else None

    @property
    def train_losses(self) -> list[float]:
        """Each member's mean training loss over the steps of the last epoch; not finite where it diverged."""
        return [total / self._steps if self._steps else math.nan for total in self._loss_sum.tolist()]

    def keep(self, members: Sequence[int]) -> None:
        """Go on with these members alone, in order, as if the others had never been there."""
        keep_members(self.network, members)
        self.optimizer.keep(members)
        self.members = len(members)
        if self._recorded is not None:
            self._recorded.forget()

    def _of_norms_and_biases(self, member: nn.Module) -> list[nn.Parameter]:
        """Return those parameters of the network that are of norms or biases of a member, as it was by itself."""
        exempt = parameter_groups(member, weight_decay=1.0)[1]["params"]
        wanted = set(map(id, exempt))
        names = {name for name, parameter in member.named_parameters() if id(parameter) in wanted}
        prefix = "module." if isinstance(self.network, SingleMember) else ""
        named = self.network.named_parameters()  # what is mapped has slashes in its names
        return [each for name, each in named if name.removeprefix(prefix).replace("/", ".") in names]

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs ``(N, M, *)`` to outputs ``(N, M, *)``."""
        outputs: Tensor = self.network(inputs)
        return outputs

    def for_all(self, inputs: Tensor) -> Tensor:
        """Return inputs ``(N, *)`` that are the same for all members, as ``(N, M, *)``."""
        return inputs.unsqueeze(1).expand(-1, self.members, *inputs.shape[1:])

    def new_metrics(self) -> MemberMetrics:
        """Return what counts outputs of all members into their metrics."""
        return MemberMetrics(self.task, self.members, self._scale, self.device)

    def on_train_epoch_start(self) -> None:
        """Put the network in training, as a loop by hand does, and start new sums of losses, which stay on the device.

        Lightning does not call ``train``, which a network may define to keep a part of itself in evaluation.
        """
        self.network.train()
        if self._loss_sum.shape != (self.members,) or self._loss_sum.device != self.device:
            self._loss_sum = torch.zeros(self.members, device=self.device)
        self._loss_sum.zero_()  # in place, as a recorded step adds to it
        self._steps = 0

    def training_step(self, block: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Take as many optimizer steps as the block holds: between them nothing but what training needs."""
        take = self._take_step if self._recorded is None else self._recorded
        for inputs, targets in zip(*block, strict=True):
            if self._schedule is not None:  # here, as a recorded step does not come by again
                self.optimizer.scale_rates(self._schedule(self._steps_taken))
            take(inputs, targets)
            self._steps_taken += 1
        self._steps += len(block[1])

    def _take_step(self, inputs: Tensor, targets: Tensor) -> None:
        losses = self._losses(inputs, targets)
        self.optimizer.step(losses.sum())
        self._loss_sum += losses.detach()
        if torch.is_autocast_enabled(inputs.device.type):
            torch.clear_autocast_cache()  # of low-precision copies of parameters, which have changed

    def _compute_losses(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Return each member's mean loss, ``(M,)``."""
        return member_losses(self.task.training_losses, self.network(inputs), targets).mean(0)

    def on_fit_end(self) -> None:
        """Let go of what was recorded, which holds memory of its own."""
        if self._recorded is not None:
            self._recorded.forget()

    def on_validation_epoch_start(self) -> None:
        """Make new metrics."""
        self._metrics = [self.new_metrics() for _ in range(self._splits)]

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:  # noqa: ARG002
        """Count a batch into the metrics of its split, for every member."""
        inputs, targets = batch
        self._metrics[dataloader_idx].update(self.network(self.for_all(inputs)), targets)

    def on_validation_epoch_end(self) -> None:
        """Put ``loss`` and the metrics of every split and member into ``evaluations[split][member]``.

        Which samples of a split are right is in ``hits[split]``.
        """
        self.evaluations = [metrics.compute() for metrics in self._metrics]
        self.hits = [metrics.hits for metrics in self._metrics]
        self._metrics = []

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Return the optimizers, one for each learning rate."""
        return self.optimizer.optimizers


class SingleMember(nn.Module):
    """One network as a stack of one, without stacking it: any module, in the operations it consists of."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, 1, *)`` to ``(N, 1, *)``."""
        y: Tensor = self.module(x.squeeze(1))
        return y.unsqueeze(1)
