"""Which parameters does weight decay spare, in any network?"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from networks.architectures import Architecture
from networks.exchange import norms_in
from torch import Tensor, nn

from normzoo import layers
from normzoo.errors import UsageError
from normzoo.surgery import convert, decays, freeze, parameter_groups, parameters_without_norms
from normzoo.templates import make_network

from .published import each_published

both_libraries = pytest.mark.parametrize("library", [nn, layers], ids=["torch", "ours"])


def names(model: nn.Module, parameters: Any) -> list[str]:
    """Return the names of some parameters of a model, in their order."""
    known = {id(parameter): name for name, parameter in model.named_parameters()}
    return [known[id(parameter)] for parameter in parameters]


def groups(model: nn.Module, **options: Any) -> tuple[list[str], list[str]]:
    """Return the names of the parameters that decay, and of those that do not."""
    decaying, others = parameter_groups(model, weight_decay=0.1, **options)
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    return names(model, decaying["params"]), names(model, others["params"])


@each_published
def test_published_networks(architecture: Architecture, ours: bool) -> None:
    """Every parameter is in one group; those of norms and all biases are spared, all other weights decay."""
    model = architecture.ours() if ours else architecture.stock()
    decaying, others = groups(model)
    assert sorted([*decaying, *others]) == sorted(name for name, _ in model.named_parameters())
    of_norms = {id(parameter) for norm in norms_in(model) for parameter in norm.parameters()}
    weights = [name for name, p in model.named_parameters() if id(p) not in of_norms and "bias" not in name]
    assert decaying == weights
    assert names(model, parameters_without_norms(model)) == [
        name for name, parameter in model.named_parameters() if id(parameter) not in of_norms
    ]


@both_libraries
@pytest.mark.parametrize(
    "make",
    [
        lambda library: library.BatchNorm2d(4),
        lambda library: library.InstanceNorm2d(4, affine=True),
        lambda library: library.GroupNorm(2, 4),
        lambda library: library.LayerNorm((4, 3, 3)),
        lambda library: library.RMSNorm((3, 3)),
    ],
    ids=["batch", "instance", "group", "layer", "rms"],
)
def test_every_norm_is_spared(library: Any, make: Callable[[Any], nn.Module]) -> None:
    """Whatever the shape of its parameters."""
    norm = make(library)
    assert groups(norm)[0] == []
    assert groups(norm)[1] == [name for name, _ in norm.named_parameters()] != []
    assert list(parameters_without_norms(norm)) == []


class Scaled(layers.GroupNorm):
    """A user's norm, with a matrix of its own."""

    def __init__(self) -> None:
        super().__init__(2, 4)
        self.mix = nn.Parameter(torch.eye(4))


class Gain(nn.Module):
    """What nobody knows: a value per channel, one for all, and a position's."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(4))
        self.temperature = nn.Parameter(torch.tensor(1.0))
        self.pos_embed = nn.Parameter(torch.zeros(1, 9, 4))


def test_a_users_norm_is_spared_with_all_that_it_has() -> None:
    """What derives from ours is a norm."""
    assert groups(Scaled()) == ([], ["weight", "bias", "mix"])


class Matrix(nn.Module):
    """A user's norm that derives from none, with a parameter of two dimensions."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.eye(num_features))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("cd,nd...->nc...", self.mix, x)


@pytest.mark.parametrize(
    "model",
    [
        lambda: convert(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), Matrix).model,
        lambda: make_network("cnn:sites=maps", Matrix, shape=(1, 8, 8), outputs=3),
    ],
    ids=["converted", "template"],
)
def test_a_users_norm_is_known_where_it_was_put(model: Callable[[], nn.Module]) -> None:
    """By ``convert`` or by a comparison; weight decay, freezing and ``convert`` agree that it is a norm."""
    network = model()
    mixes = [name for name, _ in network.named_parameters() if name.endswith("mix")]
    assert set(mixes) <= set(groups(network)[1])
    assert not set(mixes) & set(names(network, parameters_without_norms(network)))
    assert not any(freeze(network).get_parameter(mix).requires_grad for mix in mixes)
    assert [each.was for each in convert(network, "batch").report.exchanged.values()] == ["Matrix"] * len(mixes) != []


def test_of_unknown_modules_vectors_and_numbers_are_spared() -> None:
    """As by timm, a position's embedding decays unless it is named."""
    assert groups(Gain()) == (["pos_embed"], ["gain", "temperature"])


@pytest.mark.parametrize(
    "layer",
    [nn.LSTM(3, 4, 2), nn.MultiheadAttention(4, 2, add_bias_kv=True), nn.Bilinear(2, 3, 4), nn.Embedding(5, 3)],
    ids=lambda layer: type(layer).__name__,
)
def test_biases_are_known_by_their_names(layer: nn.Module) -> None:
    """Also where they have two or three dimensions, as keys and values of attention."""
    decaying, others = groups(layer)
    assert all("weight" in name for name in decaying)
    assert all("bias" in name for name in others)
    assert decaying


def test_a_bias_is_a_word_of_a_name() -> None:
    """Not of a module's; ``unbiased`` is another word."""
    model = nn.ModuleDict({"bias": nn.Linear(2, 2), "other": nn.Linear(2, 2, bias=False)})
    model["other"].register_parameter("unbiased", nn.Parameter(torch.ones(2, 2)))
    assert groups(model) == (["bias.weight", "other.weight", "other.unbiased"], ["bias.bias"])


