"""Are batch norms in the layers before them after folding, where that can be, and is the output the same?"""

import copy
from collections.abc import Callable
from types import MethodType
from typing import Any

import pytest
import torch
from networks.architectures import Architecture
from networks.pairs import pair
from torch import Tensor, nn
from torch.nn.functional import conv2d, group_norm
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.parametrizations import weight_norm
from torch.testing import assert_close
from torchvision.models import resnet18
from torchvision.ops import FrozenBatchNorm2d

from normzoo import layers
from normzoo.errors import InputError
from normzoo.surgery import fold

from .published import each_published

ALONE = "follows no convolution or dense layer"
NOT_FOLLOWED = "torch.fx cannot follow the model, and in no nn.Sequential it follows a convolution or dense layer"
each_library = pytest.mark.parametrize("library", [nn, layers], ids=["torch", "ours"])


def seen(model: nn.Module) -> nn.Module:
    """Return a model in float64 and in training, whose batch norms have parameters and statistics of any values."""
    for module in model.double().train().modules():
        if isinstance(module, _BatchNorm) or "FrozenBatchNorm" in type(module).__name__:
            for tensor in (*module.parameters(), *module.buffers()):
                if tensor.is_floating_point():
                    nn.init.uniform_(tensor, 0.5, 2)
    return model


def batch_norms(model: nn.Module) -> int:
    return sum(isinstance(module, _BatchNorm) for module in model.modules())


def assert_same(folded: nn.Module, model: nn.Module, x: Tensor) -> None:
    with torch.no_grad():
        expected = copy.deepcopy(model).eval()(x)
        assert_close(folded(x), expected, rtol=1e-10, atol=1e-10 * float(expected.abs().max()))


@pytest.mark.slow_but_one
@each_published
def test_published_networks(architecture: Architecture, ours: bool) -> None:
    """No batch norm is left but those of densenet that stand before convolutions; the model stays as it was."""
    model = pair(architecture, torch.float64)[0 if ours else 1].train()
    before, norms = copy.deepcopy(model.state_dict()), batch_norms(model)
    folded, report = fold(model)
    assert_same(folded, model, architecture.input(torch.float64))
    assert not folded.training
    assert report.traced
    assert len(report.folded) + len(report.left) == norms
    assert len(report.left) == batch_norms(folded) == (6 if architecture.id == "densenet" else 0)
    assert {reason for _, reason in report.left} <= {ALONE}
    assert model.training
    assert_close(dict(model.state_dict()), dict(before), rtol=0, atol=0)
    assert type(folded) is type(model)


LAYERS: list[tuple[str, Callable[[], Any], str, tuple[int, ...]]] = [
    ("conv1d", lambda: nn.Conv1d(4, 6, 3, groups=2), "BatchNorm1d", (2, 4, 7)),
    ("conv2d", lambda: nn.Conv2d(4, 6, 3, bias=False, padding=1, padding_mode="circular"), "BatchNorm2d", (2, 4, 5, 5)),
    ("depthwise", lambda: nn.Conv2d(4, 8, 3, groups=4), "BatchNorm2d", (2, 4, 5, 5)),
    ("conv3d", lambda: nn.Conv3d(4, 6, 2), "BatchNorm3d", (2, 4, 3, 3, 3)),
    ("transposed1d", lambda: nn.ConvTranspose1d(4, 6, 3), "BatchNorm1d", (2, 4, 7)),
    ("transposed2d", lambda: nn.ConvTranspose2d(4, 6, 3, groups=2, stride=2), "BatchNorm2d", (2, 4, 5, 5)),
    ("transposed3d", lambda: nn.ConvTranspose3d(6, 6, 2, groups=3, bias=False), "BatchNorm3d", (2, 6, 3, 3, 3)),
    ("linear", lambda: nn.Linear(4, 6), "BatchNorm1d", (2, 4)),
    ("linear-without-bias", lambda: nn.Linear(4, 6, bias=False), "BatchNorm1d", (2, 4)),
]


