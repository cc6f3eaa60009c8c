"""The LightningModule that trains any template: loss, accuracy, optimizer."""

import math
from typing import Literal, NamedTuple

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics import MeanMetric, Metric
from torchmetrics.classification import MulticlassAccuracy

Batch = tuple[Tensor, Tensor]
MOMENTUM = 0.9
"""Of sgd."""


class Evaluation(NamedTuple):
    """Mean cross-entropy (nats) and accuracy (0..1) over a whole split."""

    loss: float
    accuracy: float


class Classifier(LightningModule):
    """Trains a network with cross-entropy, and evaluates it on any number of splits at once.

    Args:
        network: maps inputs ``(N, ...)`` to logits ``(N, classes)``.
        classes: number of classes.
        optimizer: ``sgd`` (momentum 0.9), ``adam`` or ``rmsprop``, with torch's defaults otherwise.
        lr: learning rate, constant.
        splits: how many dataloaders validation gets.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        classes: int,
        optimizer: Literal["sgd", "adam", "rmsprop"] = "sgd",
        lr: float = 0.05,
        splits: int = 1,
    ) -> None:
        super().__init__()
        self.network = network
        self.optimizer_name, self.lr = optimizer, lr
        self.losses = nn.ModuleList(MeanMetric(nan_strategy="disable") for _ in range(splits))
        self.accuracies = nn.ModuleList(MulticlassAccuracy(classes, average="micro") for _ in range(splits))
        self.evaluations: list[Evaluation] = []
        self._loss_sum: Tensor | float = 0.0
        self._steps = 0

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs to logits ``(N, classes)``."""
        logits: Tensor = self.network(inputs)
        return logits

    @property
    def train_loss(self) -> float:
        """Mean training loss over the steps of the last epoch (nats); NaN or infinite when training diverged."""
        return float(self._loss_sum) / self._steps if self._steps else math.nan

    def on_train_epoch_start(self) -> None:
        """Start the sum of losses anew; it stays on the device until it is asked for."""
        self._loss_sum, self._steps = 0.0, 0

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Return the mean cross-entropy of a batch."""
        inputs, labels = batch
        loss = cross_entropy(self.network(inputs), labels)
        self._loss_sum = self._loss_sum + loss.detach()
        self._steps += 1
        return loss

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:  # noqa: ARG002
        """Count a batch into the metrics of its split."""
        inputs, labels = batch
        logits = self.network(inputs)
        # A loss per sample, not a mean and its weight: torchmetrics drops weights along with the check for NaNs.
        self._metric(self.losses, dataloader_idx).update(cross_entropy(logits, labels, reduction="none"))
        self._metric(self.accuracies, dataloader_idx).update(logits, labels)

    def on_validation_epoch_end(self) -> None:
        """Put the metrics of every split into ``evaluations``, and start them anew."""
        self.evaluations = []
        for index in range(len(self.losses)):
            loss, accuracy = self._metric(self.losses, index), self._metric(self.accuracies, index)
            self.evaluations.append(Evaluation(float(loss.compute()), float(accuracy.compute())))
            loss.reset()
            accuracy.reset()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer by name."""
        parameters = self.network.parameters()
        match self.optimizer_name:
            case "sgd":
                return torch.optim.SGD(parameters, lr=self.lr, momentum=MOMENTUM)
            case "adam":
                return torch.optim.Adam(parameters, lr=self.lr)
            case "rmsprop":
                return torch.optim.RMSprop(parameters, lr=self.lr)

    @staticmethod
    def _metric(metrics: nn.ModuleList, index: int) -> Metric:
        metric = metrics[index]
        assert isinstance(metric, Metric)  # noqa: S101
        return metric
