"""Does ``convert`` keep what can be kept of a norm, leave what makes no sense, and say both?"""

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torchvision.ops import FrozenBatchNorm2d

from normzoo import layers
from normzoo.errors import ComponentError, UnknownNameError, UsageError
from normzoo.layers import norm_factory
from normzoo.layers._make import marking
from normzoo.surgery import Exchanged, convert

from . import own

HERE = own.__name__


def network(channels: int = 8) -> Any:
    """Return two blocks of a convolution, a norm and an activation."""
    blocks = [
        nn.Sequential(nn.Conv2d(entry, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU())
        for entry in (3, channels)
    ]
    return nn.Sequential(*blocks)


def exchanged_by(norm: nn.Module, spec: Any) -> tuple[nn.Module, tuple[str, ...]]:
    """Return what a single norm becomes, and what is noted."""
    model, report = convert(norm, spec)
    return model, report.exchanged[""].notes


# What is kept


def test_the_model_is_changed_in_place() -> None:
    """It is the same object; a copy made before is left as it was."""
    model: Any = network()
    before: Any = copy.deepcopy(model)
    converted = convert(model, "group").model
    assert isinstance(model[0][1], layers.GroupNorm)
    assert isinstance(before[0][1], nn.BatchNorm2d)
    assert converted is model


def test_parameters_are_the_same_objects() -> None:
    """So that an optimizer made before goes on training them."""
    model = network()
    parameters = dict(model.named_parameters())
    convert(model, "group")
    assert {name: id(each) for name, each in model.named_parameters()} == {
        name: id(each) for name, each in parameters.items()
    }


def test_the_rest_of_a_norm_is_kept() -> None:
    """Type, training mode, which parameters are trained, eps, and with the same norm its statistics and momentum."""
    model = nn.BatchNorm2d(8, eps=1e-3, momentum=0.01).to(torch.bfloat16).eval()
    model.weight.requires_grad_(False)
    assert model.running_mean is not None
    model.running_mean.fill_(3)
    became: Any = convert(model, "batch").model
    assert type(became) is layers.BatchNorm
    assert (became.eps, became.momentum, became.training) == (1e-3, 0.01, False)
    assert (became.weight.requires_grad, became.bias.requires_grad) == (False, True)
    assert became.running_mean is model.running_mean
    assert {each.dtype for each in became.parameters()} == {torch.bfloat16}


def test_the_device_is_that_of_the_norm() -> None:
    """Or of the parameter before it, where it has no tensors."""
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(3, 8, 1, dtype=torch.float64), nn.InstanceNorm2d(8))
    convert(model, "group:affine=true")
    assert isinstance(model[1].weight, nn.Parameter)
    assert (model[1].weight.device.type, model[1].weight.dtype) == ("meta", torch.float64)


@pytest.mark.parametrize(
    ("norm", "spec", "has"),
    [
        (nn.InstanceNorm2d(8), "group", (False, False)),
        (nn.InstanceNorm2d(8), "group:affine=true", (True, True)),
        (nn.BatchNorm2d(8, affine=False), "batch", (False, False)),
        (nn.RMSNorm(8), "group", (True, False)),
        (nn.LayerNorm(8, bias=False), "torch.nn:LayerNorm", (True, False)),
        (nn.BatchNorm2d(8), "group:affine=false", (False, False)),
        (nn.BatchNorm2d(8), "torch.nn:RMSNorm", (True, False)),
        (layers.NoNorm(8), "group", (True, True)),
    ],
)
def test_there_are_as_many_parameters_as_before(norm: nn.Module, spec: str, has: tuple[bool, bool]) -> None:
    """Unless the spec says otherwise, the norm has no such parameter, or the control stood there."""
    became: Any = convert(norm, spec).model
    became = getattr(became, "norm", became)
    assert (became.weight is not None, getattr(became, "bias", None) is not None) == has


def test_what_the_spec_names_is_not_taken_over() -> None:
    """As eps, momentum and running statistics."""
    became: Any = convert(nn.BatchNorm2d(8, eps=1e-3, momentum=0.3), "batch:eps=1e-5,momentum=0.2").model
    assert (became.eps, became.momentum) == (1e-5, 0.2)
    became = convert(nn.BatchNorm2d(8), "batch:track_running_stats=false").model
    assert became.running_mean is None


@pytest.mark.parametrize(
    ("norm", "spec", "keeps"),
    [
        (nn.BatchNorm2d(8), "batch", True),
        (nn.BatchNorm2d(8, track_running_stats=False), "batch", False),
        (nn.InstanceNorm2d(8, track_running_stats=True), "instance", True),
        (nn.InstanceNorm2d(8), "instance", False),
        (nn.InstanceNorm2d(8), "batch", True),
        (nn.BatchNorm2d(8), "instance", False),
    ],
)
def test_running_statistics(norm: nn.Module, spec: str, keeps: bool) -> None:
    """A norm of the same kind keeps them if the old one did, another as it does by itself."""
    became: Any = convert(norm, spec).model
    assert (became.running_mean is not None) == keeps
    x = torch.randn(4, 8, 5, 5)
    if (type(norm).__name__[:3], spec[:3]) in (("Bat", "bat"), ("Ins", "ins")):
        assert_close(became.eval()(x), norm.eval()(x))


