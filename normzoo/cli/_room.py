"""What of the live display to show where there is no room for all of it. Pure."""

from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple, TypeVar

from rich.console import RenderableType
from rich.text import Text

Item = TypeVar("Item")


class Part(NamedTuple):
    """A part of the display, and how many lines it takes."""

    renderable: RenderableType
    height: int


def one_line(text: str, style: str = "dim") -> Text:
    """Return a text that is cut short rather than wrapped."""
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def most_wanted(items: Sequence[Item], wanted: Set[Item], count: int) -> list[Item]:
    """Return so many items in their order: those that are wanted, then from the first on.

    >>> most_wanted([2, 4, 8, 16], {8}, 2)
    [2, 8]
    """
    if count >= len(items):
        return list(items)
    ranked = sorted(items, key=lambda item: item not in wanted)
    kept = set(ranked[: max(0, count)])
    return [item for item in items if item in kept]


def rows_that_fit(
    templates: Sequence[str], norms: Sequence[str], wanted: Mapping[str, Set[str]], height: int
) -> dict[str, list[str]]:
    """Return the norms to show of each template, each template below a header: the wanted templates first.

    >>> rows_that_fit(["cnn", "lstm"], ["batch", "layer", "none"], {"lstm": {"none"}}, 6)
    {'cnn': ['batch'], 'lstm': ['batch', 'layer', 'none']}
    """
    chosen: dict[str, list[str]] = {}
    for template in sorted(templates, key=lambda template: not wanted.get(template)):
        if height < 2:
            break
        chosen[template] = most_wanted(norms, wanted.get(template, set()), height - 1)
        height -= 1 + len(chosen[template])
    return {template: chosen[template] for template in templates if template in chosen}


def left_out(templates: Sequence[str], norms: Sequence[str], sizes: int, rows: Mapping[str, Sequence[str]]) -> str:
    """Say what there was no room for; nothing where there was.

    Args:
        templates: all there are.
        norms: all there are.
        sizes: how many batch sizes are not shown.
        rows: the norms that are, by template.
    """
    counts = [(sizes, "batch size"), (len(templates) - len(rows), "template")]
    parts = [f"{count} {noun}{'s' if count > 1 else ''}" for count, noun in counts if count]
    parts += [
        f"{len(norms) - len(shown)} of {template}'s norms"
        for template, shown in rows.items()
        if len(shown) < len(norms)
    ]
    return f"no room for {', '.join(parts)}" if parts else ""
