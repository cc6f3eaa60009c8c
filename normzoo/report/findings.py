"""The findings in words, each with its numbers; nothing is claimed that an interval does not show."""

from collections.abc import Iterator, Sequence

from normzoo.registry import parse_spec
from normzoo.report._cells import percent, with_interval
from normzoo.report._detail_cells import LEAST_P
from normzoo.report._marks import seeds_for
from normzoo.report._numbers import Cell, Summary, Table
from normzoo.report._statistics import Difference

Column = Sequence[tuple[str, Cell]]


def findings(summary: Summary) -> list[str]:
    """Say, per template, who is best, how the norms stand beside the baseline, and who loses most.

    The first two at the smallest and the largest batch size, the last between them. Runs without a result get
    sentences of their own.
    """
    return [f"{table.template}: {sentence}." for table in summary.tables for sentence in _sentences(summary, table)]


def _sentences(summary: Summary, table: Table) -> Iterator[str]:
    sizes = summary.matrix.batch_sizes
    for index in dict.fromkeys((0, len(sizes) - 1)):
        column = [(norm, cell) for norm, cell in table.column(index) if cell.mark is not None]
        yield f"at batch size {sizes[index]}, {_ranking(column)}"
        yield from _beside_baseline(summary, sizes[index], column)
    if len(sizes) > 1:
        yield from _effect(summary, table)
    yield from _lacks(table)


def _ranking(column: Column) -> str:
    """Say who is best, who cannot be told from it, and how far behind batch norm or the last is."""
    leader = next(((norm, cell) for norm, cell in column if cell.mark in ("best", "highest")), None)
    if leader is None:
        return "no norm has a result"
    norm, cell = leader
    if len(column) == 1:
        return f"{norm} alone has a result, {_accuracy(cell)}"
    if cell.mark == "highest":
        return (
            f"{norm} has the highest accuracy, {_accuracy(cell)}; n is too small to tell it from another "
            f"({seeds_for(len(column))} seeds would do)"
        )
    clauses = [f"{norm} is best at {_accuracy(cell)}"]
    tied = [name for name, other in column if other.mark == "tied"]
    untested = [name for name, other in column if other.mark == "untested"]
    if tied:
        clauses.append(f"{_enumerate(tied)} cannot be told from it")
    if untested:
        clauses.append(f"too few seeds in common with it to test: {_enumerate(untested)}")
    return "; ".join([*clauses, *_behind(column)])


def _behind(column: Column) -> Iterator[str]:
    """Say how far batch norm is behind the best; where it is not behind, the same of the last norm that is."""
    losers = sorted(((norm, cell) for norm, cell in column if cell.mark == ""), key=_mean)
    if not losers:
        return
    norm, cell = next((loser for loser in losers if parse_spec(loser[0]).target == "batch"), losers[0])
    if cell.behind is not None and cell.behind.is_told_from_zero and cell.behind.mean > 0:
        yield f"{norm} is {_size(cell.behind, ' behind')}"
    else:
        yield f"{norm} ranks behind for the runs that have no result"


def _beside_baseline(summary: Summary, batch_size: int, column: Column) -> Iterator[str]:
    """Say which norms are shown to be better or worse than the baseline; nothing where nothing was tested."""
    tested = [
        (norm, cell.versus, cell.versus.difference)
        for norm, cell in column
        if cell.versus and cell.versus.difference and cell.versus.difference.adjusted is not None
    ]
    if not tested:
        return
    claimed = sorted(
        ((norm, found) for norm, versus, found in tested if found.is_told_from_zero and not versus.lost),
        key=lambda entry: abs(entry[1].mean),
        reverse=True,
    )
    worse, better = ([entry for entry in claimed if (entry[1].mean > 0) == is_better] for is_better in (False, True))
    clauses = [
        f"{_sizes(entries, summary.matrix.seeds)} points {word}"
        for entries, word in ((better, "better"), (worse, "worse"))
        if entries
    ]
    if claimed:
        highest = max(found.adjusted or 0.0 for _, found in claimed)
        clauses[-1] += f" (paired, n = {summary.matrix.seeds}, p {_at_most(highest, len(claimed))})"
    rest = [norm for norm, versus, found in tested if not found.is_told_from_zero and not versus.lost]
    lost = [norm for norm, versus, _ in tested if versus.lost]
    if rest:
        clauses.append(f"{_enumerate(rest)} cannot be told from it")
    if lost:
        clauses.append(f"as runs were lost, nothing is claimed of {_enumerate(lost)}")
    yield f"at batch size {batch_size}, beside {summary.matrix.reference}: {'; '.join(clauses)}"


