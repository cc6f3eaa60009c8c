"""The LightningModule that trains any template, one network or a stack of them: losses, metrics, optimizer."""

import math
from collections.abc import Callable, Sequence

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from normzoo.tasks import Classification, Scale, Task
from normzoo.templates._metrics import MemberMetrics, member_losses
from normzoo.templates._optimizer import MemberOptimizer, OptimizerName
from normzoo.templates._recorded import RecordedSteps, Recorder, can_be_recorded
from normzoo.templates._stack import keep_members, stack

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
        lrs: each member's learning rate, constant; equal ones follow each other.
        optimizer: ``sgd`` (momentum 0.9), ``adam`` or ``rmsprop``, with torch's defaults otherwise.
        clip_norm: limit for the norm of a member's gradient.
        splits: how many dataloaders validation gets.
        stacked: put the members side by side, in operations for all; otherwise there must be a single one.
        compiled: compile the training step's forward and backward pass.
        recorder: what training steps are recorded with, and replayed; None: none is recorded. Networks for which
            that would not do (``can_be_recorded``) are trained without.

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
        optimizer: OptimizerName = "sgd",
        clip_norm: float | None = None,
        splits: int = 1,
        stacked: bool = True,
        compiled: bool = False,
        recorder: Callable[[], Recorder] | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        if not stacked and len(members) != 1:
            raise ValueError(f"MemberModule: without a stack there is one member, got {len(members)}; use stacked=True")
        self.network = stack(members) if stacked else SingleMember(members[0])
        self.task, self._scale = task or Classification(), scale or Scale()
        self.members = len(members)
        is_recorded = recorder is not None and can_be_recorded(self.network)
        self.optimizer = MemberOptimizer(
            self.network.parameters(), optimizer, lrs, clip_norm=clip_norm, stacked=stacked, recorded=is_recorded
        )
        self.evaluations: list[list[dict[str, float]]] = []
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
        """Go on with these members alone, as if the others had never been there."""
        keep_members(self.network, members)
        self.optimizer.keep(members)
        self.members = len(members)
        if self._recorded is not None:
            self._recorded.forget()

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs ``(N, M, *)`` to outputs ``(N, M, *)``."""
        outputs: Tensor = self.network(inputs)
        return outputs

    def on_train_epoch_start(self) -> None:
        """Start new sums of losses; they stay on the device until they are asked for."""
        if self._loss_sum.shape != (self.members,) or self._loss_sum.device != self.device:
            self._loss_sum = torch.zeros(self.members, device=self.device)
        self._loss_sum.zero_()  # in place, as a recorded step adds to it
        self._steps = 0

    def training_step(self, block: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Take as many optimizer steps as the block holds: between them nothing but what training needs."""
        take = self._take_step if self._recorded is None else self._recorded
        for inputs, targets in zip(*block, strict=True):
            take(inputs, targets)
        self._steps += len(block[1])

    def _take_step(self, inputs: Tensor, targets: Tensor) -> None:
        losses = self._losses(inputs, targets)
        self.optimizer.step(losses.sum())
        self._loss_sum += losses.detach()
        if torch.is_autocast_enabled(inputs.device.type):
            torch.clear_autocast_cache()  # of low-precision copies of parameters, which have changed

    def _compute_losses(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Return each member's mean loss, ``(M,)``."""
        return member_losses(self.task.losses, self.network(inputs), targets).mean(0)

    def on_fit_end(self) -> None:
        """Let go of what was recorded, which holds memory of its own."""
        if self._recorded is not None:
            self._recorded.forget()

    def on_validation_epoch_start(self) -> None:
        """Make new metrics."""
        self._metrics = [MemberMetrics(self.task, self.members, self._scale, self.device) for _ in range(self._splits)]

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:  # noqa: ARG002
        """Count a batch into the metrics of its split, for every member."""
        inputs, targets = batch
        everyones = inputs.unsqueeze(1).expand(-1, self.members, *inputs.shape[1:])
        self._metrics[dataloader_idx].update(self.network(everyones), targets)

    def on_validation_epoch_end(self) -> None:
        """Put ``loss`` and the metrics of every split and member into ``evaluations[split][member]``."""
        self.evaluations = [metrics.compute() for metrics in self._metrics]
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
