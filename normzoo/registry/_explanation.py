"""The entry of a norm, and what is said of it: what shares a statistic, what it holds, how it behaves, when it fits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from normzoo.registry._component import Entry
from normzoo.registry._options import Option

CHANNELS = ("num_features", "num_channels", "normalized_shape", "channels", "dim", "features", "hidden_size", "size")
"""Names under which norms take their number of channels; one that has none of them takes it first. The earlier one of
two is meant."""

InputKind = Literal["volumes", "maps", "sequences", "vectors"]
"""Of what a norm is given: ``(N, C, D, H, W)``, ``(N, C, H, W)``, ``(N, C, T)`` or ``(N, C)``."""

Share = str
"""``each``: every index along a dimension for itself; ``all``: all of them together; ``up to size``: in as few parts of
neighbours, as equal as can be, as hold at most so many each as the option ``size`` says; else the option of the norm
that says into how many equal blocks of neighbours they are divided."""

UP_TO: Final = "up to "


@dataclass(frozen=True, kw_only=True)
class Pooling:
    """Which values of an input ``(N, C, *)`` share a statistic: those in the same block along every dimension."""

    samples: Share
    channels: Share
    positions: Share

    @property
    def shares(self) -> tuple[Share, Share, Share]:
        """What is shared along samples, channels and positions."""
        return self.samples, self.channels, self.positions

    def blocks(self, sizes: tuple[int, int, int], options: Mapping[str, Option]) -> tuple[int, int, int]:
        """Return into how many blocks so many samples, channels and positions are divided; each block is a pool.

        >>> Pooling(samples="each", channels="groups", positions="all").blocks((2, 64, 49), {"groups": 8})
        (2, 8, 1)
        """
        samples, channels, positions = (
            _blocks(share, size, options) for share, size in zip(self.shares, sizes, strict=True)
        )
        return samples, channels, positions

    @property
    def over(self) -> str:
        """Over what is pooled beside positions, in words.

        >>> Pooling(samples="each", channels="groups", positions="all").over
        'the channels of a group'
        """
        named = (("samples", self.samples), ("channels", self.channels))
        pooled = [
            f"all {name}" if share == "all" else f"the {name} of a {name_of_block(name, share).removesuffix('s')}"
            for name, share in named
            if share != "each"
        ]
        return " and ".join(pooled) or "nothing"

    @property
    def per(self) -> str:
        """What each has a pool of its own, in words.

        >>> Pooling(samples="each", channels="groups", positions="all").per
        'sample and group'
        """
        named = zip(("samples", "channels", "positions"), self.shares, strict=True)
        return " and ".join(name_of_block(name, share).removesuffix("s") for name, share in named if share != "all")


def name_of_block(name: str, share: Share) -> str:
    """Return what the blocks along a dimension are called.

    >>> name_of_block("samples", "each"), name_of_block("channels", "groups"), name_of_block("samples", "up to size")
    ('samples', 'groups', 'parts')
    """
    return name if share in ("each", "all") else "parts" if share.startswith(UP_TO) else share


def _blocks(share: Share, size: int, options: Mapping[str, Option]) -> int:
    """Return into how many blocks so many indices along a dimension are divided."""
    if share in ("each", "all"):
        return size if share == "each" else 1
    number = cast("int", options[share.removeprefix(UP_TO)])
    return max(1, -(-size // number)) if share.startswith(UP_TO) else number


@dataclass(frozen=True, kw_only=True)
class Conditional:
    """What holds under some options only.

    Attributes:
        needs: options of which each must be set: neither False, 0 nor None. One that the norm does not take is.
        unless: options of which none may be set.
    """

    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    def holds(self, options: Mapping[str, Option]) -> bool:
        """Whether it holds under these options."""
        return all(options.get(name, True) for name in self.needs) and not any(
            options.get(name) for name in self.unless
        )


@dataclass(frozen=True, kw_only=True)
class HeldTensor(Conditional):
    """A tensor that the layer holds.

    Attributes:
        learned: it is a parameter, trained; otherwise a buffer, the layer's state.
        per_channel: of shape ``(C,)``; otherwise so many ``numbers``, of which a single one has no dimension.
        does: its letter in the formula if it has one, ``a, a factor``, what it is, and what it starts at, for which
            ``{alpha}`` may stand, the option of that name.
    """

    name: str
    learned: bool
    per_channel: bool = True
    numbers: int = 1
    does: str

    @property
    def letter(self) -> str:
        """Its letter in the formula; empty where it has none.

        >>> HeldTensor(name="alpha", learned=True, does="a, a factor; starts at 0.5").letter
        'a'
        """
        first, comma, _ = self.does.partition(", ")
        return first if comma and first.isidentifier() and len(first) <= 3 else ""


@dataclass(frozen=True, kw_only=True)
class Line(Conditional):
    """A sentence.

    Attributes:
        text: in which ``{pools}``, ``{values}`` (of a pool), ``{samples}``, ``{channels}``, ``{positions}`` and the
            options by their names, ``{momentum}``, stand for the numbers at hand.
    """

    text: str


@dataclass(frozen=True, kw_only=True)
class Paper:
    """Where a norm comes from; ``arxiv`` is None for what is older, or not there."""

    authors: str
    year: int
    title: str
    arxiv: str | None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What a norm does, for those who want to understand or choose it. A test holds the real layer to it.

    Attributes:
        pooling: what shares a statistic; None: nothing is normalized, or not by one pool.
        parts: by the name of each, what shares a statistic, where there are several kinds of pools.
        does: what it does, in a line, where there is not one pool that says so.
        centered: the mean is subtracted.
        normalized: the formula without weight and bias.
        factor: the name of the tensor that it is multiplied by, where there is one.
        summand: the name of the tensor that is added then, where there is one.
        around: what is written around ``{formula}``, factor and summand in it; the first that holds.
        statistics: what each statistic in it is, in a sentence.
        options: all options of the layer with the layer's own defaults.
        choices: by the name of an option that is a word, the words that it may be.
        tensors: all parameters and buffers of the layer.
        training: what is used in training.
        inference: what is used in inference.
        cost: passes over the values, what is kept for the backward pass, state; in words, relative to the others.
        fits: when it tends to do well, each with its source.
        misfits: when it tends not to.
        paper: where it comes from; None: nowhere in particular.
        remark: what should be known beside the paper: how this layer relates to it or to others of the name.
    """

    pooling: Pooling | None
    parts: Mapping[str, Pooling] = field(default_factory=dict)
    does: str = ""
    centered: bool
    normalized: str
    factor: str = "weight"
    summand: str = "bias"
    around: tuple[Line, ...] = ()
    statistics: str
    options: Mapping[str, Option]
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tensors: tuple[HeldTensor, ...]
    training: tuple[Line, ...]
    inference: tuple[Line, ...]
    cost: tuple[Line, ...]
    fits: tuple[str, ...]
    misfits: tuple[str, ...]
    paper: Paper | None
    remark: str = ""

    @property
    def summary(self) -> str:
        """Over what is pooled, and what each pool has one of, in a line; or what is done instead."""
        if self.pooling is None:
            return self.does
        statistic = "mean and variance" if self.centered else "root mean square"
        return f"{self.pooling.over}: one {statistic} per {self.pooling.per}"


@dataclass(frozen=True, kw_only=True)
class NormEntry(Entry):
    """A norm that can be asked for by name.

    ``target`` is called with a number of channels and the options, and returns the layer; ``summary`` says what it
    pools, as its explanation has it. ``apart`` says why it is no part of ``--norms all``, where it is none.
    """

    summary: str = field(init=False)
    formula: str
    explanation: Explanation
    apart: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "summary", self.explanation.summary)
