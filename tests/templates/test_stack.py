"""Does a stack of networks do for each what that network does alone?"""

import copy
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from zoo import CLASSIC

from normzoo.layers import BatchNorm, LayerNorm, norm_factory
from normzoo.layers._make import NormFactory
from normzoo.templates import Cnn, Lstm, keep_members, stack

from . import own_norms
from .networks import SMALL, small_network

MEMBERS, SAMPLES = 3, 5
OWN: list[NormFactory] = [
    own_norms.Rolling,
    own_norms.Positional,
    own_norms.InPlace,
    own_norms.Reassigning,
    own_norms.Nested,
    own_norms.OneNumber,
    own_norms.Stateless,
    nn.Identity,
    own_norms.OfTorch,
    LayerNorm,
]


def network_of(template: str, norm: NormFactory, **changes: Any) -> nn.Module:
    """Build a small network in float64, with parameters of its own throughout."""
    return randomized(small_network(template, norm, **changes).double())


def randomized(module: nn.Module) -> nn.Module:
    """Move every parameter a little, so that norms of different members differ."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return module


def results(module: nn.Module, x: Tensor, cotangent: Tensor) -> dict[str, Tensor]:
    """Return the output, and the gradients of input and parameters, by the names that a member's have."""
    module.zero_grad()
    x = x.detach().requires_grad_()
    y = module(x)
    y.backward(cotangent)
    assert x.grad is not None
    found = {"y": y.detach(), "x": x.grad}
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        found[own_name(name)] = parameter.grad.clone()
    return found


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers, also those that are not saved."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def own_name(name: str) -> str:
    """Return the name in a member of what a mapped module holds: it has no parts, and names no dots."""
    return name.replace("/", ".")


def of_member(tensors: Mapping[str, Tensor], member: int) -> dict[str, Tensor]:
    """Return a member's part of results or state; what is one number is everyone's."""
    return {
        own_name(name): (value[:, member] if name in ("x", "y") else value[member]) if value.ndim else value
        for name, value in tensors.items()
    }


def assert_stack_is_its_members(members: Sequence[nn.Module], shape: Sequence[int], *, steps: int = 2) -> None:
    """Compare outputs, gradients and state in training, step by step, and the outputs in evaluation after it."""
    together = stack(members)
    alone = [copy.deepcopy(member) for member in members]
    for training in [True] * steps + [False]:
        together.train(training)
        x = torch.randn(SAMPLES, len(members), *shape, dtype=torch.float64)
        with torch.no_grad():
            y_shape = together(x).shape
        cotangent = torch.randn(y_shape, dtype=torch.float64)
        found = results(together, x, cotangent)
        for index, member in enumerate(alone):
            with torch.no_grad():
                member.train(training)(x[:, index])
            expected = results(member, x[:, index], cotangent[:, index])
            assert_close(of_member(found, index), expected, rtol=1e-7, atol=1e-9)
            assert_close(of_member(tensors_of(together), index), tensors_of(member), rtol=1e-9, atol=1e-9)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("norm", CLASSIC)
@pytest.mark.parametrize("template", SMALL)
def test_every_template_under_every_norm(template: str, norm: str) -> None:
    """Outputs, gradients and running statistics over several steps, and evaluation, of each member in float64."""
    assert_stack_is_its_members([network_of(template, norm_factory(norm)) for _ in range(2)], (1, 8, 8))


@pytest.mark.parametrize("norm", CLASSIC)
def test_the_cnn_with_its_norms_before_the_activations(norm: str) -> None:
    """The other placement, and another number of convolutions."""
    members = [network_of("cnn", norm_factory(norm), placement="pre", widths=(16,)) for _ in range(2)]
    assert_stack_is_its_members(members, (1, 8, 8))