def _sizes(entries: Sequence[tuple[str, Difference]], seeds: int) -> str:
    """Write how far norms are from the baseline: "layer is 6.0 ±2.0 and group 4.6 ±1.7"."""
    written: list[str] = []
    for norm, found in entries:
        size = with_interval(percent(abs(found.mean)), found.half_width)
        fewer = f" (n = {found.pairs})" if found.pairs < seeds else ""
        written.append(f"{norm} {'' if written else 'is '}{size}{fewer}")
    return _enumerate(written)


def _at_most(p_value: float, count: int) -> str:
    """Write the highest p value of so many."""
    if p_value < LEAST_P:
        return f"< {LEAST_P}"
    return f"= {p_value:.3f}" if count == 1 else f"at most {p_value:.3f}"


def _effect(summary: Summary, table: Table) -> Iterator[str]:
    """Say which norm loses most when the batch shrinks, and than which others it is shown to lose more."""
    steepest = max(
        (row for row in table.rows if row.slope is not None),
        key=lambda row: row.slope.mean if row.slope else 0.0,
        default=None,
    )
    if steepest is None or steepest.slope is None:
        return
    survivors = ", over the survivors" if steepest.is_of_survivors else ""
    sentence = (
        f"with each halving of the batch size {steepest.norm} "
        f"{'loses most' if steepest.slope.mean > 0 else 'gains least'}, "
        f"{with_interval(percent(abs(steepest.slope.mean)), steepest.slope.half_width)} points "
        f"(n = {steepest.slope.pairs}{survivors})"
    )
    yield "; ".join([sentence, *_contrasts(summary, table, steepest.norm)])


def _contrasts(summary: Summary, table: Table, norm: str) -> Iterator[str]:
    found = {
        contrast.second if contrast.first == norm else contrast.first: (
            contrast.difference if contrast.first == norm else contrast.difference.reversed()
        )
        for contrast in table.contrasts
        if norm in (contrast.first, contrast.second)
    }
    if not found:
        return
    tested = {other: contrast for other, contrast in found.items() if contrast.adjusted is not None}
    if not tested:
        yield f"n is too small to test whether others lose less ({summary.contrasts.needed} seeds would do)"
        return
    told = [other for other, contrast in tested.items() if contrast.is_told_from_zero and contrast.mean > 0]
    rest = [other for other in tested if other not in told]
    if told:
        highest = max(tested[other].adjusted or 0.0 for other in told)
        yield f"it is shown to lose more than {_enumerate(told)} (p {_at_most(highest, len(told))})"
    if rest:
        yield f"{_enumerate(rest)} cannot be told from it in this"


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
        yield f"{missing} of {planned} runs are missing"


def _accuracy(cell: Cell) -> str:
    return f"{with_interval(percent(cell.mean or 0.0), cell.half_width)} % (n = {cell.ok})"


def _size(difference: Difference, direction: str = "") -> str:
    amount = with_interval(percent(abs(difference.mean)), difference.half_width)
    return f"{amount} points{direction} (paired, n = {difference.pairs})"


def _mean(entry: tuple[str, Cell]) -> float:
    return entry[1].mean or 0.0


def _enumerate(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