def test_timms_norms_are_known() -> None:
    """Also those that derive from none of torch.nn's."""
    timm_layers: Any = pytest.importorskip("timm.layers")
    for name in ("RmsNorm", "SimpleNorm2d", "LayerNorm2d", "BatchNormAct2d", "FilterResponseNormTlu2d", "EvoNorm2dS0"):
        norm = getattr(timm_layers, name)(32)
        assert list(parameters_without_norms(norm)) == [], name
    conv = timm_layers.ConvNormAct(3, 8, 3)
    assert names(conv, parameters_without_norms(conv)) == ["conv.weight"]


def test_what_a_network_exempts_itself() -> None:
    """Timm's transformers name their embeddings in ``no_weight_decay``, and groups are those that timm makes."""
    models: Any = pytest.importorskip("timm.models.vision_transformer")
    optim: Any = pytest.importorskip("timm.optim")
    model = models.VisionTransformer(img_size=16, patch_size=8, embed_dim=8, depth=1, num_heads=2, num_classes=3)
    exempt, decaying = optim.param_groups_weight_decay(model, 0.1, no_weight_decay_list=model.no_weight_decay())
    assert groups(model) == (names(model, decaying["params"]), names(model, exempt["params"]))
    assert {"pos_embed", "cls_token"} <= set(groups(model)[1])


@pytest.mark.parametrize("exempts", [{"pos_embed", "token"}, ["pos_embed"], lambda: {"pos_embed", "token"}])
def test_what_a_network_exempts_may_be_a_method_or_names(exempts: Any) -> None:
    """Of which some may be of no parameter, as a token that another variant has."""
    model: Any = Gain()
    model.no_weight_decay = exempts
    assert groups(model) == ([], ["gain", "temperature", "pos_embed"])


@pytest.mark.parametrize(
    ("pattern", "spared"),
    [
        ("pos_embed", ["inner.pos_embed"]),
        ("inner.pos_embed", ["inner.pos_embed"]),
        ("pos_.*", ["inner.pos_embed"]),
        (r"layer\.weight", ["layer.weight"]),
        (".*", ["inner.pos_embed", "layer.weight"]),
    ],
)
def test_further_parameters_are_exempt_by_name(pattern: str, spared: list[str]) -> None:
    """The whole name, its end after a dot, or a regular expression for these; of one, no list is needed."""
    model = nn.ModuleDict({"inner": Gain(), "layer": nn.Linear(2, 3, bias=False)})
    assert groups(model, no_decay=pattern) == groups(model, no_decay=[pattern])
    assert groups(model, no_decay=[pattern])[1] == [
        name for name, _ in model.named_parameters() if name in [*spared, "inner.gain", "inner.temperature"]
    ]


@pytest.mark.parametrize("pattern", ["pos_emb", "embed", "inner"])
def test_a_name_of_no_parameter_is_refused(pattern: str) -> None:
    """A part of a name is none; the nearest is suggested."""
    with pytest.raises(UsageError, match=rf"parameter_groups: '{pattern}' of no_decay is for no parameter") as caught:
        parameter_groups(Gain(), weight_decay=0.1, no_decay=[pattern])
    assert ("did you mean 'pos_embed'?" in str(caught.value)) == (pattern != "inner")


def test_shared_parameters_are_there_once() -> None:
    """And spared if they are so under any of their names."""
    encoder, decoder, norm = nn.Embedding(4, 4), nn.Linear(4, 4, bias=False), nn.LayerNorm(4)
    decoder.weight = encoder.weight
    model = nn.ModuleDict({"encoder": encoder, "norm": norm, "again": norm, "decoder": decoder})
    assert groups(model) == (["encoder.weight"], ["norm.weight", "norm.bias"])
    assert groups(model, no_decay=["decoder.weight"]) == ([], ["encoder.weight", "norm.weight", "norm.bias"])


def test_what_needs_no_gradient_is_left_out() -> None:
    """It stays among the parameters that are of no norm."""
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    assert groups(model) == (["2.weight"], ["1.weight", "1.bias", "2.bias"])
    assert groups(freeze(model)) == (["2.weight"], ["2.bias"])
    assert len(list(parameters_without_norms(model))) == 4


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("model", [nn.Linear(3, 2), nn.LayerNorm(3), nn.Linear(3, 2, bias=False)], ids=str)
def test_optimizers_take_the_groups(optimizer: Callable[..., torch.optim.Optimizer], model: nn.Module) -> None:
    """Also where one is empty. Without a gradient to speak of, what decays shrinks and the rest stays."""
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    made = optimizer(parameter_groups(model, weight_decay=0.5), lr=0.1)
    sum((0 * parameter).sum() for parameter in model.parameters()).backward()  # type: ignore[union-attr]
    made.step()
    for name, parameter in model.named_parameters():
        is_smaller = bool((parameter.abs() < before[name].abs()).all())
        assert is_smaller == (isinstance(model, nn.Linear) and name == "weight")
        assert is_smaller or torch.equal(parameter, before[name])


def test_a_parameter_is_asked_for_by_itself() -> None:
    """By its own name or a whole one."""
    layer = nn.Linear(3, 2)
    assert decays("body.0.weight", layer.weight, layer)
    assert not decays("body.0.bias", torch.zeros(2, 2), layer)
    assert decays("gamma", torch.zeros(5, 2), nn.Module())
    assert not decays("gamma", torch.zeros(5), nn.Module())
    assert not decays("weight", torch.zeros(2, 3), nn.LayerNorm((2, 3)))


def test_lazy_parameters_are_refused() -> None:
    """They have no dimensions yet, and would not decay."""
    with pytest.raises(UsageError, match=r"^parameter_groups: the model has lazy parameters; call it once, then make"):
        parameter_groups(nn.Sequential(nn.LazyConv2d(4, 3)), weight_decay=0.1)
