"""Do norms with a formula of their own agree with other libraries' layers, and with the norms that they become?"""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from normzoo import layers
from normzoo.errors import InputError
from normzoo.layers import make_norm
from normzoo.surgery import convert

CHANNELS = 8


def _maps() -> Tensor:
    return torch.randn(4, CHANNELS, 3, 5, dtype=torch.float64) * 2 + 0.5


def _unlike_at_the_start(layer: nn.Module) -> Any:
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return layer.double()


@pytest.mark.slow  # as is importing timm
@pytest.mark.parametrize(
    ("name", "options", "ours"),
    [
        (
            "FilterResponseNormTlu2d",
            {},
            layers.FilterResponseNorm(CHANNELS, threshold=True, eps=1e-5),
        ),
        (
            "FilterResponseNormTlu2d",
            {"apply_act": False},
            layers.FilterResponseNorm(CHANNELS, eps=1e-5),
        ),
        ("EvoNorm2dB0", {}, layers.EvoNormB0(CHANNELS, eps=1e-3)),
        ("EvoNorm2dS0", {"groups": 4}, layers.EvoNormS0(CHANNELS, groups=4)),
        ("GlobalResponseNorm", {"channels_last": False}, layers.GlobalResponseNorm(CHANNELS)),
    ],
)
def test_it_is_timms(name: str, options: dict[str, Any], ours: nn.Module) -> None:
    """Outputs over some batches, gradients and then evaluation, in float64; parameters start alike."""
    timm_layers = pytest.importorskip("timm.layers.grn" if name == "GlobalResponseNorm" else "timm.layers")
    theirs = getattr(timm_layers, name)(CHANNELS, **options)
    own = dict(ours.named_parameters())
    assert {key: value.tolist() for key, value in theirs.named_parameters()} == {
        key: value.tolist() for key, value in own.items()
    }
    _unlike_at_the_start(theirs)
    ours.double().load_state_dict(theirs.state_dict(), strict=False)
    for training in (True, True, False):
        x = _maps().requires_grad_()
        y, expected = (layer.train(training)(x) for layer in (ours, theirs))
        wanted = (x, *(parameter for _, parameter in sorted(own.items())))
        gradients = torch.autograd.grad(y.square().sum(), wanted)
        others = torch.autograd.grad(
            expected.square().sum(), (x, *(parameter for _, parameter in sorted(theirs.named_parameters())))
        )
        # timm computes its statistics in float32
        torch.testing.assert_close((y, gradients), (expected, others), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"size": 4, "alpha": 0.5, "beta": 0.4, "k": 2.0}, {"size": 1}])
def test_local_response_is_torchs(options: dict[str, Any]) -> None:
    """Outputs and gradients, of sequences, maps and volumes."""
    ours, theirs = layers.LocalResponseNorm(CHANNELS, **options), nn.LocalResponseNorm(**{"size": 5, **options})
    for shape in ((3,), (3, 2), (3, 2, 2)):
        x = torch.randn(2, CHANNELS, *shape, dtype=torch.float64, requires_grad=True)
        (gradient,), (expected,) = (torch.autograd.grad(layer(x).square().sum(), x) for layer in (ours, theirs))
        torch.testing.assert_close(ours(x), theirs(x))
        torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize(("name", "slope"), [("dyt", 1.0), ("derf", 2 / math.sqrt(math.pi))])
def test_the_slope_at_zero(name: str, slope: float) -> None:
    """Is weight times alpha, times that of the function."""
    layer = _unlike_at_the_start(make_norm(name, CHANNELS))
    if name == "derf":
        nn.init.zeros_(layer.shift)
    x = torch.zeros(1, CHANNELS, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(x).sum(), x)
    torch.testing.assert_close(gradient[0], layer.weight * layer.alpha * slope)


def test_partial_rms_of_all_is_rms() -> None:
    """With ``p=1``; otherwise what is not among the first channels does not move the others."""
    x = _maps()
    torch.testing.assert_close(layers.PartialRMSNorm(CHANNELS, p=1)(x), layers.SampleRMSNorm(CHANNELS)(x))
    other = x.clone()
    other[:, 3:] += 1
    partial = layers.PartialRMSNorm(CHANNELS, p=0.3)
    torch.testing.assert_close(partial(x)[:, :3], partial(other)[:, :3])


def test_a_fraction_of_the_channels_is_as_many_as_it_says() -> None:
    """0.28 of 25 channels are 7, although the product is a little more in floating point."""
    x = torch.arange(1.0, 26).unsqueeze(0)
    y = layers.PartialRMSNorm(25, p=0.28, eps=0.0)(x)
    torch.testing.assert_close(y, x / x[:, :7].square().mean().sqrt())


def test_filter_response_of_any_scale_is_the_same() -> None:
    """A channel of a sample divided by its own root mean square is what comes out, whatever its scale was."""
    x, layer = _maps(), layers.FilterResponseNorm(CHANNELS, eps=0)
    torch.testing.assert_close(layer(x), x / x.square().mean((2, 3), keepdim=True).sqrt())
    torch.testing.assert_close(layer(x * torch.rand(4, CHANNELS, 1, 1).double()), layer(x))


