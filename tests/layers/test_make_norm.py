"""Does the factory build every norm there is, and the user's own, and say what is wrong with a request?"""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from normzoo import layers
from normzoo.errors import ComponentError, UnknownNameError
from normzoo.layers import make_norm, norm_factory
from normzoo.registry import NORMS

SHAPES = [(4, 16), (4, 16, 5), (4, 16, 3, 5), (2, 16, 2, 3, 2)]

MODULE = """
from torch import nn

class Doubling(nn.Module):
    def __init__(self, num_features, factor=2.0, *, label="plain"):
        super().__init__()
        self.num_features, self.factor, self.label = num_features, factor, label

    def forward(self, x, mask=None):
        return self.factor * x

class Fussy(nn.Module):
    def __init__(self, num_features):
        raise RuntimeError("only on Sundays")

class Silent(nn.Module):
    def __init__(self, num_features):
        raise RuntimeError

class NoModule:
    def __init__(self, num_features):
        pass

def doubling(num_features):
    return Doubling(num_features)

constant = 3
"""


def needs_positions(name: str) -> bool:
    """Whether a norm means nothing for vectors."""
    return getattr(make_norm(name, 16), "needs_positions", False)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A user's module on the import path; one that cannot be imported lies beside it."""
    name = f"own_norms_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / f"{name}_broken.py").write_text("1 / 0\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.parametrize(
    ("name", "shape"),
    [(name, shape) for name in NORMS for shape in SHAPES if len(shape) > 2 or not needs_positions(name)],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)}D",
)
def test_every_registered_norm_trains(name: str, shape: tuple[int, ...]) -> None:
    """Each builds from channels alone and goes forward and backward on vectors, sequences, maps and volumes."""
    layer = make_norm(name, 16)
    x = torch.randn(shape, requires_grad=True)
    y = layer(x, torch.ones(shape[0], *shape[2:], dtype=torch.bool))
    assert y.shape == x.shape
    y.pow(2).sum().backward()
    assert x.grad is not None
    assert all(parameter.grad is not None for parameter in layer.parameters())


def test_norms_that_need_positions() -> None:
    """Vectors are left out above for these alone."""
    assert {name for name in NORMS if needs_positions(name)} == {
        "batch-instance",
        "evonorm-b0",
        "frn",
        "frn-tlu",
        "grn",
        "instance",
        "switchable",
    }
    assert not needs_positions("frn:learn_eps=true")


WITHOUT_AFFINE = ("none", "position", "local-response", "ws", "scaled-ws")
"""As their papers have them."""


@pytest.mark.parametrize("name", NORMS)
def test_every_registered_norm_learns_scale_and_shift_alike(name: str) -> None:
    """Norms are compared with a weight and a bias per channel, and what their formula learns; some without."""
    shapes = {key: tuple(value.shape) for key, value in make_norm(name, 16).named_parameters()}
    about, options = NORMS[name].explanation, {**NORMS[name].explanation.options, **NORMS[name].options}
    assert shapes.keys() == {each.name for each in about.tensors if each.learned and each.holds(options)}
    if name not in WITHOUT_AFFINE:
        per_channel = {key.rpartition(".")[2]: shape for key, shape in shapes.items()}  # perhaps of a part
        assert (per_channel["weight"], per_channel["bias"]) == ((16,), (16,))


def test_options_reach_the_layer() -> None:
    """Options of a spec become arguments, over the registry's defaults."""
    group = make_norm("group:groups=4,eps=1e-3", 16)
    assert isinstance(group, layers.GroupNorm)
    assert (group.num_groups, group.eps) == (4, 1e-3)
    assert make_norm("group", 16).num_groups == 8
    batch = make_norm("batch:momentum=none,affine=false", 16)
    assert isinstance(batch, layers.BatchNorm)
    assert batch.momentum is None
    assert batch.weight is None
    assert make_norm("instance", 16).weight is not None
    assert make_norm("instance:affine=false", 16).weight is None


