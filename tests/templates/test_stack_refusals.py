"""What cannot be stacked, or not mapped, and is that said?"""

import copy
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import register_parametrization
from torch.testing import assert_close

from normzoo.layers._make import NormFactory
from normzoo.templates import stack

from . import own_norms

SAMPLES = 5


@pytest.mark.parametrize(
    ("norm", "message"),
    [
        (own_norms.Drawing, "vmap: called random operation while in randomness error mode"),
        (own_norms.Branching, "vmap: It looks like you're attempting to use a Tensor in some data-dependent"),
        (own_norms.Reading, r"vmap: It looks like you're calling \.item\(\) on a Tensor"),
    ],
)
def test_a_norm_that_cannot_be_mapped_says_why(norm: NormFactory, message: str) -> None:
    """One that draws random numbers, branches on values or reads them works alone; the error is torch's."""
    members = [norm(4), norm(4)]
    x = torch.randn(SAMPLES, 2, 4)
    assert members[0](x[:, 0]).shape == (SAMPLES, 4)
    with pytest.raises(RuntimeError, match=f"^{message}"):
        stack(members)(x)


class Named(nn.Module):
    """Has something that is neither parameter nor buffer."""

    def __init__(self, kept: object) -> None:
        super().__init__()
        self.kept = kept

    def forward(self, x: Tensor) -> Tensor:
        return x * 1


DIFFERING = (
    "stack: members must be alike but for parameters and buffers, got {}s that differ in '{}'; "
    "register it as a buffer, or train them in the loop"
)


@pytest.mark.parametrize(
    "kept",
    [1, "a", (1, "b"), torch.arange(3), numpy.arange(3), numpy.float64(2.0), None, float],
    ids=lambda kept: type(kept).__name__,
)
def test_members_may_keep_what_is_the_same_for_all(kept: object) -> None:
    """Equal settings, of whatever kind, are the stack's."""
    x = torch.randn(SAMPLES, 2, 4)
    assert torch.equal(stack([Named(kept), Named(copy.deepcopy(kept))])(x), x)


@pytest.mark.parametrize(
    ("kept", "other"),
    [(1, 2), (torch.arange(3), torch.ones(2)), (numpy.arange(3), numpy.ones(3)), (lambda: 1, lambda: 1)],
    ids=["numbers", "tensors", "arrays", "functions"],
)
def test_members_that_keep_different_things_are_refused(kept: object, other: object) -> None:
    """Only the first one's would count; also where they are parts of what is mapped as a whole."""
    with pytest.raises(ValueError, match=DIFFERING.format("Named", "kept")):
        stack([Named(kept), Named(other)])
    nested = [own_norms.Nested(4), own_norms.Nested(4)]
    for norm, value in zip(nested, (kept, other), strict=True):
        norm.inner.kept = value  # type: ignore[assignment]
    with pytest.raises(ValueError, match=DIFFERING.format("BatchNorm", "kept")):
        stack(nested)


class Wrap(nn.Module):
    """A network that is mapped as a whole."""

    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(x)
        return y


class Id(nn.Module):
    """A parametrization that does nothing."""

    def forward(self, original: Tensor) -> Tensor:
        return original


class Neg(Id):
    """Another one."""

    def forward(self, original: Tensor) -> Tensor:
        return -original


def parametrized(*parametrizations: nn.Module) -> nn.Module:
    layer: nn.Module = nn.Linear(4, 3)
    for each in parametrizations:
        register_parametrization(layer, "weight", each)
    return layer


