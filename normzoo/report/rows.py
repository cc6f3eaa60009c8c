"""The numbers of a summary as rows of plain values, for data frames."""

from normzoo.report.analysis.numbers import CellSummary, Summary

Row = dict[str, str | int | float | None]


def summary_rows(summary: Summary) -> list[Row]:
    """Return a row for every template, norm and batch size, in the order of the tables.

    Values are in the metric's own unit, as they are recorded. ``low`` and ``high`` are the ends of the 95 % interval of
    the mean, ``vs_...`` the difference from the reference norm and ``p`` its adjusted p value, where there was a test.
    """
    return [
        {"template": table.template, "norm": row.norm, **_cell(summary, cell)}
        for table in summary.tables
        for row in table.rows
        for cell in row.cells
    ]


def _cell(summary: Summary, cell: CellSummary) -> Row:
    half = cell.half_width
    difference = cell.vs_baseline.difference if cell.vs_baseline else None
    return {
        "batch_size": cell.batch_size,
        "metric": summary.metric.name,
        "n": cell.ok,
        "n_failed": cell.n_failed,
        "n_missing": cell.missing,
        "mean": cell.mean,
        "low": None if cell.mean is None or half is None else cell.mean - half,
        "high": None if cell.mean is None or half is None else cell.mean + half,
        "median": cell.median,
        "reference": summary.matrix.reference,
        "vs_reference": difference.mean if difference else None,
        "vs_reference_half_width": difference.half_width if difference else None,
        "p": difference.adjusted if difference else None,
        "rank": cell.rank,
        "seconds_per_epoch": cell.seconds_per_epoch,
        "lr": cell.rate,
        **{name: estimate.mean for name, estimate in cell.further.items()},
    }
