"""Are weights standardized as the papers have it, where they should be, and by torch's own means?"""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization, remove_parametrizations
from torch.testing import assert_close

from normzoo.errors import UsageError
from normzoo.layers import ScaledWeightStandardization, WeightStandardization
from normzoo.surgery import convert, fold, parameter_groups, standardize_weights
from normzoo.surgery._weights import standardized

LAYERS: dict[str, Callable[[], Any]] = {
    "sequences": lambda: nn.Conv1d(3, 4, 5),
    "maps": lambda: nn.Conv2d(4, 6, 3, groups=2),
    "volumes": lambda: nn.Conv3d(2, 4, 2, bias=False),
    "dense": lambda: nn.Linear(7, 4),
}
every_layer = pytest.mark.parametrize("layer", LAYERS)


def by_hand(weight: Tensor) -> Tensor:
    """Return the weights less their mean, over their deviation, of each output."""
    rows = weight.flatten(1)
    deviations = rows - rows.mean(1, keepdim=True)
    return (deviations / (deviations.square().mean(1, keepdim=True) + 1e-6).sqrt()).reshape(weight.shape)


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(8, 4, 3)),
        nn.Flatten(),
        nn.Linear(64, 2),
    )


@every_layer
def test_weights_are_standardized(layer: str) -> None:
    """To the paper's equations; what is learned is what was there before."""
    module = LAYERS[layer]().double()
    before = module.weight.detach().clone()
    register_parametrization(module, "weight", WeightStandardization())
    assert_close(module.weight, by_hand(before))
    assert_close(module.parametrizations.weight.original.detach(), before)


@every_layer
def test_weights_are_scaled(layer: str) -> None:
    """By a gain for each output and the number of inputs; the gain is learned."""
    module = LAYERS[layer]().double()
    before, outputs = module.weight.detach().clone(), len(module.weight)
    scaling = ScaledWeightStandardization(outputs, gamma=1.5, dtype=torch.float64)
    nn.init.uniform_(scaling.gain)
    register_parametrization(module, "weight", scaling)
    gain = scaling.gain.reshape(-1, *(1 for _ in before.shape[1:]))
    assert_close(module.weight, gain * 1.5 / before[0].numel() ** 0.5 * by_hand(before))


def test_variance_is_kept_from_layer_to_layer() -> None:
    """With the constant of ReLU, as the second paper shows for wide layers."""
    deep = [nn.Sequential(nn.Linear(500, 500, bias=False), nn.ReLU()) for _ in range(5)]
    model = nn.Sequential(nn.Linear(500, 500, bias=False), *(nn.Sequential(relu, linear) for linear, relu in deep))
    standardize_weights(model, scaled=True, dense=True, only=lambda name, _: name != "0")
    standardize_weights(model, scaled=True, dense=True, gamma=1.0, only="0")
    variance = model(torch.randn(200, 500)).var(0).mean()
    assert 0.7 < variance < 1.4


@pytest.mark.parametrize("parametrization", [WeightStandardization(), ScaledWeightStandardization(3)])
def test_derivatives(parametrization: nn.Module) -> None:
    """First and second, of the weights and the gain."""
    weight = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
    parametrization = parametrization.double()
    parameters = dict(parametrization.named_parameters())

    def made(weight: Tensor, *values: Tensor) -> Any:
        return torch.func.functional_call(parametrization, dict(zip(parameters, values, strict=True)), (weight,))

    inputs = (weight, *(each.detach().requires_grad_() for each in parameters.values()))
    assert torch.autograd.gradcheck(made, inputs)
    assert torch.autograd.gradgradcheck(made, inputs)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_keeps_its_type(dtype: torch.dtype) -> None:
    """And is standardized in float32."""
    conv: Any = nn.Conv2d(3, 4, 3).to(dtype)
    before = conv.weight.detach().float()
    standardize_weights(conv, scaled=True, gamma=27**0.5)
    assert conv.weight.dtype == conv.parametrizations.weight[0].gain.dtype == dtype
    assert_close(conv.weight.float(), by_hand(before), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
def test_timm_computes_the_same(scaled: bool) -> None:
    """Its convolutions with standardized weights, output and gradients."""
    layers = pytest.importorskip("timm.layers")
    theirs = (layers.ScaledStdConv2d(3, 4, 3, gamma=1.7) if scaled else layers.StdConv2d(3, 4, 3, bias=True)).double()
    ours = nn.Conv2d(3, 4, 3, padding=theirs.padding).double()
    ours.load_state_dict({name: theirs.get_parameter(name) for name in ("weight", "bias")})
    standardize_weights(ours, scaled=scaled, gamma=1.7)
    x = torch.randn(2, 3, 5, 5, dtype=torch.float64)
    results = [
        (y := conv(x), *torch.autograd.grad(y.square().sum(), [*conv.parameters()][:2])) for conv in (ours, theirs)
    ]
    by_shape = [sorted(each, key=lambda tensor: tensor.ndim) for each in results]
    assert_close(by_shape[0], by_shape[1], check_stride=False)


def test_convolutions_are_found() -> None:
    """All of them, once; dense layers where they are asked for."""
    assert standardized(standardize_weights(network())) == ["0", "3.0"]
    assert standardized(standardize_weights(network(), dense=True)) == ["0", "3.0", "5"]
    assert standardized(standardize_weights(network(), only="3")) == ["3.0"]
    assert standardized(standardize_weights(network(), skip=re.compile("3.*"))) == ["0"]
    shared = nn.Conv2d(3, 3, 3)
    assert standardized(standardize_weights(nn.Sequential(shared, shared), only="1")) == ["0"]


def test_what_has_no_deviation_stays() -> None:
    """A convolution of one weight for each output, and what is parametrized already."""
    model: Any = standardize_weights(
        standardize_weights(nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 3))), scaled=True
    )
    assert standardized(model) == ["1"]
    assert len(model[1].parametrizations.weight) == 1
    assert model(torch.randn(2, 1, 5, 5)).isfinite().all()