def test_none_is_the_identity() -> None:
    """The control returns its very input, masked or not."""
    x = torch.randn(2, 3)
    layer = make_norm("none", 3)
    assert layer(x) is x
    assert layer(x, torch.tensor([True, False])) is x


def test_factory_builds_the_norm_of_its_spec() -> None:
    """A factory takes channels alone, and makes a new layer each time."""
    factory = norm_factory("group:groups=2")
    one, other = factory(4), factory(6)
    assert repr(one) == repr(make_norm("group:groups=2", 4))
    assert repr(other) == repr(make_norm("group:groups=2", 6))
    assert factory(4) is not one


def test_users_class(own: str) -> None:
    """A class by its import path is called with the channels and the options."""
    layer: Any = make_norm(f"{own}:Doubling:factor=3,label=wide", 5)
    assert (layer.num_features, layer.factor, layer.label) == (5, 3, "wide")
    assert_close(layer(torch.ones(2, 5)), torch.full((2, 5), 3.0))
    assert type(make_norm(f"{own}:doubling", 5)).__name__ == "Doubling"


def test_torchs_own_modules() -> None:
    """Any module that takes a number of channels will do."""
    assert isinstance(make_norm("torch.nn:Identity", 8), nn.Identity)
    assert isinstance(make_norm("torch.nn:BatchNorm2d:eps=1e-3", 8), nn.BatchNorm2d)


