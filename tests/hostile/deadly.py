"""Norms, a template and a dataset that end what they are tried by, or do not end; and data that is no trouble."""

import ctypes
import os
import re
from typing import Any

import torch
from torch import Tensor, nn


class _Deadly(nn.Module):
    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        self.go()
        return x

    def go(self) -> None:
        raise NotImplementedError


class MuteError(Exception):
    """Cannot be written."""

    def __str__(self) -> str:
        raise SystemExit(7)

    __repr__ = __str__


class OwnEnd(BaseException):
    """Is no kind of error that anybody else knows."""


class Exiting(_Deadly):
    def go(self) -> None:
        raise SystemExit(3)


class Interrupting(_Deadly):
    def go(self) -> None:
        raise KeyboardInterrupt


class Generating(_Deadly):
    def go(self) -> None:
        raise GeneratorExit("no more")


class Mute(_Deadly):
    def go(self) -> None:
        raise MuteError


class ExitingInConstructor(_Deadly):
    def __init__(self, num_features: int) -> None:  # noqa: ARG002
        raise SystemExit(3)


class ExitingInBackward(_Deadly):
    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            x.register_hook(self.leave)  # type: ignore[no-untyped-call]
        return x

    def leave(self, _: Tensor) -> Tensor:
        raise SystemExit(3)


class Ending(_Deadly):
    def go(self) -> None:
        raise OwnEnd("mine")


class Vanishing(_Deadly):
    def go(self) -> None:
        print("\x1b[31mthe last that I say")
        os._exit(4)


class Aborting(_Deadly):
    def go(self) -> None:
        os.abort()


class Faulting(_Deadly):
    def go(self) -> None:
        ctypes.string_at(0)


class Looping(_Deadly):
    def go(self) -> None:
        while True:
            pass


class LoopingInConstructor(_Deadly):
    def __init__(self, num_features: int) -> None:  # noqa: ARG002
        while True:
            pass


class Locking(_Deadly):
    """Lets no other thread go on: Python's lock is held all the time."""

    def go(self) -> None:
        re.match("(a+)+$", "a" * 64 + "b")


def template_without_end(**_: Any) -> nn.Module:
    while True:
        pass


def few_images() -> tuple[Tensor, ...]:
    """Are there at once, which no file is."""
    images, labels = torch.rand(64, 8, 8, 1, generator=torch.Generator().manual_seed(0)), torch.arange(64) % 2
    return images, labels, images, labels


def data_without_end() -> Any:
    while True:
        pass
