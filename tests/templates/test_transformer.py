"""Is the ``transformer`` the network that its options say, and what does it refuse?"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from normzoo.errors import ComponentError
from normzoo.layers import NoNorm, norm_factory
from normzoo.layers._make import NormFactory
from normzoo.templates import Transformer
from normzoo.templates._transformer import Attention, Patches

from .own_norms import Positional


def transformer(norm: str | NormFactory = "channel-layer", **options: Any) -> Transformer:
    settings = {"shape": (1, 8, 8), "outputs": 3, "width": 8, "heads": 2, "depth": 1, **options}
    return Transformer(norm_factory(norm) if isinstance(norm, str) else norm, **settings)


ALONE = {"before the attention", "before the mlp"}
BOTH = {*ALONE, "after the attention", "after the mlp"}


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ({"placement": "post"}, {"on the sum after the attention", "on the sum after the mlp"}),
        ({"placement": "pre"}, {*ALONE, "at the end"}),
        ({"placement": "sandwich"}, {*BOTH, "at the end"}),
        ({"placement": "peri"}, {*BOTH, "at the end", "on the embedding"}),
        ({"sites": "attention"}, {"before the attention"}),
        ({"sites": "mlp", "placement": "peri"}, {"before the mlp", "after the mlp"}),
        ({"sites": "mlp", "qk_norm": True}, {"before the mlp", "on the queries", "on the keys"}),
    ],
    ids=["post", "pre", "sandwich", "peri", "attention", "mlp", "queries and keys"],
)
def test_norms_stand_where_options_say(options: dict[str, Any], places: set[str]) -> None:
    """Each in its place, at each sublayer; ``places`` says so."""
    network = transformer(depth=2, **options)
    assert set(network.places.values()) == places
    at_ends = len(places & {"at the end", "on the embedding"})
    assert len(network.places) == 2 * (len(places) - at_ends) + at_ends


@pytest.mark.parametrize("placement", ["post", "pre", "sandwich", "peri"])
def test_a_placement_is_its_formula(placement: str) -> None:
    """Written out for one attention and one mlp, with layer norms of torch's over the channels of a token."""
    network = transformer(placement=placement).double()
    attention, mlp = (next(part for part in each.branch if not hasattr(part, "norm")) for each in network.sublayers)  # type: ignore[union-attr]

    def norm(x: Tensor) -> Tensor:
        return nn.functional.layer_norm(x, x.shape[-1:])

    images = torch.randn(5, 1, 8, 8, dtype=torch.float64)
    x = network.embedding(images) + network.positions
    if placement == "peri":
        x = norm(x)
    for part in (attention, mlp):
        if placement == "post":
            x = norm(x + part(x))
        elif placement == "pre":
            x = x + part(norm(x))
        else:
            x = x + norm(part(norm(x)))
    if placement != "post":
        x = norm(x)
    assert_close(network(images), network.head(x.mean(1)), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_torchs(causal: bool) -> None:
    """With the same weights, output and gradients are those of ``torch.nn.MultiheadAttention``."""
    ours = Attention(12, 3, [], [], causal=causal).double()
    x = torch.randn(2, 5, 12, dtype=torch.float64, requires_grad=True)
    theirs = nn.MultiheadAttention(12, 3, batch_first=True).double()
    names = {"in_proj_weight": "qkv.weight", "in_proj_bias": "qkv.bias", "out_proj.weight": "output.weight"}
    state = ours.state_dict()
    theirs.load_state_dict({**{name: state[own] for name, own in names.items()}, "out_proj.bias": state["output.bias"]})
    later = torch.ones(5, 5).triu(1).bool() if causal else None
    expected, _ = theirs(x, x, x, need_weights=False, attn_mask=later)
    actual = ours(x)
    assert_close(actual, expected, rtol=1e-10, atol=1e-10)
    cotangent = torch.randn_like(actual)
    of_ours = torch.autograd.grad(actual, (x, ours.qkv.weight, ours.output.weight), cotangent)
    of_theirs = torch.autograd.grad(expected, (x, theirs.in_proj_weight, theirs.out_proj.weight), cotangent)
    assert_close(of_ours, of_theirs, rtol=1e-10, atol=1e-10)


def test_query_and_key_norms_are_of_each_head() -> None:
    """Attention then does not see how large queries and keys of a head are, nor where they are centered."""
    network = transformer("channel-layer:affine=false", qk_norm=True, sites="mlp").double()
    attention = next(module for module in network.modules() if isinstance(module, Attention))
    x = torch.randn(2, 4, 8, dtype=torch.float64)
    before = attention(x)
    with torch.no_grad():
        attention.qkv.bias[:4] += 3.0  # the first head's queries
        attention.qkv.bias[12:16] -= 2.0  # the second head's keys
    assert_close(attention(x), before)


def test_a_causal_network_does_not_look_ahead() -> None:
    """No token's attention changes with a later one; without ``causal`` that of the first one does."""
    tokens = torch.randint(5, (1, 6))
    changed = tokens.clone()
    changed[0, -1] = (tokens[0, -1] + 1) % 5
    for causal in (True, False):
        network = transformer("channel-layer", shape=(6,), vocabulary=5, causal=causal)
        one, other = (network.sublayers(network.embedding(each) + network.positions) for each in (tokens, changed))
        assert torch.equal(one[:, :-1], other[:, :-1]) is causal
        assert not torch.equal(one[:, -1], other[:, -1])


def test_patches_are_cut_as_they_lie() -> None:
    """Row by row, each with all its channels."""
    images = torch.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6)
    patches = Patches(2)(images)
    assert patches.shape == (2, 6, 12)
    assert torch.equal(patches[1, 4], images[1, :, 2:4, 2:4].flatten())


