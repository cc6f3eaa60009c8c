"""A metric for several members at once."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class MeanOfEach(Metric):
    """The mean of a value per sample, for each of M members.

    >>> mean = MeanOfEach(2)
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
