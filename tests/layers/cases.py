"""The one list of layers of which every test here asks its question."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from normzoo import layers
from normzoo.registry.backends import Backend

Pools = Callable[[tuple[int, ...]], Tensor]
"""Takes the shape of an input, returns for each of its values the number of the statistic that it belongs to."""


def _numbered(shape: tuple[int, ...], kept: int) -> Tensor:
    """Number the first ``kept`` dimensions and repeat each number over the rest."""
    numbers = torch.arange(prod(shape[:kept])).reshape(*shape[:kept], *(1 for _ in shape[kept:]))
    return numbers.expand(shape)


def per_channel(shape: tuple[int, ...]) -> Tensor:
    """Batch norm: the values of a channel."""
    return _numbered(shape[1:], 1).expand(shape)


def per_part(size: int) -> Pools:
    """Ghost batch norm: the values of a channel in a part of at most so many samples."""

    def pools(shape: tuple[int, ...]) -> Tensor:
        parts = torch.arange(shape[0]).tensor_split(-(-shape[0] // size))
        part = torch.cat([torch.full((len(each),), number) for number, each in enumerate(parts)])
        numbers = part[:, None] * shape[1] + torch.arange(shape[1])
        return numbers.reshape(*shape[:2], *(1 for _ in shape[2:])).expand(shape)

    return pools


def per_sample(shape: tuple[int, ...]) -> Tensor:
    """Layer norm of a map: the values of a sample."""
    return _numbered(shape, 1)


def per_sample_and_channel(shape: tuple[int, ...]) -> Tensor:
    """Instance norm: the positions of a sample and channel."""
    return _numbered(shape, 2)


def per_sample_and_position(shape: tuple[int, ...]) -> Tensor:
    """Channel-wise layer norm: the channels of a position."""
    return _numbered((shape[0], *shape[2:]), len(shape) - 1).unsqueeze(1).expand(shape)


def per_group(groups: int) -> Pools:
    """Group norm: the values of a sample and group of channels."""
    return lambda shape: _numbered((shape[0], groups, shape[1] // groups, *shape[2:]), 2).reshape(shape)


def per_row(dims: int) -> Pools:
    """LayerNorm, RMSNorm: the values of the last ``dims`` dimensions."""
    return lambda shape: _numbered(shape, len(shape) - dims)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A layer, what torch.nn has in its place, and an input shape.

    Attributes:
        id: what the test run prints.
        layer: the class under test.
        peer: the class of torch.nn that takes the same arguments; None where torch.nn has none.
        arguments: positional arguments of the constructor.
        options: keyword arguments of the constructor.
        shape: an input's shape, ``(N, C, *)`` or ``(*, *normalized_shape)``.
        pools: which values share a statistic; None: nothing is normalized.
        trailing: how many last dimensions ``normalized_shape`` has; 0: parameters are per channel, dimension 1.
    """

    id: str
    layer: type[nn.Module]
    peer: type[nn.Module] | None = None
    arguments: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...]
    pools: Pools | None
    trailing: int = 0

    def ours(self, dtype: torch.dtype | None = None) -> Any:
        """Build the layer under test."""
        return self.layer(*self.arguments, **self.options).to(dtype=dtype)

    def theirs(self, dtype: torch.dtype | None = None) -> Any:
        """Build torch.nn's; where an older torch does not know ``bias``, without it in another way."""
        assert self.peer is not None
        try:
            return self.peer(*self.arguments, **self.options).to(dtype=dtype)
        except TypeError:
            layer = self.peer(*self.arguments, **{key: value for key, value in self.options.items() if key != "bias"})
            layer.register_parameter("bias", None)
            return layer.to(dtype=dtype)

    def input(self, dtype: torch.dtype = torch.float64) -> Tensor:
        """Draw an input, whose pools differ in mean and spread."""
        spread, mean = 1 + torch.rand(self.shape[1:]), torch.randn(self.shape[1:])
        return (mean + spread * torch.randn(self.shape)).to(dtype)

    @property
    def mask_shape(self) -> tuple[int, ...]:
        """The shape of a mask of an input."""
        return self.shape[: -self.trailing] if self.trailing else (self.shape[0], *self.shape[2:])

    def spread_out(self, mask: Tensor) -> Tensor:
        """Return a mask in the shape of the input."""
        positions = (
            mask.reshape(*mask.shape, *(1 for _ in range(self.trailing))) if self.trailing else mask.unsqueeze(1)
        )
        return positions.expand(self.shape)

    def per_value(self, parameter: Tensor | None, otherwise: float) -> Tensor:
        """Return ``weight`` or ``bias`` in a shape that broadcasts to the input's."""
        if parameter is None:
            return torch.tensor(otherwise, dtype=torch.float64)
        return parameter if self.trailing else parameter.reshape(-1, *(1 for _ in self.shape[2:]))

    @property
    def takes_single_samples(self) -> bool:
        """Whether torch.nn takes an input without a batch dimension here."""
        is_drop_in = self.peer is not None and self.peer.__name__ == self.layer.__name__
        return self.trailing > 0 or (is_drop_in and issubclass(self.layer, layers.InstanceNorm))

    @property
    def centered(self) -> bool:
        """Whether the mean is subtracted."""
        return not issubclass(self.layer, layers.RMSNorm | layers.SampleRMSNorm)

    @property
    def couples_samples(self) -> bool:
        """Whether a statistic is over several samples."""
        return self.pools is per_channel or self.splits_batches

    @property
    def splits_batches(self) -> bool:
        """Whether how a batch is divided depends on its size."""
        return issubclass(self.layer, layers.GhostBatchNorm)

    @property
    def tracked(self) -> bool:
        """Whether the layer keeps running statistics."""
        return getattr(self.ours(), "running_mean", None) is not None


