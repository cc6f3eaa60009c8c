"""Do networks whose norm asks for standardized weights have them, alone and side by side?"""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization
from torch.testing import assert_close

from normzoo.layers import ScaledWeightStandardization, WeightStandardization, norm_factory
from normzoo.surgery import standardize_weights
from normzoo.surgery._weights import standardized
from normzoo.templates import MemberModule, stack
from normzoo.templates._mapped import Mapped
from normzoo.templates._network import make_network
from normzoo.templates._stack import StackedConv, keep_members

SPECS = ("ws", "group+ws:groups=2", "scaled-ws:gamma=1.5")
every_spec = pytest.mark.parametrize("spec", SPECS)


class Plain(nn.Sequential):
    """A network with norms of its own."""

    def __init__(self, classes: int) -> None:
        super().__init__(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 4, 3),
            nn.Flatten(),
            nn.Linear(144, classes),
        )


TEMPLATES = {
    "cnn:widths=4-8,hidden=8": 2,
    "resnet:depth=8,width=4": 7,
    f"{__name__}:Plain": 2,
}


def network(template: str, spec: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return make_network(template, norm_factory(spec), shape=(1, 8, 8), outputs=3)


@every_spec
@pytest.mark.parametrize("template", TEMPLATES)
def test_its_convolutions_have_standardized_weights(template: str, spec: str) -> None:
    """Built in, published or the user's own: all convolutions, no dense layer, and the notes say so."""
    made = network(template, spec)
    kind: type[nn.Module] = ScaledWeightStandardization if spec.startswith("scaled") else WeightStandardization
    names = standardized(made)
    assert names == [name for name, module in made.named_modules() if isinstance(module, nn.Conv2d)]
    assert len(names) == TEMPLATES[template]
    for name in names:
        convolution: Any = made.get_submodule(name)
        (parametrization,) = convolution.parametrizations.weight
        assert type(parametrization) is kind
        assert getattr(parametrization, "gamma", 1.5) == 1.5
    assert f"the weights of {len(names)} convolutions are standardized" in made.notes  # type: ignore[operator]


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_is_standardized_is_what_others_start_with(template: str) -> None:
    """The same seed gives the same weights under every norm."""
    plain, made = network(template, "none"), network(template, "ws")
    original = {
        name.replace("parametrizations.weight.original", "weight"): each for name, each in made.named_parameters()
    }
    assert_close(original, dict(plain.named_parameters()), rtol=0, atol=0)


def test_without_convolutions_there_is_a_note() -> None:
    """Since then it is the norm without."""
    made = network("mlp:widths=8", "group+ws:groups=2")
    assert "no weights are standardized, as it has no convolutions" in made.notes  # type: ignore[operator]


@every_spec
@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("kept", [[0, 1, 2], [0, 2]], ids=["all", "kept"])
def test_a_stack_is_its_members(template: str, spec: str, kept: list[int]) -> None:
    """Outputs and gradients, also once some members have left; the convolutions stay one, with groups."""
    members = [network(template, spec, seed).double() for seed in range(3)]
    stacked, x = stack(copy.deepcopy(members)), torch.randn(4, len(kept), 1, 8, 8, dtype=torch.float64)
    assert [name.replace("/", ".") for name, _ in stacked.named_parameters()] == [*dict(members[0].named_parameters())]
    if not isinstance(stacked, Mapped):
        assert sum(isinstance(module, StackedConv) for module in stacked.modules()) == TEMPLATES[template]
    keep_members(stacked, kept)
    y = stacked(x)
    gradients = torch.autograd.grad(y.square().sum(), [*stacked.parameters()])
    for place, member in enumerate(kept):
        alone = members[member](x[:, place])
        assert_close(y[:, place], alone)
        own = torch.autograd.grad(alone.square().sum(), [*members[member].parameters()])
        assert_close([each[place] for each in gradients], [*own])


def test_any_parametrization_is_stacked() -> None:
    """Of dense layers, several of one tensor, and of what has no rule and is mapped."""

    class Doubled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.rand(()))

        def forward(self, original: Tensor) -> Tensor:
            return 2 * self.factor * original

    def member() -> nn.Sequential:
        model: Any = nn.Sequential(nn.Linear(5, 4), nn.PReLU(4))
        standardize_weights(model, dense=True)
        for module in model:
            register_parametrization(module, "weight", Doubled())
        return model  # type: ignore[no-any-return]

    members = [member() for _ in range(3)]
    x = torch.randn(6, 3, 5)
    y = stack(members)(x)
    assert_close(y, torch.stack([each(x[:, index]) for index, each in enumerate(members)], 1))


@pytest.mark.parametrize("stacked", [True, False])
def test_weights_decay_and_gains_do_not(stacked: bool) -> None:
    """In training side by side, and of one network."""
    members = [network("cnn:widths=4-8,hidden=8", "scaled-ws", seed) for seed in range(2 if stacked else 1)]
    module = MemberModule(members, lrs=[0.1] * len(members), weight_decay=0.5, stacked=stacked)
    exempt = {id(each) for each in module._of_norms_and_biases(members[0])}
    names = {name.rpartition(".")[2]: id(each) in exempt for name, each in module.network.named_parameters()}
    assert names == {"original": False, "weight": False, "gain": True, "bias": True}
