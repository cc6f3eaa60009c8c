"""Do the tools that people run over a model find our norms, and do to them what they do to torch.nn's?"""

import copy
import pickle
from typing import Any

import pytest
import torch
from lightning.pytorch.plugins import TorchSyncBatchNorm
from torch import Tensor, nn
from torch.ao.quantization import fuse_modules, fuse_modules_qat
from torch.fx.experimental.optimization import fuse
from torch.nn.utils import parametrize, prune
from torch.optim.swa_utils import update_bn
from torch.testing import assert_close

from normzoo import layers
from normzoo.errors import InputError
from normzoo.layers._torch_tools import as_torch_layer

from .cases import CASES, PEERED, TRACKED, Case
from .references import pair, randomized

DROP_INS = [case for case in PEERED if case.peer is not None and case.peer.__name__ == case.layer.__name__]
BATCH_NORMS = [case for case in TRACKED if issubclass(case.layer, layers.BatchNorm)]


@pytest.mark.parametrize("case", PEERED, ids=lambda case: case.id)
def test_is_an_instance_of_torchs(case: Case) -> None:
    """Tools find a norm by its class of torch.nn, or by the private base of all batch norms or instance norms."""
    layer = case.ours()
    if case in DROP_INS:
        assert isinstance(layer, case.peer)  # type: ignore[arg-type]
    for base in (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm):
        assert isinstance(layer, base) == issubclass(case.peer, base)  # type: ignore[arg-type]
    assert type(layer).forward is not case.peer.forward  # type: ignore[union-attr]


@pytest.mark.parametrize("case", BATCH_NORMS, ids=lambda case: case.id)
def test_update_bn(case: Case) -> None:
    """Running statistics are computed once more over a data set, as torch.nn's are."""
    ours = nn.Sequential(randomized(case.ours(torch.float64)))
    data = [case.input() + step for step in range(3)]
    update_bn(data, ours)
    if case.splits_batches:  # each part counts as a batch
        data = [part for x in data for part in x.tensor_split(-(-len(x) // case.ours().size))]
    assert_close(ours[0].running_mean, torch.stack([_per_channel(x).mean(1) for x in data]).mean(0))
    correction = int(case.ours().unbiased_running)
    variances = torch.stack([_per_channel(x).var(1, correction=correction) for x in data])
    assert_close(ours[0].running_var, variances.mean(0))


def _per_channel(x: Tensor) -> Tensor:
    return x.movedim(1, 0).flatten(1)


@pytest.mark.parametrize(
    "case", [case for case in PEERED if issubclass(case.layer, layers.BatchNorm)], ids=lambda c: c.id
)
def test_sync_batch_norm_conversion(case: Case) -> None:
    """``convert_sync_batchnorm`` makes torch.nn.SyncBatchNorm of ours, with the tensors of ours."""
    layer = randomized(case.ours())
    converted: Any = nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(layer))[0]  # type: ignore[no-untyped-call]
    assert type(converted) is nn.SyncBatchNorm
    assert_close(dict(converted.state_dict()), dict(layer.state_dict()))
    settings = ("num_features", "eps", "momentum", "affine", "track_running_stats")
    assert [getattr(converted, name) for name in settings] == [getattr(layer, name) for name in settings]


FUSED: dict[str, tuple[Any, Any, tuple[int, ...]]] = {
    "conv1d": (nn.Conv1d(3, 4, 3), layers.BatchNorm1d(4), (2, 3, 8)),
    "conv2d": (nn.Conv2d(3, 4, 3), layers.BatchNorm2d(4), (2, 3, 8, 8)),
    "conv3d": (nn.Conv3d(3, 4, 3), layers.BatchNorm3d(4), (2, 3, 5, 5, 5)),
    "linear": (nn.Linear(3, 4), layers.BatchNorm1d(4), (5, 3)),
}
every_fused = pytest.mark.parametrize(("first", "norm", "shape"), FUSED.values(), ids=FUSED)


def trained(first: nn.Module, norm: nn.Module, shape: tuple[int, ...], *rest: nn.Module) -> tuple[Any, Tensor]:
    """Return a model in evaluation whose running statistics are those of some input, and this."""
    model = nn.Sequential(copy.deepcopy(first), randomized(copy.deepcopy(norm)), *rest)
    x = 2 + 3 * torch.randn(shape)
    model(x)
    return model.eval(), x


@pytest.mark.slow_but_one
@every_fused
def test_fx_fuses_it_into_what_stands_before(first: nn.Module, norm: nn.Module, shape: tuple[int, ...]) -> None:
    """``torch.fx.experimental.optimization.fuse`` leaves no batch norm, the outputs, and the model as they were."""
    model, x = trained(first, norm, shape)
    fused = fuse(model)
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in fused.modules())
    assert_close(fused(x), model(x), rtol=1e-4, atol=1e-5)
    assert type(model[1]) is type(norm)


@every_fused
@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated")
def test_quantization_fuses_it_into_what_stands_before(
    first: nn.Module, norm: nn.Module, shape: tuple[int, ...]
) -> None:
    """``torch.ao.quantization.fuse_modules`` does, too, with a ReLU behind it and without."""
    for rest in ([], [] if isinstance(first, nn.Linear) else [nn.ReLU()]):
        model, x = trained(first, norm, shape, *rest)
        names = [str(index) for index in range(len(model))]
        fused = fuse_modules(copy.deepcopy(model), [names])  # type: ignore[no-untyped-call]
        assert isinstance(fused[1], nn.Identity)
        assert_close(fused(x), model(x), rtol=1e-4, atol=1e-5)


def test_quantization_aware_training_trains_it() -> None:
    """Fused for training, the norm is torch.nn's with the tensors of ours."""
    norm = layers.BatchNorm2d(4)
    model: Any = nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.ReLU())
    fuse_modules_qat(model, [["0", "1", "2"]], inplace=True)  # type: ignore[no-untyped-call]
    assert type(model[0][1]) is nn.BatchNorm2d
    assert model[0][1].weight is norm.weight
    model(torch.randn(2, 3, 5, 5)).sum().backward()
    assert norm.num_batches_tracked == 1


