"""Which layers is the ``cnn`` made of, and in which order?"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from normzoo.errors import ComponentError
from normzoo.layers import BatchNorm, GroupNorm, InstanceNorm, norm_factory
from normzoo.templates import Cnn
from normzoo.templates._cnn import CONVERSION_REPAYS_AFTER, MaxPool

from .own_norms import Positional


def kinds(network: Cnn) -> list[type[nn.Module]]:
    return [type(layer) for layer in network.layers]


def test_layer_by_layer_it_is_the_founding_network() -> None:
    """Conv 32, ReLU, norm, pool, Conv 64, ReLU, norm, pool, Dense 64, ReLU, norm, Dense 10: nothing more."""
    layers = list(Cnn(norm_factory("batch"), shape=(1, 28, 28), outputs=10).layers)
    described = [str(layer).partition(", eps")[0] for layer in layers]
    assert described == [
        "Conv2d(1, 32, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
        "ReLU()",
        "BatchNorm(32",
        "MaxPool(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)",
        "Conv2d(32, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
        "ReLU()",
        "BatchNorm(64",
        "MaxPool(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)",
        "Flatten(start_dim=1, end_dim=-1)",
        "Linear(in_features=3136, out_features=64, bias=True)",
        "ReLU()",
        "BatchNorm(64",
        "Linear(in_features=64, out_features=10, bias=True)",
    ]


def test_pre_puts_each_norm_before_its_relu_and_moves_nothing_else() -> None:
    """The placement exchanges norm and activation at all three places."""
    post, pre = (
        kinds(Cnn(norm_factory("group:groups=4"), shape=(1, 8, 8), outputs=10, placement=placement))
        for placement in ("post", "pre")
    )
    swapped = {nn.ReLU: GroupNorm, GroupNorm: nn.ReLU}
    assert post.count(nn.ReLU) == post.count(GroupNorm) == 3
    assert pre == [swapped.get(kind, kind) for kind in post]


@pytest.mark.parametrize(("widths", "hidden"), [((4,), 8), ((8, 16), 24), ((4, 8, 16), 8)])
def test_widths_and_hidden_size_every_layer(widths: tuple[int, ...], hidden: int) -> None:
    """One block per width, and a dense layer of ``hidden`` units over what the poolings left."""
    network = Cnn(norm_factory("batch"), shape=(3, 8, 8), outputs=5, widths=widths, hidden=hidden)
    convolutions = [layer for layer in network.layers if isinstance(layer, nn.Conv2d)]
    dense, classifier = (layer for layer in network.layers if isinstance(layer, nn.Linear))
    norms = [layer.num_features for layer in network.layers if isinstance(layer, BatchNorm)]
    assert [layer.out_channels for layer in convolutions] == list(widths)
    assert [layer.in_channels for layer in convolutions] == [3, *widths[:-1]]
    left = 8 >> len(widths)
    assert (dense.in_features, dense.out_features) == (widths[-1] * left * left, hidden)
    assert (classifier.in_features, classifier.out_features) == (hidden, 5)
    assert norms == [*widths, hidden]


@pytest.mark.parametrize("placement", ["post", "pre"])
def test_instance_leaves_the_dense_place_without_norm_and_says_so(placement: str) -> None:
    """Vectors have no positions to normalize over; a reader of the table learns of the gap."""
    network = Cnn(norm_factory("instance"), shape=(1, 8, 8), outputs=10, placement=placement)  # type: ignore[arg-type]
    after_flattening = list(network.layers)[kinds(network).index(nn.Flatten) :]
    assert sum(isinstance(layer, InstanceNorm) for layer in network.layers) == 2
    assert not any(isinstance(layer, InstanceNorm) for layer in after_flattening)
    assert network.notes == ("no norm after the dense layer, whose vectors have no positions",)


@pytest.mark.parametrize("placement", ["post", "pre"])
@pytest.mark.parametrize(("sites", "norms"), [("all", 3), ("maps", 2), ("vectors", 1)])
def test_sites_say_where_norms_stand_and_elsewhere_is_the_relu_alone(sites: Any, norms: int, placement: Any) -> None:
    """Of the layers of the whole network those norms are missing, and nothing else; that needs no note."""
    shape = (1, 8, 8)
    whole, network = (
        Cnn(norm_factory("batch"), shape=shape, outputs=10, placement=placement, sites=each) for each in ("all", sites)
    )
    dense = kinds(whole).index(nn.Flatten)
    here = {"all": range(len(whole.layers)), "maps": range(dense), "vectors": range(dense, len(whole.layers))}[sites]
    assert kinds(network) == [kind for index, kind in enumerate(kinds(whole)) if kind is not BatchNorm or index in here]
    assert kinds(network).count(BatchNorm) == norms
    assert network.notes == ()


@pytest.mark.parametrize("sites", ["maps", "vectors"])
def test_sites_do_not_change_the_initial_weights(sites: Any) -> None:
    """With the same seed, so that what differs comes from the norms that are not there."""
    weights = []
    for each in ("all", sites):
        torch.manual_seed(3)
        network = Cnn(norm_factory("batch"), shape=(1, 8, 8), outputs=10, sites=each)
        weights.append([layer.weight for layer in network.layers if isinstance(layer, nn.Conv2d | nn.Linear)])
    for mine, theirs in zip(*weights, strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(
    ("norm", "sites", "message"),
    [
        ("instance", "vectors", r"^vectors have no positions, which it declares to need"),
        ("torch.nn:BatchNorm2d", "vectors", r"^ValueError on vectors of shape \(4, 64\): expected 4D input"),
        ("torch.nn:BatchNorm1d", "maps", r"^ValueError on maps of shape \(4, 32, 6, 6\): expected 2D or 3D input"),
    ],
)
def test_a_norm_that_fits_none_of_its_sites_is_refused(norm: str, sites: Any, message: str) -> None:
    """Though it would have stood elsewhere."""
    with pytest.raises(ComponentError, match=message):
        Cnn(norm_factory(norm), shape=(1, 8, 8), outputs=10, sites=sites)


def test_maps_without_convolutions_are_no_sites() -> None:
    """No norm would stand anywhere, and nobody would notice."""
    with pytest.raises(ValueError, match=r"^Cnn: sites=maps needs convolutions, got no widths; use sites=vectors$"):
        Cnn(norm_factory("batch"), shape=(1, 8, 8), outputs=10, widths=(), sites="maps")


def test_a_norm_of_the_users_own_may_declare_that_it_needs_positions() -> None:
    """The template asks the norm, not its name."""
    network = Cnn(Positional, shape=(1, 8, 8), outputs=10)
    assert kinds(network).count(Positional) == 2
    assert network.notes


@pytest.mark.parametrize("norm", ["batch", "layer", "group", "rms", "none"])
def test_where_every_place_has_its_norm_there_is_no_note(norm: str) -> None:
    """A note is only about what is missing."""
    assert Cnn(norm_factory(norm), shape=(1, 8, 8), outputs=10).notes == ()


@pytest.mark.parametrize("size", [4, 40])
@pytest.mark.parametrize(
    "options", [{"kernel_size": 2}, {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0), "ceil_mode": True}]
)
def test_max_pooling_is_that_of_torch_to_the_bit(options: dict[str, Any], size: int) -> None:
    """Few values and many, in either layout, with ties and NaN; gradients, and gradients of those."""
    x = torch.randint(-3, 3, (2, 16, size, size)).float()
    x[0, 0, 0, 0] = torch.nan
    assert (x.numel() > CONVERSION_REPAYS_AFTER) == (size == 40)
    grad = torch.randn_like(nn.MaxPool2d(**options)(x))
    for layout in (torch.contiguous_format, torch.channels_last):
        found, expected = (_differentiated(pool(**options), x, grad, layout) for pool in (MaxPool, nn.MaxPool2d))
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(one.nan_to_num(9.0), other.nan_to_num(9.0))


@pytest.mark.parametrize("sizes", [(40, 40), (41, 43)])
def test_max_pooling_without_a_gradient_is_that_of_torch_to_the_bit(sizes: tuple[int, int]) -> None:
    """As in evaluation: of sizes that cannot be halved, too."""
    x = torch.randn(2, 16, *sizes)
    x[0, 0, 0, 0], x[0, 0, 3, 3], x[0, 1, 2, 2] = torch.nan, torch.inf, -torch.inf
    assert x.numel() > CONVERSION_REPAYS_AFTER
    for layout in (torch.contiguous_format, torch.channels_last):
        found, expected = (pool(2)(x.contiguous(memory_format=layout)) for pool in (MaxPool, nn.MaxPool2d))
        assert torch.equal(found.nan_to_num(9.0), expected.nan_to_num(9.0))
    with torch.no_grad():
        assert torch.equal(MaxPool(2)(x.requires_grad_()).isnan(), expected.isnan())


def test_max_pooling_is_mapped_and_differentiated_by_torch() -> None:
    """Of many values, too."""
    x = torch.randn(2, 3, 16, 40, 40)
    mapped = torch.func.vmap(MaxPool(2))(x)
    gradient = torch.func.grad(lambda x: MaxPool(2)(x).square().sum())(x[0])
    assert torch.equal(mapped, torch.stack([nn.MaxPool2d(2)(each) for each in x]))
    assert torch.equal(gradient, torch.func.grad(lambda x: nn.MaxPool2d(2)(x).square().sum())(x[0]))


def _differentiated(pool: nn.Module, x: Tensor, grad: Tensor, layout: torch.memory_format) -> tuple[Tensor, ...]:
    x, grad = x.contiguous(memory_format=layout).requires_grad_(), grad.clone().requires_grad_()
    y = pool(x)
    (of_x,) = torch.autograd.grad(y, x, grad, create_graph=True)
    (of_grad,) = torch.autograd.grad(of_x.square().sum(), grad)
    return y, of_x, of_grad