class Untraceable(nn.Module):
    """Looks at values, which torch.fx cannot."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return y if x.sum() > -1e9 else -y


@pytest.mark.slow_but_one
@each_library
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("build", [nn.Sequential, Untraceable])
@pytest.mark.parametrize(("layer", "norm", "shape"), [case[1:] for case in LAYERS], ids=[case[0] for case in LAYERS])
def test_every_kind_of_layer(
    library: Any, affine: bool, build: Any, layer: Callable[[], Any], norm: str, shape: tuple[int, ...]
) -> None:
    """Traced, or as neighbours."""
    first = layer()
    outputs = first.out_features if isinstance(first, nn.Linear) else first.out_channels
    model = seen(build(first, getattr(library, norm)(outputs, affine=affine), nn.ReLU()))
    folded, report = fold(model)
    assert (len(report.folded), report.left, report.traced) == (1, (), build is nn.Sequential)
    assert batch_norms(folded) == 0
    assert_same(folded, model, torch.randn(shape, dtype=torch.float64))


class Net(nn.Module):
    """A convolution and a norm, and some way to use them."""

    def __init__(self, use: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.other = nn.BatchNorm2d(3)
        self.use = use

    def forward(self, x: Tensor, scale: float | None = None) -> Tensor:
        y = self.use(self, x)
        return y if scale is None else scale * y


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("use", "reason"),
    [
        (lambda net, x: net.norm(net.conv(x)) + net.norm(net.conv(x)), "is called more than once"),
        (lambda net, x: net.norm(net.norm(net.conv(x))), "is called more than once"),
        (lambda net, x: net.norm(net.conv(x)) + net.conv(2 * x), "the layer before it is called more than once"),
        (lambda net, x: (lambda y: net.norm(y) + y)(net.conv(x)), "the layer before it is used elsewhere, too"),
        (
            lambda net, x: net.norm(net.conv(x)) + conv2d(x, net.conv.weight),
            "the layer before it is used elsewhere, too",
        ),
        (lambda net, x: net.norm(net.conv(x)) * net.norm.weight.sum(), "its tensors are used elsewhere, too"),
        (lambda net, x: net.norm(net.conv(x)) * net.norm.running_var.sum(), "its tensors are used elsewhere, too"),
        (
            lambda net, x: net.norm(net.conv(x)) + group_norm(x, 1, *net.norm.parameters()),
            "its tensors are used elsewhere, too",
        ),
        (lambda net, x: net.norm(net.conv(x).relu()), ALONE),
        (lambda net, x: net.norm(x), ALONE),
        (lambda net, x: net.conv(x), "is not called"),
    ],
)
def test_what_is_used_otherwise_is_left(use: Callable[[Any, Tensor], Tensor], reason: str) -> None:
    """And said so; the output is the same."""
    model = seen(Net(use))
    folded, report = fold(model)
    assert report.folded == ()
    assert report.left == (("norm", reason), ("other", "is not called"))
    assert_same(folded, model, torch.randn(2, 3, 4, 4, dtype=torch.float64))


class Strict(nn.Conv2d):
    """Standardizes its weight in every call."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        y: Tensor = self._conv_forward(input, self.weight - self.weight.mean(), self.bias)
        return y


class Doubled(layers.BatchNorm2d):
    """Does more than its base."""

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: A002
        return 2 * super().forward(input, mask)


def double(module: nn.Module, arguments: Any, output: Tensor) -> Tensor:  # noqa: ARG001  # as torch calls it
    return 2 * output


def patched(layer: nn.Module) -> nn.Module:
    """Give a module another forward pass, as a patch does."""
    layer.forward = MethodType(lambda self, x: 2 * type(self).forward(self, x), layer)
    return layer


def hooked(layer: nn.Module) -> nn.Module:
    layer.register_forward_hook(double)
    return layer


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("layer", "norm", "reason"),
    [
        (lambda: Strict(3, 3, 1), lambda: nn.BatchNorm2d(3), "the layer before it has a forward pass of its own"),
        (lambda: nn.Conv2d(3, 3, 1), lambda: Doubled(3), "it has a forward pass of its own"),
        (
            lambda: patched(nn.Conv2d(3, 3, 1)),
            lambda: nn.BatchNorm2d(3),
            "the layer before it has a forward pass of its own",
        ),
        (lambda: nn.Conv2d(3, 3, 1), lambda: patched(layers.BatchNorm2d(3)), "it has a forward pass of its own"),
        (lambda: hooked(nn.Conv2d(3, 3, 1)), lambda: nn.BatchNorm2d(3), "the layer before it has hooks"),
        (lambda: nn.Conv2d(3, 3, 1), lambda: hooked(layers.BatchNorm2d(3)), "it has hooks"),
        (lambda: weight_norm(nn.Conv2d(3, 3, 1)), lambda: nn.BatchNorm2d(3), "the layer before it is parametrized"),
        (
            lambda: nn.Conv2d(3, 3, 1),
            lambda: layers.BatchNorm2d(3, track_running_stats=False),
            "keeps no running statistics",
        ),
        (lambda: nn.ReLU(), lambda: nn.BatchNorm2d(3), ALONE),
    ],
)
@pytest.mark.parametrize("build", [nn.Sequential, Untraceable])
def test_what_does_more_is_left(
    build: Any, layer: Callable[[], nn.Module], norm: Callable[[], nn.Module], reason: str
) -> None:
    """As nobody knows what."""
    model = seen(build(layer(), norm()))
    folded, report = fold(model)
    expected = NOT_FOLLOWED if reason == ALONE and build is Untraceable else reason
    assert [each for _, each in report.left] == [expected]
    assert_same(folded, model, torch.randn(2, 3, 4, 4, dtype=torch.float64))


