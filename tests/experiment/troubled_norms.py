"""Norms that go wrong, each in its own way, and only once they are trained."""

import os
import signal

import torch
from torch import Tensor, nn

THIRD = 3


class Troubled(nn.Module):
    """Lets everything through, but goes wrong in its third training step."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features, self.calls = num_features, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += self.training
        if self.training and self.calls == THIRD:
            self.trouble()
        return x

    def trouble(self) -> None:
        """Go wrong."""
        raise NotImplementedError


class Raising(Troubled):
    """Raises."""

    def trouble(self) -> None:
        raise ZeroDivisionError("as it\nwas told")


class Greedy(Troubled):
    """Asks for a pebibyte."""

    def trouble(self) -> None:
        torch.empty(2**48)


class Swallowing(Troubled):
    """Runs out of memory of Python's own."""

    def trouble(self) -> None:
        bytearray(2**62)


class End(BaseException):
    """No kind of error that anybody else knows."""


class Leaving(Troubled):
    """Ends what it is trained by, in Python's way."""

    def trouble(self) -> None:
        raise End(3)


class Interrupting(Troubled):
    """Does as somebody at the keyboard."""

    def trouble(self) -> None:
        raise KeyboardInterrupt


class Exiting(Troubled):
    """Asks for the end of the program."""

    def trouble(self) -> None:
        raise SystemExit(3)


class Vanishing(Troubled):
    """Ends its process without a word."""

    def trouble(self) -> None:
        os._exit(4)


class Killed(Troubled):
    """Is killed by the system."""

    def trouble(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Drawing(nn.Module):
    """Uses up random numbers at every step."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 + 1e-3 * torch.rand_like(x))


class Looking(nn.Module):
    """Does what its data says, which cannot be done for several members at once."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_features))

    def forward(self, x: Tensor) -> Tensor:
        shape = (1, -1) + (1,) * (x.ndim - 2)
        return x * self.weight.view(shape) if x.sum() > 0 else x
