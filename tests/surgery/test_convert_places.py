"""Does a norm that ``convert`` puts in get its channels where it wants them, with the activation of the old one?"""

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from normzoo import layers
from normzoo.errors import ComponentError
from normzoo.surgery import convert, parameters_without_norms

from . import own
from .test_convert import exchanged_by


@pytest.mark.parametrize("shape", [(2, 8), (2, 5, 8), (2, 5, 4, 8)])
@pytest.mark.parametrize("norm", [nn.LayerNorm(8), own.InWiderType(8), layers.LayerNorm(8), nn.RMSNorm(8)])
def test_channels_last_are_brought_to_the_norm(norm: nn.Module, shape: tuple[int, ...]) -> None:
    """What comes out is what the norm makes of the channels second, with the channels last again."""
    x = torch.randn(shape)
    expected = layers.GroupNorm(2, 8, eps=getattr(norm, "eps", None) or 1e-5)(x.movedim(-1, 1)).movedim(1, -1)
    assert_close(convert(copy.deepcopy(norm), "group:groups=2").model(x), expected)


def test_channels_second_are_brought_last() -> None:
    """Where the new norm knows trailing dimensions alone."""
    x = torch.randn(2, 8, 5, 4)
    became = convert(nn.BatchNorm2d(8), "torch.nn:LayerNorm").model
    assert_close(became(x), nn.LayerNorm(8)(x.movedim(1, -1)).movedim(-1, 1))
    assert type(convert(became, "batch").model) is layers.BatchNorm  # and nothing around it


def test_a_layer_norm_over_maps_has_channels_second() -> None:
    """A class of somebody's that permutes is known by what it does."""
    assert type(convert(own.OverMaps(8), "group:groups=2").model) is layers.GroupNorm


def test_layer_norm_over_maps_and_over_tokens_are_not_the_same() -> None:
    """The registry's pools all positions, which is said."""
    _, notes = exchanged_by(nn.LayerNorm(8), "layer")
    assert notes == ("pools positions, unlike channel-layer",)
    _, notes = exchanged_by(nn.RMSNorm(8), "rms")
    assert notes == ("pools positions, unlike torch.nn:RMSNorm",)


def test_several_normalized_dimensions() -> None:
    """Of three the first are channels; of two that is not known; another norm of rows takes them all."""
    x = torch.randn(2, 8, 4, 4)
    became, notes = exchanged_by(nn.LayerNorm((8, 4, 4)), "group:groups=2")
    assert_close(became(x), layers.GroupNorm(2, 8)(x))
    assert notes == ("weight, bias made anew", "channels first in (8, 4, 4)")
    assert_close(convert(became, "torch.nn:LayerNorm").model(x), nn.LayerNorm((8, 4, 4))(x))
    report = convert(nn.LayerNorm((8, 4)), "group").report
    assert report.left[""].reason == "its channels among (8, 4) are unknown"
    norm = nn.LayerNorm((8, 4))
    assert convert(norm, "torch.nn:RMSNorm").model.weight is norm.weight


def test_a_norm_that_cannot_take_the_inputs_is_not_put_there() -> None:
    """As far as the classes tell; where a norm needs positions and perhaps gets none, it is noted."""
    report = convert(nn.BatchNorm1d(8), "torch.nn:BatchNorm2d").report
    assert report.left[""].reason == "its inputs have 2 or 3 dimensions, not 4"
    _, notes = exchanged_by(nn.BatchNorm1d(8), "instance")
    assert notes == ("fails on vectors (N, C)",)


