"""What is said of a norm: all of it under headings, or in brief."""

import re
import textwrap
from collections.abc import Iterable
from math import prod
from typing import Final, NamedTuple

from normzoo.explain._pools import DIMENSIONS, Pools
from normzoo.explain._subject import UNCHANGED, Probe, Subject, held, same_pools, tensor_shape, written_shape
from normzoo.registry import NORMS, HeldTensor, Line
from normzoo.registry._explanation import UP_TO, name_of_block

LINES: Final = 2
"""How many a sentence takes at most where little is said."""

MIN_ROOM: Final = 20
"""Characters of a line beside a heading, however narrow the terminal is."""

PRECISION: Final = (
    "Statistics and formula are computed in float32 or wider, of bfloat16 and float16 inputs and under autocast, too; "
    "the output has the input's type."
)
"""Of every norm of the registry that computes anything."""

_RANDOM: Final = "In training the same input gives another output each time: this is of one draw."


class Section(NamedTuple):
    """Sentences under a heading."""

    heading: str
    lines: tuple[str, ...]


def sections(subject: Subject) -> list[Section]:
    """Return all that is said of a norm on an input."""
    about = subject.about
    if about is None:
        return [*_found(subject), *_uses(subject)]
    learned = [each for each in held(subject) if each.learned]
    state = [each for each in held(subject) if not each.learned]
    return [
        Section("pools", (pools_in_numbers(subject), *_likenesses(subject))),
        Section("formula", (formula(subject),)),
        Section("where", (about.statistics, *_settings(subject))),
        Section("parameters", tuple(_describe(subject, each) for each in learned) or ("None.",)),
        Section("state", tuple(_describe(subject, each) for each in state) or ("None: nothing is remembered.",)),
        Section("training", _applying(subject, about.training)),
        Section("inference", _applying(subject, about.inference)),
        Section("cost", _applying(subject, about.cost)),
        Section("precision", ("The input is the output.",) if _is_unchanged(subject) else (PRECISION,)),
        Section("fits", about.fits),
        Section("fits less", about.misfits),
        Section("mask", (_mask(subject),)),
        Section("paper", _paper(subject)),
        *_uses(subject),
    ]


def brief(subject: Subject, *, width: int = 80) -> list[Section]:
    """Return what is said first: what a norm computes, where it fits, and how to use it.

    Of where it fits, it is as much as two lines of ``width`` characters hold beside a heading.
    """
    about = subject.about
    if about is None:
        return [*_found(subject), *_uses(subject, in_lines=True)]
    room = max(width - len("to compare  "), MIN_ROOM)
    return [
        Section("formula", (formula(subject),)),
        Section("fits", (_in_short(about.fits, room),)),
        Section("fits less", (_in_short(about.misfits, room),)),
        *_uses(subject, in_lines=True),
    ]


def _found(subject: Subject) -> list[Section]:
    """Return what trying a norm of a user's own shows."""
    probe = subject.probe
    if probe is None:
        return []
    return [
        Section("pools", (pools_in_numbers(subject), *([_RANDOM] if probe.is_random else []))),
        Section("parameters", probe.parameters or ("None.",)),
        Section("state", probe.state or ("None: nothing is remembered.",)),
        Section("evaluation", (probe.evaluation,)),
    ]


def _in_short(sentences: Iterable[str], room: int) -> str:
    """Return what sentences begin with, without reasons and sources; none is cut that does not fit in two lines.

    >>> sentences = ["Small batches: its statistics get noisy (Wu & He 2018).", "Vectors (N, C)."]
    >>> _in_short(sentences, 20), _in_short(sentences, 10)
    ('Small batches; Vectors', 'Small batches')
    """
    first, *others = (re.split(r"[:;] |\. | \(|\.$", each)[0] for each in sentences)
    for each in others:
        if len(textwrap.wrap(f"{first}; {each}", room)) <= LINES:
            first = f"{first}; {each}"
    return first


def _uses(subject: Subject, *, in_lines: bool = False) -> list[Section]:
    compared = dict.fromkeys((subject.spec, "none"))
    statements = code(subject)
    said = [Section("in Python", statements if in_lines else ("; ".join(statements),))]
    if subject.options.get("channel_dim", 1) == 1:  # where the networks of a comparison have their channels
        said.append(Section("to compare", (f"normzoo compare --norms {','.join(compared)}",)))
    return said


def code(subject: Subject) -> tuple[str, str]:
    """Return the lines that make the layer."""
    channels, entry = subject.shape[1], subject.entry
    module, _, name = entry.target.partition(":") if entry else ("", "", "")
    if entry is None or module != "normzoo.layers":
        return "from normzoo.layers import make_norm", f'norm = make_norm("{subject.spec}", {channels})'
    options = {**entry.options, **NORMS.parse(subject.spec).options}
    given = "".join(f", {option}={value!r}" for option, value in options.items())
    return f"from normzoo.layers import {name}", f"norm = {name}({channels}{given})"


