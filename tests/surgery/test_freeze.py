"""Do norms stay as they are while a model trains on, and are they afterwards what they were?"""

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from networks.architectures import Architecture
from networks.exchange import norms_in
from networks.pairs import loss_of, pair
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torch.testing import assert_close

from normzoo import layers
from normzoo.errors import UsageError
from normzoo.surgery import convert, freeze, recalibrate, unfreeze

from . import own
from .published import each_published

each_library = pytest.mark.parametrize("library", [nn, layers], ids=["torch", "ours"])


def network(library: Any = nn) -> nn.Sequential:
    """Return a nested network with a norm that is shared, an instance norm that tracks, and a norm that does not."""
    shared = library.BatchNorm2d(4)
    inner = nn.Sequential(nn.Conv2d(4, 4, 1), shared, library.InstanceNorm2d(4, affine=True, track_running_stats=True))
    return nn.Sequential(nn.Conv2d(3, 4, 1), shared, inner, library.GroupNorm(2, 4), nn.Dropout(0.5))


def is_batch_norm(_: str, norm: nn.Module) -> bool:
    return isinstance(norm, nn.BatchNorm2d)


def images() -> Tensor:
    return 2 * torch.randn(6, 3, 4, 4) + 1


def trained(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Take a step in training, and return what has changed."""
    before = copy.deepcopy(model.state_dict())
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=0.1, weight_decay=0.1)
    loss_of(model.train()(x)).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return {name: value for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


@pytest.mark.slow_but_one
@each_published
def test_published_networks_train_on_with_frozen_norms(architecture: Architecture, ours: bool) -> None:
    """Everything else changes in a step, nothing of the norms; batch norms normalize by what they have seen before."""
    model = pair(architecture)[0 if ours else 1]
    x = architecture.input()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    expected = copy.deepcopy(model).eval()(x)
    of_norms = {f"{name}." for name, module in model.named_modules() if module in norms_in(model)}
    assert_close(freeze(model).train()(x), expected)
    changed = trained(model, x)
    assert not [name for name in changed if f"{name.rpartition('.')[0]}." in of_norms]
    assert len(changed) > 3
    assert all(f"{name}.weight" in changed for name, each in model.named_modules() if isinstance(each, nn.Linear))


@each_library
@pytest.mark.parametrize(
    ("options", "changing"),
    [
        ({}, set()),
        ({"affine": False}, {"weight", "bias"}),
        ({"statistics": False}, {"running_mean", "running_var", "num_batches_tracked"}),
        (
            {"statistics": False, "affine": False},
            {"running_mean", "running_var", "num_batches_tracked", "weight", "bias"},
        ),
    ],
)
def test_either_can_be_frozen_alone(library: Any, options: dict[str, bool], changing: set[str]) -> None:
    """Statistics or parameters; the first batch norm tells."""
    changed = trained(freeze(network(library), **options), images())
    assert {name.removeprefix("1.") for name in changed if name.startswith("1.")} == changing
    assert "0.weight" in changed


def deep(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model)


def pickled(model: nn.Module) -> nn.Module:
    copied: nn.Module = pickle.loads(pickle.dumps(model))  # noqa: S301  # our own
    return copied


def saved(model: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    loaded: nn.Module = torch.load(file, weights_only=False)
    return loaded


def reloaded(model: nn.Module) -> nn.Module:
    model.load_state_dict(network().state_dict())
    return model


@pytest.mark.slow_but_one
@each_library
@pytest.mark.parametrize("copied", [deep, pickled, saved, reloaded])
def test_copies_are_frozen(library: Any, copied: Callable[[nn.Module], nn.Module]) -> None:
    """By themselves: unfreezing one leaves the other frozen."""
    original = freeze(network(library))
    model = copied(original)
    assert not [name for name in trained(model, images()) if name.split(".")[0] in ("1", "3")]
    if model is not original:
        unfreeze(model)
        assert {name.split(".")[0] for name in trained(model, images())} == {"0", "1", "2", "3"}
        assert not [name for name in trained(original, images()) if name.split(".")[0] in ("1", "3")]


@each_library
def test_state_dicts_are_the_same(library: Any) -> None:
    """Their keys and values, and the types of all modules."""
    model = network(library)
    state, kinds, text = copy.deepcopy(model.state_dict()), [type(each) for each in model.modules()], repr(model)
    freeze(model)
    assert_close(dict(model.state_dict()), dict(state), rtol=0, atol=0)
    assert ([type(each) for each in model.modules()], repr(model)) == (kinds, text)
    network(library).load_state_dict(model.state_dict())


def situation(model: nn.Module) -> list[Any]:
    modes = [(module.training, sorted(vars(module))) for module in model.modules()]
    return [modes, [(name, parameter.requires_grad) for name, parameter in model.named_parameters()]]


@each_library
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("copied", [lambda model: model, deep, pickled], ids=["itself", "deepcopy", "pickle"])
def test_unfreezing_puts_back_what_was_before(
    library: Any, training: bool, copied: Callable[[nn.Module], nn.Module]
) -> None:
    """Also the parameters that had needed no gradient, in a copy, too; freezing twice changes nothing of that."""
    model = network(library).train(training)
    model[1].weight.requires_grad_(False)
    before = situation(model)
    frozen = copied(freeze(freeze(model, affine=False)))
    assert situation(frozen) != before
    assert situation(unfreeze(freeze(frozen))) == before


@each_library
def test_an_unfrozen_norm_is_in_the_mode_of_what_is_around_it(library: Any) -> None:
    """Whatever that has become in the meantime, also where flags were set by hand, as Lightning does."""
    model = freeze(network(library).train())
    model.eval()
    model.training = model.get_submodule("2").training = True
    unfreeze(model)
    assert [model.get_submodule(name).training for name in ("1", "2.2", "3")] == [True, True, False]
    norm = unfreeze(freeze(library.BatchNorm2d(3)).eval().train())
    assert norm.training
    assert not unfreeze(freeze(library.BatchNorm2d(3)).eval()).training


@each_library
def test_each_is_unfrozen_by_itself(library: Any) -> None:
    """What is not asked for stays frozen."""
    model = unfreeze(freeze(network(library)), affine=False).train()
    assert (model[1].training, model[1].weight.requires_grad) == (True, False)
    model = unfreeze(freeze(network(library)), statistics=False).train()
    assert (model[1].training, model[1].weight.requires_grad) == (False, True)
    assert situation(unfreeze(network(library))) == situation(network(library))


def test_timms_norms_with_their_activations() -> None:
    """What is in the norm, such as its dropout, is in training as the model is."""
    timm_layers: Any = pytest.importorskip("timm.layers")
    norm = timm_layers.BatchNormAct2d(3, drop_layer=nn.Dropout)
    assert freeze(norm).train() is norm
    assert (norm.training, norm.drop.training, norm.weight.requires_grad) == (False, True, False)
    frozen = timm_layers.FrozenBatchNormAct2d(3)
    assert situation(freeze(copy.deepcopy(frozen))) == situation(frozen)


@each_library
@pytest.mark.slow
def test_compiled_and_exported(library: Any) -> None:
    """A frozen model in training is compiled and exported with the statistics that it has."""
    model = network(library)[:4]
    compiled: Any = torch.compile(model, backend="eager", fullgraph=True)
    x = images()
    expected = copy.deepcopy(model).eval()(x)
    assert not torch.allclose(compiled(x), expected, atol=1e-2)
    expected = copy.deepcopy(model).eval()(x)
    freeze(model).train()
    assert_close(compiled(x), expected)
    assert_close(torch.export.export(model, (x,)).module()(x), expected)


@each_library
@pytest.mark.parametrize("norm", ["batch", "torch.nn:BatchNorm2d"])
def test_a_norm_in_place_of_a_frozen_one_is_frozen(library: Any, norm: str) -> None:
    """Also what it has that the other had not; unfreezing it puts back what was before."""
    model = nn.Sequential(nn.Conv2d(3, 4, 1), library.BatchNorm2d(4), nn.ReLU()).train()
    model[1].bias.requires_grad_(False)
    converted, _ = convert(freeze(model), norm)
    assert {name.split(".")[0] for name in trained(converted, images())} == {"0"}
    unfreeze(converted)
    norm_now = converted.get_submodule("1")
    assert (norm_now.training, norm_now.weight.requires_grad, norm_now.bias.requires_grad) == (True, True, False)
    assert "1.running_mean" in trained(converted, images())


def test_a_norm_of_another_kind_in_place_of_a_frozen_one() -> None:
    """New parameters are frozen as those were that stood there; without statistics its mode is what is around it."""
    model, _ = convert(freeze(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train()), own.Scaled)
    scaled = model.get_submodule("1")
    assert (scaled.training, scaled.weight.requires_grad, scaled.gamma.requires_grad) == (True, False, False)
    assert all(parameter.requires_grad for parameter in unfreeze(model).parameters())


def test_a_fixed_norm_is_not_unfrozen_in_its_place() -> None:
    """Parameters that had needed no gradient before freezing, and new ones beside them."""
    model = freeze(nn.Sequential(nn.BatchNorm2d(4).requires_grad_(False)))
    assert not any(parameter.requires_grad for parameter in unfreeze(convert(model, own.Scaled).model).parameters())


def test_the_activation_of_a_frozen_norm_is_in_the_mode_around_it() -> None:
    """What stands around the new norm is not frozen."""
    timm_layers: Any = pytest.importorskip("timm.layers")
    norm = timm_layers.BatchNormAct2d(3, drop_layer=nn.Dropout).train()
    became: Any = convert(freeze(norm), "batch").model
    assert (became.training, became.drop.training, became.norm.training) == (True, True, False)
    assert unfreeze(became.train()).norm.training


@each_library
def test_frozen_statistics_outlast_update_bn(library: Any) -> None:
    """Which begins by forgetting them; of norms that are not frozen they are new."""
    model = network(library).train()
    model(images())
    freeze(model[2])
    before = {name: value.clone() for name, value in model.state_dict().items() if "running" in name}
    update_bn([images() + 3], copied := copy.deepcopy(model))
    after = copied.state_dict()
    assert {name for name in before if not before[name].equal(after[name])} == set()
    exchanged = convert(copied, "batch" if library is nn else "torch.nn:BatchNorm2d", only=is_batch_norm).model
    update_bn([images() + 3], exchanged)
    after = exchanged.state_dict()
    assert {name for name in before if not before[name].equal(after[name])} == set()
    unfreeze(copied)
    update_bn([images() + 3], copied)
    after = copied.state_dict()
    assert {name for name in before if not before[name].equal(after[name])} == set(before)


def test_a_norm_whose_train_is_somebodys_is_frozen_and_gets_it_back() -> None:
    """As the idiom ``norm.train = lambda mode: norm`` has it, which does not put it in evaluation."""
    model = nn.Sequential(nn.BatchNorm1d(3))
    norm: Any = model[0]
    theirs = norm.train = lambda mode=True: norm  # noqa: ARG005
    before = norm.running_mean.clone()
    freeze(model).train()
    model(torch.randn(8, 3) + 5)
    assert norm.running_mean.equal(before)
    unfreeze(model)
    assert norm.train is theirs


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
@pytest.mark.parametrize("change", [freeze, lambda model: recalibrate(model, [torch.randn(4, 3)])])
def test_scripted_norms_are_refused(change: Any) -> None:
    """They would stay as they are without a word."""
    with pytest.raises(UsageError, match=r"^(freeze|recalibrate): the model has scripted norms; \1, then script it$"):
        change(torch.jit.script(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))))
    change(nn.Sequential(torch.jit.script(nn.Linear(3, 3)), nn.BatchNorm1d(3)))
