"""Norms that go wrong, each in its own way, and only in training."""

import torch
from torch import Tensor, nn


class Raising(nn.Module):
    """Raises in its third step."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features, self.calls = num_features, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.training and self.calls == 3:
            raise ZeroDivisionError("as it\nwas told")
        return x


class Greedy(nn.Module):
    """Asks for a pebibyte."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        torch.empty(2**48)
        return x


class Swallowing(nn.Module):
    """Runs out of memory of Python's own."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        bytearray(2**62)
        return x


class Drawing(nn.Module):
    """Uses up random numbers at every step."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 + 1e-3 * torch.rand_like(x))