@pytest.mark.parametrize(
    "options",
    [
        {"shape": (3, 8, 12), "patch": 2},
        {"shape": (6,), "vocabulary": 5},
        {"placement": "peri", "qk_norm": True, "pool": "max"},
        {"dropout": 0.5, "placement": "post"},
    ],
    ids=str,
)
def test_every_parameter_has_a_part_in_the_result(options: dict[str, Any]) -> None:
    """Images and tokens become logits, and gradients are finite."""
    network = transformer("batch", **options)
    shape = options.get("shape", (1, 8, 8))
    logits = network(torch.randint(5, (7, *shape)) if len(shape) == 1 else torch.randn(7, *shape))
    assert logits.shape == (7, 3)
    (logits**2).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


def test_there_is_dropout_if_it_is_asked_for() -> None:
    """On the embedding and on each sublayer; and no module for none."""
    for dropout, count in ((0.0, 0), (0.1, 3)):
        drops = [module for module in transformer(dropout=dropout).modules() if isinstance(module, nn.Dropout)]
        assert len(drops) == count


@pytest.mark.parametrize("norm", ["instance", Positional], ids=str)
def test_a_norm_that_erases_the_mean_token_is_left_out_at_the_last_place(norm: str | NormFactory) -> None:
    """Otherwise all samples would be one to the classifier; under a maximum they are not."""
    last = "no norm at the last place, as the mean over its tokens would be the same for every sample"
    for placement in ("pre", "post"):
        network = transformer(norm, placement=placement)
        assert network.notes == (last,)
        outputs = network(torch.randn(4, 1, 8, 8))
        assert (outputs - outputs[0]).abs().max() > 1e-3
    assert transformer(norm, pool="max").notes == ()
    (note,) = transformer(norm, placement="peri").notes
    assert note == f"{last}, as it is of what each sublayer adds; use pool=max"
    assert transformer("batch").notes == ()


class Activated(nn.Identity):
    """Says that it contains an activation."""

    contains_activation = True


@pytest.mark.parametrize(
    ("norm", "message"),
    [
        (Activated, "it contains an activation, and the transformer's norms stand where there is none"),
        (lambda _: nn.BatchNorm2d(8), r"ValueError on sequences of shape \(4, 8, 6\): expected 4D input"),
    ],
    ids=["activation", "maps alone"],
)
def test_norms_that_do_not_fit_are_refused(norm: NormFactory, message: str) -> None:
    """With the reason."""
    with pytest.raises(ComponentError, match=message):
        transformer(norm)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 3}, "Transformer: heads must divide width, got width=8, heads=3; use one of 1, 2, 4, 8"),
        ({"depth": 0}, "Transformer: depth must be at least 1, got depth=0; use for example depth=8"),
        ({"mlp_ratio": 0}, "Transformer: mlp_ratio must be at least 1, got mlp_ratio=0; use for example mlp_ratio=8"),
        (
            {"shape": (1, 28, 12), "patch": 3},
            "Transformer: patch must divide height and width of the images, got patch=3 for 28x12; use one of 1, 2, 4",
        ),
        (
            {"shape": (6,)},
            "Transformer: samples of shape (6,) must be tokens, whose number of kinds is not given; use "
            "vocabulary=..., or for vectors of numbers the mlp",
        ),
        ({"vocabulary": 5}, "Transformer: vocabulary is for tokens, got samples of shape (1, 8, 8); leave it out"),
    ],
    ids=["heads", "depth", "ratio", "patch", "vectors", "vocabulary"],
)
def test_settings_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    """The message names what was given and the way out."""
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        transformer(NoNorm, **options)
    assert str(refusal.value) == message
