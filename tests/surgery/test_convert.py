"""Does ``convert`` keep what can be kept of a norm, leave what makes no sense, and say both?"""

import copy
import re
from functools import partial
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.testing import assert_close
from torchvision import models
from torchvision.ops import FrozenBatchNorm2d

from normzoo import layers
from normzoo.errors import ComponentError, UnknownNameError, UsageError
from normzoo.layers import SyncBatchNorm, norm_factory
from normzoo.layers._make import marking
from normzoo.surgery import ConversionReport, Exchanged, Left, convert, convert_sync_batchnorm

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


# Groups and factories


@pytest.mark.parametrize(
    ("channels", "groups", "taken"), [(72, 32, 36), (24, 32, 24), (64, 32, 32), (7, 32, 7), (12, 5, 4), (96, 0, 1)]
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
    ],
)
def test_what_is_no_norm_is_refused(norm: Any, error: type[Exception], message: str) -> None:
    """As everywhere."""
    with pytest.raises(error, match=message):
        convert(network(), norm)


# Where the channels are


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


# What is left


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (nn.LazyBatchNorm2d, "call the model once"),
        (lambda: nn.LocalResponseNorm(3), "pools are windows of channels"),
        (lambda: parametrizations.spectral_norm(nn.LayerNorm((4, 4))), "parametrized"),
        (lambda: nn.utils.spectral_norm(nn.LayerNorm((4, 4))), "parts of its own: weight_orig"),
        (lambda: own.Rectified(8), "does more than normalize"),
        (layers.NoNorm, "does not know its channels"),
    ],
)
def test_what_makes_no_sense_is_left(build: Any, reason: str) -> None:
    """With its reason."""
    norm = build()
    model, report = convert(norm, "group")
    assert model is norm
    assert report.exchanged == {}
    assert reason in report.left[""].reason


def test_a_forward_pass_that_was_replaced_is_left() -> None:
    """Whatever it does."""
    norm: Any = nn.BatchNorm2d(8)
    norm.forward = norm.forward
    assert convert(norm, "group").report.left[""].reason == "its forward pass has been replaced"


def test_the_norm_of_weights_is_left_with_the_weights() -> None:
    """It is part of a parametrization."""
    report = convert(parametrizations.weight_norm(nn.Linear(3, 4)), "group").report
    assert report.left["parametrizations.weight.0"].reason == "it normalizes weights, not activations"


def test_a_lazy_norm_that_has_seen_an_input_is_exchanged() -> None:
    """It has become another class."""
    model = nn.Sequential(nn.LazyBatchNorm2d())
    model(torch.randn(2, 8, 3, 3))
    assert convert(model, "group:groups=2").report.exchanged["0"].was == "BatchNorm2d"


def test_synchronization_is_lost_and_noted() -> None:
    """Unless the new norm has it too."""
    _, notes = exchanged_by(nn.SyncBatchNorm(8), "batch")
    assert notes == ("no longer synchronized",)
    assert exchanged_by(nn.SyncBatchNorm(8), "torch.nn:SyncBatchNorm")[1] == ()
    assert exchanged_by(nn.SyncBatchNorm(8), "sync")[1] == ()
    assert exchanged_by(SyncBatchNorm(8), "batch")[1] == ("no longer synchronized",)


def test_batch_norms_are_synchronized_and_no_others() -> None:
    """With their parameters, statistics and settings; those of a class of torch.nn's stay with their group."""
    model = nn.Sequential(nn.BatchNorm2d(8, eps=1e-3, momentum=None), nn.GroupNorm(2, 8), nn.InstanceNorm2d(8))
    before = dict(model.state_dict())
    group = object()
    synchronized: Any = convert_sync_batchnorm(model, group)
    assert [type(each) for each in synchronized] == [SyncBatchNorm, nn.GroupNorm, nn.InstanceNorm2d]
    assert_close(dict(synchronized.state_dict()), before)
    norm = synchronized[0]
    assert (norm.eps, norm.momentum, norm.process_group) == (1e-3, None, group)
    assert isinstance(convert_sync_batchnorm(nn.BatchNorm1d(3)), SyncBatchNorm)
    theirs = nn.SyncBatchNorm(8, process_group=group)
    assert convert(theirs, "sync").model.process_group is group


