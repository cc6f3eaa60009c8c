"""What a worker finds out before anything is planned. Torch-free."""

from dataclasses import dataclass
from typing import Any, Literal

from normzoo.experiment.plan import DatasetFacts

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Prepared:
    """What a parent needs to plan a matrix, and to say where it ran.

    Attributes:
        dataset: sizes and checksum.
        norm_sources: for each norm as written, the checksum of the user's own file, or None.
        device: where runs will train.
        environment: versions, machine and commit.
        gpus: how many there are.
    """

    dataset: DatasetFacts
    norm_sources: dict[str, str | None]
    device: Device
    environment: dict[str, Any]
    gpus: int = 0
