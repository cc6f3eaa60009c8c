"""Is a parametrization of a stack, whatever it keeps and does, that of each member?"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal
from torch.nn.utils.parametrize import register_parametrization
from torch.testing import assert_close

from normzoo.templates import keep_members, stack, unmapped

SAMPLES = 5


class InTraining(nn.Module):
    """Scales in training alone, by a buffer."""

    factor: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("factor", torch.rand(()))

    def forward(self, original: Tensor) -> Tensor:
        return original * self.factor if self.training else original


class Halving(InTraining):
    """Scales by half as much each time: it re-assigns its buffer."""

    def forward(self, original: Tensor) -> Tensor:
        self.factor = self.factor * 0.5
        return original * self.factor


class Nested(nn.Module):
    """Has tensors in a part, and a part that is another in training."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.inner = nn.PReLU(3), InTraining()

    def forward(self, original: Tensor) -> Tensor:
        scaled: Tensor = self.inner(self.scale(original.T).T)
        return scaled


class Polar(nn.Module):
    """Makes a tensor of two."""

    def forward(self, size: Tensor, direction: Tensor) -> Tensor:
        return size * nn.functional.normalize(direction.flatten(), dim=0).view_as(direction)

    def right_inverse(self, whole: Tensor) -> tuple[Tensor, Tensor]:
        return torch.linalg.vector_norm(whole), whole


def parametrized(layer: nn.Module, *kinds: Callable[[], nn.Module]) -> nn.Module:
    for kind in kinds:
        register_parametrization(layer, "weight", kind())
    return layer


def polar(layer: nn.Module) -> nn.Module:
    return parametrized(layer, Polar)


def assert_stack_is_its_members(stacked: nn.Module, members: Sequence[nn.Module], shape: Sequence[int]) -> None:
    """Compare outputs, and gradients, in training and in evaluation, several times."""
    for training in (True, True, False, False, True):
        x = torch.randn(SAMPLES, len(members), *shape, dtype=torch.float64)
        y = stacked.train(training)(x)
        gradients = torch.autograd.grad(y.square().sum(), [*stacked.parameters()])
        for index, member in enumerate(members):
            alone = member.train(training)(x[:, index])
            assert_close(y[:, index], alone)
            own = torch.autograd.grad(alone.square().sum(), [*member.parameters()], allow_unused=True)
            assert_close([each[index] for each in gradients], [*own])


@pytest.mark.parametrize(
    "kinds",
    [(InTraining,), (Halving,), (Nested,), (Halving, InTraining)],
    ids=lambda kinds: ", ".join(kind.__name__ for kind in kinds),
)
def test_it_is_evaluated_and_re_assigns_its_buffers_as_alone(kinds: Sequence[Callable[[], nn.Module]]) -> None:
    """Also once a member has left."""
    members = [parametrized(nn.Linear(4, 3), *kinds).double() for _ in range(3)]
    stacked = stack(members)
    members = [members[0], members[2]]
    keep_members(stacked, [0, 2])
    assert_stack_is_its_members(stacked, members, (4,))


@pytest.mark.parametrize(
    ("build", "shape"),
    [(lambda: nn.Linear(5, 4), (5,)), (lambda: nn.Conv2d(2, 3, 3), (2, 5, 4))],
    ids=["dense", "convolution"],
)
@pytest.mark.parametrize("parametrize", [orthogonal, polar])
def test_what_has_an_inverse(
    parametrize: Callable[[nn.Module], nn.Module], build: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    """Of one tensor, and of several."""
    members = [parametrize(build()).double() for _ in range(2)]
    assert_stack_is_its_members(stack(members), members, shape)


def test_it_stays_mapped_where_tools_look_into_a_stack() -> None:
    """Beside what is taken apart."""
    members = [nn.Sequential(parametrized(nn.Linear(4, 3), InTraining), nn.BatchNorm1d(3)) for _ in range(2)]
    stacked: Any = stack(members)
    network: Any = unmapped(stacked)
    assert network[0] is stacked[0]
    assert network[1] is not stacked[1]
    x = torch.randn(SAMPLES, 2, 4)
    assert_close(network(x), torch.stack([member(x[:, index]) for index, member in enumerate(members)], 1))