@pytest.mark.parametrize("build", [nn.Sequential, Untraceable])
def test_a_model_with_another_forward_pass_than_its_class_is_left(build: Any) -> None:
    """And a part of one; torch.fx would follow that of the class."""
    model = seen(build(patched(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)))))
    root = seen(patched(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))))
    for each in (model, root):
        folded, _ = fold(each)
        assert_same(folded, each, torch.randn(2, 3, 4, 4, dtype=torch.float64))
    assert fold(root).report.folded == ()


@pytest.mark.parametrize("spec", ["noisy-batch", "domain:domains=2"])
def test_a_norm_within_another_is_left(spec: str) -> None:
    """Which gives it a mask, too, or chooses between several."""
    model = seen(nn.Sequential(nn.Conv2d(3, 3, 1), layers.make_norm(spec, 3)))
    folded, report = fold(model)
    assert report.folded == ()
    assert_same(folded, model, torch.randn(2, 3, 4, 4, dtype=torch.float64))


def test_neighbours_that_stand_in_several_places_are_left() -> None:
    """Where torch.fx cannot say how often they are called."""
    conv, norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
    model = seen(Untraceable(conv, norm, nn.Sequential(conv, nn.BatchNorm2d(3))))
    folded, report = fold(model)
    reason = "it or the layer before it stands in several places"
    assert report.left == (("body.1", reason), ("body.2.1", reason))
    assert_same(folded, model, torch.randn(2, 3, 4, 4, dtype=torch.float64))
    assert str(report).endswith("only neighbours in nn.Sequential were looked at")


def test_a_norm_of_two_names_is_folded_under_both() -> None:
    """And tied weights come apart."""
    model = Net(lambda net, x: net.again(net.conv(x)) + net.tied(x))
    model.again = model.norm
    model.tied = nn.Conv2d(3, 3, 1)
    model.tied.weight = model.conv.weight
    folded, report = fold(seen(model))
    assert report.folded == (("norm", "conv"),)
    assert isinstance(folded.again, nn.Identity)
    assert_same(folded, model, torch.randn(2, 3, 4, 4, dtype=torch.float64))


@pytest.mark.parametrize("build", [nn.Sequential, Untraceable])
def test_frozen_batch_norms_of_torchvision_are_folded(build: Callable[..., nn.Module]) -> None:
    """Their statistics are constant; one that follows no layer is left."""
    model = seen(build(nn.Conv2d(3, 4, 1), FrozenBatchNorm2d(4), nn.ReLU(), FrozenBatchNorm2d(4)))
    folded, report = fold(model)
    names = [name for name, module in model.named_modules() if isinstance(module, FrozenBatchNorm2d)]
    assert [norm for norm, _ in report.folded] == names[:1]
    assert report.left == ((names[1], ALONE if build is nn.Sequential else NOT_FOLLOWED),)
    assert_same(folded, model, torch.randn(2, 3, 4, 4, dtype=torch.float64))


@pytest.mark.slow
def test_a_published_network_with_frozen_norms() -> None:
    """As detection takes it."""
    model = seen(resnet18(norm_layer=FrozenBatchNorm2d))
    folded, report = fold(model)
    assert (len(report.folded), report.left) == (20, ())
    assert_same(folded, model, torch.randn(1, 3, 64, 64, dtype=torch.float64))


def test_what_is_after_a_dense_layer_takes_vectors_alone() -> None:
    """Of more dimensions the norm would take others for channels than the layer."""
    model = seen(nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4)))
    with pytest.raises(InputError) as caught:
        fold(model).model(torch.randn(2, 4, 5, dtype=torch.float64))
    assert str(caught.value) == (
        "fold: a batch norm after a dense layer can be folded for inputs (N, C) alone, got shape (2, 4, 4); use the "
        "model as it was"
    )