@pytest.mark.slow_but_one
@pytest.mark.parametrize("norm", ["batch", "channel-layer"])
@pytest.mark.parametrize(
    ("template", "options"),
    [
        ("mlp", {"placement": "pre", "activation": "gelu", "sites": "last"}),
        ("mlp", {"activation": "silu", "widths": (8,)}),
        ("mlp", {"activation": "tanh", "widths": (8,)}),
        ("transformer", {"placement": "post", "patch": 2}),
        ("transformer", {"placement": "sandwich", "qk_norm": True, "pool": "max"}),
        ("transformer", {"placement": "peri", "causal": True, "sites": "attention"}),
    ],
    ids=str,
)
def test_the_mlp_and_the_transformer_with_options(template: str, options: dict[str, Any], norm: str) -> None:
    """Activations, places of norms, and attention of several networks at once."""
    members = [network_of(template, norm_factory(norm), **options) for _ in range(2)]
    assert_stack_is_its_members(members, (1, 8, 8), steps=1)


def assert_stack_reads_tokens_as_its_members(together: nn.Module, members: Sequence[nn.Module]) -> None:
    """Compare outputs and gradients, each member seeing tokens of its own."""
    tokens = torch.randint(5, (SAMPLES, len(members), 6))
    cotangent = torch.randn(SAMPLES, len(members), 3, dtype=torch.float64)
    for module in (together, *members):
        module.zero_grad()
    y = together(tokens)
    y.backward(cotangent)
    for index, member in enumerate(members):
        expected = member(tokens[:, index])
        expected.backward(cotangent[:, index])
        assert_close(y[:, index], expected, rtol=1e-10, atol=1e-10)
        for name, parameter in member.named_parameters():
            gradient = together.get_parameter(name).grad
            assert gradient is not None
            assert_close(gradient[index], parameter.grad, rtol=1e-10, atol=1e-10)


def test_embeddings_have_tables_of_their_own() -> None:
    """Also once a member is gone; and a token that is in no table is refused, not read from the next one."""
    members = [network_of("transformer", norm_factory("batch"), shape=(6,), vocabulary=5) for _ in range(MEMBERS)]
    together = stack(members)
    assert_stack_reads_tokens_as_its_members(together, members)
    keep_members(together, [2, 0])
    assert_stack_reads_tokens_as_its_members(together, [members[2], members[0]])
    with pytest.raises(IndexError, match="index 5 is out of bounds"):
        together(torch.full((SAMPLES, 2, 6), 5))


