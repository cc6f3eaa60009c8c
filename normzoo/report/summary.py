"""From records to numbers: what a table, a plot and a finding say, before it is said."""

from collections.abc import Mapping
from functools import partial

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import RunRecord
from normzoo.report._column import column
from normzoo.report._comparisons import Comparisons, compare_norms
from normzoo.report._notes import edge_notes, mark_notes, record_notes
from normzoo.report._numbers import Cell, Contrast, Row, Summary, Table
from normzoo.report._places import Place, accuracies, chosen_runs
from normzoo.report._sweep import Sweep
from normzoo.report.statistics.differences import Difference, difference, paired
from normzoo.report.statistics.power import Power, power_hint


def summarize(matrix: MatrixSpec, records: Mapping[str, RunRecord]) -> Summary:
    """Summarize the records of a matrix, by run key; planned runs without a record count as missing.

    Raises:
        UsageError: two records stand at the same place of the matrix, so they are not of one matrix.
    """
    chosen = chosen_runs(matrix, records)
    reached = {place: accuracies(each.runs) for place, each in chosen.items()}
    comparisons = compare_norms(matrix, reached, {place for place, each in chosen.items() if each.lost})
    size = partial(_dataset_size, records)
    return Summary(
        matrix,
        tuple(_table(matrix, template, chosen, comparisons) for template in matrix.templates),
        comparisons.versus_family,
        comparisons.contrast_family,
        train_samples=size("train_samples"),
        test_samples=size("test_samples"),
    )


def _dataset_size(records: Mapping[str, RunRecord], name: str) -> int | None:
    known = (getattr(record, name) for record in records.values())
    return next((samples for samples in known if samples is not None), None)


def _table(
    matrix: MatrixSpec,
    template: str,
    chosen: Mapping[Place, Sweep],
    comparisons: Comparisons,
) -> Table:
    columns = []
    for size in matrix.batch_sizes:
        places = {norm: Place(template, norm, size) for norm in matrix.norms}
        sweeps = {norm: chosen[place] for norm, place in places.items()}
        versus = {norm: comparisons.versus[place] for norm, place in places.items() if place in comparisons.versus}
        before = comparisons.versus_family if comparisons.versus_family.size else None
        columns.append(column(matrix, size, sweeps, versus, before))
    rows = tuple(
        _row(norm, tuple(by_norm[norm] for by_norm in columns), comparisons.slopes[template, norm])
        for norm in matrix.norms
    )
    noted = record_notes(
        {
            norm: [run for place, each in chosen.items() if place[:2] == (template, norm) for run in each.runs]
            for norm in matrix.norms
        }
    )
    return Table(
        template,
        rows,
        (*mark_notes(rows, comparisons.versus_family), *edge_notes(rows, matrix.rates), *noted),
        tuple(
            Contrast(first, second, found)
            for (where, first, second), found in comparisons.contrasts.items()
            if where == template
        ),
        tuple(_powers(matrix, template, comparisons)),
    )


def _row(norm: str, cells: tuple[Cell, ...], slopes: Mapping[int, float]) -> Row:
    change: Difference | None = None
    if len(cells) > 1:
        change = difference(paired(cells[0].accuracies, cells[-1].accuracies))
    return Row(norm, cells, change, difference(list(slopes.values())))


def _powers(matrix: MatrixSpec, template: str, comparisons: Comparisons) -> list[Power]:
    hints = (
        power_hint(
            size,
            [
                sample
                for place, sample in comparisons.samples.items()
                if (place.template, place.batch_size) == (template, size)
            ],
            comparisons.versus_family.size,
        )
        for size in matrix.batch_sizes
    )
    return [hint for hint in hints if hint is not None]
