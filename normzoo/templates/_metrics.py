"""The metrics of a task, for several members at once."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from normzoo.tasks import Scale, Task

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
        device: where outputs come from.
    """

    def __init__(self, task: Task, members: int, scale: Scale, device: torch.device) -> None:
        self._task, self._scale, self._members, self._device = task, scale, members, device
        self._loss = PerMemberMean(members).to(device)
        self._metrics: dict[str, list[Metric]] = {}
        self._waiting: list[tuple[Tensor, Tensor]] = []
        self._values = 0

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Count in a batch: outputs ``(N, M, *)`` and the targets ``(N, *)`` of all members."""
        everyones = targets.unsqueeze(1).expand(-1, self._members, *targets.shape[1:])
        self._loss.update(member_losses(self._task.losses, outputs, everyones))
        self._waiting.append((outputs.detach(), targets))
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
            width = outputs.shape[2] if outputs.ndim > 2 else 1
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

    def compute(self) -> list[dict[str, float]]:
        """Return, for each member, its mean loss as ``loss``, and each metric by its name."""
        self._count()
        losses = self._loss.compute().reshape(-1).tolist()
        found = [{"loss": loss} for loss in losses]
        for name, metrics in self._metrics.items():
            for values, metric in zip(found, metrics, strict=True):
                values[name] = float(metric.compute())
        return found


def _precise(values: Tensor) -> Tensor:
    """Return numbers in float64: far from zero, the units of the data take more digits than float32 has."""
    return values.double() if values.is_floating_point() else values


def member_losses(losses: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of each sample and member, ``(N, M)``, of outputs ``(N, M, *)`` and targets ``(N, M, *)``."""
    return losses(outputs.flatten(0, 1), targets.flatten(0, 1)).view(outputs.shape[:2])
