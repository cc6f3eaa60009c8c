"""The text of a table's cells, the same in the terminal and in markdown."""

from collections.abc import Sequence

from normzoo.metric import Metric
from normzoo.report.analysis.numbers import CellSummary, Estimate, LrTrial, Row, VsBaseline
from normzoo.report.analysis.wording import difference_text, p_value_text, value_text
from normzoo.report.statistics.differences import PairedDifference

BEST = "\N{BLACK CIRCLE}"
TIED = "\N{WHITE CIRCLE}"
PICK = "\N{BLACK LEFT-POINTING TRIANGLE}"
NOTHING = "\N{EN DASH}"
ARROW = "\N{RIGHTWARDS ARROW}"
PARTIAL = "\N{DAGGER}"
"""Follows what is over completed runs only, as others diverged or failed."""

SIGNIFICANT = "*"
"""Follows a difference that is significant."""

BARS = "\N{LOWER ONE EIGHTH BLOCK}\N{LOWER ONE QUARTER BLOCK}\N{LOWER THREE EIGHTHS BLOCK}\N{LOWER HALF BLOCK}" + (
    "\N{LOWER FIVE EIGHTHS BLOCK}\N{LOWER THREE QUARTERS BLOCK}\N{LOWER SEVEN EIGHTHS BLOCK}\N{FULL BLOCK}"
)


def value_lines(metric: Metric, cell: CellSummary) -> list[str]:
    """Write a cell: mean, interval and mark; below it, where runs are lacking, how many and why."""
    if cell.mean is None:
        return [f"{name} {count}/{cell.planned}" for name, count in _failures(cell).items()] or [NOTHING]
    signs = [PARTIAL] if cell.is_partial else []
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
    value = f"{difference_text(metric, difference, like)} {sign}".rstrip()
    return [value, *([f"(n={difference.pairs})"] if difference.pairs < seeds else [])]


def change_lines(metric: Metric, row: Row) -> list[str]:
    """Write the change of a row."""
    first, last = row.cells[0], row.cells[-1]
    is_partial = first.n_failed + last.n_failed > 0
    return difference_lines(metric, row.change, like=row.least_mean, seeds=first.planned, is_partial=is_partial)


def change_header(batch_sizes: Sequence[int]) -> str:
    """Write the header of the change from the largest to the smallest batch size."""
    return f"{batch_sizes[-1]} {ARROW} {batch_sizes[0]}"


def trend(row: Row, lowest: float, highest: float) -> str:
    """Draw the means of a row over the batch sizes, a bar for each, on the scale from ``lowest`` to ``highest``."""
    scale = (len(BARS) - 1) / (highest - lowest) if highest > lowest else 0.0
    return "".join(NOTHING if cell.mean is None else BARS[round(scale * (cell.mean - lowest))] for cell in row.cells)


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


def vs_baseline_lines(metric: Metric, cell: CellSummary) -> list[str]:
    """Write the difference from the baseline."""
    vs_baseline = cell.vs_baseline
    if vs_baseline is None:
        return [NOTHING]
    return difference_lines(
        metric, vs_baseline.difference, like=cell.mean or 0.0, seeds=cell.planned, is_partial=vs_baseline.is_partial
    )


def p_text(difference: PairedDifference | None) -> str:
    """Write the adjusted p value, marked where it is below the level.

    >>> p_text(PairedDifference(0.02, 0.01, 10, 0.002, 0.047)), p_text(PairedDifference(0.02, 0.01, 10, 0.5, 1.0))
    ('0.047 *', '1')
    """
    if difference is None or difference.adjusted is None:
        return NOTHING
    text = p_value_text(difference.adjusted)
    return f"{text} {SIGNIFICANT}" if difference.is_significant else text


def probability_text(vs_baseline: VsBaseline | None) -> str:
    """Write the share of seeds in which the norm is better than the baseline, in percent."""
    if vs_baseline is None or vs_baseline.probability is None:
        return NOTHING
    return f"{100 * vs_baseline.probability:.0f} %"


def rank_text(cell: CellSummary) -> str:
    """Write the mean rank."""
    return NOTHING if cell.rank is None else f"{cell.rank:.1f}"


def correlation_text(vs_baseline: VsBaseline | None) -> str:
    """Write the correlation over seeds with the baseline."""
    if vs_baseline is None or vs_baseline.correlation is None:
        return NOTHING
    text = f"{vs_baseline.correlation:+.2f}"
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