def formula(subject: Subject) -> str:
    """Return the formula, with weight and bias where the layer has them; of a user's own it is not known."""
    if subject.about is None:
        return ""
    about = subject.about
    letters = {each.name.rpartition(".")[2]: each.letter for each in held(subject)}  # perhaps of a part
    weight, bias = letters.get(about.factor), letters.get(about.summand)
    if weight and subject.options.get("zero_centered"):
        weight = f"(1 + {weight})"
    written = f"{f'{weight} * ' if weight else ''}{about.normalized}{f' + {bias}' if bias else ''}"
    around = next((each.text for each in about.around if each.holds(subject.options)), "{formula}")
    return f"y = {around.format(formula=written)}"


def summary(subject: Subject) -> str:
    """Say over what the norm pools, or what else it does."""
    if subject.entry is None:
        return subject.probe.does if subject.probe else ""
    return f"{'pools over ' if subject.entry.explanation.pooling else ''}{subject.entry.summary}"


def pools_in_numbers(subject: Subject) -> str:
    """Say how many pools there are, and of how many values."""
    if subject.probe and subject.probe.is_constant:
        return "There are no pools: the output does not depend on the input."
    if subject.probe and subject.probe.overlaps:
        return (
            f"There are no pools: outputs depend on sets of values that overlap but differ, {_within(subject.probe)}."
        )
    if subject.curve:
        return "There are no pools: each output depends on its own input alone."
    if len(subject.parts) == 1:
        return f"{_in_numbers(subject, subject.pools)}."
    return "; ".join(f"{name}: {_in_numbers(subject, pools)}" for name, pools in subject.parts.items()) + "."


def _within(probe: Probe) -> str:
    """Say how far the values lie apart on which an output depends.

    >>> _within(Probe(pools=Pools((2, 4, 9), None), reach=("channels", "positions")))
    'across channels and positions of one sample'
    """
    within = [name.removesuffix("s") for name in DIMENSIONS if name not in probe.reach]
    *others, last = probe.reach or ("values",)
    across = f"{', '.join(others)} and {last}" if others else last
    return f"across {across}" + (f" of one {' and '.join(within)}" if probe.reach and within else "")