@pytest.mark.parametrize("norm", ["BatchNormAct2d", "FrozenBatchNormAct2d"])
def test_timms_norms_leave_their_activations(norm: str) -> None:
    """And what they drop."""
    timm_layers: Any = pytest.importorskip("timm.layers")
    model = seen(nn.Sequential(nn.Conv2d(3, 4, 3), getattr(timm_layers, norm)(4, drop_layer=nn.Dropout)))
    folded, report = fold(model)
    assert report.folded == (("1", "0"),)
    assert_same(folded, model, torch.randn(2, 3, 5, 5, dtype=torch.float64))


def test_the_report_reads() -> None:
    """A line for each batch norm."""
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    assert str(fold(model).report) == f"2: folded into 1\n0: left, {ALONE}"
    assert str(fold(nn.Linear(2, 2)).report) == "no batch norms"


def test_low_precision_and_gradients_stay() -> None:
    """The folded layer has the dtype of the one before, and asks for a gradient if that did."""
    model = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False, dtype=torch.bfloat16), nn.BatchNorm2d(4))
    model[0].requires_grad_(False)
    folded = fold(model).model
    assert {each.dtype for each in folded.parameters()} == {torch.bfloat16}
    assert not folded.get_parameter("0.weight").requires_grad


@pytest.mark.parametrize("layer", [nn.Conv2d(4, 6, 3), nn.ConvTranspose2d(4, 6, 3)], ids=["conv", "transposed"])
def test_a_zero_centred_norm_is_folded(layer: nn.Module) -> None:
    """By one more than its weight."""
    model = seen(nn.Sequential(layer, layers.BatchNorm2d(6, zero_centered=True)))
    folded, report = fold(model)
    assert report.folded == (("1", "0"),)
    assert_same(folded, model, torch.randn(2, 4, 5, 5, dtype=torch.float64))


def test_a_norm_with_its_channels_last_is_folded_into_a_dense_layer() -> None:
    """Whatever the rank of the input; not into a convolution, whose channels are second."""
    model = seen(nn.Sequential(nn.Linear(4, 6), layers.BatchNorm1d(6, channel_dim=-1)))
    folded, report = fold(model)
    assert report.folded == (("1", "0"),)
    assert_same(folded, model, torch.randn(2, 3, 4, dtype=torch.float64))
    _, report = fold(nn.Sequential(nn.Conv2d(3, 6, 1), layers.BatchNorm2d(6, channel_dim=-1)))
    assert report.left == (("1", "takes its channels from another dimension"),)


class Listed(nn.Module):
    """Calls a norm that it has as a part by a list that is none."""

    def __init__(self, held: str) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.others = [{"norm": self.norm}] if held == "norm" else (self.conv,)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x))
        for other in self.others:
            if isinstance(other, dict):
                y = other["norm"](y)
        return y


@pytest.mark.parametrize("held", ["norm", "layer"])
def test_what_is_held_outside_of_the_parts_is_left(held: str) -> None:
    """It could not be exchanged there."""
    model, x = seen(Listed(held)).eval(), torch.randn(2, 3, 8, 8, dtype=torch.float64)
    folded, report = fold(model)
    assert_close(folded(x), model(x))
    assert not report.folded


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention, self.norm = nn.MultiheadAttention(4, 2), nn.BatchNorm1d(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.attention.out_proj(x)) + self.attention(x, x, x)[0]  # type: ignore[no-any-return]


def test_a_layer_within_a_module_that_is_called_whole_is_left() -> None:
    model, x = seen(Shared()).eval(), torch.randn(6, 4, dtype=torch.float64)
    folded, report = fold(model)
    assert_close(folded(x), model(x))
    assert report.left == (("norm", "the layer before it is used elsewhere, too"),)


def test_our_synchronized_norm_is_folded() -> None:
    model, x = seen(nn.Sequential(nn.Conv2d(3, 4, 3), layers.SyncBatchNorm(4))).eval(), torch.randn(2, 3, 8, 8).double()
    folded, report = fold(model)
    assert report.folded == (("1", "0"),)
    assert_close(folded(x), model(x))


def test_where_a_model_is_not_followed_the_reason_is_not_that_nothing_is_before_a_norm() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.norm(self.conv(x)) if x.sum() > 0 else x
            return y

    assert fold(Block()).report.left == (("norm", NOT_FOLLOWED),)
