"""One run in bare torch: the templates' networks with torch.nn's layers, and a training loop over tensors in memory."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, pad, relu

from benchmarks.matrix.peer import EVALUATION_ROWS, Job
from normzoo.data import Dataset, Split

GROUPS = 8
RECURRENT_GAIN = 0.1
"""The initial weight of batch norm inside the LSTM (Cooijmans et al. 2016)."""


def build_network(
    template: str, norm: str, *, shape: tuple[int, ...], classes: int, sizes: Mapping[str, Any]
) -> nn.Module:
    """Return the network of a template: the layers and parameters of normzoo's, in its order.

    Args:
        template: ``cnn``, ``lstm`` or ``resnet``.
        norm: ``batch``, ``layer``, ``instance``, ``group`` or ``none``.
        shape: channels, height and width of the images.
        classes: number of classes.
        sizes: ``widths`` and ``hidden`` of the cnn, ``hidden`` of the lstm, ``depth`` and ``width`` of the resnet.
    """
    build: Any = {"cnn": cnn, "lstm": Lstm, "resnet": ResNet}[template]
    network: nn.Module = build(norm, shape=shape, classes=classes, **sizes)
    return network


def cnn(norm: str, *, shape: tuple[int, ...], classes: int, widths: Sequence[int], hidden: int) -> nn.Sequential:
    """Return per width convolution, ReLU, norm and pooling, then dense layer, ReLU, norm and classifier."""
    channels, height, width = shape
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise((channels, *widths)):
        convolution = nn.Conv2d(fan_in, fan_out, 3, padding=1)
        layers += [convolution, nn.ReLU(), *_of_maps(norm, fan_out), nn.MaxPool2d(2)]
    features = widths[-1] * (height >> len(widths)) * (width >> len(widths))
    dense = nn.Linear(features, hidden)
    layers += [nn.Flatten(), dense, nn.ReLU(), *_of_vectors(norm, hidden), nn.Linear(hidden, classes)]
    return nn.Sequential(*layers)


def _of_maps(norm: str, channels: int) -> list[nn.Module]:
    """Return the norm of maps ``(N, C, H, W)``, if any."""
    match norm:
        case "batch":
            return [nn.BatchNorm2d(channels)]
        case "layer":
            return [nn.GroupNorm(1, channels)]
        case "instance":
            return [nn.InstanceNorm2d(channels, affine=True)]
        case "group":
            return [nn.GroupNorm(GROUPS, channels)]
    return []


def _of_vectors(norm: str, features: int) -> list[nn.Module]:
    """Return the norm of vectors ``(N, C)``, if any; instance norm has none, since vectors have no positions."""
    match norm:
        case "batch":
            return [nn.BatchNorm1d(features)]
        case "layer":
            return [nn.LayerNorm(features)]
        case "group":
            return [nn.GroupNorm(GROUPS, features)]
    return []


class Lstm(nn.Module):
    """A normalized LSTM over an image's rows, and a classifier on its last state; see ``normzoo.templates``.

    Batch norm has statistics for each time step and the same weights at all; instance norm normalizes the
    input-to-hidden transform over time, and nothing else.
    """

    def __init__(self, norm: str, *, shape: tuple[int, ...], classes: int, hidden: int) -> None:
        super().__init__()
        channels, steps, width = shape
        bound = hidden**-0.5
        self.hidden = hidden
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden, channels * width).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden, hidden).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(4 * hidden))
        with torch.no_grad():
            self.bias[hidden : 2 * hidden] = 1
        self.over_time = nn.InstanceNorm1d(4 * hidden, affine=True) if norm == "instance" else None
        self.norm_ih = _per_step(norm, 4 * hidden, steps)
        self.norm_hh = _per_step(norm, 4 * hidden, steps)
        self.norm_cell = _per_step(norm, hidden, steps)
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to logits ``(N, classes)``."""
        driven = linear(images.transpose(1, 2).flatten(2), self.weight_ih)
        if self.over_time is not None:
            driven = self.over_time(driven.transpose(1, 2)).transpose(1, 2)
        h = c = images.new_zeros(len(images), self.hidden)
        norms = zip(self.norm_ih, self.norm_hh, self.norm_cell, strict=True)
        for row, (norm_ih, norm_hh, norm_cell) in zip(driven.unbind(1), norms, strict=True):
            gates = norm_ih(row) + norm_hh(linear(h, self.weight_hh)) + self.bias
            i, f, g, o = gates.chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * norm_cell(c).tanh()
        logits: Tensor = self.classifier(h)
        return logits