@pytest.mark.parametrize(("declared", "notes"), [(True, ("fails on vectors (N, C)",)), (False, ())])
@pytest.mark.parametrize("base", [nn.InstanceNorm1d, layers.BatchNorm])
def test_a_norm_may_declare_whether_it_needs_positions(base: Any, declared: bool, notes: tuple[str, ...]) -> None:
    """As in a template; what it declares counts for more than what it derives from."""
    norm = type("Declared", (base,), {"needs_positions": declared})
    assert exchanged_by(nn.BatchNorm1d(8), partial(norm, affine=True, track_running_stats=True))[1] == notes


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.filterwarnings("ignore:.*nested tensors:UserWarning")
def test_a_transformer_of_torch_calls_its_norms(nested: bool) -> None:
    """In evaluation it would compute layer norm by itself, in its fused path."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=nested)
    assert len(convert(model, "none").report.exchanged) == 4
    x = torch.randn(3, 5, 8)
    mask = torch.zeros(3, 5, dtype=torch.bool)
    with torch.no_grad():
        assert_close(model.eval()(x, src_key_padding_mask=mask), model.train()(x, src_key_padding_mask=mask))


@pytest.mark.parametrize("dim", [-1, 2])
def test_channels_that_a_norm_of_ours_has_elsewhere_stay_there(dim: int) -> None:
    """The new norm is given them where it wants them."""
    x = torch.randn(3, 5, 4)
    after, _ = exchanged_by(layers.GroupNorm(2, 4, channel_dim=dim), "batch")
    assert_close(after(x), layers.BatchNorm1d(4, channel_dim=-1)(x))
    back, _ = exchanged_by(nn.LayerNorm(4), f"group:groups=2,channel_dim={dim}")
    assert_close(back(x), layers.GroupNorm(2, 4, channel_dim=-1)(x))


# timm's norms with an activation


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("BatchNormAct2d", (2, 8, 4, 4)),
        ("GroupNormAct", (2, 8, 4, 4)),
        ("GroupNorm1Act", (2, 8, 4, 4)),
        ("LayerNormAct", (2, 4, 8)),
        ("LayerNormAct2d", (2, 8, 4, 4)),
        ("RmsNormAct", (2, 4, 8)),
        ("RmsNormAct2d", (2, 8, 4, 4)),
        ("FrozenBatchNormAct2d", (2, 8, 4, 4)),
    ],
)
def test_the_activation_of_a_norm_survives(name: str, shape: tuple[int, ...]) -> None:
    """And its dropout; both are the same modules, there and back."""
    timm_layers: Any = pytest.importorskip("timm.layers")
    options = {"num_groups": 2} if name == "GroupNormAct" else {}
    norm = getattr(timm_layers, name)(8, act_layer=nn.SiLU, drop_layer=nn.Dropout, **options)
    act, drop = norm.act, norm.drop
    became: Any = convert(norm, "group:groups=2").model
    assert (became.act, became.drop) == (act, drop)
    x = torch.randn(shape)
    axis = 1 if len(shape) == 4 else -1
    plain = layers.GroupNorm(2, 8, eps=norm.eps)(x.movedim(axis, 1)).movedim(1, axis)
    assert_close(became.eval()(x), nn.functional.silu(plain))
    became = convert(became, "none").model
    assert (became.act, became.drop) == (act, drop)
    before = x.clone()
    assert_close(became(x), nn.functional.silu(before))
    assert_close(x, before)  # the activation works in place, and not on the input


def test_an_activation_gives_way_to_that_of_the_norm() -> None:
    """And is there again on the way back."""
    timm_layers: Any = pytest.importorskip("timm.layers")
    norm = timm_layers.BatchNormAct2d(8)
    became, notes = exchanged_by(norm, "timm.layers:EvoNorm2dS0")
    assert "its activation replaces ReLU" in notes
    x = torch.randn(2, 8, 4, 4)
    assert became(x).min() < 0
    assert convert(became, "batch").model(x).min() == 0


@pytest.mark.parametrize("name", ["LayerNorm", "LayerNorm2d", "LayerNormFp32", "RmsNorm", "RmsNorm2d", "GroupNorm1"])
def test_plain_norms_of_timm_are_found(name: str) -> None:
    """Also those that derive from none of torch.nn's; channels are where they take them."""
    timm_layers: Any = pytest.importorskip("timm.layers")
    became = convert(getattr(timm_layers, name)(8), "group:groups=2").model
    moves = name in ("LayerNorm", "LayerNormFp32", "RmsNorm")
    x = torch.randn((2, 4, 4, 8) if moves else (2, 8, 4, 4))
    assert became(x).shape == x.shape
    assert isinstance(became, layers.GroupNorm) != moves


@pytest.mark.parametrize(
    ("norm", "reason"),
    [
        ("batch", "batch keeps statistics for each time step, and one norm is there for all: make the layer with it"),
        ("instance", "instance needs positions, and a step has none"),
        ("frn-tlu", "frn-tlu contains an activation, and there is one at every step already"),
        ("group:groups=8", "group:groups=8 has one channel in each of its 8 groups, and a step has no positions"),
    ],
)
@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
def test_what_cannot_stand_in_a_recurrence_is_left(kind: type[nn.Module], norm: str, reason: str) -> None:
    """As the layer itself refuses it; what can goes on to train."""
    model, report = convert(kind(3, 8, norm="layer"), norm)
    assert {each.reason for each in report.left.values()} == {reason}
    assert bool(report.exchanged) is norm.startswith("group")  # whose gates have more channels than cells
    model(torch.randn(4, 2, 3))[0].sum().backward()