def test_ghost_batch_norms_are_not_synchronized() -> None:
    """Their statistics are to be over few samples."""
    synchronized: Any = convert_sync_batchnorm(nn.Sequential(layers.GhostBatchNorm(3), nn.BatchNorm2d(3)))
    assert [type(each) for each in synchronized] == [layers.GhostBatchNorm, SyncBatchNorm]


def test_fused_and_scripted_parts_are_left() -> None:
    """Their norms are called by nobody."""
    quantization: Any = torch.ao.quantization
    fused = torch.ao.nn.intrinsic.qat.ConvBn2d(3, 8, 3, qconfig=quantization.get_default_qat_qconfig())  # type: ignore[no-untyped-call]
    assert convert(nn.Sequential(fused), "group").report.left["0"].reason == "it is fused or quantized; convert first"


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:Warning")
def test_a_scripted_model_is_left() -> None:
    """It is compiled, with the norms that it had."""
    scripted: Any = torch.jit.script(network())
    report = convert(scripted, "group").report
    assert report.left[""].reason == "it is scripted; convert first"


def test_a_model_within_data_parallel_is_converted() -> None:
    """It copies the model at each call."""
    assert list(convert(nn.DataParallel(network()), "group").report.exchanged) == ["module.0.1", "module.1.1"]


@pytest.mark.slow
def test_a_compiled_model_is_converted() -> None:
    """It is compiled anew at its next call."""
    model, x = network(), torch.randn(2, 3, 4, 4)
    compiled: Any = torch.compile(model, backend="eager")
    before = compiled(x)
    assert list(convert(compiled, "group:groups=2").report.exchanged) == ["_orig_mod.0.1", "_orig_mod.1.1"]
    assert_close(compiled(x), model(x))
    assert not torch.allclose(compiled(x), before)


def test_a_traced_graph_is_converted() -> None:
    """It calls its norms by name."""
    graph = torch.fx.symbolic_trace(network())
    convert(graph, "group:groups=2")
    assert isinstance(graph.get_submodule("0.1"), layers.GroupNorm)
    assert graph(torch.randn(2, 3, 4, 4)).shape == (2, 8, 4, 4)


def test_a_model_wrapped_for_processes_is_refused() -> None:
    """It would not synchronize the gradients of new parameters."""
    wrapper = type("DistributedDataParallel", (nn.Sequential,), {})
    with pytest.raises(UsageError, match="within DistributedDataParallel cannot be converted"):
        convert(wrapper(network()), "group")


def test_only_modules_are_converted() -> None:
    """A class is none."""
    with pytest.raises(TypeError, match=re.escape("the model must be a torch.nn.Module, got type")):
        convert(nn.BatchNorm2d, "group")  # type: ignore[arg-type]


# Which norms


@pytest.mark.parametrize(
    ("only", "skip", "names"),
    [
        ("0.1", None, ["0.1"]),
        ("1", None, ["1.1"]),
        (r"\d\.1", None, ["0.1", "1.1"]),
        (re.compile("1.*"), None, ["1.1"]),
        (["0", "1.1"], None, ["0.1", "1.1"]),
        (lambda name, module: name == "1.1" and isinstance(module, nn.BatchNorm2d), None, ["1.1"]),
        (None, "0", ["1.1"]),
        (r".*", ["1.1"], ["0.1"]),
        ([], None, []),
    ],
)
def test_only_and_skip(only: Any, skip: Any, names: list[str]) -> None:
    """Names of norms or of blocks, regular expressions, predicates, and several of these."""
    report = convert(network(), "group", only=only, skip=skip).report
    assert list(report.exchanged) == names
    assert len(report.left) == 2 - len(names)


def test_a_name_that_is_not_there_is_refused() -> None:
    """With a suggestion; so is what is no regular expression."""
    model = nn.ModuleDict({"stem": nn.BatchNorm2d(3)})
    with pytest.raises(UnknownNameError, match=r"only: unknown norm or block with norms 'stm'; did you mean 'stem'"):
        convert(model, "group", only="stm")
    with pytest.raises(UsageError, match=r"skip: '[(]' is neither a name nor a regular expression"):
        convert(model, "group", skip="(")
    assert isinstance(model["stem"], nn.BatchNorm2d)


