"""What is to be explained: a norm with its options on an input, and what shares a statistic there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import prod

from normzoo.errors import ComponentError
from normzoo.explain._pools import DIMENSIONS, Pools, Sizes
from normzoo.registry import NORMS, Explanation, HeldTensor, NormEntry, Option, Pooling
from normzoo.registry._explanation import UP_TO

Curve = tuple[tuple[float, float], ...]
"""Pairs of an input and its output, of a norm whose outputs each depend on their own input alone."""


UNCHANGED = "x"
"""What a norm computes that leaves its input as it is."""

_FROM_ZERO = ("begin", "d_end", "r_end")
"""Options that are numbers of batches."""

_FEW = (4, 8, 2, 2, 2)
"""Samples, channels and sizes of the positions of a small input."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What trying a norm shows.

    Attributes:
        pools: which outputs move with which inputs, in training: all of one pool with each of it.
        overlaps: they do not fall into pools, as each moves others; ``pools`` has those that move with one of them.
        is_constant: no output moves with any input.
        is_random: the same input gives another output at the next call; the rest is of one draw.
        reach: the dimensions along which an output moves with values beside its own.
        curve: empty where an output depends on more than its own input.
        does: the first line of its docstring.
        parameters: what it learns, each with its shape and where it starts.
        state: likewise, its buffers.
        evaluation: in what evaluation differs from training, in a sentence.
    """

    pools: Pools
    overlaps: bool = False
    is_constant: bool = False
    is_random: bool = False
    reach: tuple[str, ...] = ()
    curve: Curve = ()
    does: str = ""
    parameters: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    evaluation: str = ""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A norm on an input.

    Attributes:
        spec: the norm, written as briefly as possible.
        entry: what the registry says of it; None of a user's own.
        options: all options of the layer.
        shape: of the input, ``(N, C, *)``.
        parts: which values of it share a statistic, by the name of the statistic where there are several.
        probe: what was found by trying it; None where the registry says what it pools.
    """

    spec: str
    entry: NormEntry | None
    options: Mapping[str, Option] = field(default_factory=dict)
    shape: tuple[int, ...]
    parts: Mapping[str, Pools]
    probe: Probe | None = None

    @property
    def about(self) -> Explanation | None:
        """What there is to say of a norm of the registry."""
        return self.entry.explanation if self.entry else None

    @property
    def pools(self) -> Pools:
        """Which values share a statistic; of several, the first."""
        return next(iter(self.parts.values()))

    @property
    def curve(self) -> Curve:
        """What it makes of each value; empty where others matter, too."""
        return self.probe.curve if self.probe else ()

    @property
    def title(self) -> str:
        """The norm and the shape, in a few words."""
        return f"{self.spec} on shape {written_shape(self.shape)}"


def subject(text: str, shape: Sequence[int]) -> Subject:
    """Read what is to be explained.

    A norm of the registry that does not say what it pools, and a user's own, are tried, which imports torch.

    Args:
        text: a norm with options, ``group:groups=4``.
        shape: of the input: samples, channels, and sizes of the positions, if it has any.

    Raises:
        UnknownNameError: no norm of that name.
        ComponentError: the norm does not take these options, does not go with the shape, or cannot be tried.

    >>> subject("group:groups=4", (4, 8, 2, 2)).pools.count
    16
    """
    spec, shape = NORMS.parse(text), tuple(shape)
    if spec.is_own:
        found = _probed(text, shape)
        return Subject(spec=NORMS.canonical(text), entry=None, shape=shape, parts={"": found.pools}, probe=found)
    entry = NORMS.entry(spec)
    about = entry.explanation
    options = {**about.options, **entry.options}
    for name, value in spec.options.items():
        _check_option(text, name, value, options, entry.explanation.choices)
    options |= spec.options
    sizes = (shape[0], shape[1], prod(shape[2:]))
    probe: Probe | None = None
    poolings = {"": about.pooling} if about.pooling else about.parts
    if poolings:
        parts = {name: pools_of(text, pooling, options, sizes) for name, pooling in poolings.items()}
        _check_values(text, about, options, parts, shape)
    elif about.normalized == UNCHANGED:
        parts = {"": Pools(sizes, None)}
    else:
        few = tuple(map(min, shape, _FEW))  # which is enough for what makes each value for itself
        probe = _known(text, few)
        if not probe.curve and few != shape:
            probe = _known(text, shape)
        parts = {"": Pools(sizes, None) if probe.curve else probe.pools}
    return Subject(spec=NORMS.canonical(text), entry=entry, options=options, shape=shape, parts=parts, probe=probe)


def _probed(text: str, shape: tuple[int, ...]) -> Probe:
    from normzoo.explain._probe import probe  # imports torch

    return probe(text, shape)


_known = lru_cache(maxsize=64)(_probed)
"""Of the registry's norms, which do not change."""