def test_new_running_statistics_are_noted() -> None:
    """Evaluating before training or recalibrating would use zero and one."""
    _, notes = exchanged_by(nn.GroupNorm(2, 8), "batch")
    assert notes == ("new statistics: train or recalibrate",)


def test_hooks_are_kept_and_can_be_removed() -> None:
    """Each is called once, and by the order in which they were registered; a handle of before removes its hook."""
    model, calls = network(), []
    norm = model[0][1]
    norm.register_forward_pre_hook(lambda module, _: calls.append(("pre", type(module).__name__)))
    removed = norm.register_forward_hook(lambda *_: calls.append(("forward", "removed")))
    norm.register_forward_hook(
        lambda module, *_, **__: calls.append(("forward", type(module).__name__)), with_kwargs=True
    )
    norm.register_full_backward_hook(lambda module, *_: calls.append(("backward", type(module).__name__)))
    convert(model, "group")
    removed.remove()
    model(torch.randn(2, 3, 4, 4)).sum().backward()
    assert calls == [("pre", "GroupNorm"), ("forward", "GroupNorm"), ("backward", "GroupNorm")]


def test_hooks_see_the_layout_of_before() -> None:
    """Where channels are moved, and where an activation belongs to the norm."""
    model = nn.LayerNorm(8)
    shapes: list[torch.Size] = []
    model.register_forward_hook(lambda _, inputs, output: shapes.extend((inputs[0].shape, output.shape)))
    convert(model, "group").model(torch.randn(2, 5, 8))
    assert shapes == [torch.Size((2, 5, 8))] * 2


def test_a_shared_norm_stays_shared() -> None:
    """It is exchanged once, and has all its names in the report."""
    norm = nn.BatchNorm2d(3)
    model: Any = nn.Sequential(norm, nn.Sequential(nn.ReLU(), norm), norm)
    report = convert(model, "group:groups=3").report
    assert model[0] is model[1][1] is model[2]
    assert report.exchanged["0"].also == ("1.1", "2")
    assert len(report.exchanged) == 1


def test_shared_parameters_stay_shared() -> None:
    """Those of two norms that were tied."""
    model = nn.Sequential(nn.BatchNorm2d(4), nn.BatchNorm2d(4))
    model[1].weight = model[0].weight
    convert(model, "group:groups=2")
    assert model[0].weight is model[1].weight


def test_random_numbers_are_not_used_up() -> None:
    """Not even by a norm that draws its parameters."""
    state = torch.get_rng_state()
    model = network()
    drawn = torch.rand(3)
    torch.set_rng_state(state)
    converted: Any = convert(network(), f"{HERE}:Scaled").model
    assert_close(torch.rand(3), drawn)
    assert_close(converted[1][0].weight, model[1][0].weight)


def test_a_trial_uses_up_no_random_numbers() -> None:
    """A norm with a forward pass of its own is tried."""
    model = nn.Sequential(nn.Conv2d(3, 8, 3), own.OverMaps(8))
    state = torch.get_rng_state()
    assert convert(model, "group").report.exchanged
    assert torch.equal(torch.get_rng_state(), state)


def test_a_number_of_groups_that_is_none_is_refused() -> None:
    """Rather than taken for the nearest that there is."""
    for spec in ("group:groups=0", "group:groups=-2", "torch.nn:GroupNorm:num_groups=0"):
        with pytest.raises(ComponentError, match=r"groups must be at least 1, got -?\d; use (num_)?groups=1$"):
            convert(nn.BatchNorm2d(8), spec)


def test_frozen_batch_norm_is_trained_again() -> None:
    """Its buffers become parameters, which is said; and parameters become its buffers."""
    frozen = FrozenBatchNorm2d(8)
    frozen.weight.fill_(2)
    frozen.running_mean.fill_(3)
    became, notes = exchanged_by(frozen, "batch")
    assert notes == ("weight, bias no longer fixed",)
    assert isinstance(became.weight, nn.Parameter)
    assert became.weight.requires_grad
    x = torch.randn(4, 8, 3, 3)
    assert_close(became.eval()(x), frozen(x))
    back, notes = exchanged_by(became, "torchvision.ops:FrozenBatchNorm2d")
    assert notes == ("weight, bias fixed",)
    assert_close(back(x), frozen(x))