# The report


def test_the_report_says_what_became_what() -> None:
    """As a value, a line and a table."""
    model = nn.Sequential(network(72), nn.LocalResponseNorm(3))
    report = convert(model, "group:groups=32", skip="0.1").report
    note = "36 groups, as 32 do not divide 72"
    assert report == ConversionReport(
        "group:groups=32",
        {"0.0.1": Exchanged("BatchNorm2d", "GroupNorm", 72, (note,), to_know=(note,))},
        {
            "0.1.1": Left("BatchNorm2d", "skipped"),
            "1": Left("LocalResponseNorm", "its pools are windows of channels"),
        },
    )
    assert report.summary == (
        "norms exchanged: 1 BatchNorm2d; left: 1 BatchNorm2d (skipped), "
        "1 LocalResponseNorm (its pools are windows of channels)"
    )
    lines = str(report).splitlines()
    assert all(line == line.rstrip() for line in lines)
    assert any(line.split()[:4] == ["1", "BatchNorm2d", "GroupNorm", "0.0.1"] for line in lines)
    assert any(line.split()[:3] == ["1", "LocalResponseNorm", "left"] for line in lines)
    console = Console(width=100, color_system=None)
    with console.capture() as captured:
        console.print(report)
    assert [line.rstrip() for line in captured.get().rstrip().splitlines()] == str(report).rstrip().splitlines()


@pytest.mark.parametrize("norm", ["group:groups=32", "layer", "instance", "batch", "torch.nn:LayerNorm"])
@pytest.mark.parametrize("name", ["mobilenet_v3_small", "convnext_tiny", "efficientnet_b0", "lrn"])
def test_the_table_fits_a_terminal(name: str, norm: str) -> None:
    """Of 80 columns: each note and each reason on a line by itself."""
    model: nn.Module = nn.Sequential(nn.LocalResponseNorm(3), nn.BatchNorm2d(144), nn.LazyBatchNorm2d())
    with torch.device("meta"):
        if name == "efficientnet_b0":
            model = pytest.importorskip("timm").create_model(name)
        elif name != "lrn":
            model = getattr(models, name)()
    report = convert(model, norm).report
    lines = str(report).splitlines()
    assert max(map(len, lines)) <= 80
    said = {note for each in report.exchanged.values() for note in each.notes}
    said |= {each.reason for each in report.left.values()}
    assert [note for note in said if not any(line.endswith(f"  {note}") for line in lines)] == []


def test_a_model_without_norms() -> None:
    """Is no error, and said."""
    report = convert(nn.Linear(3, 3), "group").report
    assert report.summary == "norms exchanged: none"
    assert (report.exchanged, report.left) == ({}, {})


def test_names_are_those_of_the_model_after_it() -> None:
    """Each leads to what stands there now."""
    model = network()
    report = convert(model, "instance").report
    for name, each in report.exchanged.items():
        assert type(model.get_submodule(name)).__name__ == each.became


class Odd(nn.Module):
    """Holds nothing where a part could be."""

    def __init__(self) -> None:
        super().__init__()
        self.register_module("nothing", None)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x)  # type: ignore[no-any-return]


def test_an_empty_place_is_passed_over() -> None:
    """As torch does."""
    assert list(convert(Odd(), "group:groups=3").report.exchanged) == ["norm"]


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


@pytest.mark.parametrize("dim", [-1, 2])
def test_channels_that_a_norm_of_ours_has_elsewhere_stay_there(dim: int) -> None:
    """The new norm is given them where it wants them."""
    x = torch.randn(3, 5, 4)
    after, _ = exchanged_by(layers.GroupNorm(2, 4, channel_dim=dim), "batch")
    assert_close(after(x), layers.BatchNorm1d(4, channel_dim=-1)(x))
    back, _ = exchanged_by(nn.LayerNorm(4), f"group:groups=2,channel_dim={dim}")
    assert_close(back(x), layers.GroupNorm(2, 4, channel_dim=-1)(x))
