"""The tables as headers, labels and cells: the same in the terminal and in markdown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from normzoo.metric import Metric
from normzoo.registry import FAMILIES, NORMS
from normzoo.report.analysis.numbers import CellSummary, Estimate, LrTrial, Row, Summary, Table, VsReference
from normzoo.report.analysis.wording import difference_text, interval_text, p_value_text, value_text, with_unit
from normzoo.report.statistics.differences import PairedDifference

BEST = "\N{BLACK CIRCLE}"
TIED = "\N{WHITE CIRCLE}"
PICK = "\N{BLACK LEFT-POINTING TRIANGLE}"
NOTHING = "\N{EN DASH}"
ARROW = "\N{RIGHTWARDS ARROW}"
PARTIAL = "\N{DAGGER}"
"""Follows what is over completed runs only, as others diverged or failed."""

NOWHERE = "\N{DOUBLE DAGGER}"
"""Follows the value of a network in which its norm stands nowhere."""

SAME = "same"
"""Instead of a difference that is zero in every run."""

SIGNIFICANT = "*"
"""Follows a difference that is significant."""


def value_lines(metric: Metric, cell: CellSummary) -> list[str]:
    """Write a cell: mean, interval and mark; below it, where runs are lacking, how many and why."""
    if cell.mean is None:
        return [f"{name} {count}/{cell.planned}" for name, count in _failures(cell).items()] or [NOTHING]
    signs = [sign for sign, holds in ((PARTIAL, cell.is_partial), (NOWHERE, cell.stands_nowhere)) if holds]
    signs += [sign for mark, sign in (("best", BEST), ("tied", TIED)) if cell.mark == mark]
    lines = [" ".join([value_text(metric, cell.mean, cell.half_width), *signs])]
    if cell.ok < cell.planned:
        lines.append(f"({', '.join([f'{cell.ok}/{cell.planned}', *_failed(cell)])})")
    return lines


def _failures(cell: CellSummary) -> dict[str, int]:
    counts = {"diverged": cell.diverged, "failed": cell.failed}
    return {name: count for name, count in counts.items() if count}


def _failed(cell: CellSummary) -> list[str]:
    return [f"{count} {name}" for name, count in _failures(cell).items()]


def difference_lines(
    metric: Metric,
    difference: PairedDifference | None,
    *,
    like: float,
    seeds: int,
    is_partial: bool,
    is_marked: bool = False,
) -> list[str]:
    """Write a difference; below it the number of pairs, where it is not ``seeds``.

    Args:
        metric: what it is a difference of.
        difference: None where there is none.
        like: the value that it stands next to, whose decimals it gets unless it is larger itself.
        seeds: how many pairs there would be if no run lacked.
        is_partial: it is over completed runs only, and gets their sign.
        is_marked: it gets a sign where it is significant.
    """
    if difference is None:
        return [NOTHING]
    sign = PARTIAL if is_partial else SIGNIFICANT if is_marked and difference.is_significant else ""
    text = SAME if difference.is_zero else difference_text(metric, difference, like)
    value = f"{text} {sign}".rstrip()
    return [value, *([f"(n={difference.pairs})"] if difference.pairs < seeds else [])]


def change_lines(metric: Metric, row: Row) -> list[str]:
    """Write the change of a row."""
    first, last = row.cells[0], row.cells[-1]
    is_partial = first.n_failed + last.n_failed > 0
    return difference_lines(metric, row.change, like=row.least_mean, seeds=first.planned, is_partial=is_partial)


def change_header(batch_sizes: Sequence[int]) -> str:
    """Write the header of the change from the largest to the smallest batch size."""
    return f"{batch_sizes[-1]} {ARROW} {batch_sizes[0]}"


def seconds_range(row: Row) -> str:
    """Write the seconds per epoch of a row as a range over the batch sizes."""
    seconds = [cell.seconds_per_epoch for cell in row.cells if cell.seconds_per_epoch is not None]
    if not seconds:
        return NOTHING
    return NOTHING.join(dict.fromkeys([_seconds(min(seconds)), _seconds(max(seconds))]))


def _seconds(seconds: float) -> str:
    if seconds < 0.005:
        return "<0.01"
    return f"{seconds:.2f}" if seconds < 0.095 else f"{seconds:.1f}" if seconds < 9.95 else f"{seconds:.0f}"


def target_header(metric: Metric, target: float, batch_size: int | None = None) -> str:
    """Write the header of the time to a target; the batch size where there are several.

    >>> from normzoo.metric import ACCURACY
    >>> target_header(ACCURACY, 0.9), target_header(ACCURACY, 0.925, 8)
    ('to 90 %', 'to 92.5 % at 8')
    """
    where = "" if batch_size is None else f" at {batch_size}"
    return f"to {target_text(metric, target)}{where}"


def target_text(metric: Metric, target: float) -> str:
    """Write a target with its unit, in the digits that it was given in.

    >>> target_text(Metric(name="rmse", label="RMSE", higher_is_better=False), 0.5)
    'RMSE 0.5'
    """
    return with_unit(metric, f"{metric.scale * target:.12g}")


def target_lines(cell: CellSummary) -> list[str]:
    """Write the time to the target; below it the updates. Where not all runs reached it, how many did."""
    found = cell.to_target
    if found is None or not found.reached:
        return [NOTHING]
    count = f" ({found.reached}/{found.runs})" if found.reached < found.runs else ""
    seconds = NOTHING if found.seconds is None else f"{_seconds(found.seconds)} s"
    return [f"{seconds}{count}", *([] if found.updates is None else [f"{found.updates:,.0f} updates"])]


def trial_text(metric: Metric, cell: CellSummary, trial: LrTrial) -> str:
    """Write what a learning rate reached on validation: the pick marked, and of how many runs where some failed."""
    ended = trial.ok + trial.n_failed
    if trial.validation is None:
        return f"0/{ended}" if ended else NOTHING
    count = f" ({trial.ok}/{ended})" if trial.n_failed else ""
    return f"{value_text(metric, trial.validation)}{count}{f' {PICK}' if trial.rate == cell.rate else ''}"


def count_lines(cell: CellSummary) -> list[str]:
    """Write how many runs are finished, of how many planned; below it how many diverged and failed."""
    return [f"{cell.ok}/{cell.planned}", *_failed(cell)]


def median_text(metric: Metric, cell: CellSummary) -> str:
    """Write the median."""
    return NOTHING if cell.median is None else value_text(metric, cell.median, like=cell.mean)


def range_text(metric: Metric, cell: CellSummary) -> str:
    """Write the lowest and the highest value."""
    if cell.lowest is None or cell.highest is None:
        return NOTHING
    lowest, highest = (value_text(metric, value, like=cell.mean) for value in (cell.lowest, cell.highest))
    return f"{lowest}{NOTHING}{highest}" if cell.lowest >= 0 else f"{lowest} to {highest}"


def vs_reference_lines(metric: Metric, cell: CellSummary) -> list[str]:
    """Write the difference from the reference; in parentheses how sure it is over other test samples, too."""
    vs_reference = cell.vs_reference
    if vs_reference is None:
        return [NOTHING]
    like = cell.mean or 0.0
    value, *below = difference_lines(
        metric, vs_reference.difference, like=like, seeds=cell.planned, is_partial=vs_reference.is_partial
    )
    if vs_reference.with_samples is not None:
        value += f" ({interval_text(metric, vs_reference.with_samples.half_width, like)})"
    return [value, *below]


def p_text(difference: PairedDifference | None) -> str:
    """Write the p value, marked where the difference is significant.

    >>> p_text(PairedDifference(0.02, 0.01, 10, 0.047)), p_text(PairedDifference(0.02, 0.01, 10, 1.0))
    ('0.047 *', '1')
    """
    if difference is None or difference.p_value is None:
        return NOTHING
    text = p_value_text(difference.p_value)
    return f"{text} {SIGNIFICANT}" if difference.is_significant else text


def probability_text(vs_reference: VsReference | None) -> str:
    """Write the share of seeds in which the norm is better than the reference, in percent."""
    if vs_reference is None or vs_reference.probability is None:
        return NOTHING
    return f"{100 * vs_reference.probability:.0f} %"


def rank_text(cell: CellSummary) -> str:
    """Write the mean rank."""
    return NOTHING if cell.rank is None else f"{cell.rank:.1f}"


def correlation_text(vs_reference: VsReference | None) -> str:
    """Write the correlation over seeds with the reference."""
    if vs_reference is None or vs_reference.correlation is None:
        return NOTHING
    text = f"{vs_reference.correlation:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def slope_lines(metric: Metric, row: Row) -> list[str]:
    """Write the slope per doubling."""
    seeds = row.cells[0].planned
    return difference_lines(metric, row.slope, like=row.least_mean, seeds=seeds, is_partial=row.is_partial)


def contrast_lines(metric: Metric, difference: PairedDifference | None, first: Row, second: Row) -> list[str]:
    """Write how much one norm's slope exceeds another's, marked where that is significant."""
    return difference_lines(
        metric,
        difference,
        like=min(first.least_mean, second.least_mean),
        seeds=first.cells[0].planned,
        is_partial=first.is_partial or second.is_partial,
        is_marked=True,
    )


def estimate_text(metric: Metric, estimate: Estimate | None) -> str:
    """Write a mean with its interval."""
    return NOTHING if estimate is None else value_text(metric, estimate.mean, estimate.half_width)


NORM = "norm"
"""The header of the rows' labels."""


