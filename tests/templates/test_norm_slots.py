"""Is a norm put where it can be, with its activation, and said to be left out where it cannot?"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from normzoo.errors import ComponentError
from normzoo.layers import NoNorm, make_norm, norm_factory
from normzoo.layers._make import contains_activation, needs_positions
from normzoo.registry import NORMS
from normzoo.templates import Cnn, Lstm, make_network
from normzoo.templates._norm_slots import accepts, build, left_out, norm_act, place_of, problem

from .own_norms import Dicing, Positional, Rolling

KINDS: tuple[Any, ...] = ("maps", "sequences", "vectors")
PLACEMENTS: tuple[Any, ...] = ("post", "pre")


class MapsOnly(nn.Module):
    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.inner = nn.BatchNorm2d(num_features)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x)
        return y


class SequencesOnly(nn.Module):
    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 3:
            raise ValueError("got no sequences")
        return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()


class VectorsOnly(nn.LayerNorm):
    pass


class Activated(nn.Module):
    """Declares that it contains its activation."""

    contains_activation: ClassVar[bool] = True

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.inner = make_norm("batch", num_features)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x)
        return y.relu()


class ActivatedMaps(MapsOnly):
    contains_activation: ClassVar[bool] = True


class Broken(nn.Module):
    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        return x / self.nun_features  # type: ignore[operator]  # the mistake that is to be found


class Pooling(nn.Module):
    """Does not keep the shape."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(0, keepdim=True)


class Pair(Pooling):
    def forward(self, x: Tensor) -> Any:
        return x, x


def relus(network: nn.Module) -> int:
    return sum(isinstance(module, nn.ReLU) for module in network.modules())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NORMS)
def test_ours_take_everything_but_that_some_need_positions(name: str, kind: Any) -> None:
    layer = make_norm(name, 16)
    assert accepts(layer, 16, kind) == (kind != "vectors" or not needs_positions(layer))
    assert bool(problem(layer, 16, kind)) != accepts(layer, 16, kind)
    assert contains_activation(layer) == (name in ("evonorm-b0", "evonorm-s0", "frn-tlu"))


@pytest.mark.parametrize(
    ("norm", "kinds"),
    [
        (MapsOnly, {"maps"}),
        (SequencesOnly, {"sequences"}),
        (VectorsOnly, {"vectors"}),
        (Positional, {"maps", "sequences"}),
        (Activated, {"maps", "sequences", "vectors"}),
        (nn.BatchNorm1d, {"sequences", "vectors"}),
        (nn.InstanceNorm1d, {"sequences"}),
        (nn.InstanceNorm2d, {"maps"}),
        (nn.InstanceNorm3d, set()),
        (Broken, set()),
        (Pooling, set()),
        (Pair, set()),
    ],
)
@pytest.mark.parametrize("features", [4, 6, 8])
def test_what_others_take_is_found_out(norm: Callable[[int], nn.Module], kinds: set[str], features: int) -> None:
    """Also where the channels are as many as samples or positions usually are, and none is mistaken for another."""
    layer = norm(features)
    assert {kind for kind in KINDS if accepts(layer, features, kind)} == kinds


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("norm", [Rolling, Dicing, MapsOnly, nn.LazyBatchNorm2d, nn.Dropout])
def test_a_trial_leaves_no_trace(norm: Any, kind: Any) -> None:
    """Neither in the norm nor in the random numbers that are drawn next."""
    layer = build((lambda features: norm()) if norm in (nn.LazyBatchNorm2d, nn.Dropout) else norm, 8)  # noqa: ARG005
    before, expected = copy.deepcopy(layer.state_dict()), torch.get_rng_state()
    accepts(layer, 8, kind)
    assert torch.equal(torch.get_rng_state(), expected)
    torch.testing.assert_close(layer.state_dict(), before, rtol=0, atol=0)
    assert layer.training


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_norm_and_its_activation_come_in_their_order(placement: Any) -> None:
    layers = norm_act(norm_factory("batch"), 8, "maps", placement=placement)
    assert [isinstance(layer, nn.ReLU) for layer in layers] == ([True, False] if placement == "post" else [False, True])
    (alone,) = norm_act(Activated, 8, "maps", placement=placement)
    assert isinstance(alone, Activated)
    instead = norm_act(MapsOnly, 8, "vectors", placement=placement, activation=nn.Tanh)
    assert {type(layer) for layer in instead} == {nn.Tanh, NoNorm}
    assert isinstance(instead[0], nn.Tanh) == (placement == "post")


@pytest.mark.slow_but_one
@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize(
    ("norm", "expected", "notes"), [(MapsOnly, 3, 1), (VectorsOnly, 3, 1), (Activated, 0, 0), (ActivatedMaps, 1, 1)]
)
def test_there_is_one_activation_at_every_place_of_the_cnn(
    norm: Any, expected: int, notes: int, placement: Any
) -> None:
    """A norm that contains its activation stands alone, and where it is left out the activation stays."""
    network = Cnn(norm, shape=(1, 8, 8), outputs=3, widths=(4, 8), hidden=6, placement=placement)
    assert relus(network) == expected
    assert len(network.notes) == notes
    assert network(torch.randn(5, 1, 8, 8)).isfinite().all()


@pytest.mark.parametrize(
    ("norm", "note"),
    [
        (MapsOnly, "no norm after the dense layer, as it does not take vectors (ValueError: expected 4D input (got 2D"),
        (
            VectorsOnly,
            "no norm after the convolutions, as it does not take maps (RuntimeError: Given normalized_shape=",
        ),
        (Positional, "no norm after the dense layer, whose vectors have no positions"),
    ],
)
def test_a_note_says_where_a_norm_is_left_out_and_why(norm: Any, note: str) -> None:
    (found,) = Cnn(norm, shape=(1, 8, 8), outputs=3, widths=(4, 8), hidden=6).notes
    assert found.startswith(note)
    assert len(found) < 200


