"""The findings in words, each with its numbers; nothing is claimed that an interval does not show."""

from collections.abc import Iterator, Sequence

from normzoo.registry import parse_spec
from normzoo.report._cells import percent, points, with_interval
from normzoo.report._numbers import Cell, Row, Summary, Table
from normzoo.report._statistics import Difference

Column = Sequence[tuple[str, Cell]]


def findings(summary: Summary) -> list[str]:
    """Say, per template, who is best at the smallest and the largest batch size and who loses most between them.

    Runs without a result get sentences of their own.
    """
    return [f"{table.template}: {sentence}." for table in summary.tables for sentence in _sentences(summary, table)]


def _sentences(summary: Summary, table: Table) -> Iterator[str]:
    sizes = summary.matrix.batch_sizes
    for index in dict.fromkeys((0, len(sizes) - 1)):
        column = [(norm, cell) for norm, cell in table.column(index) if cell.mark is not None]
        yield f"at batch size {sizes[index]}, {_ranking(column)}"
    if len(sizes) > 1:
        yield f"from batch size {sizes[-1]} to {sizes[0]}, {_losses(table.rows)}"
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
        return f"{norm} has the highest accuracy, {_accuracy(cell)}, but n is too small to test it against another"
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


def _losses(rows: Sequence[Row]) -> str:
    """Say which norm loses the most from the largest to the smallest batch size, and which the least."""
    tested = [(row.norm, row.change) for row in rows if row.change is not None and row.change.p_value is not None]
    if not tested:
        return "n is too small to test any change"
    ranked = sorted(tested, key=lambda entry: entry[1].mean)
    shown = [(norm, change) for norm, change in ranked if change.mean < 0 and change.is_told_from_zero]
    if not shown:
        norm, change = ranked[0]
        return f"no norm is shown to lose accuracy; the lowest mean change is that of {norm}, {_signed(change)}"
    worst, least = shown[0], ranked[-1]
    sentence = f"{worst[0]} has the largest mean loss, {_size(worst[1])}"
    return sentence if least == worst else f"{sentence}; {_least(*least)}"


def _least(norm: str, change: Difference) -> str:
    if not change.is_told_from_zero:
        return f"the change of {norm}, {_signed(change)}, cannot be told from zero"
    return f"{norm} has the smallest, {_size(change)}" if change.mean < 0 else f"{norm} gains {_size(change)}"


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


def _signed(difference: Difference) -> str:
    return f"{points(difference)} points (paired, n = {difference.pairs})"


def _mean(entry: tuple[str, Cell]) -> float:
    return entry[1].mean or 0.0


def _enumerate(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