def test_fusing_by_hand() -> None:
    """``fuse_conv_bn_eval`` reads settings and statistics from ours."""
    model, x = trained(*FUSED["conv2d"])
    fused = nn.utils.fuse_conv_bn_eval(model[0], model[1])
    assert_close(fused(x), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.slow_but_one
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated")
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", DROP_INS, ids=lambda case: case.id)
def test_scripting(case: Case, training: bool) -> None:
    """``torch.jit.script`` compiles a layer, alone and in a model, into one of the same outputs and state."""
    layer = randomized(case.ours(torch.float64)).train(training)
    twin, inner = copy.deepcopy(layer), copy.deepcopy(layer)
    scripted: list[Any] = [torch.jit.script(twin), torch.jit.script(nn.Sequential(inner))]
    x = case.input()
    expected = layer(x)
    for script in scripted:
        assert_close(script(x), expected)
        assert_close(list(script.state_dict().values()), list(layer.state_dict().values()))


class Twice(layers.BatchNorm1d):
    """A subclass with a forward pass of its own that can be scripted."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return x * 2


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_scripting_a_subclass_with_a_forward_of_its_own() -> None:
    """What is compiled is the user's forward pass."""
    x = torch.randn(3, 4)
    scripted: Any = torch.jit.script(Twice(4))
    assert_close(scripted(x), 2 * x)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
@pytest.mark.parametrize("norm", ["batch", "instance", "rms", "frn", "dyt", "sync"])
def test_scripting_what_torch_does_not_have(norm: str) -> None:
    """The refusal names what can be done, also within a model."""
    layer = layers.make_norm(norm, 4)
    for model in (layer, nn.Sequential(layer)):
        with pytest.raises(InputError) as refusal:
            torch.jit.script(model)
        assert str(refusal.value) == (
            f"{type(layer).__name__}: torch.jit.script takes norms for torch.nn's, and this is none of those; use "
            "torch.export, torch.compile, or a class of torch.nn's name, such as BatchNorm2d"
        )


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
@pytest.mark.parametrize("norm", ["none", "ws"])
def test_scripting_no_norm(norm: str) -> None:
    x = torch.randn(2, 4)
    scripted: Any = torch.jit.script(layers.make_norm(norm, 4))
    assert torch.equal(scripted(x), x)


@pytest.mark.parametrize("case", DROP_INS, ids=lambda case: case.id)
def test_the_layer_of_torch_in_its_place(case: Case) -> None:
    """It is of torch.nn's class, shares tensors and settings, and does the same."""
    layer = randomized(case.ours(torch.float64))
    peer: Any = as_torch_layer(layer)
    assert type(peer) is case.peer
    assert all(peer.state_dict(keep_vars=True)[key] is value for key, value in layer.state_dict(keep_vars=True).items())
    x = case.input()
    assert_close(peer.eval()(x), layer.eval()(x))
    layer.to(torch.float32)
    assert {tensor.dtype for tensor in peer.state_dict().values()} <= {torch.float32, torch.int64}


def test_batch_norms_are_swapped_for_functional_transforms() -> None:
    """``torch.func.replace_all_batch_norm_modules_`` takes their running statistics away."""
    model = nn.Sequential(layers.BatchNorm2d(3).double())
    torch.func.replace_all_batch_norm_modules_(model)
    x = torch.randn(4, 3, 2, 2, dtype=torch.float64)
    expected = nn.functional.batch_norm(x, None, None, training=True)
    for training in (True, False):
        assert_close(model.train(training)(x), expected)


class Doubled(nn.Module):
    """A parametrization."""

    def forward(self, tensor: Tensor) -> Tensor:
        return 2 * tensor


@pytest.mark.parametrize("name", ["weight", "running_mean"])
def test_a_parametrized_layer(name: str) -> None:
    """A parametrized weight or running mean counts as torch.nn's does, and the layer stays one of its kind."""
    ours, theirs = pair(next(case for case in CASES if case.id == "batch-maps"))
    x = torch.randn(3, 2, 3, 4, dtype=torch.float64)
    for layer in (ours, theirs):
        parametrize.register_parametrization(layer, name, Doubled())
        layer.eval()
    assert isinstance(ours, nn.BatchNorm2d)
    assert_close(ours(x), theirs(x))
    parametrize.remove_parametrizations(ours, name)
    parametrize.remove_parametrizations(theirs, name)
    assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_pruned_and_parametrized_norms_are_traced(training: bool) -> None:
    """Their weights are made when the graph runs; tracing leaves no trace in the model."""
    pruned, doubled = layers.BatchNorm2d(4), layers.BatchNorm2d(4)
    prune.l1_unstructured(pruned, "weight", amount=1)  # type: ignore[no-untyped-call]
    parametrize.register_parametrization(doubled, "weight", Doubled())
    model = nn.Sequential(pruned, doubled).train(training)
    x = torch.randn(2, 4, 3, 3)
    assert_close(torch.fx.symbolic_trace(model)(x), model(x))
    assert isinstance(pruned.weight, Tensor)


@pytest.mark.parametrize(
    "case", [case for case in DROP_INS if "weight" in case.ours().state_dict()], ids=lambda c: c.id
)
def test_a_pruned_layer(case: Case) -> None:
    """A pruned weight counts as torch.nn's does, and its mask is not taken for something that is remembered."""
    ours, theirs = pair(case)
    is_batch_independent = ours.is_batch_independent
    x = case.input()
    for layer in (ours, theirs):
        prune.l1_unstructured(layer, "weight", amount=1)  # type: ignore[no-untyped-call]
    assert_close(ours(x), theirs(x))
    assert ours.is_batch_independent == is_batch_independent


def test_hooks_run() -> None:
    """Hooks before, after and behind a norm see and may change what passes, as with any module."""
    layer = layers.GroupNorm(2, 4)
    x = torch.randn(3, 4, 5, requires_grad=True)
    plain = layer(x)
    seen: list[str] = []
    layer.register_forward_pre_hook(lambda *_: seen.append("before"))
    layer.register_forward_hook(lambda *arguments: 2 * arguments[-1])
    layer.register_full_backward_hook(lambda *_: seen.append("backward"))
    y = layer(x)
    y.sum().backward()
    assert_close(y, 2 * plain)
    assert seen == ["before", "backward"]


CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "eps": ("batch-maps", {"eps": 0.5}),
    "momentum": ("batch-maps", {"momentum": 0.7}),
    "momentum-none": ("batch-maps", {"momentum": None}),
    "batch-tracking": ("batch-maps", {"track_running_stats": False}),
    "batch-without-affine": ("batch-maps", {"weight": None, "bias": None}),
    "groups": ("group-maps", {"num_groups": 4}),
    "group-eps": ("group-maps", {"eps": 0.5}),
    "instance-tracking": ("instance-sequences-tracked", {"track_running_stats": False}),
    "layer-without-bias": ("layer-sequences", {"bias": None}),
    "rms-eps": ("rms-planes", {"eps": None}),
    "batch-features": ("batch-maps", {"num_features": 7}),
    "group-channels": ("group-maps", {"num_channels": 9}),
    "layer-shape": ("layer-sequences", {"normalized_shape": [6]}),
}