@dataclass(frozen=True)
class TextColumn:
    """A header, and the lines of one cell per row."""

    header: str
    cells: list[list[str]]

    @property
    def min_width(self) -> int:
        """The width below which a number would wrap; the counts below the numbers may, between two words."""
        below = (len(word) for lines in self.cells for line in lines[1:] for word in line.split())
        return max(len(self.header), *(len(lines[0]) for lines in self.cells), *below)

    @property
    def max_width(self) -> int:
        """The width of the longest line."""
        return max(self.min_width, *(len(line) for lines in self.cells for line in lines))


@dataclass(frozen=True)
class Grid:
    """A table: rows labelled by norms, in groups where ``groups`` names one for every row, and columns of cells."""

    labels: Sequence[str]
    columns: Sequence[TextColumn]
    groups: Sequence[str] = ()


def value_grid(summary: Summary, table: Table) -> Grid:
    """Return the first table: the metric at every batch size, the change between them, and time."""
    sizes, metric = summary.matrix.batch_sizes, summary.metric
    columns = [
        TextColumn(f"batch {size}", [value_lines(metric, row.cells[index]) for row in table.rows])
        for index, size in enumerate(sizes)
    ]
    if len(sizes) > 1:
        columns.append(TextColumn(change_header(sizes), [change_lines(metric, row) for row in table.rows]))
    columns.append(TextColumn("s/epoch", [[seconds_range(row)] for row in table.rows]))
    columns += _target_columns(summary, table)
    return Grid([row.norm for row in table.rows], columns)


