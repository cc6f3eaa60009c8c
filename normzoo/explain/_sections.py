"""What is said of a norm on an input, in words."""

from collections.abc import Iterable
from math import prod
from typing import Final, NamedTuple

from normzoo.explain._subject import Subject, same_pools
from normzoo.registry import HeldTensor, Line

DIMENSIONS: Final = ("samples", "channels", "positions")


class Section(NamedTuple):
    """Sentences under a heading."""

    heading: str
    lines: tuple[str, ...]


def sections(subject: Subject) -> list[Section]:
    """Return all that is said of a norm on an input."""
    about = subject.about
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
        Section("fits", about.fits),
        Section("fits less", about.misfits),
        Section("mask", (_mask(subject),)),
        Section("paper", _paper(subject)),
    ]


def formula(subject: Subject) -> str:
    """Return the formula, with weight and bias where the layer has them."""
    learned = {each.name for each in held(subject)}
    factor, summand = "w * " if "weight" in learned else "", " + b" if "bias" in learned else ""
    return f"y = {factor}{subject.about.normalized}{summand}"


def pooled_over(subject: Subject) -> str:
    """Say over what the norm pools."""
    return f"{'pools over ' if subject.about.pooling else ''}{subject.entry.summary}"


def pools_in_numbers(subject: Subject) -> str:
    """Say how many pools there are, and of how many values."""
    pools = subject.pools
    if pools.blocks is None:
        return "There are no pools, and no letters."
    names = _dimension_names(subject)
    kinds = [
        _count(count, name)
        for count, name, share in zip(pools.blocks, names, _shares(subject), strict=True)
        if share != "all"
    ]
    held_by_one = [_count(extent, name) for extent, name in zip(pools.extent, DIMENSIONS, strict=True) if extent > 1]
    apart = f", one for each of {' x '.join(kinds)}" if kinds else ""
    inside = f" ({' x '.join(held_by_one)})" if len(held_by_one) > 1 else ""
    values = _count(prod(pools.extent), "values") + " each" * (pools.count > 1)
    return f"{_count(pools.count, 'pools')} of {values}{inside}{apart}."


def held(subject: Subject) -> list[HeldTensor]:
    """Return the parameters and buffers that the layer has under these options."""
    return [each for each in subject.about.tensors if each.holds(subject.options)]


def tensor_shape(subject: Subject, tensor: HeldTensor) -> tuple[int, ...]:
    """Return the shape of a parameter or buffer."""
    return (subject.shape[1],) if tensor.per_channel else ()


def _shares(subject: Subject) -> tuple[str, str, str]:
    pooling = subject.about.pooling
    return (pooling.samples, pooling.channels, pooling.positions) if pooling else ("each", "each", "each")


def _dimension_names(subject: Subject) -> list[str]:
    """Return what the blocks along each dimension are called: by the option that divides it, where one does."""
    return [
        name if share in ("each", "all") else share for name, share in zip(DIMENSIONS, _shares(subject), strict=True)
    ]


def _count(number: int, name: str) -> str:
    """Write a number of things.

    >>> _count(1, "samples"), _count(4, "samples")
    ('1 sample', '4 samples')
    """
    return f"{number} {name.removesuffix('s') if number == 1 else name}"


def _likenesses(subject: Subject) -> list[str]:
    """Say which norms pool the same values here, and how to see a difference."""
    same = same_pools(subject)
    lines = [f"On this shape {' and '.join(same)} pool{'s' * (len(same) == 1)} the same values."] if same else []
    if subject.pools.blocks is None:
        return lines
    for share, name, blocks, size in zip(
        _shares(subject), DIMENSIONS, subject.pools.blocks, subject.pools.sizes, strict=True
    ):
        if share in subject.options and blocks == size > 1:
            together = next(each for each in range(2, size + 1) if size % each == 0)
            fewer = f"{share}={size // together} would put {together} together"
            lines.append(f"{share}={blocks} leaves each of {size} {name} for itself; {fewer}.")
    return lines


def _settings(subject: Subject) -> list[str]:
    tensors = {name for each in subject.about.tensors for name in (*each.needs, *each.unless)}
    shown = [
        f"{name}={_plain(value)}"
        for name, value in subject.options.items()
        if name not in tensors and name != "momentum"
    ]
    return [f"Settings: {', '.join(shown)}."] if shown else []


def _plain(value: object) -> str:
    return "none" if value is None else str(value)


def _describe(subject: Subject, tensor: HeldTensor) -> str:
    shape = tensor_shape(subject, tensor)
    return f"{tensor.name} ({', '.join(map(str, shape))}{',' * (len(shape) == 1)}): {tensor.does}"


def _applying(subject: Subject, lines: Iterable[Line]) -> tuple[str, ...]:
    numbers = {
        **{name: _plain(value) for name, value in subject.options.items()},
        "pools": subject.pools.count,
        "samples": subject.pools.sizes[0],
        "channels": subject.pools.sizes[1],
        "positions": subject.pools.sizes[2],
    }
    return tuple(line.text.format(**numbers) for line in lines if line.holds(subject.options))


def _mask(subject: Subject) -> str:
    shape = (subject.shape[0], *subject.shape[2:])
    written = f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
    if subject.pools.blocks is None:
        return "forward(x, mask) takes one and ignores it."
    return (
        f"forward(x, mask) takes one of shape {written}, True where a position counts: what does not count enters no "
        "statistic and comes out as 0."
    )


def _paper(subject: Subject) -> tuple[str, ...]:
    paper, remark = subject.about.paper, subject.about.remark
    said = f'{paper.authors} ({paper.year}), "{paper.title}", arXiv:{paper.arxiv}' if paper else "None: the control."
    return (said, remark) if remark else (said,)