@pytest.mark.slow_but_one
@pytest.mark.parametrize(("id", "values"), CHANGES.values(), ids=CHANGES)
def test_attributes_set_after_construction(id: str, values: dict[str, Any]) -> None:  # noqa: A002
    """What is set on a finished layer holds from the next call on, as in torch.nn, in training and evaluation."""
    case = next(case for case in CASES if case.id == id)
    ours, theirs = pair(case)
    for layer in (ours, theirs):
        layer(case.input() * 0 + torch.arange(case.input().numel()).reshape(case.shape))
        for name, value in values.items():
            setattr(layer, name, value)
    for training in (True, False):
        x = case.input()
        assert_close(ours.train(training)(x), theirs.train(training)(x), rtol=1e-9, atol=1e-9)
    assert_close(dict(ours.named_buffers()), dict(theirs.named_buffers()), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_copies_and_pickles(case: Case) -> None:
    """A copy, and what comes out of a pickle, is a layer of its own with the same settings and tensors."""
    layer = randomized(case.ours(torch.float64)).eval()
    x = case.input()
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):  # noqa: S301  # our own bytes
        assert repr(twin) == repr(layer)
        assert_close(twin(x), layer(x), rtol=0, atol=0)
        assert all(ours is not theirs for ours, theirs in zip(twin.parameters(), layer.parameters(), strict=True))


