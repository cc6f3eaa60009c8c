"""What a worker finds out before anything is planned. Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from normzoo.metric import Metric

Device = str
"""``cpu`` or the kind of an accelerator, as torch names it: ``cuda``, ``mps``, ``xpu``."""


@dataclass(frozen=True)
class DatasetFacts:
    """What planning needs to know of a dataset: checksum, shape (C, H, W), outputs, and the samples of each split."""

    name: str
    checksum: str
    shape: tuple[int, ...]
    outputs: int
    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class NetworkFacts:
    """What was found out of a template with a norm by trying it once.

    Attributes:
        flops: floating-point operations of a forward pass over one sample.
        unstackable: why its seeds cannot be trained side by side; empty where they can.
    """

    flops: int = 0
    unstackable: str = ""


Networks = Mapping[tuple[str, str], NetworkFacts]
"""By template and norm."""


@dataclass(frozen=True)
class Prepared:
    """What a parent needs to plan a matrix, and to say where it ran.

    Attributes:
        dataset: sizes and checksum.
        sources: by kind and spec, the checksum of the file that the user's own component comes from.
        networks: what was found out of each.
        metrics: by which networks are judged.
        device: where runs will train.
        environment: versions, machine and commit.
        accelerators: how many devices of that kind there are, beyond the processor.
    """

    dataset: DatasetFacts
    sources: Mapping[str, Mapping[str, str]]
    networks: Networks
    metrics: tuple[Metric, ...]
    device: Device
    environment: dict[str, Any]
    accelerators: int = field(default=0)