def test_names_of_nothing_are_refused() -> None:
    """With the nearest that there is, before anything is done."""
    model = network()
    with pytest.raises(UsageError, match="only: unknown layer or block with layers '4'"):
        standardize_weights(model, only="4")
    assert not standardized(model)


def test_states_are_saved_and_loaded_and_models_copied() -> None:
    """Under the names of torch's parametrizations; without them, the standardized weights are left."""
    model, x = standardize_weights(network(), scaled=True).eval(), torch.randn(2, 3, 8, 8)
    other = standardize_weights(network(), scaled=True).eval()
    other.load_state_dict(model.state_dict())
    expected = model(x)
    assert_close(other(x), expected)
    assert_close(copy.deepcopy(model)(x), expected)
    for name in standardized(model):
        remove_parametrizations(model.get_submodule(name), "weight")
    assert model.state_dict().keys() == network().state_dict().keys()
    assert_close(model(x), expected)


def test_weights_decay_and_gains_do_not() -> None:
    """As those of convolutions without and of norms."""
    decaying, exempt = parameter_groups(standardize_weights(network(), scaled=True), weight_decay=0.1)
    assert [each.ndim for each in decaying["params"]] == [4, 4, 2]
    assert all(each.ndim == 1 for each in exempt["params"])


def test_norms_are_exchanged_beside_them() -> None:
    """A norm that asks for standardized weights says that this is yet to be done, in a model that exists."""
    model, _ = convert(standardize_weights(network()), "group:groups=4")
    assert isinstance(model.get_submodule("1"), nn.GroupNorm)
    assert standardized(model) == ["0", "3.0"]
    model, report = convert(network(), "group+ws:groups=4")
    assert not standardized(model)
    assert report.exchanged["1"].notes == ("weights as they are: use standardize_weights",)


def test_norms_are_not_folded_into_them() -> None:
    """Which says why."""
    _, report = fold(standardize_weights(network()))
    assert report.left == (("1", "the layer before it is parametrized"),)


@pytest.mark.slow
def test_a_compiled_network_computes_the_same() -> None:
    """By torch.export, too."""
    model, x = standardize_weights(network(), scaled=True).eval(), torch.randn(2, 3, 8, 8)
    assert_close(torch.export.export(model, (x,)).module()(x), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("normed", [nn.utils.weight_norm, nn.utils.spectral_norm])
def test_what_a_hook_makes_weights_of_is_left(normed: Any) -> None:
    """As torch's older weight norm and spectral norm do."""
    model = standardize_weights(nn.Sequential(nn.Conv2d(3, 4, 3), normed(nn.Conv2d(4, 4, 3))))
    assert standardized(model) == ["0"]


def test_lazy_layers_are_refused_before_any_is_changed() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LazyConv2d(4, 3))
    with pytest.raises(UsageError, match=r"^standardize_weights: the model has lazy layers; call it once, then stand"):
        standardize_weights(model)
    assert standardized(model) == []
    assert standardized(standardize_weights(model, skip="1")) == ["0"]


def test_a_model_that_is_wrapped_for_several_processes_is_refused() -> None:
    """It would not learn of new parameters."""
    wrapper = type("DistributedDataParallel", (nn.Sequential,), {})
    with pytest.raises(UsageError, match=r"within DistributedDataParallel cannot be standardized; standardize"):
        standardize_weights(wrapper(nn.Conv2d(3, 4, 3)))


def test_complex_weights_have_a_mean_square_of_one() -> None:
    layer = nn.Conv2d(3, 4, 3, dtype=torch.complex64)
    standardize_weights(layer)
    squares = layer.weight.abs().square().mean((1, 2, 3))
    assert squares.tolist() == pytest.approx([1.0] * 4, abs=1e-3)
