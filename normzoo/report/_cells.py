"""The text of a table's cells, the same in the terminal and in markdown."""

from collections.abc import Sequence

from normzoo.report._numbers import Cell, Row, Tried
from normzoo.report.statistics.differences import Difference

BEST = "\N{BLACK CIRCLE}"
TIED = "\N{WHITE CIRCLE}"
PICK = "\N{BLACK LEFT-POINTING TRIANGLE}"
NOTHING = "\N{EN DASH}"
ARROW = "\N{RIGHTWARDS ARROW}"
PLUS_MINUS = "\N{PLUS-MINUS SIGN}"
SURVIVORS = "\N{DAGGER}"
TOLD = "*"
"""Follows a difference that its test tells from zero."""

BARS = "\N{LOWER ONE EIGHTH BLOCK}\N{LOWER ONE QUARTER BLOCK}\N{LOWER THREE EIGHTHS BLOCK}\N{LOWER HALF BLOCK}" + (
    "\N{LOWER FIVE EIGHTHS BLOCK}\N{LOWER THREE QUARTERS BLOCK}\N{LOWER SEVEN EIGHTHS BLOCK}\N{FULL BLOCK}"
)


def percent(fraction: float) -> str:
    """Write a fraction in percent, without the sign.

    >>> percent(0.9312)
    '93.1'
    """
    return f"{100 * fraction:.1f}"


def with_interval(number: str, half_width: float | None) -> str:
    """Write a number with the half width of its interval, where there is one.

    >>> with_interval("93.1", 0.008)
    '93.1 ±0.8'
    """
    return number if half_width is None else f"{number} {PLUS_MINUS}{percent(half_width)}"


def accuracy_lines(cell: Cell) -> list[str]:
    """Write a cell: mean, interval and mark; below it, where runs are lacking, how many and why."""
    if cell.mean is None:
        return _lack(cell)
    signs = [SURVIVORS] if cell.is_of_survivors else []
    signs += [sign for mark, sign in (("best", BEST), ("tied", TIED)) if cell.mark == mark]
    lines = [" ".join([with_interval(percent(cell.mean), cell.half_width), *signs])]
    if cell.ok < cell.planned:
        lines.append(f"({', '.join([f'{cell.ok}/{cell.planned}', *_troubles(cell)])})")
    return lines


def _troubles(cell: Cell) -> list[str]:
    counts = {"diverged": cell.diverged, "failed": cell.failed}
    return [f"{count} {name}" for name, count in counts.items() if count]


def _lack(cell: Cell) -> list[str]:
    counts = {"diverged": cell.diverged, "failed": cell.failed}
    return [f"{name} {count}/{cell.planned}" for name, count in counts.items() if count] or [NOTHING]


def points(difference: Difference) -> str:
    """Write a signed difference in percentage points, with its interval.

    >>> points(Difference(-0.0123, 0.004, 5, 0.001))
    '-1.2 ±0.4'
    """
    return with_interval(_signed(difference.mean), difference.half_width)


def _signed(fraction: float) -> str:
    text = f"{100 * fraction:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def difference_lines(difference: Difference | None, seeds: int, *, lost: bool, is_marked: bool = False) -> list[str]:
    """Write a difference in points; below it the number of pairs, where it is not ``seeds``.

    Args:
        difference: None where there is none.
        seeds: how many pairs there would be if no run lacked.
        lost: it is one of survivors, and gets their sign.
        is_marked: it gets a sign where it is told from zero.
    """
    if difference is None:
        return [NOTHING]
    sign = SURVIVORS if lost else TOLD if is_marked and difference.is_told_from_zero else ""
    value = f"{points(difference)} {sign}".rstrip()
    return [value, *([f"(n={difference.pairs})"] if difference.pairs < seeds else [])]


def change_lines(row: Row) -> list[str]:
    """Write the change of a row."""
    lost = row.cells[0].lost + row.cells[-1].lost > 0
    return difference_lines(row.change, row.cells[0].planned, lost=lost)


def change_header(batch_sizes: Sequence[int]) -> str:
    """Write the header of the change from the largest to the smallest batch size."""
    return f"{batch_sizes[-1]} {ARROW} {batch_sizes[0]}"


def trend(row: Row, lowest: float, highest: float) -> str:
    """Draw the means of a row over the batch sizes, a bar for each, on the scale from ``lowest`` to ``highest``."""
    scale = (len(BARS) - 1) / (highest - lowest) if highest > lowest else 0.0
    return "".join(" " if cell.mean is None else BARS[round(scale * (cell.mean - lowest))] for cell in row.cells)


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


def tried_text(cell: Cell, tried: Tried) -> str:
    """Write what a learning rate reached on validation: the pick marked, lost runs counted."""
    if tried.validation is None:
        return f"{tried.lost} lost" if tried.lost else NOTHING
    lost = f" ({tried.lost} lost)" if tried.lost else ""
    return f"{percent(tried.validation)}{lost}{f' {PICK}' if tried.rate == cell.rate else ''}"
