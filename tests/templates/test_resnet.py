"""Is the ``resnet`` the paper's network, and what does it take?"""

from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from normzoo.errors import ComponentError
from normzoo.layers import BatchNorm, NoNorm, norm_factory
from normzoo.templates import ResNet, stack


def network(norm: str = "batch", shape: tuple[int, int, int] = (3, 16, 16), **options: Any) -> ResNet:
    return ResNet(norm_factory(norm), shape=shape, outputs=10, **options)


def count(module: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(part, kind) for part in module.modules())


@pytest.mark.slow_but_one
@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_it_has_as_many_parameters_as_in_the_paper(depth: int, millions: float) -> None:
    """By its table 6, and as many layers with weights as its depth says."""
    made = network(depth=depth)
    parameters = sum(parameter.numel() for parameter in made.parameters()) / 1e6
    assert parameters == pytest.approx(millions, abs=0.05 if depth == 110 else 0.006)
    assert count(made, nn.Conv2d) + count(made, nn.Linear) == depth
    assert count(made, BatchNorm) == depth - 1
    assert made.notes == ()


@pytest.mark.parametrize("placement", ["pre", "post"])
@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_a_block_adds_its_input(shortcut: Any, placement: Any) -> None:
    """By hand: two convolutions with their norms, and the identity, or what stands for it, before the last ReLU."""
    made = network(depth=8, width=4, shortcut=shortcut, placement=placement).double().eval()
    x = torch.randn(2, 4, 7, 7, dtype=torch.float64)
    for block in list(made.blocks):
        parts: Any = block
        kinds = [type(part) for part in parts.inner]
        assert kinds == ([BatchNorm, nn.ReLU] if placement == "pre" else [nn.ReLU, BatchNorm])
        y = parts.outer(parts.second(parts.inner(parts.first(x))))
        identity = x
        if y.shape != x.shape and shortcut == "A":
            identity = torch.zeros_like(y)
            identity[:, : x.shape[1]] = x[:, :, ::2, ::2]
        elif y.shape != x.shape:
            identity = parts.shortcut[1](nn.functional.conv2d(x, parts.shortcut[0].weight, stride=2))
        assert_close(block(x), (y + identity).relu())
        x = block(x)
    assert x.shape == (2, 16, 2, 2)


def test_weights_start_as_he_et_al_start_them() -> None:
    """Normal, with a variance of 2 / fan-in, without biases."""
    for convolution in network().modules():
        if isinstance(convolution, nn.Conv2d):
            assert convolution.bias is None
            spread = (2 / convolution.weight[0].numel()) ** 0.5
            assert convolution.weight.std().item() == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize(
    ("sites", "shortcut", "norms"),
    [("all", "A", 7), ("all", "B", 9), ("stem", "B", 1), ("blocks", "A", 6), ("blocks", "B", 8)],
)
def test_sites_say_where_norms_stand(sites: Any, shortcut: Any, norms: int) -> None:
    """The rest of the network is the same; every place has its words."""
    made = network(depth=8, width=4, sites=sites, shortcut=shortcut)
    assert count(made, BatchNorm) == norms
    assert count(made, nn.ReLU) == count(network(depth=8, width=4), nn.ReLU) == 7
    modules = dict(made.named_modules())
    assert set(made.places) <= set(modules)
    for name, module in modules.items():
        if isinstance(module, BatchNorm | NoNorm):
            assert any(f"{name}.".startswith(f"{place}.") for place in made.places), name


class WithActivation(nn.Module):
    """Contains its activation."""

    contains_activation = True

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu()


def test_a_norm_that_contains_its_activation_gets_none_beside_it() -> None:
    """And none stands on the shortcuts, which a note tells."""
    made = ResNet(WithActivation, shape=(1, 8, 8), outputs=2, depth=8, width=4, shortcut="B")
    assert count(made, nn.ReLU) == 0
    assert count(made, WithActivation) == 7
    assert made.notes == ("no norm on the shortcuts, as it contains an activation",)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 5, 9), (1, 28, 28), (4, 32, 32)])
@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_images_of_any_size_that_survives_two_halvings(shape: tuple[int, int, int], shortcut: Any) -> None:
    """Of any number of channels; each parameter has a part in the result."""
    made = network("group:groups=2", shape, depth=8, width=4, shortcut=shortcut)
    made(torch.randn(2, *shape)).logsumexp(1).sum().backward()
    # Else the convolution on the shortcuts spoils memory, and the process ends here or later.
    assert shortcut == "A" or all(parameter.is_contiguous() for parameter in made.parameters())
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in made.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 18}, r"^ResNet: depth must be 6n \+ 2, got depth=18; use 14 or 20$"),
        ({"depth": 2}, r"^ResNet: depth must be 6n \+ 2, got depth=2; use 8 or 14$"),
        ({"shape": (1, 3, 8)}, "^ResNet: two halvings need images of at least 4x4, got 3x8; use larger images$"),
    ],
)
def test_what_it_does_not_take_is_refused(options: dict[str, Any], message: str) -> None:
    """With the rule, the values and the way out."""
    with pytest.raises(ValueError, match=message):
        network(**options)


def test_a_norm_that_takes_no_maps_is_refused() -> None:
    """It would stand nowhere."""
    with pytest.raises(ComponentError, match=r"^ValueError on maps of shape \(4, 16, 6, 6\): expected 2D or 3D input"):
        network("torch.nn:BatchNorm1d")


def test_a_stack_takes_weights_in_another_layout() -> None:
    """A network's are channels-last; a stack's have five dimensions."""
    made = [network(depth=8, width=4) for _ in range(2)]
    assert made[0].convolution.weight.is_contiguous(memory_format=torch.channels_last)
    assert all(parameter.is_contiguous() for parameter in stack(made).parameters())