def test_a_norm_within_another_of_a_recurrence_is_left_likewise() -> None:
    """And what one value for each statistic is left to, whatever its class calls its groups."""
    model, report = convert(layers.LSTM(3, 8, norm="noisy-batch", steps=4), "instance")
    assert not report.exchanged
    model(torch.randn(4, 2, 3))
    with pytest.raises(ComponentError, match="norm batch-channel has one channel in each of its 8 groups"):
        layers.LSTM(3, 8, norm="batch-channel", steps=4)
    assert layers.LSTM(3, 1, norm="group:groups=1").norm == "group:groups=1"  # which is layer norm
    one_step = convert(layers.LSTM(3, 8, norm="batch", steps=1), "batch").report
    assert not one_step.left


def test_norms_of_each_time_step_are_exchanged() -> None:
    """Where there are as many norms as steps, or the new one needs no more than there are."""
    x = torch.randn(4, 2, 3)
    for had, norm in (("layer", "rms"), ("batch", "layer"), ("batch", "batch")):
        model, report = convert(layers.LSTM(3, 8, norm=had, steps=4), norm)
        assert report.exchanged
        assert not report.left
        model(x)


@pytest.mark.parametrize(
    "norm",
    [
        "normzoo.layers:LayerNorm:zero_centered=true",
        "normzoo.layers:LayerNorm:unbiased=true",
        "normzoo.layers:LayerNorm:bias=false",
        "torch.nn:LayerNorm:bias=false",
        "torch.nn:LayerNorm:elementwise_affine=false",
        "normzoo.layers:LayerNorm",
        "rms",
    ],
)
def test_torchs_transformer_calls_what_its_fused_path_would_take_for_plain_layer_norm(norm: str) -> None:
    """Which it takes in evaluation, without a gradient, reading weight and bias by itself."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model, _ = convert(nn.TransformerEncoder(layer, 2), norm)
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(3, 5, 8)
    model.eval()
    with torch.no_grad():
        found = model(x)
    assert_close(found, model(x), rtol=1e-4, atol=1e-4)


class Forwarding(nn.Module):
    """Passes on what it lacks to a norm within, beside which it has a layer of its own."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.layer = inner, nn.Linear(4, 4)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("inner"), name)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(self.inner(x))
        return y


class Gain(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain


def test_what_passes_on_the_attributes_of_a_norm_is_none() -> None:
    """Nor of one that ``convert`` has put there."""
    model = nn.Sequential(Forwarding(nn.BatchNorm1d(4)))
    convert(model, Gain)
    _, report = convert(model, "batch")
    assert list(report.exchanged) == ["0.inner"]
    assert isinstance(model[0], Forwarding)
    assert len(list(parameters_without_norms(model))) == 2


class Rectified(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return super().forward(input).relu()


class Dropping(nn.LayerNorm):
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return nn.functional.dropout(super().forward(input), 0.5, self.training)


@pytest.mark.parametrize("norm", [Rectified(4), Dropping(4)], ids=lambda norm: type(norm).__name__)
def test_a_norm_that_does_more_is_left_whatever_its_weights_are(norm: Any) -> None:
    """Also where they are zero, so that it puts out zeros in any case, and where it does more in training alone."""
    weight = nn.init.zeros_(norm.weight)
    model, report = convert(nn.Sequential(norm), "group:groups=1")
    assert report.left["0"].reason == "its forward does more than normalize"
    assert model.get_submodule("0") is norm
    assert not weight.any()


def test_options_that_the_new_norm_is_without_are_noted() -> None:
    norm = layers.BatchNorm2d(4, skip_nonfinite=True, small_batch="running", unbiased=True)
    _, report = convert(nn.Sequential(norm), "sync")
    assert report.exchanged["0"].notes == ("unbiased, small_batch, skip_nonfinite dropped",)
    _, report = convert(nn.Sequential(layers.BatchNorm2d(4, unbiased=True)), "batch:unbiased=true")
    assert report.exchanged["0"].notes == ()


def test_a_conversion_that_fails_leaves_hooks_where_they_are() -> None:
    def make(channels: int) -> nn.Module:
        if channels == 8:
            raise ValueError("not for eight")
        norm = nn.GroupNorm(2, channels)
        norm.register_forward_hook(print)
        return norm

    model = nn.Sequential(nn.BatchNorm1d(4), nn.BatchNorm1d(8))
    with pytest.raises(Exception, match="not for eight"):
        convert(model, make)
    assert not model[0]._forward_hooks