def _case(id: str, layer: type[nn.Module], *arguments: Any, **fields: Any) -> Case:  # noqa: A002
    peer = fields.pop("peer", getattr(nn, layer.__name__, None))
    return Case(id=id, layer=layer, peer=peer, arguments=arguments, **fields)


def _batch(id: str, layer: type[nn.Module], shape: tuple[int, ...], **options: Any) -> Case:  # noqa: A002
    fields = {"peer": options.pop("peer")} if "peer" in options else {}
    return _case(f"batch-{id}", layer, shape[1], shape=shape, pools=per_channel, options=options, **fields)


def _ghost(id: str, size: int, shape: tuple[int, ...], **options: Any) -> Case:  # noqa: A002
    return _case(
        f"ghost-{id}", layers.GhostBatchNorm, shape[1], size, shape=shape, pools=per_part(size), options=options
    )


def _instance(id: str, layer: type[nn.Module], shape: tuple[int, ...], **options: Any) -> Case:  # noqa: A002
    return _case(f"instance-{id}", layer, shape[1], shape=shape, pools=per_sample_and_channel, options=options)


def _group(id: str, groups: int, shape: tuple[int, ...], **options: Any) -> Case:  # noqa: A002
    return _case(
        f"group-{id}", layers.GroupNorm, groups, shape[1], shape=shape, pools=per_group(groups), options=options
    )


def _rows(id: str, layer: type[nn.Module], trailing: int, shape: tuple[int, ...], **options: Any) -> Case:  # noqa: A002
    return _case(id, layer, shape[-trailing:], shape=shape, pools=per_row(trailing), trailing=trailing, options=options)


