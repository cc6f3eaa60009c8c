"""What is said of the effect of the batch size: who loses most when it shrinks, and than whom."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from normzoo.report._cells import percent, points, with_interval
from normzoo.report._numbers import Cell, Row, Summary, Table
from normzoo.report._words import at_most, enumerated
from normzoo.report.statistics.differences import Difference


def effect_sentences(summary: Summary, table: Table) -> Iterator[str]:
    """Say which norm loses most from the largest batch size to the smallest, and than which it is shown to lose more.

    Norms that lost runs have no part in it, and are named first.
    """
    lost = [row for row in table.rows if row.is_of_survivors]
    whole = {row.norm: row.change for row in table.rows if row.change is not None and not row.is_of_survivors}
    if lost:
        yield f"the effect of the batch size on {_and_where(lost)} is not compared, as runs were lost there"
    if whole:
        norm = min(whole, key=lambda each: whole[each].mean)
        rest = "of the others " if lost else ""
        yield "; ".join(_clauses(summary, table, norm, whole, rest))


def _clauses(summary: Summary, table: Table, norm: str, whole: Mapping[str, Difference], rest: str) -> Iterator[str]:
    sizes, change = summary.matrix.batch_sizes, whole[norm]
    where = f"from batch size {sizes[-1]} to {sizes[0]}"
    size = with_interval(percent(abs(change.mean)), change.half_width)
    if change.mean + (change.half_width or 0.0) >= 0:
        lowest = f"the lowest change is that of {norm}, {points(change)} points (paired, n = {change.pairs})"
        yield f"{where}, {rest}no norm clearly loses accuracy; {lowest}"
        return
    yield f"{where}, {rest}{norm} loses {'most, ' if len(whole) > 1 else ''}{size} points (paired, n = {change.pairs})"
    if len(whole) > 1:
        yield from _contrasts(summary, table, norm, whole)


def _and_where(rows: Sequence[Row]) -> str:
    """Name norms with the batch sizes at which they lost runs."""
    return enumerated([f"{row.norm} ({', '.join(_lack(cell) for cell in row.cells if cell.lost)})" for row in rows])


def _lack(cell: Cell) -> str:
    return f"{cell.lost} of {cell.planned} at {cell.batch_size}"


def _contrasts(summary: Summary, table: Table, norm: str, whole: Collection[str]) -> Iterator[str]:
    found = {other: each for other, each in _beside(table, norm).items() if other in whole}
    tested = {other: each for other, each in found.items() if each.adjusted is not None}
    if found and not tested:
        yield f"whether others lose less is not tested, as n is too small ({summary.contrasts.needed} seeds would do)"
    told = [other for other, each in tested.items() if each.is_told_from_zero and each.mean > 0]
    rest = [other for other in tested if other not in told]
    if told:
        highest = max(tested[other].adjusted or 0.0 for other in told)
        yield f"by its slope it is shown to lose more than {enumerated(told)} (p {at_most(highest, len(told))})"
    if rest:
        yield f"{enumerated(rest)} cannot be told from it in this"


def _beside(table: Table, norm: str) -> Mapping[str, Difference]:
    """Return the contrasts of a norm with every other: its slope minus the other's."""
    return {
        contrast.second if contrast.first == norm else contrast.first: (
            contrast.difference if contrast.first == norm else contrast.difference.reversed()
        )
        for contrast in table.contrasts
        if norm in (contrast.first, contrast.second)
    }
