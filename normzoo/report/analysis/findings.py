"""The findings in words, with their numbers; that norms differ is said only where the test shows it, with its p."""

from collections.abc import Iterator, Mapping, Sequence
from math import isclose

from normzoo.metric import Metric
from normzoo.report.analysis.numbers import CellSummary, Contrast, Estimate, Row, Summary, Table
from normzoo.report.analysis.wording import (
    amount_text,
    at_most,
    bound_text,
    difference_text,
    enumerated,
    value_text,
    with_difference_unit,
    with_unit,
)
from normzoo.report.statistics.differences import PairedDifference
from normzoo.report.statistics.family import MIN_SEEDS

Results = Sequence[tuple[str, CellSummary]]
"""Norms with their cells at one batch size."""

NEEDED = f"not tested, which needs at least {MIN_SEEDS} seeds"


def findings(summary: Summary) -> list[str]:
    """Say, per template, how the norms stand and how they depend on the batch size, headed by the template."""
    return [f"{table.template}: {sentence}" for table in summary.tables for sentence in main_findings(summary, table)]


def main_findings(summary: Summary, table: Table) -> list[str]:
    """Say how the norms of a template stand at the smallest and the largest batch size, and what changes between."""
    sizes = summary.matrix.batch_sizes
    sentences = [
        f"At batch size {sizes[index]}, {_standings(summary, _results(table, index), len(table.ranked))}."
        for index in dict.fromkeys((0, len(sizes) - 1))
    ]
    return [*sentences, *_effect(summary, table), *_without_result(table)]


def reference_findings(summary: Summary, table: Table) -> list[str]:
    """Say, for each batch size, which norms differ significantly from the reference norm."""
    sizes = summary.matrix.batch_sizes
    found = ((size, _vs_reference(summary, _results(table, index))) for index, size in enumerate(sizes))
    reference = summary.reference
    return [f"At batch size {size}, compared with {reference}: {text}." for size, text in found if text]


def _results(table: Table, index: int) -> Results:
    return [(norm, cell) for norm, cell in table.at_batch_size(index) if cell.mark is not None]


# The norms of one block among themselves


def _standings(summary: Summary, results: Results, n_norms: int) -> str:
    metric = summary.metric
    leader = next(((norm, cell) for norm, cell in results if cell.mark in ("best", "leading")), None)
    if leader is None:
        return "no norm has a result"
    norm, cell = leader
    if len(results) == 1:
        return f"{norm} alone has a result" if n_norms > 1 else f"there is nothing to compare {norm} with"
    is_tested = cell.mark != "leading" or summary.family.is_tested
    level = [norm, *(name for name, other in results if name != norm and _is_level(other, cell, is_tested=is_tested))]
    highest = f"{enumerated(level)} {_are(level)} {'highest' if metric.higher_is_better else 'lowest'}"
    highest += ", with the same mean" if len(level) > 1 else ""
    if any(
        metric.sign * ((other.mean or 0.0) - (cell.mean or 0.0)) > 0 for _, other in results if not other.is_partial
    ):
        highest += " of those with enough seeds"
    elif not cell.is_partial and any(
        metric.sign * ((other.mean or 0.0) - (cell.mean or 0.0)) > 0 for _, other in results if other.is_partial
    ):
        highest += " of those without failed or diverged runs"
    if cell.is_partial:
        return f"every norm has failed or diverged runs; over completed runs only, {highest}"
    if not is_tested:
        if len(level) == len(results):
            return f"all norms have the same mean; {NEEDED}"
        _, least = min(results, key=lambda entry: metric.sign * (entry[1].mean or 0.0))
        worst = [name for name, other in results if _is_level(other, least, is_tested=False)]
        if norm in worst:  # which is the highest of some
            return f"{highest}; {NEEDED}"
        lowest = f"{enumerated(worst)} {'lowest' if metric.higher_is_better else 'highest'}"
        return f"{highest}, {lowest}; {NEEDED}"
    others = [(name, other) for name, other in results if name != norm]
    if len(results) == n_norms and all(
        other.behind and other.behind.is_significant and other.mark == "" for _, other in others
    ):
        highest = f"{norm} is best"
    clauses = [highest, *_ties(metric, cell, others), *_behind(metric, others)]
    if few := [name for name, other in others if other.mark == "untested"]:
        clauses.append(f"{enumerated(few)} {_are(few)} not compared with it, as runs are missing")
    return "; ".join(clauses)


def _is_level(other: CellSummary, cell: CellSummary, *, is_tested: bool) -> bool:
    """Whether two norms have one mean, but for rounding. Of tested ones that are always equal it is said elsewhere."""
    is_same = other.mean is not None and cell.mean is not None and isclose(other.mean, cell.mean, rel_tol=1e-12)
    is_zero = is_tested and other.behind is not None and other.behind.is_zero
    return is_same and other.is_partial == cell.is_partial and not is_zero