def test_channels_that_were_pruned() -> None:
    """Tensors of fewer channels count, whatever ``num_features`` says, as in torch.nn."""
    ours, theirs = pair(next(case for case in CASES if case.id == "batch-maps"))
    x = torch.randn(3, 1, 4, 4, dtype=torch.float64)
    for layer in (ours, theirs):
        for name in ("weight", "bias"):
            setattr(layer, name, nn.Parameter(layer.get_parameter(name)[:1].detach()))
        for name in ("running_mean", "running_var"):
            setattr(layer, name, layer.get_buffer(name)[:1].clone())
    for training in (True, False):
        assert_close(ours.train(training)(x), theirs.train(training)(x))


@pytest.mark.parametrize(("name", "shape"), [("weight", (1,)), ("bias", ()), ("weight", (5,))], ids=str)
@pytest.mark.parametrize(
    "layer", [layers.BatchNorm2d(4), layers.GroupNorm(2, 4), layers.LayerNorm((4, 3, 3))], ids=repr
)
def test_a_parameter_of_another_shape_is_refused(layer: nn.Module, name: str, shape: tuple[int, ...]) -> None:
    """It is not broadcast in silence."""
    changed = copy.deepcopy(layer)
    setattr(changed, name, nn.Parameter(torch.ones(shape)))
    with pytest.raises(RuntimeError, match=f"{name} must have one value per channel, got shape"):
        changed(torch.randn(2, 4, 3, 3))


@pytest.mark.parametrize("name", ["running_mean", "running_var"])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_a_running_statistic_of_another_shape_is_refused(training: bool, name: str) -> None:
    """Nor is a statistic."""
    layer = layers.BatchNorm1d(3).train(training)
    setattr(layer, name, torch.ones(1))
    with pytest.raises(RuntimeError, match=f"{name} must have one value per channel, got shape"):
        layer(torch.randn(5, 3))


@pytest.mark.parametrize("groups", [0, 4, 2.5], ids=str)
def test_groups_set_later_are_checked(groups: float) -> None:
    """By the same rule, and in the same words, as at construction."""
    layer: Any = layers.GroupNorm(2, 6)
    layer.num_groups = groups
    with pytest.raises(ValueError, match="GroupNorm: groups must"):
        layer(torch.randn(2, 6, 3))


def test_lightning_synchronizes_batch_norms() -> None:
    """What ``Trainer(sync_batchnorm=True)`` does with a model."""
    model: Any = TorchSyncBatchNorm().apply(nn.Sequential(layers.BatchNorm2d(4)))
    assert type(model[0]) is nn.SyncBatchNorm
