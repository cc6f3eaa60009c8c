"""Is any network a template: called with what it declares, or with its own norms exchanged?"""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from normzoo.errors import ComponentError, UsageError
from normzoo.layers import GroupNorm, InstanceNorm, NoNorm, Norm, norm_factory
from normzoo.registry import TEMPLATES
from normzoo.templates import make_network

from .networks import SMALL

NETWORKS = '''
import torch
from torch import nn


class Plain(nn.Sequential):
    """Norms on maps and on vectors, and takes none."""

    def __init__(self, num_classes: int, in_channels: int = 3, width: int = 8):
        super().__init__(
            nn.Conv2d(in_channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
            nn.Flatten(), nn.Linear(4 * width, 16), nn.BatchNorm1d(16), nn.Linear(16, num_classes),
        )
        nn.init.constant_(self[1].weight, 0.5)


class Pooled(nn.Sequential):
    """A norm on maps of one position."""

    def __init__(self, outputs):
        super().__init__(
            nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(8), nn.Flatten(),
            nn.Linear(8, outputs),
        )


class Tokens(nn.Module):
    """A layer norm with the channels last."""

    def __init__(self, outputs):
        super().__init__()
        self.embed, self.norm, self.head = nn.Linear(8, 16), nn.LayerNorm(16), nn.Linear(16, outputs)

    def forward(self, x):
        return self.head(self.norm(self.embed(x[:, 0])).mean(1))


class Odd(nn.Sequential):
    """A norm that cannot be exchanged beside one that can."""

    def __init__(self, outputs):
        super().__init__(
            nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.LocalResponseNorm(2), nn.Flatten(), nn.Linear(288, outputs)
        )


class Vectors(nn.Sequential):
    """Norms on vectors alone."""

    def __init__(self, outputs):
        super().__init__(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, outputs))


def function(classes, norm, shape):
    return nn.Sequential(nn.Conv2d(shape[0], 8, 3), norm(8), nn.ReLU(), nn.Flatten(), nn.LazyLinear(classes))


def pairs(outputs, norm_act, in_chans, kind="vectors"):
    return nn.Sequential(
        nn.Conv2d(in_chans, 8, 3), norm_act(8), nn.Flatten(), nn.LazyLinear(16), norm_act(16, kind, placement="post"),
        nn.Linear(16, outputs),
    )


def nothing_given():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(10))


def without_norms(outputs):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(outputs))


def wants_more(outputs, alphabet):
    return Plain(outputs)


def switch(outputs, norm: bool = True):
    return Plain(outputs, in_channels=1)


def switch_of_pairs(outputs, norm_act=None):
    return Plain(outputs, in_channels=1)


def both(outputs, norm, norm_act):
    return nn.Sequential(nn.Conv2d(1, 8, 3), norm_act(8), nn.Flatten(), nn.LazyLinear(outputs))


class unused(Vectors):
    def forward(self, x):
        return self[3](self[1](self[0](x)))


ready = Vectors(10)


def no_network(outputs):
    return outputs
'''
SHAPE = (1, 8, 8)


@pytest.fixture(autouse=True)
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some_networks.py").write_text(NETWORKS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "some_networks", raising=False)


