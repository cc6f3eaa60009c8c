"""Norms of a user's own, named by their import path."""

import torch
from torch import Tensor, nn


class Scaled(nn.Module):
    """Takes channels second, as normzoo asks of a user's norm."""

    def __init__(self, num_features: int, factor: float = 2.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(num_features))
        self.gamma = nn.Parameter(torch.ones(num_features))
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        shape = (-1, *(1 for _ in x.shape[2:]))
        return self.factor * x * self.weight.reshape(shape) * self.gamma.reshape(shape)


class Activated(Scaled):
    """Contains its activation."""

    contains_activation = True

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).sigmoid()


class InWiderType(nn.LayerNorm):
    """Casts its input, and its output back, as many a transformer does."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float()).type_as(x)


class OverMaps(nn.LayerNorm):
    """Normalizes the channels of maps ``(N, C, H, W)``."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Rectified(nn.BatchNorm2d):
    """Does more than normalize."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).relu()
