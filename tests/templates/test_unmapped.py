"""Can tools look into what a stack maps as a whole, and change it there?"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from normzoo.layers import norm_factory
from normzoo.surgery import eval_statistics, keeps_statistics, recalibrate, restoring_statistics
from normzoo.templates import Cnn, Lstm, stack, unmapped

from . import own_norms


class Mine(nn.Module):
    """A user's network, which is mapped as a whole; it uses one norm twice, and drops out in training."""

    def __init__(self, norm: Callable[[int], nn.Module], *, shape: tuple[int, int, int], outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(shape[0], 6, 3, padding=1)
        self.inner = nn.Sequential(norm(6), nn.ReLU())
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(6, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(self.inner(self.convolution(x)) + 1)
        logits: Tensor = self.head(self.drop(y).mean((2, 3)))
        return logits


class Twice(Mine):
    """The same as parts, of which only the norm is mapped; it has two names."""

    consists_of_parts = True

    def __init__(self, norm: Callable[[int], nn.Module], **options: Any) -> None:
        super().__init__(norm, **options)
        self.pooling = nn.Sequential(nn.Flatten(2), nn.Linear(64, 1), nn.Flatten())
        self.again = self.inner

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.pooling(self.again(self.inner(self.convolution(x)) + 1)))
        return logits


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "cnn": lambda: Cnn(norm_factory("batch"), shape=(1, 8, 8), outputs=3, widths=(4,), hidden=8),
    "cnn-torch": lambda: Cnn(norm_factory("torch.nn:BatchNorm2d"), shape=(1, 8, 8), outputs=3, widths=(4,), hidden=8),
    "cnn-timm": lambda: Cnn(norm_factory("timm.layers:BatchNormAct2d"), shape=(1, 8, 8), outputs=3, widths=(4,)),
    "lstm": lambda: Lstm(norm_factory("batch"), shape=(1, 8, 8), outputs=3, hidden=4),
    "mine": lambda: Mine(norm_factory("batch"), shape=(1, 8, 8), outputs=3),
    "mine-torch": lambda: Mine(norm_factory("torch.nn:BatchNorm2d"), shape=(1, 8, 8), outputs=3),
    "twice": lambda: Twice(norm_factory("batch"), shape=(1, 8, 8), outputs=3),
    "twice-torch": lambda: Twice(norm_factory("torch.nn:BatchNorm2d"), shape=(1, 8, 8), outputs=3),
}
each_network = pytest.mark.parametrize("name", NETWORKS)
MEMBERS = 3


def images(samples: int) -> Tensor:
    return torch.randn(samples, 1, 8, 8, dtype=torch.float64)


def for_all(x: Tensor) -> Tensor:
    return x.unsqueeze(1).expand(-1, MEMBERS, *x.shape[1:])


def trained(name: str) -> list[nn.Module]:
    """Return networks in float64 whose running statistics have seen something, far from what they will see."""
    networks = [NETWORKS[name]().double() for _ in range(MEMBERS)]
    with torch.no_grad():
        for network in networks:
            network.train()(3 * images(16) + 2)
    return networks


@pytest.mark.slow_but_one
@each_network
def test_each_member_is_recalibrated_and_evaluated_as_alone(name: str) -> None:
    """By all inputs, which are the same for all; the stack itself then has these statistics."""
    networks = trained(name)
    stacked = stack(networks)
    batches, x = [images(size) for size in (6, 5)], images(7)
    before = copy.deepcopy(stacked.state_dict())
    with torch.no_grad(), restoring_statistics(unmapped(stacked)):
        recalibrate(unmapped(stacked), [for_all(batch) for batch in batches])
        outputs = stacked.eval()(for_all(x))
        with eval_statistics(network := unmapped(stacked), "batch"):
            by_batch = network(for_all(x))
    for member, network in enumerate(networks):
        with eval_statistics(network, "batch"):
            assert_close(by_batch[:, member], network(x))
        assert_close(outputs[:, member], recalibrate(network, batches).eval()(x))
    assert not torch.allclose(outputs, by_batch, rtol=1e-3)
    assert_close(dict(stacked.state_dict()), dict(before), rtol=0, atol=0)


@pytest.mark.slow_but_one
@each_network
def test_the_outputs_are_those_of_the_stack(name: str) -> None:
    """Whose modules are left as they are."""
    stacked = stack(trained(name)).eval()
    modules, x = list(stacked.modules()), for_all(images(5))
    assert_close(unmapped(stacked)(x), stacked(x))
    assert all(one is other for one, other in zip(stacked.modules(), modules, strict=True))


def test_what_has_no_tensors_stays_mapped() -> None:
    """Of it members cannot be told apart, nor counted."""
    stacked = stack([own_norms.Stateless(4), own_norms.Stateless(4)])
    assert unmapped(stacked) is stacked


class Pair(nn.Module):
    """A user's module of two norms that share a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.BatchNorm1d(4), nn.BatchNorm1d(4)
        self.second.weight = self.first.weight


def test_parameters_that_a_member_shares_between_its_parts_stay_shared() -> None:
    """As in the stack, of whose tensors they are views."""
    stacked = stack([Pair(), Pair()])
    for index, member in enumerate(unmapped(stacked).get_submodule("members").children()):
        assert member.get_parameter("first.weight") is member.get_parameter("second.weight")
        with torch.no_grad():
            member.get_parameter("first.weight").fill_(index + 5)
    assert stacked.get_parameter("first/weight")[:, 0].tolist() == [5, 6]


@pytest.mark.parametrize(
    ("spec", "kept"),
    [
        ("batch", True),
        ("batch:track_running_stats=False", False),
        ("torch.nn:BatchNorm2d", True),
        ("instance", False),
        ("instance:track_running_stats=True", True),
        ("layer", False),
        ("group:groups=2", False),
        ("none", False),
        ("torchvision.ops:FrozenBatchNorm2d", False),
    ],
)
def test_which_networks_keep_statistics(spec: str, kept: bool) -> None:
    """Those with a norm that is evaluated by running ones, in a stack as well."""
    for template in (Cnn, Mine):
        networks = [template(norm_factory(spec), shape=(1, 8, 8), outputs=3) for _ in range(2)]
        assert keeps_statistics(networks[0]) == kept
        assert keeps_statistics(unmapped(stack(networks))) == kept
