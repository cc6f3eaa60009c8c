"""Norms that are hard to end or hard to keep alive while they are trained; by files they say that they are."""

import ctypes
import os
import re
import signal
import time
from pathlib import Path

import torch
from torch import Tensor, nn

BATCH_SIZE = 64
"""Of training; every norm is tried before, on smaller batches or without gradients."""


class Stuck(nn.Module):
    """Lets everything through, but has its way in every step of training."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        if self.training and torch.is_grad_enabled() and len(x) == BATCH_SIZE:
            Path(f"{type(self).__name__}-{os.getpid()}").touch()
            self.go()
        return x

    def go(self) -> None:
        """Be difficult."""
        raise NotImplementedError


class Calling(Stuck):
    """Is in one call of C, with the interpreter's lock, for longer than anybody lives."""

    def go(self) -> None:
        re.match(r"(a+)+$", "a" * 100 + "b")


class Stopped(Stuck):
    """Stops its process."""

    def go(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)


class Parenting(Stuck):
    """Forks a process that sleeps, and waits for it."""

    def go(self) -> None:
        child = os.fork()
        if child == 0:
            time.sleep(86_400)
        os.waitpid(child, 0)


class Waiting(Stuck):
    """Waits while there is a file ``wait``."""

    def go(self) -> None:
        while Path("wait").exists():
            time.sleep(0.05)


class KilledOnce(Stuck):
    """Is killed by the system in its first step ever."""

    def go(self) -> None:
        if len(list(Path().glob("KilledOnce-*"))) == 1:
            os.kill(os.getpid(), signal.SIGKILL)


class Crashing(Stuck):
    """Reads what is not its own."""

    def go(self) -> None:
        ctypes.string_at(0)


class Forking(Stuck):
    """Forks a process that goes on as if it were the one, and one that sleeps; only in its first step."""

    def go(self) -> None:
        if not Path("forked").exists():
            Path("forked").touch()
            if os.fork() == 0:
                Path(f"child-{os.getpid()}").touch()
            elif os.fork() == 0:
                Path(f"child-{os.getpid()}").touch()
                time.sleep(86_400)
