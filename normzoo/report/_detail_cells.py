"""The text of the cells in which a norm is held against the baseline, and in which slopes are compared."""

from normzoo.report._cells import NOTHING, TOLD, difference_lines, percent
from normzoo.report._numbers import Cell, Row, Versus
from normzoo.report.statistics.differences import Difference

LEAST_P = 0.001
"""Below which a p value is not written out."""


def count_lines(cell: Cell) -> list[str]:
    """Write how many runs are finished, of how many planned; below it how many diverged and failed."""
    troubles = {"diverged": cell.diverged, "failed": cell.failed}
    return [f"{cell.ok}/{cell.planned}", *(f"{count} {name}" for name, count in troubles.items() if count)]


def median_text(cell: Cell) -> str:
    """Write the median accuracy in percent."""
    return NOTHING if cell.median is None else percent(cell.median)


def range_text(cell: Cell) -> str:
    """Write the lowest and the highest accuracy in percent."""
    if cell.lowest is None or cell.highest is None:
        return NOTHING
    return f"{percent(cell.lowest)}{NOTHING}{percent(cell.highest)}"


def versus_lines(cell: Cell) -> list[str]:
    """Write the difference from the baseline."""
    if cell.versus is None:
        return [NOTHING]
    return difference_lines(cell.versus.difference, cell.planned, lost=cell.versus.lost)


def p_text(difference: Difference | None) -> str:
    """Write the adjusted p value, marked where it is below the level.

    >>> p_text(Difference(0.02, 0.01, 10, 0.002, 0.047)), p_text(Difference(0.02, 0.01, 10, 0.5, 1.0))
    ('0.047 *', '1')
    """
    if difference is None or difference.adjusted is None:
        return NOTHING
    p_value = difference.adjusted
    text = f"<{LEAST_P}" if p_value < LEAST_P else "1" if p_value >= 0.9995 else f"{p_value:.3f}"
    return f"{text} {TOLD}" if difference.is_told_from_zero else text


def probability_text(versus: Versus | None) -> str:
    """Write the share of seeds in which the baseline is beaten, in percent."""
    if versus is None or versus.probability is None:
        return NOTHING
    return f"{100 * versus.probability:.0f} %"


def rank_text(cell: Cell) -> str:
    """Write the mean rank."""
    return NOTHING if cell.rank is None else f"{cell.rank:.1f}"


def correlation_text(versus: Versus | None) -> str:
    """Write the correlation over seeds with the baseline."""
    if versus is None or versus.correlation is None:
        return NOTHING
    text = f"{versus.correlation:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def slope_lines(row: Row) -> list[str]:
    """Write the slope in points per doubling."""
    return difference_lines(row.slope, row.cells[0].planned, lost=row.is_of_survivors)


def contrast_lines(difference: Difference | None, seeds: int, *, lost: bool) -> list[str]:
    """Write how much one norm's slope exceeds another's, marked where it is told from zero."""
    return difference_lines(difference, seeds, lost=lost, is_marked=True)
