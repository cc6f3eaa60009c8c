"""Optimizers and schedules as users bring them."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class Lion(Optimizer):
    """Steps by the sign of a mean of gradients, each number by itself (Chen et al. 2023)."""

    def __init__(
        self, params: Any, lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99), weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            first, second = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                mean = self.state[parameter].setdefault("mean", torch.zeros_like(parameter))
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.sub_(group["lr"] * mean.lerp(parameter.grad, 1 - first).sign())
                mean.lerp_(parameter.grad, 1 - second)


class Normalized(Optimizer):
    """Divides each gradient by its norm over the whole parameter, as LAMB and Muon look at whole parameters."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.sub_(group["lr"] * parameter.grad / parameter.grad.norm())


class Weighing(Optimizer):
    """Decays parameters by their own size, over the whole of each."""

    def __init__(self, params: Any, lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                decay = group["weight_decay"] * parameter.norm() * parameter
                parameter.sub_(group["lr"] * (parameter.grad + decay))


class Late(Normalized):
    """Takes the gradient as it is in its first step."""

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        if self.state:
            super().step()
            return
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter]["seen"] = True
                parameter.sub_(group["lr"] * parameter.grad)


class Counting(Lion):
    """Counts the members in a state that is no tensor of them, as some count their steps."""

    def step(self) -> None:  # type: ignore[override]
        super().step()
        for parameter in self.state:
            count: Tensor = self.state[parameter].setdefault("steps", torch.zeros(1))
            count += 1


class Failing(Lion):
    """Raises at its first step."""

    def step(self) -> None:  # type: ignore[override]
        raise RuntimeError("no step\nwas taken")


def decaying(params: Iterable[nn.Parameter], lr: float) -> Optimizer:
    """Return one that decays by itself."""
    return torch.optim.AdamW(params, lr=lr, weight_decay=0.5)


def no_optimizer(params: Iterable[nn.Parameter], lr: float) -> int:  # noqa: ARG001
    """Return a number."""
    return 7


def triangle(step: int, steps: int, peak: float = 0.5) -> float:
    """Rise to 1 at a share of the steps, and fall to 0."""
    share = step / steps
    return share / peak if share < peak else (1 - share) / (1 - peak)


def endless(step: int, steps: int) -> float:
    """Return no rate in the end."""
    return float("inf") if step == steps - 1 else 1.0


CALLS: list[int] = []


def counting(step: int, steps: int) -> float:  # noqa: ARG001
    """Return another number at each call."""
    CALLS.append(step)
    return 1 / len(CALLS)


def undefined(step: int, steps: int) -> float:
    """Return no number on the way."""
    return float("nan") if step == steps // 2 else 1.0


def falling(step: int, steps: int, by: float = 0.01) -> float:
    """Fall below 0 where there are many steps."""
    return 1 - by * step if step < steps - 1 else 0.0


def broken(step: int, steps: int) -> float:  # noqa: ARG001
    """Know the first step alone."""
    return {0: 1.0}[step]