CASES = [
    _batch("vectors", layers.BatchNorm1d, (6, 4)),
    _batch("sequences-cumulative", layers.BatchNorm1d, (3, 4, 5), momentum=None, bias=False),
    _batch("maps", layers.BatchNorm2d, (3, 2, 3, 4)),
    _batch("maps-untracked", layers.BatchNorm2d, (3, 2, 3, 4), track_running_stats=False),
    _batch("maps-plain-frozen", layers.BatchNorm2d, (3, 2, 3, 4), affine=False, momentum=0.0),
    _batch("maps-without-bias", layers.BatchNorm2d, (3, 2, 3, 4), bias=False, momentum=0.3, eps=1e-3),
    _batch("volumes", layers.BatchNorm3d, (3, 2, 2, 3, 2)),
    _case("batch-any-rank", layers.BatchNorm, 2, peer=nn.BatchNorm2d, shape=(3, 2, 3, 4), pools=per_channel),
    _batch(
        "maps-with-policies",
        layers.BatchNorm2d,
        (3, 2, 3, 4),
        peer=None,
        zero_centered=True,
        unbiased=True,
        unbiased_running=False,
    ),
    _batch("rank-6", layers.BatchNorm, (3, 2, 2, 2, 2, 2)),
    _case("sync-maps", layers.SyncBatchNorm, 2, peer=None, shape=(3, 2, 3, 4), pools=per_channel),
    _instance("sequences", layers.InstanceNorm1d, (3, 4, 5)),
    _instance("sequences-tracked", layers.InstanceNorm1d, (3, 4, 5), affine=True, track_running_stats=True),
    _instance("maps", layers.InstanceNorm2d, (3, 2, 3, 4), affine=True),
    _instance("maps-frozen", layers.InstanceNorm2d, (3, 2, 3, 4), track_running_stats=True, momentum=None),
    _instance("maps-without-bias", layers.InstanceNorm2d, (3, 2, 3, 4), affine=True, bias=False, eps=1e-3),
    _instance("volumes", layers.InstanceNorm3d, (3, 2, 2, 3, 2), track_running_stats=True, momentum=0.3),
    _case(
        "instance-any-rank",
        layers.InstanceNorm,
        2,
        peer=nn.InstanceNorm2d,
        options={"affine": True},
        shape=(3, 2, 3, 4),
        pools=per_sample_and_channel,
    ),
    _group("vectors", 2, (3, 8)),
    _group("sequences", 3, (3, 6, 4)),
    _group("maps", 2, (3, 4, 2, 3), eps=1e-3),
    _group("maps-plain", 2, (3, 4, 2, 3), affine=False),
    _group("volumes-without-bias", 1, (3, 2, 2, 2, 3), bias=False),
    _rows("layer-vectors", layers.LayerNorm, 1, (4, 6)),
    _rows("layer-sequences", layers.LayerNorm, 1, (3, 4, 6), eps=1e-3),
    _rows("layer-maps", layers.LayerNorm, 3, (3, 2, 3, 4)),
    _rows("layer-planes-without-bias", layers.LayerNorm, 2, (3, 2, 2, 3, 4), bias=False),
    _case(
        "group-maps-unbiased",
        layers.GroupNorm,
        2,
        4,
        peer=None,
        shape=(3, 4, 2, 3),
        pools=per_group(2),
        options={"unbiased": True},
    ),
    _case(
        "layer-vectors-unbiased",
        layers.LayerNorm,
        6,
        peer=None,
        shape=(4, 6),
        pools=per_row(1),
        trailing=1,
        options={"unbiased": True},
    ),
    _rows("layer-plain", layers.LayerNorm, 1, (4, 6), elementwise_affine=False),
    _rows("rms-vectors", layers.RMSNorm, 1, (4, 6)),
    _rows("rms-planes", layers.RMSNorm, 2, (3, 2, 3, 4), eps=1e-3),
    _rows("rms-plain", layers.RMSNorm, 1, (3, 4, 6), elementwise_affine=False, eps=1e-5),
    _case("sample-rms-vectors", layers.SampleRMSNorm, 6, shape=(4, 6), pools=per_sample),
    _case("sample-rms-maps", layers.SampleRMSNorm, 2, shape=(3, 2, 3, 4), pools=per_sample, options={"bias": False}),
    _case("channel-layer-vectors", layers.ChannelLayerNorm, 6, shape=(4, 6), pools=per_sample_and_position),
    _case("channel-layer-sequences", layers.ChannelLayerNorm, 5, shape=(3, 5, 4), pools=per_sample_and_position),
    _case(
        "channel-layer-maps",
        layers.ChannelLayerNorm,
        4,
        shape=(3, 4, 2, 3),
        pools=per_sample_and_position,
        options={"bias": False, "eps": 1e-3},
    ),
    _case("position-vectors", layers.PositionNorm, 6, shape=(4, 6), pools=per_sample_and_position),
    _case(
        "position-maps",
        layers.PositionNorm,
        4,
        shape=(3, 4, 2, 3),
        pools=per_sample_and_position,
        options={"affine": True, "eps": 1e-3},
    ),
    _ghost("sequences-cumulative", 2, (5, 4, 3), momentum=None, bias=False),
    _ghost("maps", 3, (4, 2, 3, 4)),
    _ghost("maps-untracked", 2, (5, 2, 3, 4), track_running_stats=False),
    _case("none", layers.NoNorm, 4, shape=(3, 4, 5), pools=None),
]
NORMS = [case for case in CASES if case.pools is not None]
PEERED = [case for case in CASES if case.peer is not None]
TRACKED = [case for case in CASES if case.tracked]
ONE_OF_EACH = list({case.layer: case for case in reversed(NORMS)}.values())
"""A case for each class, for questions that take long to answer."""
ONE_OF_EACH_POOL = list(
    {
        (case.ours().pool.axes, case.trailing > 0, case.centered): case
        for case in reversed(NORMS)
        if len(case.shape) == 4
    }.values()
)
"""Maps for each way of pooling, which is what the compiler sees of a norm; each kind of call takes it seconds."""

KINDS = [
    case for case in NORMS if case in ONE_OF_EACH_POOL or case.id in ("batch-sequences-cumulative", "instance-volumes")
]
"""One of each pool; a momentum of its own with a weight alone; three dimensions of positions without parameters."""

LARGE = replace(
    next(case for case in NORMS if case.id == "batch-maps"),
    id="batch-large",
    layer=layers.BatchNorm,
    peer=None,
    arguments=(16,),
    shape=(8, 16, 9),
)
"""Sequences of more values than a processor takes at once, asked about in one low precision."""

COMPILED = [case for case in NORMS if case.id in ("batch-maps", "group-maps", "layer-plain", "instance-volumes")]
"""For what is asked of torch's whole compiler: with statistics that are kept, groups, no positions, three of them."""


def on_each_backend(cases: Sequence[Case] = CASES) -> pytest.MarkDecorator:
    """Ask of each case eagerly, and of one of each pool on the others; ``test_backends`` holds these together."""
    others: tuple[Backend, ...] = ("auto", "compiled")
    pairs: list[tuple[Case, Backend]] = [
        *((case, "eager") for case in cases),
        *((case, name) for name in others for case in cases if case in ONE_OF_EACH_POOL),
    ]
    return pytest.mark.parametrize(("case", "name"), pairs, ids=[f"{case.id}-{name}" for case, name in pairs])