def _in_numbers(subject: Subject, pools: Pools) -> str:
    if pools.blocks is None and not pools.numbers:
        return "There are no pools, and no letters"
    if pools.blocks is None:
        sizes = sorted(map(pools.numbers.count, {*pools.numbers} - {None}))
        values = f"{sizes[0]} to {_count(sizes[-1], 'values')}" if sizes[0] < sizes[-1] else _count(sizes[0], "values")
        return f"{_count(pools.count, 'pools')} of {values}, which are no equal blocks of neighbours"
    kinds = [
        _count(blocks, _block_name(subject, index, blocks)) for index, blocks in enumerate(pools.blocks) if blocks > 1
    ]
    pooling = subject.about.pooling if subject.about else None
    if pooling:  # which says what there is one for each of, also where that is one
        kinds = [
            _count(blocks, _block_name(subject, index, blocks))
            for index, (blocks, share) in enumerate(zip(pools.blocks, pooling.shares, strict=True))
            if share != "all"
        ]
    held_by_one = [
        f"{extent} or {extent + 1} {name}" if size % blocks else _count(extent, name)
        for extent, name, size, blocks in zip(pools.extent, DIMENSIONS, pools.sizes, pools.blocks, strict=True)
        if extent > 1
    ]
    apart = f", one for each of {' x '.join(kinds)}" if kinds else ""
    inside = f" ({' x '.join(held_by_one)})" if len(held_by_one) > 1 else ""
    least = prod(pools.extent)
    most = prod(-(-size // blocks) for size, blocks in zip(pools.sizes, pools.blocks, strict=True))
    values = _count(least, "values") if least == most else f"{least} or {most} values"
    values += " each" * (pools.count > 1)
    return f"{_count(pools.count, 'pools')} of {values}{inside}{apart}"


def _block_name(subject: Subject, dimension: int, blocks: int) -> str:
    """Return what the blocks along a dimension are called: by the option that divides it, where one does."""
    pooling = subject.about.pooling if subject.about else None
    name = DIMENSIONS[dimension]
    if pooling:
        return name_of_block(name, pooling.shares[dimension])
    return name if blocks == subject.pools.sizes[dimension] else f"blocks of {name}"


def _count(number: int, name: str) -> str:
    """Write a number of things.

    >>> _count(1, "samples"), _count(4, "samples"), _count(1, "blocks of channels")
    ('1 sample', '4 samples', '1 block of channels')
    """
    first, of, rest = name.partition(" of ")
    return f"{number} {first.removesuffix('s') if number == 1 else first}{of}{rest}"


def _likenesses(subject: Subject) -> list[str]:
    """Say which norms pool the same values here, and how to see a difference."""
    same, divided = _alike(subject), _not_divided(subject)
    return [*([f"{same}."] if same else []), *([divided.sentence] if divided else [])]


def likeness(subject: Subject) -> str:
    """Say in a line that other norms pool the same values here, and with which option this one would not.

    >>> from normzoo.explain import subject
    >>> likeness(subject("ghost", (4, 8, 2, 2)))
    'On this shape batch and sync pool the same values; size=2 would differ.'
    """
    same, divided = _alike(subject), _not_divided(subject)
    if same and divided:
        return f"{same}; {divided.option} would differ."
    return f"{same}." if same else divided.sentence if divided else ""


class _NotDivided(NamedTuple):
    """What is said of an option that divides nothing on this shape, or all, and a value of it that would show it."""

    sentence: str
    option: str


def _alike(subject: Subject) -> str:
    *others, last = same_pools(subject) or [""]
    names = f"{', '.join(others)} and {last}" if others else last
    return f"On this shape {names} pool{'s' * (not others)} the same values" if last else ""


def _not_divided(subject: Subject) -> _NotDivided | None:
    """Return what is to be said of groups of one channel, or of a single part of the samples."""
    about = subject.about
    poolings = [about.pooling] if about and about.pooling else [*about.parts.values()] if about else []
    for pooling, pools in zip(poolings, subject.parts.values(), strict=False):  # others have no pooling
        for share, name, blocks, size in zip(
            pooling.shares, DIMENSIONS, pools.blocks or pools.sizes, pools.sizes, strict=True
        ):
            option, value = share.removeprefix(UP_TO), subject.options.get(share.removeprefix(UP_TO))
            if value is None or size == 1:
                continue
            if share == option and blocks == size:
                together = next(each for each in range(2, size + 1) if size % each == 0)
                other = f"{option}={size // together}"
                said = (
                    f"{option}={value} leaves each of {size} {name} for itself; {other} would put {together} together."
                )
                return _NotDivided(said, other)
            if share != option and blocks == 1:
                other = f"{option}={-(-size // 2)}"
                return _NotDivided(f"{option}={value} leaves {size} {name} in one part; {other} would make two.", other)
    return None


def _settings(subject: Subject) -> list[str]:
    described = subject.about.tensors if subject.about else ()
    tensors = {name for each in described for name in (*each.needs, *each.unless)}
    shown = [
        f"{name}={_plain(value)}"
        for name, value in subject.options.items()
        if name not in tensors and name != "momentum"
    ]
    return [f"Settings: {', '.join(shown)}."] if shown else []


def _plain(value: object) -> str:
    return "none" if value is None else str(value)


def _describe(subject: Subject, tensor: HeldTensor) -> str:
    return f"{tensor.name} {written_shape(tensor_shape(subject, tensor))}: {tensor.does}"


def _applying(subject: Subject, lines: Iterable[Line]) -> tuple[str, ...]:
    numbers = {
        **{name: _plain(value) for name, value in subject.options.items()},
        "pools": sum(pools.count for pools in subject.parts.values()),
        "values": prod(subject.pools.extent),
        "samples": subject.pools.sizes[0],
        "channels": subject.pools.sizes[1],
        "positions": subject.pools.sizes[2],
    }
    return tuple(line.text.format(**numbers) for line in lines if line.holds(subject.options))


def _is_unchanged(subject: Subject) -> bool:
    return subject.about is not None and subject.about.normalized == UNCHANGED


def _mask(subject: Subject) -> str:
    written = written_shape((subject.shape[0], *subject.shape[2:]))
    if _is_unchanged(subject):
        return "forward(x, mask) takes one and ignores it."
    return (
        f"forward(x, mask) takes one of shape {written}, True where a position counts: what does not count enters no "
        "statistic and comes out as 0."
    )


def _paper(subject: Subject) -> tuple[str, ...]:
    if subject.about is None:
        return ()
    paper, remark = subject.about.paper, subject.about.remark
    if paper is None:
        said = "None: the control."
    else:
        where = f", arXiv:{paper.arxiv}" if paper.arxiv else ""
        said = f'{paper.authors} ({paper.year}), "{paper.title}"{where}'
    return (said, remark) if remark else (said,)