def _ties(metric: Metric, best: CellSummary, others: Results) -> Iterator[str]:
    """Say how far behind those are at most that do not differ significantly from the best.

    Where seeds collapse there is no bound, as few seeds say nothing of how often they do; nor where it is too wide.
    """
    tied = [(norm, cell, cell.behind) for norm, cell in others if cell.mark == "tied" and cell.behind is not None]
    if same := [norm for norm, _, behind in tied if behind.is_zero]:
        yield f"{enumerated(same)} {'has' if len(same) == 1 else 'have'} the same {metric.title} in every run"
    norms = len(others) + 1
    bounds = {
        norm: bound
        for norm, cell, behind in tied
        if not (cell.n_collapsed or best.n_collapsed or behind.is_zero)
        and (bound := behind.upper_bound(norms * (norms - 1))) is not None
        and _says_something(metric, bound)
    }
    if bounds:
        texts = [
            f"{norm} {'is within ' if place == 0 else ''}{bound_text(metric, max(0.0, bound))}"
            for place, (norm, bound) in enumerate(bounds.items())
        ]
        yield f"{with_difference_unit(metric, enumerated(texts))} (95 %)"
    if unbounded := [norm for norm, _, behind in tied if norm not in bounds and not behind.is_zero]:
        yield f"{enumerated(unbounded)} {_are(unbounded)} not significantly behind, without a bound"


def _says_something(metric: Metric, bound: float) -> bool:
    """Whether a bound is less than a quarter of all possible values."""
    return metric.lowest is None or metric.highest is None or bound < (metric.highest - metric.lowest) / 4


def _behind(metric: Metric, others: Results) -> Iterator[str]:
    """Say how far the others are behind, with the highest p value."""
    behind = [(norm, cell, cell.behind) for norm, cell in others if cell.mark == "" and cell.behind is not None]
    shown = [entry for entry in behind if entry[2].is_significant]
    if shown:
        yield _amounts(metric, "behind", shown)
    lost = [norm for norm, cell in others if cell.mark == "" and cell.n_failed]
    if lost:
        yield f"{enumerated(lost)} {_are(lost)} not tested, as some runs failed or diverged"


def _are(norms: Sequence[str]) -> str:
    return "is" if len(norms) == 1 else "are"


# The norms of one block and the reference


def _vs_reference(summary: Summary, results: Results) -> str:
    compared = [
        (norm, cell, each) for norm, cell in results if cell.vs_reference and (each := cell.vs_reference.difference)
    ]
    shown = [entry for entry in compared if entry[2].is_significant]
    clauses = [
        _amounts(summary.metric, word, [entry for entry in shown if sign * summary.metric.sign * entry[2].mean > 0])
        for word, sign in (("better", 1), ("worse", -1))
    ]
    rest = [norm for norm, _, each in compared if each.p_value is not None and not each.is_significant]
    partial = [norm for norm, cell, _ in compared if cell.vs_reference and cell.vs_reference.is_partial]
    few = [norm for norm, _, each in compared if each.p_value is None and norm not in partial]
    if rest:
        clauses.append(f"{enumerated(rest)} {'does' if len(rest) == 1 else 'do'} not differ significantly")
    if partial:
        clauses.append(f"{enumerated(partial)} {_are(partial)} not tested, as some runs failed or diverged")
    if few and len(few) < len(compared):
        clauses.append(f"{enumerated(few)} {_are(few)} not tested, as too few seeds are in common")
    return "; ".join(filter(None, clauses))


def _amounts(metric: Metric, word: str, entries: Sequence[tuple[str, CellSummary, PairedDifference]]) -> str:
    """Write by how much norms are better, worse or behind, with the highest p value."""
    if not entries:
        return ""
    ranked = sorted(entries, key=lambda entry: abs(entry[2].mean))
    amounts = enumerated([f"{norm} {amount_text(metric, each, cell.mean or 0.0)}" for norm, cell, each in ranked])
    p = at_most([each.p_value or 0.0 for _, _, each in ranked])
    return f"{with_difference_unit(metric, amounts)} {word} (p {p})"


# The effect of the batch size


def _effect(summary: Summary, table: Table) -> Iterator[str]:
    """Say which norm loses most from the largest batch size to the smallest, and than which significantly more.

    Norms of which runs failed or diverged have no part in it, and are named first.
    """
    sizes = summary.matrix.batch_sizes
    if len(sizes) < 2:
        return
    partial = [row for row in table.ranked if row.is_partial]
    whole = {row.norm: row for row in table.ranked if row.change is not None and not row.is_partial}
    if partial:
        names = enumerated([f"{row.norm} ({_failed_at(row)})" for row in partial])
        yield f"The effect of the batch size is not compared for {names}: these runs failed or diverged."
    if whole:
        among = "of the others, " if partial else ""
        yield f"From batch size {sizes[-1]} to {sizes[0]}, {among}{_largest_drop(summary, table, whole)}."