class ResNet(nn.Module):
    """The residual network of He et al. (2016) for small images, with zeros for further channels; as ``normzoo``'s."""

    def __init__(self, norm: str, *, shape: tuple[int, ...], classes: int, depth: int, width: int) -> None:
        super().__init__()
        fan_in = width
        self.stem = nn.Sequential(_convolution(shape[0], width, 1), *_of_maps(norm, width))
        blocks = []
        for stage in range(3):
            for _ in range((depth - 2) // 6):
                blocks.append(ResidualBlock(norm, fan_in, width << stage))
                fan_in = width << stage
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(fan_in, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to logits ``(N, classes)``."""
        logits: Tensor = self.classifier(self.blocks(relu(self.stem(images))).mean((2, 3)))
        return logits


class ResidualBlock(nn.Module):
    """Two convolutions, each with its norm, and the input, of which every second position where channels double."""

    def __init__(self, norm: str, fan_in: int, width: int) -> None:
        super().__init__()
        self.further = width - fan_in
        stride = 2 if self.further else 1
        self.first = nn.Sequential(_convolution(fan_in, width, stride), *_of_maps(norm, width))
        self.second = nn.Sequential(_convolution(width, width, 1), *_of_maps(norm, width))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, C', H', W')``."""
        y: Tensor = self.second(relu(self.first(x)))
        shortcut = pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.further)) if self.further else x
        return relu(y + shortcut)


def _convolution(fan_in: int, fan_out: int, stride: int) -> nn.Conv2d:
    convolution = nn.Conv2d(fan_in, fan_out, 3, stride=stride, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return convolution


def _per_step(norm: str, features: int, steps: int) -> nn.ModuleList:
    """Return the norm of each time step: the same one, except for batch norm's statistics."""
    if norm != "batch":
        return nn.ModuleList((_of_vectors(norm, features) or [nn.Identity()]) * steps)
    layers = [nn.BatchNorm1d(features) for _ in range(steps)]
    nn.init.constant_(layers[0].weight, RECURRENT_GAIN)
    for layer in layers[1:]:
        layer.weight, layer.bias = layers[0].weight, layers[0].bias
    return nn.ModuleList(layers)


def train_run(job: Job, dataset: Dataset, norm: str, seed: int) -> float:
    """Train one run, evaluate both other splits after each epoch, and return the last test accuracy (0..1)."""
    torch.manual_seed(seed)
    device = dataset.train.targets.device
    network = build_network(job.template, norm, shape=dataset.shape, classes=dataset.outputs, sizes=job.sizes).to(
        device
    )
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
    order = torch.randperm(len(split), device=split.targets.device)[: steps * batch_size]
    loss_sum = torch.zeros((), device=split.targets.device)
    shuffled = (torch.split(each[order], batch_size) for each in (split.inputs, split.targets))
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
    loss = torch.zeros((), device=split.targets.device)
    correct = torch.zeros((), device=split.targets.device)
    in_order = (torch.split(each, EVALUATION_ROWS) for each in (split.inputs, split.targets))
    for images, labels in zip(*in_order, strict=True):
        logits = network(images)
        loss += cross_entropy(logits, labels, reduction="sum")
        correct += (logits.argmax(1) == labels).sum()
    return loss.item() / len(split), correct.item() / len(split)
