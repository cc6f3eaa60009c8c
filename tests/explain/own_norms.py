"""Norms that a user might have written, each of another form."""

import torch
from torch import Tensor, nn


class Paired(nn.Module):
    """Divide by the root mean square of two channels that are far from one another."""

    def __init__(self, channels: int, gain: float = 2.0) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.full((channels,), gain))
        self.order = [index + half for index in range(channels // 2) for half in (0, channels // 2)]

    def forward(self, x: Tensor) -> Tensor:
        pairs = x[:, self.order].reshape(len(x), len(self.order) // 2, -1)
        scale = pairs.square().mean(-1).add(1e-5).rsqrt()  # (N, C / 2)
        gained = self.gain.view(-1, *(1 for _ in x.shape[2:]))
        return x * torch.cat([scale, scale], 1).view(*x.shape[:2], *(1 for _ in x.shape[2:])) * gained


class Window(nn.Module):
    """Divide by what is in the channels beside."""

    def __init__(self, channels: int) -> None:  # noqa: ARG002
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        squares = nn.functional.pad(x.square(), (0, 0) * (x.ndim - 2) + (1, 1))
        return x / (1 + squares[:, :-2] + squares[:, 1:-1] + squares[:, 2:]).sqrt()


class Dropped(nn.Dropout):
    """Leave out values at random, in training."""

    def __init__(self, channels: int) -> None:  # noqa: ARG002
        super().__init__(0.5)


class Squared(nn.Module):
    """Square each value."""

    def __init__(self, channels: int) -> None:  # noqa: ARG002
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x * x


class Largest(nn.Module):
    """Divide each sample by its largest absolute value."""

    def __init__(self, channels: int) -> None:  # noqa: ARG002
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x / x.abs().amax(tuple(range(1, x.ndim)), keepdim=True)


class Median(nn.Module):
    """Subtract the median of the positions of each channel."""

    def __init__(self, channels: int) -> None:  # noqa: ARG002
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x - x.flatten(2).median(-1).values.view(*x.shape[:2], *(1 for _ in x.shape[2:]))


class Rectified(nn.Module):
    """Normalize each sample, and leave out what is negative; factors start at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(x)
        return y.relu()


class Softsign(nn.Module):
    def __init__(self, channels: int) -> None:  # noqa: ARG002
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.softsign(x)


class Flattening(nn.Module):
    """Lose the shape."""

    def __init__(self, channels: int) -> None:  # noqa: ARG002
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


class Rounding(nn.Identity):
    """Return whole numbers."""

    def forward(self, x: Tensor) -> Tensor:
        return x.int()


class Constant(nn.Module):
    """Forget the input, but for its shape."""

    def __init__(self, channels: int) -> None:  # noqa: ARG002
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return torch.ones_like(x)


class Broken(Constant):
    """Return no number."""

    def forward(self, x: Tensor) -> Tensor:
        return x * float("nan")
