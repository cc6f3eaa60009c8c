"""Norms as a user might write them."""

import torch
from torch import Tensor, nn

from normzoo.layers import BatchNorm


class Rolling(nn.Module):
    """Draws random numbers as it is made."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(num_features, 3).mean(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale.reshape(-1, *(1 for _ in x.shape[2:]))


class Dicing(nn.Module):
    """Draws random numbers as it is called, and forgets nothing of it."""

    seen: Tensor

    def __init__(self, num_features: int) -> None:
        super().__init__()
        torch.rand(5)
        self.num_features = num_features
        self.register_buffer("seen", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        return x + 0 * torch.rand_like(x)


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


def per_channel(parameter: Tensor, x: Tensor) -> Tensor:
    """Return a value per channel so that it broadcasts to ``(N, C, *)``."""
    return parameter.reshape(-1, *(1 for _ in x.shape[2:]))


def over_samples(x: Tensor) -> tuple[int, ...]:
    """Return the dimensions of ``(N, C, *)`` but that of the channels."""
    return (0, *range(2, x.ndim))


class InPlace(nn.Module):
    """A batch norm of means, which updates its buffers in place."""

    mean: Tensor
    steps: Tensor

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("steps", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(over_samples(x))
        if self.training:
            self.steps += 1
            self.mean.mul_(0.9).add_(mean.detach(), alpha=0.1)
        else:
            mean = self.mean
        return per_channel(self.weight, x) * (x - per_channel(mean, x)) + per_channel(self.bias, x)


class Reassigning(nn.Module):
    """The same without a shift, but its buffers are new tensors after every step."""

    mean: Tensor
    steps: Tensor

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_features))
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("steps", torch.tensor(0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(over_samples(x))
        if self.training:
            self.steps = self.steps + 1
            self.mean = self.mean + (mean.detach() - self.mean) / self.steps
        else:
            mean = self.mean
        return per_channel(self.weight, x) * (x - per_channel(mean, x))


class Nested(nn.Module):
    """Has a norm as its part."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.inner = BatchNorm(num_features)
        self.gain = nn.Parameter(torch.ones(num_features))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x) * per_channel(self.gain, x)
        return y


class OneNumber(nn.Module):
    """Has a parameter that is one number."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features
        self.gain = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * x / (x.square().mean() + 1e-5).sqrt()


class Stateless(nn.Module):
    """Has neither parameters nor buffers."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(1, keepdim=True)


class OfTorch(nn.Module):
    """Is made of torch's modules."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.LayerNorm(num_features), nn.GELU(), nn.BatchNorm1d(num_features))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


class Drawing(nn.Module):
    """Draws random numbers at every step."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.rand_like(x)


class Branching(nn.Module):
    """Does one thing or another, according to values."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        return x if x.mean() > 0 else -x


class Reading(nn.Module):
    """Takes a value out of its tensor."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        return x / x.abs().max().item()
