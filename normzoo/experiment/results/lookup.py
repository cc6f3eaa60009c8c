"""Finds what a user names in a store: a run by the beginning of its key, a comparison by its number. Torch-free."""

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

from normzoo.errors import StoreError
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.store import StoredComparison

SHORTEST = 7
"""Characters of a key that are shown at least, as git does."""

_NAMED = 5
"""How many keys or numbers a message names at most."""


def short_length(keys: Collection[str]) -> int:
    """Return how many characters tell all keys apart.

    >>> short_length(["0123456789abcdef", "0123456700000000"])
    9
    """
    shared = (_shared(*pair) for pair in pairwise(sorted(set(keys))))
    return max(SHORTEST, 1 + max(shared, default=0))


def _shared(a: str, b: str) -> int:
    """Return how many characters two different keys begin with alike."""
    return next((index for index, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def find_key(text: str, keys: Collection[str], path: Path) -> str:
    """Return the one key that is ``text`` or begins with it.

    Args:
        text: as it was typed.
        keys: those in the store.
        path: the store, for the message.

    Raises:
        StoreError: there is none, or more than one.
    """
    if text in keys:
        return text
    found = sorted(key for key in keys if key.startswith(text.lower()))
    if len(found) == 1:
        return found[0]
    if not keys:
        raise StoreError(f"store: '{path}' holds no runs yet; `normzoo compare` trains some")
    if not found:
        raise StoreError(f"store: '{path}' holds no run '{text}'; `normzoo runs` lists what it holds")
    length = short_length(found)
    named = ", ".join(key[:length] for key in found[:_NAMED]) + (", ..." if len(found) > _NAMED else "")
    raise StoreError(
        f"store: '{path}' holds {len(found)} runs that begin with '{text}' ({named}); type more of the key"
    )


def find_comparison(number: int, comparisons: Sequence[StoredComparison], path: Path) -> StoredComparison:
    """Return the comparison of that number.

    Raises:
        StoreError: there is none.
    """
    for comparison in comparisons:
        if comparison.id == number:
            return comparison
    if not comparisons:
        raise StoreError(f"store: '{path}' holds no comparison yet; `normzoo compare` makes one")
    known = [each.id for each in comparisons]
    is_row = len(known) > 1 and known == list(range(known[0], known[-1] + 1))
    more = ", ..." if len(known) > _NAMED else ""
    held = f"{known[0]} to {known[-1]}" if is_row else ", ".join(map(str, known[:_NAMED])) + more
    raise StoreError(f"store: '{path}' holds no comparison {number}; it holds {held}")


_LOOKED_AT_ANYWAY = {
    "norms",
    "optional",
    "left_out",
    "templates",
    "batch_sizes",
    "seeds",
    "first_seed",
    "baseline",
    "target",
    "eval_stats",
    "strategy",
    "compile",
}
"""Settings in which two looks at the same may differ."""


def earlier_looks(
    matrix: MatrixSpec, known: Iterable[StoredComparison], parts: Collection[int] = ()
) -> list[MatrixSpec]:
    """Return what was compared before that shows at least two of the norms in the same network at the same size.

    That is, the comparisons before this one that share a template, a batch size, two norms and seeds with it, and all
    that runs are trained with.

    Args:
        matrix: this comparison.
        known: those of its store. A merged store has them in another order than that in which they were made.
        parts: the numbers of those that this one is made of.
    """

    def is_this(each: StoredComparison) -> bool:
        return each.id in parts or _as_asked(each.matrix) == _as_asked(matrix)

    before = takewhile(lambda each: not is_this(each), sorted(known, key=lambda each: (each.created_at, each.id)))
    return [each.matrix for each in before if _is_look(each.matrix, matrix)]


def _as_asked(matrix: MatrixSpec) -> dict[str, Any]:
    """Return a matrix without what only says how it is looked at."""
    return matrix.model_dump(exclude={"baseline", "target"})


def _is_look(earlier: MatrixSpec, matrix: MatrixSpec) -> bool:
    settings = [each.model_dump(exclude=_LOOKED_AT_ANYWAY) for each in (earlier, matrix)]
    return (
        settings[0] == settings[1]
        and not set(earlier.templates).isdisjoint(matrix.templates)
        and not set(earlier.batch_sizes).isdisjoint(matrix.batch_sizes)
        and len(set(earlier.norms).intersection(matrix.norms)) > 1
        and not set(earlier.seed_range).isdisjoint(matrix.seed_range)
    )