@pytest.mark.parametrize(
    ("parameters", "call"),
    [
        ("num_features", "num_features=8, rest={'a': 1}"),
        ("groups, num_channels", None),
        ("a, num_channels", "a=1, num_channels=8, rest={}"),
        ("a, *, normalized_shape", "a=1, normalized_shape=8, rest={}"),
        ("planes, dim=1", "planes=8, dim=1, rest={'a': 1}"),
        ("dim, planes=3", "dim=8, planes=3, rest={'a': 1}"),
        ("n, /, a", "n=8, a=1, rest={}"),
        ("n", "n=8, rest={'a': 1}"),
        ("size=3", "size=8, rest={'a': 1}"),
        ("*n", "n=(8,), rest={'a': 1}"),
        ("size, num_features", None),
    ],
)
def test_the_channels_go_to_the_parameter_that_means_them(
    parameters: str, call: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name or its place; where another one is left without a value, the error names it."""
    name = f"own_signature_{tmp_path.name}"
    names = [each.strip(" *").partition("=")[0] for each in parameters.split(",") if each.strip() not in ("*", "/")]
    text = ", ".join(f"{each}={{{each}}}" for each in names)
    (tmp_path / f"{name}.py").write_text(
        f"from torch import nn\n\ndef norm({parameters}, **rest):\n    layer = nn.Identity()\n"
        f"    layer.call = f'{text}, rest={{rest}}'\n    return layer\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    if call is None:
        with pytest.raises(
            ComponentError, match=r"missing 1 required positional argument: '(groups|size|num_features)'"
        ):
            make_norm(f"{name}:norm:a=1", 8)
    else:
        assert make_norm(f"{name}:norm:a=1", 8).call == call


@pytest.mark.parametrize("spec", ["torch.nn:LazyBatchNorm2d", "torch.nn:LazyBatchNorm2d:eps=0.5"])
def test_a_lazy_norm_gets_its_options_alone(spec: str) -> None:
    """It finds its channels in its first input."""
    layer = make_norm(spec, 8)
    assert layer.eps == (0.5 if "eps" in spec else 1e-5)
    assert layer(torch.randn(2, 8, 3, 3)).shape == (2, 8, 3, 3)
    assert layer.num_features == 8


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("grup", ["unknown norm 'grup'", "did you mean 'group'?", "batch", "pkg.module:MyNorm"]),
        ("batchnorm:eps=1", ["unknown norm 'batchnorm'", "did you mean 'batch'?"]),
        ("OWN:Dubling", ["OWN", "'Dubling'", "did you mean 'Doubling'?"]),
    ],
)
def test_unknown_names_suggest_the_nearest(spec: str, expected: list[str], own: str) -> None:
    """A misspelt name gets the nearest one and the list."""
    with pytest.raises(UnknownNameError) as refusal:
        make_norm(spec.replace("OWN", own), 8)
    assert all(part.replace("OWN", own) in str(refusal.value) for part in expected)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            "group:grps=2",
            ["norm 'group:grps=2': it has no option 'grps'", "did you mean 'groups'?", "it takes: groups, eps, affine"],
        ),
        ("none:eps=1", ["eps", "it takes no options"]),
        ("group:groups=3", ["groups must divide channels, got channels=8, groups=3", "use groups="]),
        ("group:groups=8.0", ["groups must be a whole number, got '8.0'"]),
        ("batch:eps=none", ["eps must be a number, got 'none'"]),
        ("rms:eps=small", ["eps must be a number, got 'small'"]),
        ("batch:device=cuda", ["device is no option; normzoo sets it"]),
        ("OWN:Doubling:size=2", ["it has no option 'size' (it takes: factor, label)"]),
        ("OWN:Doubling:num_features=2", ["num_features is no option; normzoo sets it"]),
        ("OWN:Doubling:factr=2", ["no option 'factr'; did you mean 'factor'? (it takes: factor, label)"]),
        ("OWN:Fussy", ["'OWN:Fussy' cannot be built for 8 channels", "only on Sundays"]),
        ("OWN:Silent", ["RuntimeError"]),
        ("OWN:NoModule", ["'OWN:NoModule': it must make a torch.nn.Module, it made a NoModule"]),
        ("OWN:constant", ["'OWN:constant': OWN:constant is neither a class nor a function"]),
        ("OWN_broken:Norm", ["cannot import 'OWN_broken'", "ZeroDivisionError: division by zero"]),
        ("no_such_module_here:Norm", ["cannot import 'no_such_module_here'", "ModuleNotFoundError"]),
        ("builtins:dict", ["'builtins:dict' cannot be built for 8 channels", "not iterable"]),
        ("math:sqrt", ["'math:sqrt': it must make a torch.nn.Module, it made a float"]),
        ("group:groups=4,eps", ["'group:groups=4,eps'", "key=value", "got 'eps'"]),
    ],
)
def test_requests_that_cannot_be_met(spec: str, expected: list[str], own: str) -> None:
    """What is wrong with the request, the class or its module is said in one error."""
    with pytest.raises(ComponentError) as refusal:
        make_norm(spec.replace("OWN", own), 8)
    assert [part for part in expected if part.replace("OWN", own) not in str(refusal.value)] == []


def test_a_factory_takes_what_networks_give_it() -> None:
    """Timm's networks also say where a norm is to be, and in which type."""
    factory = norm_factory("batch")
    assert factory(3, device="meta").weight.is_meta
    assert factory(3, dtype=torch.float64).running_mean.dtype == torch.float64


def test_a_factory_takes_options_in_place_of_its_own() -> None:
    """As timm's networks give them; what it makes without is known by its spec."""
    factory = norm_factory("group:groups=4,eps=1e-3")
    assert str(factory(8, groups=2)) == "GroupNorm(2, 8, eps=0.001, affine=True, bias=True)"
    assert str(factory(8)) == "GroupNorm(4, 8, eps=0.001, affine=True, bias=True)"
    assert getattr(factory, "spec") == "group:groups=4,eps=1e-3"  # noqa: B009  # a function has no such attribute
    called = r"norm 'group:groups=4,eps=1e-3', called with size=2: it has no option 'size' .*belong to the norm"
    with pytest.raises(ComponentError, match=called):
        factory(8, size=2)
    with pytest.raises(ComponentError, match=r"norm 'none', called with eps=0\.001: it has no option 'eps'"):
        norm_factory("none")(8, eps=1e-3)
