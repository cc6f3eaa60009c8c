"""Is it found where the norms of a template stand, without the template's help and with it?"""

import copy
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from normzoo.experiment.planning.facts import PlaceFacts
from normzoo.experiment.worker.places import look_for_places
from normzoo.layers import norm_factory
from normzoo.layers._make import marking
from normzoo.templates import Cnn, Lstm

Norm = Callable[..., nn.Module]
SAMPLES = 4


def places(template: Callable[..., nn.Module], norm: str, **options: Any) -> tuple[PlaceFacts, ...]:
    """Build a template for images of 8x8, and look."""
    network = template(marking(norm_factory(norm)), shape=(1, 8, 8), outputs=10, **options)
    return look_for_places(network, torch.randn(SAMPLES, 1, 8, 8), norm)[0]


def told(found: tuple[PlaceFacts, ...], batch_size: int) -> list[tuple[Any, ...]]:
    """Return of each place what is not about the network alone, with the values per statistic."""
    return [(each.where, each.kind, each.channels, each.positions, each.pooled(batch_size)) for each in found]


CONVOLUTIONS, DENSE = "after the convolutions", "after the dense layer"


@pytest.mark.slow_but_one
@pytest.mark.parametrize("placement", ["post", "pre"])
@pytest.mark.parametrize(
    ("norm", "values"),
    [
        ("batch", (128, 32, 2)),
        ("torch.nn:BatchNorm2d", (128, 32, None)),
        ("timm.layers:BatchNormAct2d", (128, 32, None)),
        ("torch.nn:LazyBatchNorm1d", (None, None, 2)),
        ("layer", (2048, 1024, 64)),
        ("group:groups=4", (512, 256, 16)),
        ("instance", (64, 16, None)),
        ("torch.nn:GroupNorm:num_groups=4", (None, None, None)),
        ("none", (None, None, None)),
    ],
)
def test_the_cnn_has_three_places(norm: str, values: tuple[int | None, ...], placement: str) -> None:
    """With the values per statistic at batch size 2; those of others' norms are known for batch norms alone."""
    found = places(Cnn, norm, placement=placement)
    assert told(found, 2) == [
        (CONVOLUTIONS, "maps", 32, 64, values[0]),
        (CONVOLUTIONS, "maps", 64, 16, values[1]),
        (DENSE, "vectors", 64, 1, values[2]),
    ]
    is_pooled = tuple(each is not None for each in values)
    everywhere = {"none": (False,) * 3, "torch.nn:GroupNorm:num_groups=4": (True,) * 3}
    assert tuple(each.has_norm for each in found) == everywhere.get(norm, is_pooled)


@pytest.mark.parametrize(("sites", "has_norm"), [("maps", [True, True, False]), ("vectors", [False, False, True])])
def test_a_place_that_is_no_site_is_one_without_a_norm(sites: str, has_norm: list[bool]) -> None:
    """So that whoever compares templates sees in what they differ."""
    found = places(Cnn, "batch", sites=sites)
    assert [each.has_norm for each in found] == has_norm
    assert [each.where for each in found] == [each.where for each in places(Cnn, "batch")]


@pytest.mark.parametrize(("norm", "values"), [("batch", (2, 2, 2)), ("layer", (256, 256, 64)), ("none", (None,) * 3)])
def test_the_steps_of_the_lstm_are_one_place(norm: str, values: tuple[int | None, ...]) -> None:
    """Whether there is a norm for each step or one for all."""
    assert told(places(Lstm, norm), 2) == [
        ("on the input-to-hidden transform", "vectors", 256, 1, values[0]),
        ("on the hidden-to-hidden transform", "vectors", 256, 1, values[1]),
        ("on the cell", "vectors", 64, 1, values[2]),
    ]


def test_over_time_the_lstm_has_one_place() -> None:
    """Of a norm that needs positions."""
    assert told(places(Lstm, "instance"), 2) == [
        ("on the input-to-hidden transform, over time", "sequences", 256, 8, 8)
    ]


class Plain(nn.Module):
    """A template that knows nothing of places; it calls a norm by name, and copies another."""

    def __init__(self, norm: Norm, *, shape: tuple[int, int, int], outputs: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(shape[0], 6, 3, padding=1)
        self.first = norm(6)
        self.blocks = nn.ModuleList([copy.deepcopy(norm(6)) for _ in range(2)])
        self.unused = norm(5)
        self.head = nn.Linear(6, outputs)

    def forward(self, images: Tensor) -> Tensor:
        y: Tensor = self.first(input=self.stem(images))
        for block in self.blocks:
            y = block(y)
        logits: Tensor = self.head(y.mean((2, 3)))
        return logits


def test_a_norm_of_a_template_without_words_stands_where_its_module_is() -> None:
    """By its name; copies are found, and what is never called is no place."""
    found = places(Plain, "batch")
    assert told(found, 8) == [(name, "maps", 6, 64, 512) for name in ("first", "blocks.0", "blocks.1")]
    assert all(each.has_norm for each in found)


class Tokens(nn.Module):
    """A template with its channels last, which also normalizes tokens as if they were samples."""

    places: ClassVar[Any] = {"nothing": "nowhere", "folded": "on tokens"}

    def __init__(self, norm: Norm, *, shape: tuple[int, int, int], outputs: int) -> None:
        super().__init__()
        self.embed = nn.Linear(shape[0] * shape[2], 12)
        self.folded, self.last = norm(12), nn.Identity()
        self.head = nn.Linear(12, outputs)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.embed(images.transpose(1, 2).flatten(2))
        rows = self.folded(tokens.flatten(0, 1)).view(tokens.shape)
        logits: Tensor = self.head(self.last(rows).mean(1))
        return logits


def test_positions_among_the_samples_count_as_samples() -> None:
    """A batch norm over two samples of eight tokens takes its statistics at sixteen values, a layer norm at its own."""
    assert told(places(Tokens, "batch"), 2) == [("on tokens", "vectors", 12, 1, 16)]
    assert told(places(Tokens, "layer"), 2) == [("on tokens", "vectors", 12, 1, 12)]


class Last(Tokens):
    """Gives its norm tokens with the channels last."""

    places = 3

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.embed(images.transpose(1, 2).flatten(2))
        logits: Tensor = self.head(self.folded(tokens).mean(1))
        return logits


def test_channels_may_come_last() -> None:
    """They are those that the norm was made for; and what is called places may be anything."""
    assert told(places(Last, "torch.nn:LayerNorm"), 2) == [("folded", "sequences", 12, 8, None)]


def test_marked_norms_are_the_norms() -> None:
    """Of the same kind and with the same random numbers, on the device and of the type that a network asks for."""
    plain, marked = (
        factory(4, dtype=torch.float64) for factory in (norm_factory("batch"), marking(norm_factory("batch")))
    )
    assert type(plain) is type(marked)
    assert str(plain) == str(marked)
    assert marked.state_dict().keys() == plain.state_dict().keys()
    assert next(marked.parameters()).dtype == torch.float64