def made(name: str, norm: str = "group", seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return make_network(f"some_networks:{name}", norm_factory(norm), shape=SHAPE, outputs=10)


def notes(network: nn.Module) -> tuple[str, ...]:
    found: Any = network.notes
    return tuple(found)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", ["Plain:width=16", "function", "pairs", "both", "Tokens", "nothing_given"])
def test_each_is_given_what_it_declares(name: str) -> None:
    """Whatever it is called, of the images and of the outputs."""
    network = made(name)
    assert network(torch.randn(4, *SHAPE)).shape == (4, 10)
    assert any(isinstance(part, GroupNorm) for part in network.modules())
    assert not any(type(part).__name__.startswith(("BatchNorm", "LayerNorm")) for part in network.modules())


def test_norms_that_a_network_has_are_exchanged_with_their_parameters() -> None:
    network = made("Plain")
    assert notes(network) == ("its own norms are exchanged: 1 BatchNorm2d, 1 BatchNorm1d",)
    assert isinstance(network[1], GroupNorm)
    assert network[1].weight.tolist() == [0.5] * 8


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", ["Plain", "function", "pairs", "Tokens"])
def test_a_seed_gives_every_norm_the_same_start(name: str) -> None:
    """Also where layers make their weights at a first input."""
    starts = []
    for norm in ("batch", "none", "batch"):
        network = made(name, norm, seed=3)
        starts.append([each for part in network.modules() if isinstance(part, nn.Linear) for each in part.parameters()])
    other = made(name, "batch", seed=4)
    for one, two, three in zip(*starts, strict=True):
        assert torch.equal(one, two)
        assert torch.equal(one, three)
    assert not torch.equal(starts[0][0], next(each for each in other.modules() if isinstance(each, nn.Linear)).weight)


@pytest.mark.parametrize(
    ("name", "left"),
    [("Plain", "no norm on vectors, whose vectors have no positions"), ("Pooled", "no norm on maps of one position")],
)
def test_a_norm_is_left_out_where_it_cannot_stand(name: str, left: str) -> None:
    """And the network is without one there, in training too."""
    network = made(name, "instance")
    assert any(left in note for note in notes(network))
    kinds = [type(part) for part in network if isinstance(part, InstanceNorm | NoNorm)]
    assert kinds == [InstanceNorm, NoNorm]
    assert network(torch.randn(4, *SHAPE)).isfinite().all()


def test_norm_act_leaves_out_and_says_so() -> None:
    network = made("pairs", "instance")
    assert notes(network) == ("no norm on vectors, whose vectors have no positions",)
    assert network(torch.randn(4, *SHAPE)).isfinite().all()


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("name", "norm", "kind", "message"),
    [
        ("Vectors", "instance", ComponentError, "vectors have no positions"),
        ("without_norms", "batch", UsageError, "it takes no norm, and a forward pass reaches none"),
        ("switch", "batch", UsageError, "it takes a norm and never calls it"),
        ("switch_of_pairs", "batch", UsageError, "it takes a norm and never calls it"),
        ("unused", "batch", UsageError, "a forward pass reaches none that could be exchanged"),
        ("ready", "batch", UsageError, "it is a network, and what makes one is wanted"),
        ("no_network", "batch", UsageError, "it must make a torch.nn.Module, it made a int"),
        ("Plain:width=wide", "batch", ComponentError, "width must be a whole number, got 'wide'"),
        ("Plain:num_classes=3", "batch", ComponentError, "num_classes is no option; normzoo sets it"),
        ("Plain:widht=3", "batch", ComponentError, "it has no option 'widht'; did you mean 'width'"),
        (
            "wants_more",
            "batch",
            UsageError,
            "it needs 'alphabet', which normzoo does not give it; rename it to one of norm, norm_act, shape, "
            "in_channels, in_chans, outputs, classes, num_classes, vocabulary, ragged, per_step if it is one of these, "
            "or give it as an option",
        ),
        ("Plane", "batch", UsageError, "did you mean 'Plain'"),
    ],
)
def test_what_cannot_be_a_template_is_refused(name: str, norm: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        made(name, norm)


def test_every_template_of_normzoos_own_is_tried_in_a_small_size() -> None:
    assert set(SMALL) == {name for name, entry in TEMPLATES.items() if not entry.argument}


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_the_network_of_a_config_is_a_template(norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named as in ``configs/cifar10.yaml``, in the root of a checkout."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    network = make_network(
        "configs.fast_net:FastNet:stem=4,widths=4-8-8", norm_factory(norm), shape=(3, 32, 32), outputs=10
    )
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    assert sum(isinstance(part, Norm) for part in network.modules()) == 7
    assert notes(network) == ()


def test_norms_that_cannot_be_exchanged_are_told() -> None:
    """They stay in the network under every norm."""
    network = made("Odd", "none")
    assert notes(network)[:2] == (
        "its own norms are exchanged: 1 BatchNorm2d",
        "left as they are: 1 LocalResponseNorm, as its pools are windows of channels",
    )


def test_a_norm_of_ours_for_maps_is_left_out_of_vectors() -> None:
    network = made("Plain", "normzoo.layers:BatchNorm2d")
    assert [type(network[place]).__name__ for place in (1, 6)] == ["BatchNorm2d", "NoNorm"]
    assert any("no norm on vectors" in note for note in notes(network))