def _failed_at(row: Row) -> str:
    return ", ".join(f"{cell.n_failed} of {cell.planned} at {cell.batch_size}" for cell in row.cells if cell.n_failed)


def _largest_drop(summary: Summary, table: Table, whole: Mapping[str, Row]) -> str:
    metric = summary.metric
    slopes = {norm: metric.sign * row.slope.mean for norm, row in whole.items() if row.slope is not None}
    steepest = max(slopes, key=slopes.__getitem__, default="")
    tested = {
        other: each
        for other, each in _contrasts(table, steepest).items()
        if other in whole and each.p_value is not None
    }
    more = [other for other, each in tested.items() if each.is_significant and metric.sign * each.mean > 0]
    change = whole[steepest].change if more else None
    if change is not None and metric.sign * change.mean < 0:
        amount = _change(metric, whole[steepest])
        others = [row.norm for row in table.ranked if row.norm != steepest]
        whom = "every other norm" if more == others and len(more) > 1 else enumerated(more)
        p = at_most([tested[other].p_value or 0.0 for other in more])
        rest = [other for other in tested if other not in more]
        also = f"; not significantly worse than {enumerated(rest)}" if rest else ""
        return f"{steepest} changes by {amount}, its slope significantly worse than that of {whom} (p {p}){also}"
    significant = [
        each for each in table.contrasts if each.difference.is_significant and {each.first, each.second} <= {*whole}
    ]
    text = _drop(metric, whole)
    if not tested:
        return text
    if not significant:
        return f"{text}; no slopes differ significantly"
    names = enumerated([f"{each.first} and {each.second}" for each in significant])
    return f"{text}; slopes differ significantly between {names} (p {_highest(significant)})"


def _drop(metric: Metric, whole: Mapping[str, Row]) -> str:
    """Describe the change that is the worst; it is picked by looking, and not tested."""
    changes = {norm: metric.sign * row.change.mean for norm, row in whole.items() if row.change is not None}
    norm = min(changes, key=changes.__getitem__)
    amount = _change(metric, whole[norm])
    if len(changes) == 1:
        return f"{norm} changes by {amount} (not tested)"
    if not any(changes.values()):
        return "no mean changes"
    if changes[norm] < 0:
        return f"{norm} has the largest {'drop' if metric.higher_is_better else 'rise'}, {amount} (not tested)"
    return f"{norm} has the least gain, {amount} (not tested)"


def _change(metric: Metric, row: Row) -> str:
    if row.change is None:
        raise ValueError(f"{row.norm} has no value at the smallest or at the largest batch size")
    return with_difference_unit(metric, difference_text(metric, row.change, row.least_mean))


def _highest(contrasts: Sequence[Contrast]) -> str:
    return at_most([each.difference.p_value or 0.0 for each in contrasts])


def _contrasts(table: Table, norm: str) -> Mapping[str, PairedDifference]:
    """Return the contrasts of a norm with every other: its slope minus the other's."""
    return {
        contrast.second if contrast.first == norm else contrast.first: (
            contrast.difference if contrast.first == norm else contrast.difference.reversed()
        )
        for contrast in table.contrasts
        if norm in (contrast.first, contrast.second)
    }


# By which statistics a norm is evaluated


def eval_stats_findings(metric: Metric, table: Table) -> list[str]:
    """Say, at the smallest batch size, how much of what a norm loses comes back with recalibrated statistics."""
    found = []
    for norm, cell in table.at_batch_size(0):
        running, recalibrated = (cell.eval_stats.get(stats) for stats in ("running", "recalibrated"))
        if running is None or recalibrated is None:
            continue
        gain = metric.write_signed(recalibrated.mean - running.mean, like=running.mean)
        found.append(
            f"At batch size {cell.batch_size}, recalibrating {norm} changes its mean by "
            f"{with_difference_unit(metric, gain)}, from {_estimated(metric, running)} to "
            f"{_estimated(metric, recalibrated)} (not tested)."
        )
    return found


def _estimated(metric: Metric, estimate: Estimate) -> str:
    return with_unit(metric, value_text(metric, estimate.mean, estimate.half_width))


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
            total = sum(getattr(cell, status) for cell in table.cells)
            yield f"{total} of {planned} runs {status}: {', '.join(where)}."
    missing = sum(cell.missing for cell in table.cells)
    if missing:
        yield f"{missing} of {planned} runs {'is' if missing == 1 else 'are'} missing."
