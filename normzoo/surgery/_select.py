"""Which modules of a model are meant: by their names, by patterns, or by what a function says of them."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from torch import nn

from normzoo.errors import UnknownNameError, UsageError

Selector = str | re.Pattern[str] | Callable[[str, nn.Module], bool]
"""Which of them: a name, a regular expression, or a function of a name and the module."""


class Site(Protocol):
    """A module that can be chosen, and its full names."""

    @property
    def module(self) -> nn.Module:
        """The module."""

    @property
    def names(self) -> Sequence[str]:
        """One for each place where it stands."""


def unselected(
    sites: Sequence[Site],
    only: Selector | Iterable[Selector] | None,
    skip: Selector | Iterable[Selector] | None,
    *,
    kind: str,
) -> dict[int, str]:
    """Return why modules are left that are not asked for, by their index.

    Args:
        sites: what there is.
        only: choose no others. A name is that of a module, or of a block with all such modules in it; what is no name
            is a regular expression for one (``re.fullmatch``).
        skip: choose all but these.
        kind: what the modules are, for messages.

    Raises:
        UsageError: a name or an expression names nothing.
    """
    reasons: dict[int, str] = {}
    if only is not None:
        asked = _selected("only", only, sites, kind)
        reasons.update((index, "not among only") for index in range(len(sites)) if index not in asked)
    if skip is not None:
        reasons.update((index, "skipped") for index in _selected("skip", skip, sites, kind))
    return reasons


def _selected(what: str, selectors: Selector | Iterable[Selector], sites: Sequence[Site], kind: str) -> set[int]:
    several = [selectors] if isinstance(selectors, str | re.Pattern) or callable(selectors) else list(selectors)
    selected: set[int] = set()
    for selector in several:
        if isinstance(selector, str | re.Pattern):
            selected |= _named(what, selector, sites, kind)
        else:
            selected |= {
                index for index, site in enumerate(sites) if any(selector(name, site.module) for name in site.names)
            }
    return selected


def _named(what: str, selector: str | re.Pattern[str], sites: Sequence[Site], kind: str) -> set[int]:
    """Return the modules with this name, or in a block of this name; else those for whose name this is a pattern."""
    blocks = [{block for name in site.names for block in _blocks(name)} for site in sites]
    found = {index for index, names in enumerate(blocks) if selector in names}
    if found:
        return found
    try:
        pattern = re.compile(selector)
    except re.error as error:
        raise UsageError(f"{what}: '{selector}' is neither a name nor a regular expression: {error}") from error
    found = {index for index, names in enumerate(blocks) if any(map(pattern.fullmatch, names))}
    if not found:
        known = dict.fromkeys(block for site in sites for name in site.names for block in _blocks(name))
        raise UnknownNameError(f"{kind} or block with {kind}s", pattern.pattern, known, source=what)
    return found


def _blocks(name: str) -> list[str]:
    """Return a module's name after those of all that it stands in.

    >>> _blocks("layer1.0.bn1")
    ['layer1', 'layer1.0', 'layer1.0.bn1']
    """
    parts = name.split(".")
    return [".".join(parts[: length + 1]) for length in range(len(parts))]
