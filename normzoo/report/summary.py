"""From records to numbers: what a table, a plot and a finding say, before it is said."""

from collections.abc import Mapping, Sequence
from statistics import fmean, median

from normzoo.errors import UsageError
from normzoo.experiment.records import RunRecord
from normzoo.experiment.spec import MatrixSpec
from normzoo.registry import canonical_norm
from normzoo.report._engines import of_one_engine
from normzoo.report._marks import Contender, Verdict, judge
from normzoo.report._notes import edge_notes, record_notes, untested_notes
from normzoo.report._numbers import Cell, Row, Summary, Table
from normzoo.report._statistics import Difference, half_width, paired_difference
from normzoo.report._sweep import FAILED, Sweep, sweep

Place = tuple[str, str, int, float | None, int]
"""Template, canonical norm, batch size, learning rate where there are several, seed: where a run stands."""


def summarize(matrix: MatrixSpec, records: Mapping[str, RunRecord]) -> Summary:
    """Summarize the records of a matrix, by run key; planned runs without a record count as missing.

    Raises:
        UsageError: two records stand at the same place of the matrix, so they are not of one matrix.
    """
    records, notes = of_one_engine(records)
    places = _by_place(records, has_rates=matrix.lrs is not None)
    tables = (_table(matrix, template, places, notes.get(template, ())) for template in matrix.templates)
    return Summary(matrix, tuple(tables))


def _by_place(records: Mapping[str, RunRecord], *, has_rates: bool) -> dict[Place, RunRecord]:
    places: dict[Place, RunRecord] = {}
    for key, record in records.items():
        spec = record.spec
        place = (spec.template, spec.norm, spec.batch_size, spec.lr if has_rates else None, spec.seed)
        if place in places:
            raise UsageError(
                f"two records of {spec.template}, {spec.norm}, batch size {spec.batch_size}, seed {spec.seed} "
                f"(the second is {key}): summarize the records of one matrix at a time"
            )
        places[place] = record
    return places


def _table(matrix: MatrixSpec, template: str, places: Mapping[Place, RunRecord], notes: Sequence[str]) -> Table:
    def runs_of(norm: str, batch_size: int, rate: float) -> list[RunRecord]:
        lr = matrix.lr_at(batch_size, rate) if matrix.lrs else None
        planned = [(template, canonical_norm(norm), batch_size, lr, seed) for seed in range(matrix.seeds)]
        return [places[place] for place in planned if place in places]

    sweeps = {
        norm: {size: sweep({rate: runs_of(norm, size, rate) for rate in matrix.rates}) for size in matrix.batch_sizes}
        for norm in matrix.norms
    }
    columns = [_column(size, [by_size[size] for by_size in sweeps.values()], matrix) for size in matrix.batch_sizes]
    rows = tuple(
        Row(norm, cells, _change(cells)) for norm, cells in zip(matrix.norms, zip(*columns, strict=True), strict=True)
    )
    noted = record_notes(
        {norm: [run for cell in by_size.values() for run in cell.runs] for norm, by_size in sweeps.items()}
    )
    return Table(template, rows, (*notes, *untested_notes(rows), *edge_notes(rows, matrix.rates), *noted))


def _column(batch_size: int, sweeps: Sequence[Sweep], matrix: MatrixSpec) -> list[Cell]:
    """Return the cells of one batch size; ``sweeps`` holds one norm's records per entry."""
    contenders = [
        Contender(_accuracies(each.runs), is_whole=_count(each.runs, "diverged", *FAILED) == 0) for each in sweeps
    ]
    return [
        _cell(batch_size, each, matrix, contender.accuracies, verdict)
        for each, contender, verdict in zip(sweeps, contenders, judge(contenders), strict=True)
    ]


def _cell(
    batch_size: int, chosen: Sweep, matrix: MatrixSpec, accuracies: Mapping[int, float], verdict: Verdict
) -> Cell:
    records, planned = chosen.runs, matrix.seeds
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
        rate=chosen.rate if matrix.lrs else None,
        tried=chosen.tried if matrix.lrs else (),
    )


def _accuracies(records: Sequence[RunRecord]) -> dict[int, float]:
    by_seed = {record.spec.seed: record.test_accuracy for record in records}
    return {seed: accuracy for seed, accuracy in by_seed.items() if accuracy is not None}


def _count(records: Sequence[RunRecord], *statuses: str) -> int:
    return sum(record.status in statuses for record in records)


def _seconds_per_epoch(records: Sequence[RunRecord]) -> float | None:
    """Return the median training time of an epoch, of those that were timed while nothing else was trained."""
    seconds = [_seconds_alone(record) for record in records if record.test_accuracy is not None]
    known = [value for value in seconds if value is not None]
    return median(known) if known else None


def _seconds_alone(record: RunRecord) -> float | None:
    return record.epoch_seconds_alone if record.contended else fmean(epoch.seconds for epoch in record.epochs)


def _change(cells: Sequence[Cell]) -> Difference | None:
    return paired_difference(cells[0].accuracies, cells[-1].accuracies) if len(cells) > 1 else None