class Tied(nn.Module):
    """Two layers, of which one weight may be that of both."""

    def __init__(self, *, is_tied: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        if is_tied:
            self.second.weight = self.first.weight


def other_padding() -> nn.Module:
    return nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "stack: needs at least one member, got none; pass a list of modules"),
        (
            [nn.ReLU(), nn.Linear(1, 1), nn.ReLU()],
            "stack: members must be of one kind, got Linear, ReLU; stack like with like",
        ),
        (
            [nn.Sequential(nn.ReLU()), nn.Sequential(nn.Tanh())],
            "stack: members must be of one kind, got ReLU, Tanh as '0'; stack like with like",
        ),
        (
            [Wrap(nn.Tanh()), Wrap(nn.Sigmoid())],
            "stack: members must be of one kind, got Sigmoid, Tanh as 'act'; stack like with like",
        ),
        (
            [parametrized(Id()), parametrized(Neg())],
            "stack: members must be of one kind, got Id, Neg as 'parametrizations.weight.0'; stack like with like",
        ),
        (
            [parametrized(Id()), parametrized(Id(), Neg())],
            "stack: members must be of one kind, got Neg, none as 'parametrizations.weight.1'; stack like with like",
        ),
        (
            [parametrized(Id()), parametrized()],
            "stack: members must be of one kind, got ModuleDict, none as 'parametrizations'; stack like with like",
        ),
        (
            [parametrized(), parametrized(Id())],
            "stack: members must be of one kind, got Parameter, none as 'weight'; stack like with like",
        ),
        *(
            (
                [nn.Linear(1, 1, bias=bias), nn.Linear(1, 1, bias=not bias)],
                "stack: members must be of one kind, got Parameter, none as 'bias'; stack like with like",
            )
            for bias in (True, False)
        ),
        (
            [Tied(is_tied=True), Tied(is_tied=False)],
            "stack: members must be of one kind, got Parameter, none as 'second.weight'; stack like with like",
        ),
        ([nn.LeakyReLU(0.1), nn.LeakyReLU(0.2)], DIFFERING.format("LeakyReLU", "negative_slope")),
        (
            [weight_norm(nn.Linear(5, 4)), weight_norm(nn.Linear(5, 4))],
            DIFFERING.format("ParametrizedLinear", "_load_state_dict_pre_hooks"),
        ),
        (
            [other_padding(), other_padding()],
            "stack: Conv2d must pad with zeros, got padding_mode='reflect'; use 'zeros'",
        ),
        (
            [nn.Embedding(3, 2, padding_idx=0), nn.Embedding(3, 2, padding_idx=0)],
            "stack: Embedding must be plain, got padding_idx=0; leave it out",
        ),
    ],
    ids=[
        "none",
        "of different kinds",
        "of different parts",
        "of different mapped parts",
        "of different parametrizations",
        "of more parametrizations",
        "of which the first is parametrized",
        "of which the first is not parametrized",
        "of which the first has a bias",
        "of which the first has no bias",
        "of which one is tied",
        "of different settings",
        "of torch's weight_norm",
        "padding",
        "embedding",
    ],
)
def test_what_cannot_be_stacked_is_refused(members: list[nn.Module], message: str) -> None:
    """The message names what was given and the way out."""
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        stack(members)
    assert str(refusal.value) == message


def test_every_member_is_looked_at() -> None:
    """Also the last of three, and what only a later one keeps."""
    with pytest.raises(ValueError, match=DIFFERING.format("LeakyReLU", "negative_slope")):
        stack([nn.LeakyReLU(0.1), nn.LeakyReLU(0.1), nn.LeakyReLU(0.2)])
    later = nn.ReLU()
    later.kept = 1  # type: ignore[assignment]
    with pytest.raises(ValueError, match=DIFFERING.format("ReLU", "kept")):
        stack([nn.ReLU(), later])


@pytest.mark.parametrize("setting", [{"max_norm": 1.0}, {"scale_grad_by_freq": True}, {"sparse": True}], ids=str)
def test_an_embedding_that_is_not_plain_is_refused(setting: dict[str, Any]) -> None:
    """Whatever it is that a table of all members would not do."""
    ((name, value),) = setting.items()
    with pytest.raises(ValueError, match=f"^stack: Embedding must be plain, got {name}={value}; leave it out$"):
        stack([nn.Embedding(3, 2, **setting) for _ in range(2)])


class Scaled(nn.Module):
    """A parametrization with a buffer, and a number that is none."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = number
        self.register_buffer("factor", torch.rand(()))

    def forward(self, original: Tensor) -> Tensor:
        return self.number * self.get_buffer("factor") * original


def scaled(number: float) -> nn.Module:
    return register_parametrization(nn.Linear(4, 3), "weight", Scaled(number))


def test_a_parametrization_has_each_members_buffers_and_what_else_it_keeps_is_alike() -> None:
    """As of any other part."""
    members, x = [scaled(2.0), scaled(2.0)], torch.randn(SAMPLES, 2, 4)
    assert_close(stack(members)(x), torch.stack([member(x[:, index]) for index, member in enumerate(members)], 1))
    with pytest.raises(ValueError, match=DIFFERING.format("Scaled", "number")):
        stack([scaled(2.0), scaled(3.0)])