def test_new_parameters_of_a_fixed_norm_are_fixed() -> None:
    """As a bias where there was none."""
    norm = nn.RMSNorm(8).requires_grad_(False)
    became, notes = exchanged_by(norm, "torch.nn:LayerNorm:bias=true")
    assert notes == ("bias made anew",)
    assert not any(each.requires_grad for each in became.parameters())


def test_a_zero_centred_weight_is_shifted() -> None:
    """So that the factor stays what it was; between two of the same sort the parameter is the same object."""
    norm = nn.init.uniform_(nn.BatchNorm2d(4).weight)
    x = torch.randn(3, 4, 5, 5)
    for before, spec, note in (
        (nn.BatchNorm2d(4), "batch:zero_centered=true", ("weight less one",)),
        (layers.BatchNorm2d(4, zero_centered=True), "batch", ("weight plus one",)),
    ):
        before.weight.data.copy_(norm)
        expected = copy.deepcopy(before)(x)
        after, notes = exchanged_by(before, spec)
        assert notes == note
        assert_close(after(x), expected)
    zero_centered = layers.BatchNorm2d(4, zero_centered=True)
    weight = zero_centered.weight
    after, notes = exchanged_by(zero_centered, "group:groups=2,zero_centered=true")
    assert after.weight is weight
    assert not notes


# Groups and factories


@pytest.mark.parametrize(
    ("channels", "groups", "taken"), [(72, 32, 36), (24, 32, 24), (64, 32, 32), (7, 32, 7), (12, 5, 4)]
)
@pytest.mark.parametrize("spec", ["group:groups={}", "torch.nn:GroupNorm:num_groups={}"])
def test_the_nearest_number_of_groups_is_taken(spec: str, channels: int, groups: int, taken: int) -> None:
    """One that divides the channels, which is said where it is another than the one asked for."""
    became: Any
    became, notes = exchanged_by(nn.BatchNorm2d(channels), spec.format(groups))
    assert became.num_groups == taken
    said = f"{taken} groups, as {groups} do not divide {channels}"
    assert notes == (() if taken == groups else (said,))


@pytest.mark.parametrize("wrapped", [lambda factory: factory, marking])
def test_a_factory_of_a_spec_is_that_spec(wrapped: Any) -> None:
    """Also where a comparison has wrapped it: groups are fitted, and settings taken over."""
    became: Any
    became, notes = exchanged_by(nn.BatchNorm2d(72, eps=1e-3), wrapped(norm_factory("group:groups=32")))
    assert (became.num_groups, became.eps) == (36, 1e-3)
    assert notes == ("36 groups, as 32 do not divide 72",)


def test_what_a_function_makes_is_taken_as_it_is() -> None:
    """With the parameters of what stood there."""
    norm = nn.BatchNorm2d(8, eps=1e-3, affine=True)
    became: Any = convert(norm, partial(nn.GroupNorm, 4, eps=1e-2)).model
    assert (became.eps, became.num_groups) == (1e-2, 4)
    assert became.weight is norm.weight


def test_a_failure_changes_nothing() -> None:
    """A function that fails for some channels is named with them, and no norm is exchanged."""
    model = nn.Sequential(nn.BatchNorm2d(64), nn.BatchNorm2d(72))
    with pytest.raises(ComponentError, match="cannot be made for 72 channels: num_channels"):
        convert(model, partial(nn.GroupNorm, 32))
    assert all(type(each) is nn.BatchNorm2d for each in model)


def test_a_norm_of_ones_own_and_back() -> None:
    """Parameters of other names are made anew, and it is known again."""
    model = network()
    report = convert(model, f"{HERE}:Scaled:factor=3.0").report
    assert report.exchanged["0.1"] == Exchanged("BatchNorm2d", "Scaled", 8, ("bias dropped", "gamma made anew"))
    assert model(torch.randn(2, 3, 4, 4)).shape == (2, 8, 4, 4)
    assert convert(model, "batch").report.exchanged["0.1"].was == "Scaled"
    assert isinstance(model[0][1], layers.BatchNorm)


def test_an_activation_within_the_norm_is_noted() -> None:
    """Another that follows is applied as well."""
    _, notes = exchanged_by(nn.BatchNorm2d(8), f"{HERE}:Activated")
    assert "activates: remove one that follows" in notes


@pytest.mark.parametrize(
    ("norm", "error", "message"),
    [
        ("grup", UnknownNameError, "did you mean 'group'"),
        ("group:size=3", ComponentError, "no option 'size'"),
        ("torch.nn:LazyBatchNorm2d", ComponentError, "use torch.nn:BatchNorm2d"),
        (lambda _: 3, ComponentError, "it made a int"),
        (nn.BatchNorm2d(3), UsageError, "got a BatchNorm2d that is made; pass its class, or a function"),
    ],
)
def test_what_is_no_norm_is_refused(norm: Any, error: type[Exception], message: str) -> None:
    """As everywhere."""
    with pytest.raises(error, match=message):
        convert(network(), norm)
