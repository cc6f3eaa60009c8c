"""From records to numbers: what a table, a plot and a finding say, before it is said."""

from collections.abc import Mapping, Sequence
from functools import partial
from math import comb, floor, log10
from statistics import median
from typing import Any

from normzoo.errors import NormzooError, UsageError
from normzoo.experiment.config.spec import MatrixSpec, check_target
from normzoo.experiment.results.records import RunRecord
from normzoo.metric import ACCURACY, CROSS_ENTROPY, Metric
from normzoo.registry import NORMS, TEMPLATES, Registry
from normzoo.report.analysis.comparisons import Comparisons, Values, compare_norms, summarize_block
from normzoo.report.analysis.notes import (
    collapse_notes,
    constant_notes,
    edge_notes,
    learning_notes,
    left_out_notes,
    mark_notes,
    place_notes,
    record_notes,
)
from normzoo.report.analysis.numbers import CellSummary, Contrast, Row, Summary, Table
from normzoo.report.analysis.selection import CellKey, LrSelection, selected_runs, stands_nowhere, values_by_seed
from normzoo.report.statistics.differences import PairedDifference, difference, paired
from normzoo.report.statistics.family import MIN_SEEDS
from normzoo.report.statistics.power import Power, power_hint

SMALL = 0.01
"""A small difference, as a part of the reference's median, of a metric whose differences have no unit."""


def summarize(
    matrix: MatrixSpec,
    records: Mapping[str, RunRecord],
    *,
    labels: Mapping[str, str] | None = None,
    title: str = "",
    earlier: Sequence[MatrixSpec] = (),
) -> Summary:
    """Summarize the records of a matrix, by run key; planned runs without a record count as missing.

    Args:
        matrix: what was asked for.
        records: what came of it.
        labels: what norms and templates are to be called, by their specs.
        title: what the comparison is to be called.
        earlier: the comparisons before that show some of the same.

    Raises:
        UsageError: two records stand at the same place of the matrix, so they are not of one matrix; or a label is of
            nothing that was compared, or two are the same; or the metric cannot reach the target.
    """
    labels = canonical_labels(matrix, labels or {})
    selected = selected_runs(matrix, records)
    matrix = _with_reference(matrix, selected)
    values = {cell: values_by_seed(each.runs) for cell, each in selected.items()}
    metrics = next((record.metrics for record in records.values()), (ACCURACY,))
    check_target(matrix.target, metrics[0])
    comparisons = compare_norms(matrix, values, {cell for cell, each in selected.items() if each.n_failed})
    loss = next((record.loss for record in records.values()), CROSS_ENTROPY)
    size = partial(_dataset_size, records)
    return Summary(
        matrix,
        metrics,
        tuple(
            _table(matrix, metrics, template, selected, values, comparisons, loss, labels)
            for template in matrix.templates
        ),
        comparisons.family,
        train_samples=size("train_samples"),
        test_samples=size("test_samples"),
        loss=loss,
        labels=labels,
        title=title,
        looks=_looks(matrix, earlier),
        chosen_from=_chosen_from(matrix, earlier),
    )


def _looks(matrix: MatrixSpec, earlier: Sequence[MatrixSpec]) -> tuple[int, ...]:
    """Return with how many seeds it was tested before, each time with others."""
    seeds = {each.seed_range: each.seeds for each in earlier if each.seeds >= MIN_SEEDS}
    return tuple(number for those, number in seeds.items() if those != matrix.seed_range)


def _chosen_from(matrix: MatrixSpec, earlier: Sequence[MatrixSpec]) -> int:
    """Return how many differences were tested before, at most, that are these and more; 0 where there is nothing so."""
    own = _n_differences(matrix)
    wider = (
        _n_differences(each)
        for each in earlier
        if each.seeds >= MIN_SEEDS
        and set(matrix.norms) <= set(each.norms)
        and set(matrix.templates) <= set(each.templates)
        and set(matrix.batch_sizes) <= set(each.batch_sizes)
    )
    return max((number for number in wider if number > own), default=0)


def _n_differences(matrix: MatrixSpec) -> int:
    """Return how many there are of every two norms, at every batch size and between their slopes."""
    sizes = len(matrix.batch_sizes)
    return sum(comb(len(matrix.norms_in(template)), 2) for template in matrix.templates) * (sizes + (sizes > 1))


def _with_reference(matrix: MatrixSpec, selected: Mapping[CellKey, LrSelection]) -> MatrixSpec:
    """Have a norm that stands nowhere in some network be no reference, unless it was asked for or there is no other."""
    nowhere = {cell.norm for cell, each in selected.items() if stands_nowhere(cell.norm, each.runs)}
    if matrix.baseline is not None or matrix.reference not in nowhere:
        return matrix
    others = (
        norm
        for norm in matrix.norms
        if norm not in nowhere and all(norm in matrix.norms_in(template) for template in matrix.templates)
    )
    return matrix.model_copy(update={"baseline": next(others, None)})


