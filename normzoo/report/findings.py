"""The findings in words, with their numbers; that norms differ is said only where a test shows it."""

from collections.abc import Iterator, Mapping, Sequence

from normzoo.registry import NORMS
from normzoo.report._cells import percent, with_interval
from normzoo.report._effect_findings import effect_sentences
from normzoo.report._numbers import Cell, Summary, Table
from normzoo.report._words import at_most, enumerated
from normzoo.report.statistics.differences import Difference
from normzoo.report.statistics.marks import seeds_for

Column = Sequence[tuple[str, Cell]]


def findings(summary: Summary) -> list[str]:
    """Say, per template, who is best, how the norms stand beside the baseline, and who loses most.

    The first two at the smallest and the largest batch size, the last between them. Runs without a result get
    sentences of their own.
    """
    return [f"{table.template}: {sentence}." for table in summary.tables for sentence in _sentences(summary, table)]


def _sentences(summary: Summary, table: Table) -> Iterator[str]:
    sizes = summary.matrix.batch_sizes
    needed = max(seeds_for(len(table.rows)), summary.versus.needed)
    for index in dict.fromkeys((0, len(sizes) - 1)):
        column = [(norm, cell) for norm, cell in table.column(index) if cell.mark is not None]
        yield f"at batch size {sizes[index]}, {_ranking(column, needed)}"
        yield from _beside_baseline(summary, sizes[index], column)
    if len(sizes) > 1:
        yield from effect_sentences(summary, table)
    yield from _lacks(table)


def _ranking(column: Column, needed: int) -> str:
    """Say who is best, who cannot be told from it, and how far behind batch norm or the last is."""
    leader = next(((norm, cell) for norm, cell in column if cell.mark in ("best", "highest")), None)
    if leader is None:
        return "no norm has a result"
    norm, cell = leader
    if len(column) == 1:
        return f"{norm} alone has a result, {_accuracy(cell)}"
    if cell.is_of_survivors:
        return f"no norm has all of its runs; of the survivors those of {norm} have the highest mean, {_accuracy(cell)}"
    if cell.mark == "highest":
        last, lowest = min(column, key=_mean)
        return (
            f"{norm} has the highest mean, {_accuracy(cell)}, and {last} the lowest, {_accuracy(lowest)}; differences "
            f"are not tested, as n is too small ({needed} seeds would do)"
        )
    clauses = [f"{norm} is best at {_accuracy(cell)}"]
    tied = [name for name, other in column if other.mark == "tied"]
    untested = [name for name, other in column if other.mark == "untested"]
    if len(tied) == len(column) - 1:
        return f"no norm can be told from the best, {norm} at {_accuracy(cell)}"
    if tied:
        clauses.append(f"{enumerated(tied)} cannot be told from it")
    if untested:
        clauses.append(f"too few seeds in common with it to test: {enumerated(untested)}")
    return "; ".join([*clauses, *_behind(column)])


def _behind(column: Column) -> Iterator[str]:
    """Say how far batch norm is behind the best; where it is not behind, the same of the last norm that is."""
    losers = sorted(((norm, cell) for norm, cell in column if cell.mark == ""), key=_mean)
    if not losers:
        return
    norm, cell = next((loser for loser in losers if NORMS.parse(loser[0]).target == "batch"), losers[0])
    if cell.behind is not None and cell.behind.is_told_from_zero and cell.behind.mean > 0:
        yield f"{norm} is {_size(cell.behind, ' behind')}"
    else:
        yield f"{norm} ranks behind for the runs that have no result"


def _beside_baseline(summary: Summary, batch_size: int, column: Column) -> Iterator[str]:
    """Say which norms are shown to be better or worse than the baseline; nothing where nothing was tested."""
    versus = {norm: cell.versus for norm, cell in column if cell.versus}
    found = {norm: each.difference for norm, each in versus.items() if each.difference}
    tested = {norm: each for norm, each in found.items() if each.adjusted is not None}
    if not tested:
        return
    told = {norm: each for norm, each in tested.items() if each.is_told_from_zero}
    clauses = [*_told(told)] if told else []
    others = {
        "cannot be told from it": [norm for norm in tested if norm not in told],
        "lost runs, here or there, and what is left is not tested": [norm for norm in found if versus[norm].lost],
        "has too few seeds in common with it for a test": [
            norm for norm in found if norm not in tested and not versus[norm].lost
        ],
    }
    clauses += [f"{enumerated(norms)} {what}" for what, norms in others.items() if norms]
    yield f"at batch size {batch_size}, beside {summary.matrix.reference}: {'; '.join(clauses)}"


def _told(told: Mapping[str, Difference]) -> Iterator[str]:
    """Say how much better and how much worse norms are, with the number of pairs and the highest p value."""
    ranked = sorted(told.items(), key=lambda entry: abs(entry[1].mean), reverse=True)
    kinds = {
        "better": [entry for entry in ranked if entry[1].mean > 0],
        "worse": [entry for entry in ranked if entry[1].mean < 0],
    }
    clauses = [f"{_sizes(entries)} points {word}" for word, entries in kinds.items() if entries]
    pairs = {each.pairs for each in told.values()}
    n = f"n = {pairs.pop()}" if len(pairs) == 1 else f"n from {min(pairs)} to {max(pairs)}"
    highest = max(each.adjusted or 0.0 for each in told.values())
    clauses[-1] += f" (paired, {n}, p {at_most(highest, len(told))})"
    yield from clauses


def _sizes(entries: Sequence[tuple[str, Difference]]) -> str:
    """Write how far norms are from the baseline: "layer is 6.0 ±2.0 and group 4.6 ±1.7"."""
    sizes = [(norm, with_interval(percent(abs(each.mean)), each.half_width)) for norm, each in entries]
    return enumerated([f"{norm} {'is ' if place == 0 else ''}{size}" for place, (norm, size) in enumerate(sizes)])


def _lacks(table: Table) -> Iterator[str]:
    """Count the runs without a result, and say where the diverged and failed ones are."""
    planned = sum(cell.planned for cell in table.cells)
    for status in ("diverged", "failed"):
        where = [
            f"{row.norm} at batch size {cell.batch_size} ({getattr(cell, status)} of {cell.planned})"
            for row in table.rows
            for cell in row.cells
            if getattr(cell, status)
        ]
        if where:
            yield f"{sum(getattr(cell, status) for cell in table.cells)} of {planned} runs {status}: {', '.join(where)}"
    missing = sum(cell.missing for cell in table.cells)
    if missing:
        yield f"{missing} of {planned} runs {'is' if missing == 1 else 'are'} missing"


def _accuracy(cell: Cell) -> str:
    return f"{with_interval(percent(cell.mean or 0.0), cell.half_width)} % (n = {cell.ok})"


def _size(difference: Difference, direction: str = "") -> str:
    amount = with_interval(percent(abs(difference.mean)), difference.half_width)
    return f"{amount} points{direction} (paired, n = {difference.pairs})"


def _mean(entry: tuple[str, Cell]) -> float:
    return entry[1].mean or 0.0
