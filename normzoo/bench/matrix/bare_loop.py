"""One run as a bare loop of torch: tensors in memory, no framework."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from normzoo.bench.matrix.job import EVALUATION_ROWS, Job
from normzoo.bench.matrix.networks import build_network
from normzoo.data import Dataset, Split


def train_run(job: Job, dataset: Dataset, norm: str, seed: int) -> float:
    """Train one run, evaluate both other splits after each epoch, and return the last test accuracy (0..1)."""
    torch.manual_seed(seed)
    device = dataset.train.labels.device
    network = build_network(
        job.template, norm, shape=dataset.shape, classes=dataset.classes, widths=job.widths, hidden=job.hidden
    ).to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=job.lr, momentum=0.9, fused=True)
    accuracy = 0.0
    for _ in range(job.epochs):
        _train_epoch(network, optimizer, dataset.train, job.batch_size)
        _, (_, accuracy) = (_evaluate(network, split) for split in (dataset.validation, dataset.test))
    return accuracy


def _train_epoch(network: nn.Module, optimizer: torch.optim.Optimizer, split: Split, batch_size: int) -> Tensor:
    """Take the steps of an epoch; return the mean loss, still on the device."""
    network.train()
    steps = len(split) // batch_size
    order = torch.randperm(len(split), device=split.labels.device)[: steps * batch_size]
    loss_sum = torch.zeros((), device=split.labels.device)
    shuffled = (torch.split(each[order], batch_size) for each in (split.images, split.labels))
    for images, labels in zip(*shuffled, strict=True):
        loss = cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss_sum += loss.detach()
    return loss_sum / steps


@torch.inference_mode()
def _evaluate(network: nn.Module, split: Split) -> tuple[float, float]:
    """Return mean loss (nats) and accuracy (0..1) over a split."""
    network.eval()
    loss = torch.zeros((), device=split.labels.device)
    correct = torch.zeros((), device=split.labels.device)
    in_order = (torch.split(each, EVALUATION_ROWS) for each in (split.images, split.labels))
    for images, labels in zip(*in_order, strict=True):
        logits = network(images)
        loss += cross_entropy(logits, labels, reduction="sum")
        correct += (logits.argmax(1) == labels).sum()
    return loss.item() / len(split), correct.item() / len(split)