def canonical_labels(matrix: MatrixSpec, labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels by the specs of the matrix.

    >>> canonical_labels(MatrixSpec(norms="batch,group:groups=8"), {"group": "GN (ours)"})
    {'group': 'GN (ours)'}

    Raises:
        UsageError: a label is of nothing that is compared, or two norms or two templates would be called the same.
    """
    found: dict[str, str] = {}
    for name, label in labels.items():
        known = [
            spec
            for registry, specs in ((NORMS, matrix.norms), (TEMPLATES, matrix.templates))
            for spec in specs
            if spec in (name, _canonical(registry, name))
        ]
        if not known:
            raise UsageError(
                f"labels: '{name}' is not compared; it is one of {', '.join((*matrix.norms, *matrix.templates))}"
            )
        if not label.strip() or not label.isprintable():
            raise UsageError(f"labels: '{name}' is to be called {label!r}; a label is a line of text")
        found.update(dict.fromkeys(known, label))
    for specs in (matrix.norms, matrix.templates):
        shown = [found.get(spec, spec) for spec in specs]
        if twice := next((label for label in shown if shown.count(label) > 1), None):
            raise UsageError(f"labels: two of {', '.join(specs)} would be called '{twice}'")
    return found


def _canonical(registry: Registry[Any], name: str) -> str | None:
    try:
        return registry.canonical(name)
    except NormzooError:
        return None


def _dataset_size(records: Mapping[str, RunRecord], name: str) -> int | None:
    known = (getattr(record, name) for record in records.values())
    return next((samples for samples in known if samples is not None), None)


def _table(
    matrix: MatrixSpec,
    metrics: tuple[Metric, ...],
    template: str,
    selected: Mapping[CellKey, LrSelection],
    values: Values,
    comparisons: Comparisons,
    loss: Metric,
    labels: Mapping[str, str],
) -> Table:
    norms = matrix.norms_in(template)
    by_size = [
        summarize_block(
            matrix,
            metrics,
            template,
            size,
            {norm: selected[CellKey(template, norm, size)] for norm in norms},
            comparisons,
        )
        for size in matrix.batch_sizes
    ]
    rows = tuple(
        _row(labels.get(norm, norm), tuple(cells[norm] for cells in by_size), comparisons.slopes[template, norm])
        for norm in norms
    )
    noted = record_notes(
        {
            labels.get(norm, norm): [
                run for key, each in selected.items() if key[:2] == (template, norm) for run in each.runs
            ]
            for norm in norms
        }
    )
    return Table(
        labels.get(template, template),
        rows,
        (
            *mark_notes(rows),
            *left_out_notes(matrix, template, labels),
            *place_notes(norms, rows),
            *constant_notes(metrics[0], rows),
            *collapse_notes(metrics[0], rows),
            *learning_notes(loss, rows),
            *edge_notes(rows, matrix.rates),
            *noted,
        ),
        tuple(
            Contrast(labels.get(pair.first, pair.first), labels.get(pair.second, pair.second), found)
            for pair, found in comparisons.contrasts.items()
            if pair.template == template
        ),
        tuple(_powers(matrix, metrics[0], template, values, comparisons)),
    )


def _row(norm: str, cells: tuple[CellSummary, ...], slopes: Mapping[int, float]) -> Row:
    change: PairedDifference | None = None
    if len(cells) > 1:
        change = difference(paired(cells[0].values, cells[-1].values).values())
    return Row(norm, cells, change, difference(slopes.values()))


def _powers(matrix: MatrixSpec, metric: Metric, template: str, values: Values, comparisons: Comparisons) -> list[Power]:
    reference = [
        value
        for key, by_seed in values.items()
        if (key.template, key.norm) == (template, matrix.reference)
        for value in by_seed.values()
    ]
    target = small_difference(metric, median(reference) if reference else 0.0)
    hints = (
        power_hint(
            size,
            [
                list(sample.values())
                for pair, sample in comparisons.samples.items()
                if (pair.template, pair.batch_size) == (template, size)
                and matrix.reference in (pair.first, pair.second)
            ],
            comparisons.family,
            target,
        )
        for size in matrix.batch_sizes
    )
    return [hint for hint in hints if hint is not None]


def small_difference(metric: Metric, value: float) -> float:
    """Return a difference that one may wish to detect: one unit, or else a hundredth of a value, in round numbers.

    >>> small_difference(ACCURACY, 0.93)
    0.01
    >>> small_difference(Metric(name="rmse", higher_is_better=False), 0.512)
    0.005
    """
    if metric.difference_unit or not value:
        return 1 / metric.scale
    small = SMALL * abs(value)
    return round(small, -floor(log10(small)))
