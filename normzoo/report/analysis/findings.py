"""The findings in words, with their numbers; that norms differ is said only where a test shows it."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from normzoo.metric import Metric
from normzoo.registry import NORMS
from normzoo.report.analysis.numbers import CellSummary, Row, Summary, Table
from normzoo.report.analysis.wording import (
    amount_text,
    at_most,
    difference_text,
    enumerated,
    value_text,
    with_difference_unit,
    with_unit,
)
from normzoo.report.statistics.differences import PairedDifference
from normzoo.report.statistics.standings import seeds_for

Results = Sequence[tuple[str, CellSummary]]
"""Norms with their cells at one batch size."""


def findings(summary: Summary) -> list[str]:
    """Say, per template, which norm is best, how the norms compare with the baseline, and which suffers most.

    The first two at the smallest and the largest batch size, the last between them. Runs without a result get
    sentences of their own.
    """
    return [f"{table.template}: {sentence}." for table in summary.tables for sentence in _sentences(summary, table)]


def _sentences(summary: Summary, table: Table) -> Iterator[str]:
    sizes = summary.matrix.batch_sizes
    needed = max(seeds_for(len(table.rows)), summary.vs_baseline.needed)
    for index in dict.fromkeys((0, len(sizes) - 1)):
        results = [(norm, cell) for norm, cell in table.at_batch_size(index) if cell.mark is not None]
        yield f"at batch size {sizes[index]}, {_ranking(summary.metric, results, needed)}"
        yield from _vs_baseline(summary, sizes[index], results)
    if len(sizes) > 1:
        yield from _effect(summary, table)
    yield from _without_result(table)


# The norms of one batch size among themselves


def _ranking(metric: Metric, results: Results, needed: int) -> str:
    """Say who is best, who does not differ significantly from it, and how far behind batch norm or the last is."""
    leader = next(((norm, cell) for norm, cell in results if cell.mark in ("best", "leading")), None)
    if leader is None:
        return "no norm has a result"
    norm, cell = leader
    value = _value(metric, cell)
    first, last = ("highest", "lowest") if metric.higher_is_better else ("lowest", "highest")
    if len(results) == 1:
        return f"{norm} alone has a result, {value}"
    if cell.is_partial:
        return f"no norm has all of its runs; over completed runs only, {norm} has the {first} mean, {value}"
    if cell.mark == "leading":
        worst, other = min(results, key=_score(metric))
        return (
            f"{norm} has the {first} mean, {value}, and {worst} the {last}, {_value(metric, other)}; differences "
            f"are not tested, which needs at least {needed} seeds"
        )
    clauses = [f"{norm} is best at {value}"]
    tied = [name for name, other in results if other.mark == "tied"]
    untested = [name for name, other in results if other.mark == "untested"]
    if len(tied) == len(results) - 1:
        return f"no norm differs significantly from the best, {norm} at {value}"
    if tied:
        clauses.append(f"{_do_not_differ(tied)} from it")
    if untested:
        clauses.append(f"too few seeds in common with it to test: {enumerated(untested)}")
    return "; ".join([*clauses, *_behind(metric, results)])


def _behind(metric: Metric, results: Results) -> Iterator[str]:
    """Say how far batch norm is behind the best; where it is not behind, the same of the last norm that is."""
    losers = sorted(((norm, cell) for norm, cell in results if cell.mark == ""), key=_score(metric))
    if not losers:
        return
    norm, cell = next((loser for loser in losers if NORMS.parse(loser[0]).target == "batch"), losers[0])
    behind = cell.behind
    if behind is not None and behind.is_significant and behind.mean > 0:
        amount = with_difference_unit(metric, amount_text(metric, behind, cell.mean or 0.0))
        yield f"{norm} is {amount} behind (paired, n = {behind.pairs})"
    else:
        yield f"{norm} ranks behind, as some of its runs failed or diverged"


def _value(metric: Metric, cell: CellSummary) -> str:
    return f"{with_unit(metric, value_text(metric, cell.mean or 0.0, cell.half_width))} (n = {cell.ok})"


def _score(metric: Metric) -> Callable[[tuple[str, CellSummary]], float]:
    return lambda entry: metric.sign * (entry[1].mean or 0.0)


def _do_not_differ(norms: Sequence[str]) -> str:
    return f"{enumerated(norms)} {'does' if len(norms) == 1 else 'do'} not differ significantly"


# The norms of one batch size and the baseline


def _vs_baseline(summary: Summary, batch_size: int, results: Results) -> Iterator[str]:
    """Say which norms are significantly better or worse than the baseline; nothing where nothing was tested."""
    compared = {norm: cell for norm, cell in results if cell.vs_baseline and cell.vs_baseline.difference}
    found = {norm: _difference(cell) for norm, cell in compared.items()}
    tested = {norm for norm, each in found.items() if each.adjusted is not None}
    if not tested:
        return
    significant = {norm: cell for norm, cell in compared.items() if found[norm].is_significant}
    others = [norm for norm in found if norm in tested and norm not in significant]
    partial = [norm for norm, cell in compared.items() if cell.vs_baseline and cell.vs_baseline.is_partial]
    few = [norm for norm in found if norm not in tested and norm not in partial]
    clauses = list(_significant(summary.metric, significant)) if significant else []
    clauses += [f"{_do_not_differ(others)} from it"] if others else []
    clauses += [f"not tested, as some runs failed or diverged: {enumerated(partial)}"] if partial else []
    clauses += [f"not tested, as too few seeds are in common: {enumerated(few)}"] if few else []
    yield f"at batch size {batch_size}, compared with {summary.matrix.reference}: {'; '.join(clauses)}"


def _difference(cell: CellSummary) -> PairedDifference:
    if cell.vs_baseline is None or cell.vs_baseline.difference is None:
        raise ValueError("the cell is not compared with the baseline")
    return cell.vs_baseline.difference


def _significant(metric: Metric, cells: Mapping[str, CellSummary]) -> Iterator[str]:
    """Say how much better and how much worse norms are, with the number of pairs and the highest p value."""
    ranked = sorted(cells.items(), key=lambda entry: abs(_difference(entry[1]).mean), reverse=True)
    kinds = {
        "better": [entry for entry in ranked if metric.sign * _difference(entry[1]).mean > 0],
        "worse": [entry for entry in ranked if metric.sign * _difference(entry[1]).mean < 0],
    }
    clauses = [
        f"{with_difference_unit(metric, _amounts(metric, entries))} {word}"
        for word, entries in kinds.items()
        if entries
    ]
    found = [_difference(cell) for cell in cells.values()]
    pairs = {each.pairs for each in found}
    n = f"n = {pairs.pop()}" if len(pairs) == 1 else f"n from {min(pairs)} to {max(pairs)}"
    highest = max(each.adjusted or 0.0 for each in found)
    clauses[-1] += f" (paired, {n}, p {at_most(highest, len(found))})"
    yield from clauses


def _amounts(metric: Metric, entries: Sequence[tuple[str, CellSummary]]) -> str:
    """Write how far norms are from the baseline: "layer is 6.0 ±2.0 and group 4.6 ±1.7"."""
    amounts = [(norm, amount_text(metric, _difference(cell), cell.mean or 0.0)) for norm, cell in entries]
    return enumerated([f"{norm} {'is ' if place == 0 else ''}{amount}" for place, (norm, amount) in enumerate(amounts)])


# The effect of the batch size


def _effect(summary: Summary, table: Table) -> Iterator[str]:
    """Say which norm suffers most from the largest batch size to the smallest, and whether significantly so.

    Norms of which runs failed or diverged have no part in it, and are named first.
    """
    partial = [row for row in table.rows if row.is_partial]
    whole = {row.norm: row for row in table.rows if row.change is not None and not row.is_partial}
    if partial:
        names = enumerated([f"{row.norm} ({_failed_at(row)})" for row in partial])
        yield f"the effect of the batch size is not compared for {names}, as these runs failed or diverged"
    if whole:
        yield "; ".join(_effect_clauses(summary, table, whole, "of the others " if partial else ""))


def _failed_at(row: Row) -> str:
    return ", ".join(f"{cell.n_failed} of {cell.planned} at {cell.batch_size}" for cell in row.cells if cell.n_failed)


def _effect_clauses(summary: Summary, table: Table, whole: Mapping[str, Row], rest: str) -> Iterator[str]:
    metric, sizes = summary.metric, summary.matrix.batch_sizes
    changes = {norm: row.change for norm, row in whole.items() if row.change is not None}
    norm = min(changes, key=lambda each: metric.sign * changes[each].mean)
    change, like = changes[norm], whole[norm].least_mean
    where, n = f"from batch size {sizes[-1]} to {sizes[0]}", f"(paired, n = {change.pairs})"
    if metric.sign * change.mean + (change.half_width or 0.0) >= 0:
        verb, which = ("loses", "lowest") if metric.higher_is_better else ("gets worse in", "highest")
        amount = with_difference_unit(metric, difference_text(metric, change, like))
        change_text = f"the {which} change is that of {norm}, {amount} {n}"
        yield f"{where}, {rest}no norm clearly {verb} {metric.title}; {change_text}"
        return
    amount = with_difference_unit(metric, amount_text(metric, change, like))
    if metric.higher_is_better:
        text = f"{norm} loses {'most, ' if len(whole) > 1 else ''}{amount}"
    else:
        text = f"{norm} gets worse {'most, ' if len(whole) > 1 else ''}by {amount}"
    first, *others = _contrast_clauses(summary, table, norm, whole) if len(whole) > 1 else [""]
    yield f"{where}, {rest}{text} {n}{first}"
    yield from others


def _contrast_clauses(summary: Summary, table: Table, norm: str, whole: Collection[str]) -> list[str]:
    """Say than whom the norm that suffers most suffers significantly more, by its slope; and how the rest compare."""
    found = {other: each for other, each in _contrasts(table, norm).items() if other in whole}
    tested = {other: each for other, each in found.items() if each.adjusted is not None}
    if not tested:
        needed = f", not compared with the others, which needs at least {summary.contrasts.needed} seeds"
        return [needed if found else ""]
    sign = summary.metric.sign
    more = [other for other, each in tested.items() if each.is_significant and sign * each.mean > 0]
    rest = [other for other in tested if other not in more]
    if not more:
        return [f", by its slope not significantly more than {enumerated(rest)}"]
    highest = max(tested[other].adjusted or 0.0 for other in more)
    p = f"(p {at_most(highest, len(more))})"
    if rest or len(more) == 1 or len(more) < len(table.rows) - 1:
        clauses = [f", by its slope significantly more than {enumerated(more)} {p}"]
    else:
        clauses = [f", by its slope significantly more than every other norm {p}"]
    if rest:
        clauses.append(f"not significantly more than {enumerated(rest)}")
    elif _are_alike(table, more):
        clauses.append("the slopes of the others do not differ significantly from one another")
    return clauses


def _contrasts(table: Table, norm: str) -> Mapping[str, PairedDifference]:
    """Return the contrasts of a norm with every other: its slope minus the other's."""
    return {
        contrast.second if contrast.first == norm else contrast.first: (
            contrast.difference if contrast.first == norm else contrast.difference.reversed()
        )
        for contrast in table.contrasts
        if norm in (contrast.first, contrast.second)
    }


def _are_alike(table: Table, norms: Collection[str]) -> bool:
    """Whether there are several norms, and all contrasts between two of them were tested and none is significant."""
    among = [each.difference for each in table.contrasts if each.first in norms and each.second in norms]
    return len(norms) > 1 and all(each.adjusted is not None and not each.is_significant for each in among)


# Runs without a result


def _without_result(table: Table) -> Iterator[str]:
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