def _target_columns(summary: Summary, table: Table) -> list[TextColumn]:
    """Return a column of the time to the target for each batch size; none without a target."""
    sizes, target = summary.matrix.batch_sizes, summary.matrix.target
    if target is None:
        return []
    return [
        TextColumn(
            target_header(summary.metric, target, size if len(sizes) > 1 else None),
            [target_lines(row.cells[index]) for row in table.rows],
        )
        for index, size in enumerate(sizes)
    ]


def reference_grid(summary: Summary, table: Table) -> Grid:
    """Return the table that compares every norm with the reference, grouped by batch size."""
    metric = summary.metric
    rows = [each for index in range(len(summary.matrix.batch_sizes)) for each in table.at_batch_size(index)]
    kinds: dict[str, Callable[[CellSummary], list[str]]] = {
        "n": count_lines,
        "median": lambda cell: [median_text(metric, cell)],
        "range": lambda cell: [range_text(metric, cell)],
        f"vs {summary.reference}": lambda cell: vs_reference_lines(metric, cell),
        "p": lambda cell: [p_text(cell.vs_reference.difference) if cell.vs_reference else NOTHING],
        "beats": lambda cell: [probability_text(cell.vs_reference)],
        "rank": lambda cell: [rank_text(cell)],
        "r": lambda cell: [correlation_text(cell.vs_reference)],
    }
    columns = [TextColumn(header, [write(cell) for _, cell in rows]) for header, write in kinds.items()]
    return Grid([norm for norm, _ in rows], columns, [f"batch {cell.batch_size}" for _, cell in rows])