@pytest.mark.slow_but_one
@pytest.mark.parametrize("norm", OWN, ids=lambda norm: norm.__name__)
def test_a_norm_of_the_users_own(norm: NormFactory) -> None:
    """On vectors and, where it takes them, maps: parameters, gradients and buffers are as alone."""
    members = [randomized(norm(6).double()) for _ in range(MEMBERS)]
    shapes: list[tuple[int, ...]] = [(6,), (6, 3, 2)]
    if norm is own_norms.Positional:
        shapes = shapes[1:]
    if norm in (own_norms.OfTorch, LayerNorm):
        shapes = shapes[:1]
    for shape in shapes:
        assert_stack_is_its_members(members, shape)


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("template", "norm"),
    [
        *(("lstm", norm) for norm in (own_norms.InPlace, own_norms.Reassigning, own_norms.Nested)),
        *((template, own_norms.OneNumber) for template in SMALL),
    ],
)
def test_a_norm_of_the_users_own_in_every_template(template: str, norm: NormFactory) -> None:
    """Also one that keeps statistics per time step, with parameters that are shared over time."""
    assert_stack_is_its_members([network_of(template, norm) for _ in range(2)], (1, 8, 8))


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Linear(4, 3),
        lambda: nn.Linear(4, 3, bias=False),
        lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1),
        lambda: nn.Conv2d(4, 6, (1, 3), dilation=2, padding="same", groups=2, bias=False),
        lambda: nn.MaxPool2d(2),
        lambda: nn.Flatten(),
        lambda: nn.Flatten(1, 2),
        lambda: nn.Flatten(-2),
        lambda: nn.ReLU(),
        lambda: nn.Tanh(),
        lambda: nn.Sequential(nn.Conv2d(4, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3)),
    ],
    ids=lambda build: str(build()).replace("\n", ""),
)
def test_a_single_module(build: Callable[[], nn.Module]) -> None:
    """With the settings that it can have."""
    module = build()
    assert_stack_is_its_members([build().double() for _ in range(MEMBERS)], (4, 5, 4))
    if isinstance(module, nn.Linear | nn.ReLU | nn.Tanh):
        assert_stack_is_its_members([build().double() for _ in range(MEMBERS)], (4,))


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda: nn.Conv1d(2, 6, 3, stride=2), (2, 9)),
        (lambda: nn.Conv2d(1, 6, (2, 3), stride=(1, 2), padding=(2, 1)), (1, 5, 4)),
        (lambda: nn.Conv2d(3, 32, 3, dilation=(1, 2), padding=2, bias=False), (3, 5, 4)),
        (lambda: nn.Conv3d(1, 8, 2, padding=1), (1, 3, 4, 2)),
        (lambda: nn.Conv2d(2, 32, 3, groups=2), (2, 5, 4)),
        (lambda: nn.Conv2d(1, 32, 3, padding="same"), (1, 5, 4)),
    ],
)
def test_images_that_need_no_gradient(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    """Are convolved by a product, if channels fall into no groups: the same geometry, outputs and gradients."""
    members: Any = [build().double() for _ in range(MEMBERS)]
    together: Any = stack(members)
    assert together.is_of_images == (members[0].groups == 1 and members[0].padding != "same")
    x = torch.randn(SAMPLES, MEMBERS, *shape, dtype=torch.float64)
    y = together(x)
    cotangent = torch.randn_like(y)
    found = torch.autograd.grad(y, list(together.parameters()), cotangent)
    for index, member in enumerate(members):
        alone = member(x[:, index])
        assert_close(y[:, index], alone, rtol=1e-9, atol=1e-12)
        expected = torch.autograd.grad(alone, list(member.parameters()), cotangent[:, index])
        assert_close([each[index] for each in found], list(expected), rtol=1e-9, atol=1e-12)


def test_weights_of_channels_last_members_lie_in_order() -> None:
    """Since a stack takes them flat."""
    together: Any = stack([nn.Conv2d(3, 4, 2).to(memory_format=torch.channels_last) for _ in range(2)])
    assert together.weight.is_contiguous()


def test_one_member_is_a_stack_too() -> None:
    """Of one, with a dimension of its own."""
    assert_stack_is_its_members([network_of("cnn", norm_factory("batch"))], (1, 8, 8))


def test_what_a_member_shares_the_stack_shares() -> None:
    """Weights of norms over time are one parameter each, statistics one per step, as in a member."""
    members = [Lstm(norm_factory("batch"), shape=(1, 4, 4), outputs=3, hidden=4) for _ in range(2)]
    together: Any = stack(members)
    layers = list(together.lstm.norm_hh)
    assert len(layers) == 4
    assert len({id(layer.weight) for layer in layers}) == len({id(layer.bias) for layer in layers}) == 1
    assert len({id(layer.running_mean) for layer in layers}) == 4
    assert [name for name, _ in together.named_parameters()] == [name for name, _ in members[0].named_parameters()]


@pytest.mark.slow_but_one
@pytest.mark.parametrize("norm", CLASSIC)
@pytest.mark.parametrize("template", SMALL)
def test_state_has_the_names_of_a_member(template: str, norm: str) -> None:
    """In the same order, with a first dimension of members; a count of batches stays one number."""
    members = [network_of(template, norm_factory(norm)) for _ in range(2)]
    state = stack(members).state_dict()
    expected = members[0].state_dict()
    assert list(state) == list(expected)
    for name, value in expected.items():
        assert state[name].shape == ((2, *value.shape) if value.ndim else ()), name


class WithBuffers(nn.Module):
    """Has a buffer that is saved, and one that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("saved", torch.ones(3))
        self.register_buffer("unsaved", torch.ones(3), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.get_buffer("saved") * self.get_buffer("unsaved")


class Parts(nn.Sequential):
    """Has the same, and is stacked part by part."""

    consists_of_parts = True

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("unsaved", torch.ones(3), persistent=False)


@pytest.mark.parametrize("kind", [WithBuffers, Parts])
def test_what_a_member_does_not_save_the_stack_does_not(kind: Callable[[], nn.Module]) -> None:
    """Nor does the member save it from then on."""
    members = [kind(), kind()]
    together = stack(members)
    for module in (together, *members):
        assert "unsaved" in dict(module.named_buffers())
        assert "unsaved" not in module.state_dict()
    assert list(together.state_dict()) == list(members[0].state_dict())


def test_state_of_a_mapped_module_has_no_dots_in_its_names() -> None:
    """Parts of a mapped module are not parts of the stack: their names are joined by slashes."""
    together = stack([own_norms.Nested(4), own_norms.Nested(4)])
    assert {name: tuple(value.shape) for name, value in together.state_dict().items()} == {
        "gain": (2, 4),
        "inner/weight": (2, 4),
        "inner/bias": (2, 4),
        "inner/running_mean": (2, 4),
        "inner/running_var": (2, 4),
        "inner/num_batches_tracked": (2,),
    }


@pytest.mark.parametrize("build", [lambda: network_of("cnn", norm_factory("batch")), lambda: own_norms.InPlace(8)])
def test_members_are_copied(build: Callable[[], nn.Module]) -> None:
    """Training the stack leaves them as they were."""
    members = [build(), build()]
    before = [copy.deepcopy(member.state_dict()) for member in members]
    together = stack(members)
    with torch.no_grad():
        for tensor in (*together.parameters(), *together.buffers()):
            tensor.zero_()
    for member, state in zip(members, before, strict=True):
        assert_close(dict(member.state_dict()), dict(state), rtol=0, atol=0)


def test_what_is_frozen_stays_frozen() -> None:
    """A parameter that wants no gradient is stacked as such, by rule and when mapped."""
    for build in (lambda: nn.Linear(4, 3), lambda: own_norms.InPlace(4)):
        members: list[nn.Module] = [build(), build()]
        for member in members:
            next(member.parameters()).requires_grad_(False)
        assert [parameter.requires_grad for parameter in stack(members).parameters()] == [
            parameter.requires_grad for parameter in members[0].parameters()
        ]


KEPT = cycle([(0,), (1, 2), (2, 0)])


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("template", "norm", "kept"),
    [
        *(("cnn", norm_factory(norm), next(KEPT)) for norm in CLASSIC),
        *((template, norm_factory("batch"), next(KEPT)) for template in SMALL if template != "cnn"),
        *((template, own_norms.Reassigning, next(KEPT)) for template in SMALL),
        *(("lstm", norm, next(KEPT)) for norm in (own_norms.InPlace, own_norms.Nested)),
    ],
)
def test_members_that_are_kept_go_on_as_a_stack_without_the_others(
    template: str, norm: NormFactory, kept: tuple[int, ...]
) -> None:
    """After a step together: outputs, gradients, statistics and the optimizers' parameters, which stay the same."""
    members = [network_of(template, norm) for _ in range(MEMBERS)]
    whole, part = stack(members), stack([members[member] for member in kept])
    first, second = (torch.randn(SAMPLES, MEMBERS, 1, 8, 8, dtype=torch.float64) for _ in range(2))
    whole(first)
    part(first[:, kept])
    parameters = list(whole.parameters())
    keep_members(whole, kept)
    assert all(mine is before for mine, before in zip(whole.parameters(), parameters, strict=True))
    cotangent = torch.randn(SAMPLES, len(kept), 3, dtype=torch.float64)
    assert_close(results(whole, second[:, kept], cotangent), results(part, second[:, kept], cotangent))
    assert_close(dict(whole.state_dict()), dict(part.state_dict()))
    assert_close(whole.eval()(second[:, kept]), part.eval()(second[:, kept]))


def test_a_member_that_is_left_out_is_gone() -> None:
    """A norm that is left alone refuses the input of as many as before."""
    together = stack([BatchNorm(4), BatchNorm(4)])
    keep_members(together, [1])
    assert together(torch.randn(SAMPLES, 1, 4)).shape == (SAMPLES, 1, 4)
    with pytest.raises(ValueError, match="the input of a stack must be"):
        together(torch.randn(SAMPLES, 2, 4))


def test_the_cnns_notes_are_those_of_a_member() -> None:
    """What a reader of the table should know is not lost."""
    members = [Cnn(norm_factory("instance"), shape=(1, 8, 8), outputs=3) for _ in range(2)]
    together: Any = stack(members)
    assert together.notes == members[0].notes != ()