def test_a_norm_that_fails_at_some_channels_is_left_out_there_alone() -> None:
    """In which case the note says how many these are."""
    fours = norm_factory("torch.nn:GroupNorm:num_groups=4")

    def norm(features: int) -> nn.Module:
        return fours(features) if features > 8 else Broken(features)

    network = Cnn(norm, shape=(1, 8, 8), outputs=3, widths=(8, 16), hidden=16)
    assert sum(isinstance(layer, nn.GroupNorm) for layer in network.layers) == 2
    (note,) = network.notes
    assert note.startswith("no norm after the convolutions of 8 channels, as it does not take maps (AttributeError: ")


def test_no_slot_no_note() -> None:
    assert left_out(MapsOnly, []) == ()


@pytest.mark.parametrize("template", [Cnn, Lstm])
def test_a_norm_that_fails_everywhere_is_refused_with_the_line_of_its_mistake(template: Any) -> None:
    """Not with a line of torch, inside of which it shows."""
    with pytest.raises(ComponentError) as refusal:
        template(Broken, shape=(1, 8, 8), outputs=3)
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "x / self.nun_features" in text)
    assert "AttributeError on vectors of shape (4, " in str(refusal.value)
    assert "has no attribute 'nun_features'" in str(refusal.value)
    assert f"({__file__}:{line})" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("template", [Cnn, Lstm])
@pytest.mark.parametrize(("norm", "got"), [(Pooling, "it returned shape (1, "), (Pair, "it returned a tuple")])
def test_a_norm_that_changes_the_shape_is_refused(norm: Any, got: str, template: Any) -> None:
    with pytest.raises(ComponentError, match=r"it must keep the shape of its input: given .* of shape") as refusal:
        template(norm, shape=(1, 8, 8), outputs=3)
    assert got in str(refusal.value)


@pytest.mark.parametrize("norm", [MapsOnly, nn.BatchNorm2d, nn.InstanceNorm2d])
def test_the_lstm_refuses_norms_of_maps(norm: Any) -> None:
    """It has none."""
    with pytest.raises(ComponentError, match=r"^it takes neither vectors nor sequences: "):
        Lstm(norm, shape=(1, 8, 8), outputs=3, hidden=4)


@pytest.mark.parametrize("norm", [Activated, ActivatedMaps])
def test_the_lstm_refuses_norms_that_contain_an_activation(norm: Any) -> None:
    """The published formula has a tanh after its norm, and two of them were another network."""
    with pytest.raises(ComponentError, match=r"^it contains an activation, and the lstm has its own at every step$"):
        Lstm(norm, shape=(1, 8, 8), outputs=3, hidden=4)


@pytest.mark.parametrize("norm", [SequencesOnly, Positional, nn.InstanceNorm1d])
def test_the_lstm_normalizes_over_time_what_takes_sequences_alone(norm: Any) -> None:
    network = Lstm(norm, shape=(1, 8, 8), outputs=3, hidden=4)
    assert network.notes == ("normalizes the input-to-hidden transform over time, and nothing else",)
    assert network(torch.randn(5, 1, 8, 8)).isfinite().all()


class Widening(nn.Identity):
    def forward(self, x: Tensor) -> Tensor:
        return x.double()


class Detaching(nn.Identity):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach()


class Overwriting(nn.Identity):
    def forward(self, x: Tensor) -> Tensor:
        return x.mul_(2)


@pytest.mark.parametrize(
    ("norm", "message"),
    [
        (Widening, "it must keep the type of its input: given float32, it returned float64"),
        (Detaching, "it must pass on the gradient to its input; leave out detach and no_grad"),
    ],
)
def test_a_norm_after_which_nothing_could_be_trained_is_refused(norm: type[nn.Module], message: str) -> None:
    """Once, though it is tried on maps and on vectors; with gradients switched off, too."""
    with torch.no_grad(), pytest.raises(ComponentError) as refusal:
        Cnn(norm, shape=(1, 8, 8), outputs=3)
    assert str(refusal.value) == message


def test_a_norm_may_overwrite_its_input() -> None:
    """Where that is another layer's output, autograd takes it."""
    assert accepts(Overwriting(), 3, "maps")


def test_an_error_is_of_the_line_of_the_users_own_code() -> None:
    """Not of one within a library that it calls."""

    def own() -> None:
        np.linalg.inv(np.zeros((2, 2)))

    with pytest.raises(np.linalg.LinAlgError) as caught:
        own()
    place = place_of(caught.value)
    assert (place.filename, place.name) == (__file__, "own")


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ("mlp:widths=8-0", "Mlp: widths must be at least 1, got widths=8-0"),
        ("cnn:widths=0-4", "Cnn: widths must be at least 1, got widths=0-4"),
        ("cnn:hidden=0", "Cnn: hidden must be at least 1, got hidden=0"),
        ("lstm:hidden=0", "Lstm: hidden must be at least 1, got hidden=0"),
        ("vgg:width=-3", "Vgg: width must be at least 1, got width=-3"),
        ("vgg:hidden=0", "Vgg: hidden must be at least 1, got hidden=0"),
        ("resnet:depth=8,width=0", "ResNet: width must be at least 1, got width=0"),
        ("transformer:width=0", "Transformer: width must be at least 1, got width=0"),
    ],
)
def test_a_layer_of_no_width_is_refused(template: str, named: str) -> None:
    """Its output could not depend on the input; torch would make it with a warning, or fail."""
    with pytest.raises(ValueError, match=named):
        make_network(template, norm_factory("none"), shape=(1, 32, 32), outputs=2)