def places_grid(table: Table, norms: Sequence[str]) -> Grid:
    """Return the table of the values per statistic: a row per norm, a column per place, a number per batch size.

    ``norms`` are the specs of the rows, of which those that take each value for itself have no statistics.
    """
    unknown = ["?" if NORMS.parse(norm).target not in FAMILIES["elementwise"] else NOTHING for norm in norms]
    places = dict.fromkeys((place.where, place.positions) for row in table.rows for place in row.cells[0].places)
    columns = []
    for where, positions in places:
        header = f"{where}, {positions} positions" if positions > 1 else where
        cells = [[_pooled(row, where, positions, each)] for row, each in zip(table.rows, unknown, strict=True)]
        columns.append(TextColumn(header, cells))
    return Grid([row.norm for row in table.rows], columns)


def _pooled(row: Row, where: str, positions: int, unknown: str) -> str:
    """Write at how many values a norm takes each statistic in a place, once if that is the same at every batch size.

    Layers of one kind may differ in it, as group norm's do by their channels.
    """
    numbers: list[str] = []
    for cell in row.cells:
        found = [each for each in cell.places if (each.where, each.positions) == (where, positions) and each.has_norm]
        if not found:
            return NOTHING
        known = sorted({each.pooled for each in found if each.pooled is not None})
        counts = [*map("{:,}".format, known), *([unknown] if any(each.pooled is None for each in found) else [])]
        numbers.append(counts[0] if len(counts) == 1 else f"{', '.join(counts[:-1])} or {counts[-1]}")
    return " / ".join(numbers if len(set(numbers)) > 1 else numbers[:1])


def eval_stats_grid(summary: Summary, table: Table) -> Grid:
    """Return the table of the metric by the statistics of evaluation, grouped by batch size."""
    rows = [
        (norm, cell)
        for index in range(len(summary.matrix.batch_sizes))
        for norm, cell in table.at_batch_size(index)
        if cell.eval_stats
    ]
    columns = [
        TextColumn(stats, [[estimate_text(summary.metric, cell.eval_stats.get(stats))] for _, cell in rows])
        for stats in summary.matrix.eval_stats
    ]
    return Grid([norm for norm, _ in rows], columns, [f"batch {cell.batch_size}" for _, cell in rows])


def effect_grid(summary: Summary, table: Table) -> Grid:
    """Return the table of slopes: each norm's own, and by how much it exceeds those of the norms below it."""
    metric = summary.metric
    found = {(contrast.first, contrast.second): contrast.difference for contrast in table.contrasts}
    columns = [TextColumn("slope", [slope_lines(metric, row) for row in table.rows])]
    for place, other in enumerate(table.rows[1:], 1):
        lines = [contrast_lines(metric, found.get((row.norm, other.norm)), row, other) for row in table.rows[:place]]
        columns.append(TextColumn(f"minus {other.norm}", [*lines, *([[""]] * (len(table.rows) - place))]))
    return Grid([row.norm for row in table.rows], columns)


def lr_grid(summary: Summary, table: Table) -> Grid:
    """Return the table of learning rates: a row per norm and batch size."""
    rows = [(row.norm, cell) for row in table.rows for cell in row.cells]
    columns = [TextColumn("batch", [[str(cell.batch_size)] for _, cell in rows])]
    columns += [
        TextColumn(f"{rate:g}", [[trial_text(summary.metric, cell, cell.tried[index])] for _, cell in rows])
        for index, rate in enumerate(summary.matrix.rates)
    ]
    return Grid([norm for norm, _ in rows], columns)


def further_grid(summary: Summary, table: Table, metric: Metric) -> Grid:
    """Return the table of a further metric at every batch size."""
    columns = [
        TextColumn(
            f"batch {size}",
            [[estimate_text(metric, row.cells[index].further.get(metric.name))] for row in table.rows],
        )
        for index, size in enumerate(summary.matrix.batch_sizes)
    ]
    return Grid([row.norm for row in table.rows], columns)
