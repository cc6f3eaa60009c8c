"""Is the ``vgg`` the paper's network, and what does it take?"""

from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torchvision.models.vgg import cfgs, make_layers

from normzoo.errors import ComponentError
from normzoo.layers import BatchNorm, norm_factory
from normzoo.templates import Noise, Vgg


def network(norm: str = "batch", shape: tuple[int, int, int] = (3, 8, 8), **options: Any) -> Vgg:
    return Vgg(norm_factory(norm), shape=shape, outputs=10, **{"width": 4, "hidden": 16, **options})


def kinds(made: Vgg) -> list[str]:
    return [type(layer).__name__ for layer in made.layers]


@pytest.mark.slow_but_one
@pytest.mark.parametrize(("depth", "configuration"), [(11, "A"), (13, "B"), (16, "D"), (19, "E")])
def test_its_convolutions_are_those_of_torchvision(depth: Any, configuration: str) -> None:
    """With the weights of ``vgg11_bn`` and so on, of fewer channels, the same maps of 32x32 images, in training."""
    widths = [each if each == "M" else int(each) // 16 for each in cfgs[configuration]]
    theirs = make_layers(widths, batch_norm=True).double()
    ours = network(shape=(3, 32, 32), depth=depth).layers[: len(theirs)].double()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert mine.shape == other.shape
        with torch.no_grad():
            mine.copy_(other)
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    assert_close(ours(x), theirs(x))


def test_behind_them_stand_a_dense_layer_and_a_classifier() -> None:
    """With the norm, noise and dropout that are asked for."""
    assert kinds(network(shape=(3, 32, 32)))[-4:] == ["Flatten", "Linear", "ReLU", "Linear"]
    made = network(shape=(3, 32, 32), sites="all", noise=1.0, dropout=0.5)
    assert kinds(made)[-7:] == ["Flatten", "Linear", "BatchNorm", "Noise", "ReLU", "Dropout", "Linear"]


@pytest.mark.parametrize(
    ("placement", "expected"),
    [("pre", ["Conv2d", "BatchNorm", "Noise", "ReLU"]), ("post", ["Conv2d", "ReLU", "BatchNorm", "Noise"])],
)
def test_noise_follows_each_norm(placement: str, expected: list[str]) -> None:
    """Wherever that stands, and nowhere else."""
    made = network(placement=placement, noise=0.5)
    assert kinds(made)[:4] == expected
    noises = [layer for layer in made.layers if isinstance(layer, Noise)]
    assert len(noises) == sum(isinstance(layer, BatchNorm) for layer in made.layers) == 8
    assert {noise.strength for noise in noises} == {0.5}


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("shape", "poolings", "features"),
    [
        ((1, 2, 2), 1, 1),
        ((1, 8, 8), 3, 1),
        ((3, 28, 28), 4, 1),
        ((3, 32, 32), 5, 1),
        ((1, 64, 32), 5, 2),
        ((1, 9, 8), 3, 1),
    ],
)
def test_images_are_pooled_as_far_as_convolutions_keep_2x2(
    shape: tuple[int, int, int], poolings: int, features: int
) -> None:
    """A note tells of fewer poolings; a norm that needs positions has some at every convolution."""
    made = network("instance", shape)
    assert kinds(made).count("MaxPool") == poolings
    small = f"{poolings} poolings, not 5, as images of {shape[1]}x{shape[2]} are small"
    assert made.notes == (() if poolings == 5 else (small,))
    dense = next(layer for layer in made.layers if isinstance(layer, nn.Linear))
    assert dense.in_features == 32 * features
    made(torch.randn(2, *shape)).logsumexp(1).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in made.parameters())


@pytest.mark.parametrize(("sites", "norms"), [("maps", 8), ("vectors", 1), ("all", 9)])
def test_sites_say_where_norms_stand(sites: Any, norms: int) -> None:
    """Every place has its words, with a norm or without."""
    made = network(sites=sites)
    assert kinds(made).count("BatchNorm") == norms
    assert list(made.places.values()) == ["after the convolutions"] * 8 + ["after the dense layer"]
    modules = dict(made.named_modules())
    assert {type(modules[name]).__name__ for name in made.places} <= {"BatchNorm", "ReLU"}


def test_weights_start_as_he_et_al_start_them() -> None:
    """Normal, with a variance of 2 / fan-in, and biases at 0; the classifier as torch starts it."""
    *hidden, classifier = (layer for layer in network(width=32).layers if isinstance(layer, nn.Conv2d | nn.Linear))
    for layer in hidden:
        assert layer.bias is not None
        assert not layer.bias.any()
        assert layer.weight.std().item() == pytest.approx((2 / layer.weight[0].numel()) ** 0.5, rel=0.15)
    assert classifier.bias is not None
    assert classifier.bias.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (1, 1, 8)}, "^Vgg: images must be at least 2x2, got 1x8; use larger images$"),
        ({"noise": -0.5}, "^Noise: strength must be at least 0, got -0.5; use 0 for no noise$"),
        ({"dropout": 2.0}, "^dropout probability has to be between 0 and 1, but got 2.0$"),
    ],
)
def test_what_it_does_not_take_is_refused(options: dict[str, Any], message: str) -> None:
    """With the rule and the values."""
    with pytest.raises(ValueError, match=message):
        network(**options)


def test_a_norm_that_fits_none_of_its_sites_is_refused() -> None:
    """Though it would have stood elsewhere."""
    with pytest.raises(ComponentError, match=r"^vectors have no positions"):
        network("instance", sites="vectors")
