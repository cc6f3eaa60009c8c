"""Norms as a user might write them."""

import torch
from torch import Tensor, nn


class Rolling(nn.Module):
    """Draws random numbers as it is made."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(num_features, 3).mean(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale.reshape(-1, *(1 for _ in x.shape[2:]))


class Positional(nn.Module):
    """Declares that it means nothing for plain vectors, as instance norm does."""

    needs_positions = True

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim < 3:
            raise ValueError("got vectors")
        return x - x.mean(-1, keepdim=True)
