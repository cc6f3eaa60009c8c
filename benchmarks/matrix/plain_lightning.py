"""One run as a plain Lightning script: the Trainer as it comes, a DataLoader, torchmetrics, ``self.log``."""

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import MulticlassAccuracy

from benchmarks.matrix.bare_torch import build_network
from benchmarks.matrix.peer import EVALUATION_ROWS, Job
from normzoo.data import Dataset, Split

Batch = tuple[Tensor, Tensor]


class PlainClassifier(LightningModule):
    """Trains a network with cross-entropy and sgd, and evaluates it on two splits.

    Args:
        network: maps images ``(N, C, H, W)`` to logits ``(N, classes)``.
        classes: number of classes.
        lr: learning rate.
    """

    def __init__(self, network: nn.Module, *, classes: int, lr: float) -> None:
        super().__init__()
        self.network, self.lr = network, lr
        self.train_accuracy = MulticlassAccuracy(classes, average="micro")
        self.validation_accuracy = MulticlassAccuracy(classes, average="micro")
        self.test_accuracy = MulticlassAccuracy(classes, average="micro")

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Return the loss of a batch."""
        images, labels = batch
        logits = self.network(images)
        loss = cross_entropy(logits, labels)
        self.train_accuracy.update(logits, labels)
        self.log("train_loss", loss)
        self.log("train_accuracy", self.train_accuracy, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:  # noqa: ARG002
        """Count a batch of the validation split (0) or of the test split (1)."""
        images, labels = batch
        logits = self.network(images)
        accuracy = self.test_accuracy if dataloader_idx else self.validation_accuracy
        accuracy.update(logits, labels)
        self.log("loss", cross_entropy(logits, labels))
        self.log("accuracy", accuracy)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return sgd with momentum 0.9."""
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9)


def train_run(job: Job, dataset: Dataset, norm: str, seed: int) -> float:
    """Train one run, evaluate both other splits after each epoch, and return the last test accuracy (0..1)."""
    torch.manual_seed(seed)
    network = build_network(job.template, norm, shape=dataset.shape, classes=dataset.outputs, sizes=job.sizes)
    module = PlainClassifier(network, classes=dataset.outputs, lr=job.lr)
    train = DataLoader(_tensors(dataset.train), batch_size=job.batch_size, shuffle=True, drop_last=True)
    evaluation = [DataLoader(_tensors(each), batch_size=EVALUATION_ROWS) for each in (dataset.validation, dataset.test)]
    trainer = Trainer(max_epochs=job.epochs)
    trainer.fit(module, train, evaluation)
    return float(trainer.callback_metrics["accuracy/dataloader_idx_1"])


def _tensors(split: Split) -> TensorDataset:
    return TensorDataset(split.inputs, split.targets)
