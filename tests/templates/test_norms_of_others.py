"""Do norms that nobody here wrote train in the networks, by their import paths?"""

import copy
import math
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from normzoo.errors import ComponentError
from normzoo.layers import norm_factory
from normzoo.templates import Cnn, Lstm, MemberModule

MAPS, VECTORS, BOTH = {"maps"}, {"vectors"}, {"maps", "vectors"}

NORMS = {
    "timm.layers:LayerNorm2d": (MAPS, False),
    "timm.layers:RmsNorm2d": (MAPS, False),
    "timm.layers:SimpleNorm2d": (MAPS, False),
    "timm.layers:GroupNorm1": (BOTH, False),
    "timm.layers:GroupNorm:num_groups=4": (BOTH, False),
    "timm.layers:LayerNorm": (VECTORS, False),
    "timm.layers:RmsNorm": (VECTORS, False),
    "timm.layers:FilterResponseNormTlu2d": (MAPS, True),
    "timm.layers:FilterResponseNormAct2d": (MAPS, True),
    "timm.layers:FilterResponseNormAct2d:apply_act=false": (MAPS, False),
    "timm.layers:EvoNorm2dS0": (MAPS, True),
    "timm.layers:EvoNorm2dS0:groups=8": (MAPS, True),
    "timm.layers:EvoNorm2dB0": (MAPS, True),
    "timm.layers:BatchNormAct2d": (MAPS, True),
    "timm.layers:BatchNormAct2d:apply_act=false": (MAPS, False),
    "timm.layers:GroupNorm1Act": (BOTH, True),
    "timm.layers:LayerNormAct2d": (MAPS, True),
    "torchvision.ops:FrozenBatchNorm2d": (MAPS, False),
    "torchvision.models.convnext:LayerNorm2d": (MAPS, False),
    "torch.nn:BatchNorm2d": (MAPS, False),
    "torch.nn:BatchNorm2d:affine=false,eps=1e-3": (MAPS, False),
    "torch.nn:LazyBatchNorm2d": (MAPS, False),
    "torch.nn:LazyBatchNorm1d": (VECTORS, False),
    "torch.nn:BatchNorm1d": (VECTORS, False),
    "torch.nn:GroupNorm:num_groups=4": (BOTH, False),
    "torch.nn:LayerNorm": (VECTORS, False),
    "torch.nn:RMSNorm": (VECTORS, False),
    "torch.nn:InstanceNorm2d": (MAPS, False),
    "torch.nn:InstanceNorm2d:affine=true": (MAPS, False),
    "torch.nn:Identity": (BOTH, False),
}
"""What each takes in the cnn, and whether it contains its activation."""

QUICK = ("timm.layers:BatchNormAct2d", "torch.nn:BatchNorm2d", "torch.nn:LayerNorm", "torch.nn:LazyBatchNorm1d")
"""Of which quick tests ask: with an activation, of maps, of vectors, and one that learns its channels."""

IN_THE_LSTM = ["timm.layers:GroupNorm1", "torch.nn:LayerNorm", "torch.nn:RMSNorm", "torch.nn:BatchNorm1d"]


def each_of(specs: Iterable[str]) -> pytest.MarkDecorator:
    slow = pytest.mark.slow
    return pytest.mark.parametrize("spec", [pytest.param(spec, marks=() if spec in QUICK else slow) for spec in specs])


def networks(spec: str, members: int, placement: Any = "post") -> list[Cnn]:
    norm = norm_factory(spec)
    return [Cnn(norm, shape=(1, 8, 8), outputs=3, widths=(32,), hidden=32, placement=placement) for _ in range(members)]


def step(module: MemberModule, inputs: Tensor, targets: Tensor) -> list[float]:
    module.on_train_epoch_start()
    module.training_step((inputs.unsqueeze(0), targets.unsqueeze(0)), 0)
    return module.train_losses


@pytest.mark.slow_but_one
@pytest.mark.parametrize("placement", ["post", "pre"])
@each_of(NORMS)
def test_it_trains_in_the_cnn(spec: str, placement: Any) -> None:
    """A step leaves a finite loss; there is one activation at both places, and a note where the norm is not."""
    kinds, contains_activation = NORMS[spec]
    (network,) = networks(spec, 1, placement)
    module = MemberModule([network], lrs=[0.1], stacked=False)
    before = copy.deepcopy(network.state_dict())
    assert math.isfinite(step(module, torch.randn(6, 1, 1, 8, 8), torch.randint(3, (6, 1)))[0])
    assert any(not torch.equal(value, before[name]) for name, value in network.state_dict().items())
    relus = sum(isinstance(layer, nn.ReLU) for layer in network.layers)
    assert relus == 2 - len(kinds) * contains_activation
    expected = [f"no norm after the {'convolutions' if kind == 'maps' else 'dense layer'}, " for kind in BOTH - kinds]
    assert [note[: len(start)] for note, start in zip(network.notes, expected, strict=True)] == expected


@pytest.mark.slow_but_one
@each_of(spec for spec in NORMS if "Lazy" not in spec)
def test_it_trains_stacked_as_alone(spec: str) -> None:
    """Two members side by side end where each ends by itself, to what float64 leaves."""
    members = [network.double() for network in networks(spec, 2)]
    inputs, targets = torch.randn(6, 2, 1, 8, 8, dtype=torch.float64), torch.randint(3, (6, 2))
    alone = copy.deepcopy(members)
    stacked = MemberModule(members, lrs=[0.1, 0.2])
    losses = step(stacked, inputs, targets)
    for member, network in enumerate(alone):
        module = MemberModule([network], lrs=[(0.1, 0.2)[member]], stacked=False)
        (loss,) = step(module, inputs[:, member : member + 1], targets[:, member : member + 1])
        assert losses[member] == pytest.approx(loss, rel=1e-6)
        outputs = stacked.network(inputs)[:, member]
        assert_close(outputs, network(inputs[:, member]), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("spec", IN_THE_LSTM)
def test_it_trains_in_the_lstm(spec: str) -> None:
    network = Lstm(norm_factory(spec), shape=(1, 8, 8), outputs=3, hidden=4)
    module = MemberModule([network], lrs=[0.1], stacked=False)
    assert network.notes == ()
    assert math.isfinite(step(module, torch.randn(6, 1, 1, 8, 8), torch.randint(3, (6, 1)))[0])


@pytest.mark.parametrize("spec", [spec for spec, (kinds, _) in NORMS.items() if kinds == MAPS])
def test_the_lstm_refuses_it(spec: str) -> None:
    """For what it contains, or as it takes maps alone."""
    with pytest.raises(ComponentError, match=r"^it (contains an activation|takes neither vectors nor sequences)"):
        Lstm(norm_factory(spec), shape=(1, 8, 8), outputs=3, hidden=8)
