"""From records to numbers: what a table, a plot and a finding say, before it is said."""

from collections.abc import Mapping, Sequence
from statistics import fmean, median

from normzoo.errors import UsageError
from normzoo.experiment.records import RunRecord
from normzoo.experiment.spec import MatrixSpec
from normzoo.registry import canonical_norm
from normzoo.report._marks import Contender, Verdict, judge
from normzoo.report._notes import record_notes, untested_notes
from normzoo.report._numbers import Cell, Row, Summary, Table
from normzoo.report._statistics import Difference, half_width, paired_difference

Place = tuple[str, str, int, int]
"""Template, canonical norm, batch size, seed: where a run stands in the matrix."""

FAILED = ("failed", "out-of-memory", "timeout")


def summarize(matrix: MatrixSpec, records: Mapping[str, RunRecord]) -> Summary:
    """Summarize the records of a matrix, by run key; planned runs without a record count as missing.

    Raises:
        UsageError: two records stand at the same place of the matrix, so they are not of one matrix.
    """
    places = _by_place(records)
    return Summary(matrix, tuple(_table(matrix, template, places) for template in matrix.templates))


def _by_place(records: Mapping[str, RunRecord]) -> dict[Place, RunRecord]:
    places: dict[Place, RunRecord] = {}
    for key, record in records.items():
        spec = record.spec
        place = (spec.template, spec.norm, spec.batch_size, spec.seed)
        if place in places:
            raise UsageError(
                f"two records of {spec.template}, {spec.norm}, batch size {spec.batch_size}, seed {spec.seed} "
                f"(the second is {key}): summarize the records of one matrix at a time"
            )
        places[place] = record
    return places


def _table(matrix: MatrixSpec, template: str, places: Mapping[Place, RunRecord]) -> Table:
    def runs_of(norm: str, batch_size: int) -> list[RunRecord]:
        planned = [(template, canonical_norm(norm), batch_size, seed) for seed in range(matrix.seeds)]
        return [places[place] for place in planned if place in places]

    runs = {norm: {size: runs_of(norm, size) for size in matrix.batch_sizes} for norm in matrix.norms}
    columns = [_column(size, [by_size[size] for by_size in runs.values()], matrix.seeds) for size in matrix.batch_sizes]
    rows = tuple(
        Row(norm, cells, _change(cells)) for norm, cells in zip(matrix.norms, zip(*columns, strict=True), strict=True)
    )
    noted = record_notes({norm: [run for cell in by_size.values() for run in cell] for norm, by_size in runs.items()})
    return Table(template, rows, (*untested_notes(rows), *noted))


def _column(batch_size: int, runs: Sequence[Sequence[RunRecord]], planned: int) -> list[Cell]:
    """Return the cells of one batch size; ``runs`` holds one norm's records per entry."""
    contenders = [
        Contender(_accuracies(records), is_whole=_count(records, "diverged", *FAILED) == 0) for records in runs
    ]
    return [
        _cell(batch_size, records, planned, contender.accuracies, verdict)
        for records, contender, verdict in zip(runs, contenders, judge(contenders), strict=True)
    ]


def _cell(
    batch_size: int, records: Sequence[RunRecord], planned: int, accuracies: Mapping[int, float], verdict: Verdict
) -> Cell:
    values = list(accuracies.values())
    diverged, failed = _count(records, "diverged"), _count(records, *FAILED)
    return Cell(
        batch_size=batch_size,
        planned=planned,
        ok=len(values),
        diverged=diverged,
        failed=failed,
        missing=planned - len(values) - diverged - failed,
        accuracies=accuracies,
        mean=fmean(values) if values else None,
        half_width=half_width(values),
        mark=verdict.mark,
        behind=verdict.behind,
        seconds_per_epoch=_seconds_per_epoch(records),
    )


def _accuracies(records: Sequence[RunRecord]) -> dict[int, float]:
    by_seed = {record.spec.seed: record.test_accuracy for record in records}
    return {seed: accuracy for seed, accuracy in by_seed.items() if accuracy is not None}


def _count(records: Sequence[RunRecord], *statuses: str) -> int:
    return sum(record.status in statuses for record in records)


def _seconds_per_epoch(records: Sequence[RunRecord]) -> float | None:
    means = [fmean(epoch.seconds for epoch in record.epochs) for record in records if record.test_accuracy is not None]
    return median(means) if means else None


def _change(cells: Sequence[Cell]) -> Difference | None:
    return paired_difference(cells[0].accuracies, cells[-1].accuracies) if len(cells) > 1 else None