def same_pools(subject: Subject) -> list[str]:
    """Return the other norms that, as the registry has them, pool the same values in the same way."""
    about = subject.about
    if about is None or about.pooling is None:
        return []
    same = []
    for name, entry in NORMS.items():
        other = entry.explanation
        if entry is subject.entry or other.pooling is None or other.centered != about.centered:
            continue
        try:
            pools = pools_of(name, other.pooling, {**other.options, **entry.options}, subject.pools.sizes)
        except ComponentError:  # its groups do not divide these channels
            continue
        if pools == subject.pools:
            same.append(name)
    return same


def pools_of(text: str, pooling: Pooling, options: Mapping[str, Option], sizes: Sizes) -> Pools:
    """Return the pools of an input.

    Raises:
        ComponentError: a dimension cannot be cut into as many blocks.
    """
    found = pooling.blocks(sizes, options)
    for dimension, share, size, blocks in zip(DIMENSIONS, pooling.shares, sizes, found, strict=True):
        if size % blocks and not share.startswith(UP_TO):
            nearest = min(
                (each for each in range(1, min(size, 2 * blocks) + 1) if size % each == 0),
                key=lambda each: abs(each - blocks),
            )
            raise ComponentError(
                f"norm '{text}': {share} must divide {dimension}, got {dimension}={size}, {share}={blocks}; use "
                f"{share}={nearest} or {(size // blocks + 1) * blocks} {dimension}"
            )
    return Pools(sizes, found)


def held(subject: Subject) -> list[HeldTensor]:
    """Return the parameters and buffers that a layer of the registry has under these options."""
    described = subject.about.tensors if subject.about else ()
    held_now = (each for each in described if each.holds(subject.options))
    return [replace(each, does=each.does.format(**subject.options)) for each in held_now]


def tensor_shape(subject: Subject, tensor: HeldTensor) -> tuple[int, ...]:
    """Return the shape of a parameter or buffer."""
    if tensor.per_channel:
        return (subject.shape[1],)
    return (tensor.numbers,) if tensor.numbers > 1 else ()


def written_shape(shape: Iterable[int]) -> str:
    """Write a shape as Python does.

    >>> written_shape((8,)), written_shape(())
    ('(8,)', '()')
    """
    return str(tuple(shape))


def _check_values(
    text: str, about: Explanation, options: Mapping[str, Option], parts: Mapping[str, Pools], shape: tuple[int, ...]
) -> None:
    """Refuse a shape of which a statistic is of one value, as the layer does."""
    if not about.centered and (about.pooling or options.get("learn_eps")):  # rms, and the way out of frn
        return
    for name, pools in parts.items():
        if prod(pools.extent) > 1:
            continue
        samples, channels, positions = (about.pooling or about.parts[name]).shares
        ways = {
            "a larger size": samples.startswith(UP_TO) and pools.count > shape[1],
            "more samples": samples == "all" or (samples.startswith(UP_TO) and pools.count == shape[1]),
            "more channels": channels == "all",
            "fewer groups": channels == "groups",
            "more positions (4,8,2,2)": positions == "all",
        }
        *others, last = [way for way, leads_out in ways.items() if leads_out]
        way_out = f"{', '.join(others)} or {last}" if others else last
        what = "a mean and variance" if about.centered else "statistics"
        raise ComponentError(
            f"norm '{text}': {what} need more than one value, got one value for each from shape "
            f"{written_shape(shape)}; use {way_out}"
        )


def _check_option(
    text: str, name: str, value: Option, known: Mapping[str, Option], choices: Mapping[str, Sequence[str]]
) -> None:
    """Refuse an option that the layer does not take, or a value of the wrong kind."""
    if name not in known:
        takes = f"it takes: {', '.join(known)}" if known else "it takes no options"
        raise ComponentError(f"norm '{text}': it has no option '{name}' ({takes})")
    default = known[name]
    if isinstance(default, bool):
        kind, fits = "true or false", value in (True, False)
    elif name in choices:
        kind, fits = f"one of {', '.join(choices[name])}", value in choices[name]
    elif name == "channel_dim":
        kind, fits = "a dimension after the samples", isinstance(value, int) and value != 0
    elif isinstance(default, int):
        least = int(name not in _FROM_ZERO)
        kind, fits = f"a whole number of at least {least}", isinstance(value, int) and value >= least
    elif isinstance(default, str):
        kind, fits = "a word", isinstance(value, str)
    else:
        is_number = isinstance(value, int | float) or (value is None and name == "momentum")
        kind, fits = "a number", is_number and not isinstance(value, bool)
        if name == "eps" and isinstance(value, int | float):
            kind, fits = "a number that is not negative", value >= 0
    if not fits or (isinstance(value, bool) and not isinstance(default, bool)):
        raise ComponentError(f"norm '{text}': {name} must be {kind}, got '{value}'; use for example {name}={default}")
