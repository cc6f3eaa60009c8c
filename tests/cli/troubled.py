"""Norms of a user's own that go wrong in training; copied beside the command, and mended by a file ``mended``."""

import os
import signal
import time
from pathlib import Path

import torch
from torch import Tensor, nn

BATCH_SIZE = 64
"""Of training; every norm is tried before, on smaller batches or without gradients, and these have no trouble then."""


def is_first(name: str) -> bool:
    """Whether this has not been asked before, by any process in this folder."""
    try:
        Path(f"{name}.once").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


class Troubled(nn.Module):
    """Lets everything through, but has its trouble in training."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        is_step = self.training and torch.is_grad_enabled() and len(x) == BATCH_SIZE
        return self.trouble(x) if is_step and not Path("mended").exists() else x

    def trouble(self, x: Tensor) -> Tensor:
        """Go wrong."""
        raise NotImplementedError


class Raising(Troubled):
    def trouble(self, x: Tensor) -> Tensor:
        raise RuntimeError(f"no good, said the norm\nof {tuple(x.shape)}")


class Killed(Troubled):
    """Kills its process, but only the first two times."""

    def trouble(self, x: Tensor) -> Tensor:
        if is_first("killed") or is_first("killed again"):
            os.kill(os.getpid(), signal.SIGKILL)
        return x


class Greedy(Troubled):
    def trouble(self, x: Tensor) -> Tensor:
        torch.empty(2**48)
        return x


class Spoiling(Troubled):
    def trouble(self, x: Tensor) -> Tensor:
        return x * torch.nan


class Sleeping(Troubled):
    """Sleeps through the day, but only the first time."""

    def trouble(self, x: Tensor) -> Tensor:
        if is_first("slept"):
            time.sleep(86_400)
        return x