def test_the_threshold_starts_as_a_relu() -> None:
    """At zero."""
    x = _maps()
    torch.testing.assert_close(make_norm("frn-tlu", CHANNELS)(x), make_norm("frn", CHANNELS)(x).relu())


def test_silent_channels_where_the_learned_eps_of_frn_reaches_zero() -> None:
    """The output is the bias, and gradients are finite."""
    for value in (0.0, 1e-30):
        layer = layers.FilterResponseNorm(2, learn_eps=True)
        assert layer.learned_eps is not None
        nn.init.constant_(layer.learned_eps, value)
        x = torch.stack([torch.zeros(3, 4), torch.randn(3, 4)], 1).requires_grad_()
        y = layer(x)
        y.square().sum().backward()
        assert torch.all(y[:, 0] == 0)
        for each in (y, x.grad, *(parameter.grad for parameter in layer.parameters())):
            assert each is not None
            assert each.isfinite().all()


def test_evonorm_s0_with_a_large_v_is_a_rectified_group_norm_without_its_mean() -> None:
    """The gate becomes a step; what a group norm subtracts stays."""
    x, layer = _maps(), layers.EvoNormS0(CHANNELS, groups=4).double()
    nn.init.constant_(layer.v, 1e9)
    groups = x.reshape(4, 4, -1)
    shift = groups.mean(2) / (groups.var(2, correction=0) + 1e-5).sqrt()
    centered = layers.GroupNorm(4, CHANNELS).double()(x)
    torch.testing.assert_close(layer(x), (centered + shift.repeat_interleave(2, 1)[..., None, None]).relu())


def test_evonorm_b0_without_v_is_batch_norm_without_its_mean() -> None:
    """Where the batch's variance is the larger one."""
    x = torch.randn(6, CHANNELS, 1, 1, dtype=torch.float64) + 0.01 * torch.randn(6, CHANNELS, 3, 3, dtype=torch.float64)
    layer = layers.EvoNormB0(CHANNELS).double()
    nn.init.zeros_(layer.v)
    shift = x.mean((0, 2, 3), keepdim=True) / (x.var((0, 2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(layer(x), layers.BatchNorm(CHANNELS).double()(x) + shift)


def test_global_response_of_silent_channels_has_a_gradient() -> None:
    """As after a ReLU that lets nothing through, where the root of the sum has none."""
    layer = _unlike_at_the_start(layers.GlobalResponseNorm(CHANNELS))
    x = _maps()
    x[:, :2] = 0
    x[0] = 0
    (gradient,) = torch.autograd.grad(layer(x.requires_grad_()).square().sum(), x)
    assert gradient.isfinite().all()


def test_global_response_does_not_take_over_a_scale() -> None:
    """The weight of a batch norm is one where it does nothing, this one's zero; a bias is a bias in both."""
    norm = nn.BatchNorm2d(CHANNELS)
    nn.init.ones_(norm.bias)
    converted, report = convert(nn.Sequential(nn.Conv2d(3, CHANNELS, 1), norm), "grn")
    weight, bias = (converted.get_parameter(f"1.{name}") for name in ("weight", "bias"))
    assert not weight.any()
    assert bias.all()
    assert "weight made anew" in str(report)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: layers.EvoNormS0(6, groups=4),
            "EvoNormS0: groups must divide channels, got channels=6, groups=4",
        ),
        (lambda: layers.EvoNormS0(6, groups=2.0), "EvoNormS0: groups must be a whole number, got groups=2.0"),  # type: ignore[arg-type]
        (lambda: layers.PartialRMSNorm(6, p=0), "PartialRMSNorm: p must be a fraction above 0 and at most 1, got p=0"),
        (lambda: layers.PartialRMSNorm(6, p=6.25), "got p=6.25; use for example p=0.0625"),
        (lambda: layers.LocalResponseNorm(6, size=0), "LocalResponseNorm: size must be a whole number above 0"),
        (lambda: layers.FilterResponseNorm(6, eps=None), "FilterResponseNorm: eps must be a number"),  # type: ignore[arg-type]
    ],
)
def test_options_that_make_no_norm_are_refused(make: Any, message: str) -> None:
    """By name, with the rule and a way out."""
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (layers.FilterResponseNorm(4), (2, 4), "needs positions to normalize over"),
        (layers.FilterResponseNorm(4), (2, 4, 1, 1), "a root mean square needs more than one value.*or learn_eps=True"),
        (
            layers.EvoNormB0(4),
            (2, 4, 1),
            r"need more than one value.*\(2, 4, 1\); use more positions",
        ),
        (layers.EvoNormS0(4, groups=4), (2, 4), r"need more than one value.*shape \(2, 4\); use fewer groups"),
        (layers.GlobalResponseNorm(4), (2, 4), "needs positions to normalize over"),
    ],
)
def test_too_few_values_are_refused_in_training(layer: nn.Module, shape: tuple[int, ...], message: str) -> None:
    """By their shape, with a way out."""
    with pytest.raises(InputError, match=message):
        layer(torch.randn(shape))
