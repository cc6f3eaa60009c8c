"""The runs without a result, one line each."""

from collections.abc import Mapping

from normzoo.experiment.results.records import RunRecord, Status

SHOWN = 10


def failure_lines(records: Mapping[str, RunRecord], *, shown: int = SHOWN) -> list[str]:
    """Return a line for each run that ended without a result; after ``shown`` of them, how many more.

    Interrupted runs are merely unfinished, and are not among them.
    """
    troubled = sorted(lost_runs(records), key=_order)
    lines = [record.trouble for record in troubled[:shown]]
    return lines if len(troubled) <= shown else [*lines, f"and {len(troubled) - shown} more"]


def lost_runs(records: Mapping[str, RunRecord]) -> list[RunRecord]:
    """Return the runs that ended without a result, or diverged."""
    return [record for record in records.values() if record.status is Status.DIVERGED or record.status.is_lost]


def _order(record: RunRecord) -> tuple[str, str, int, float, int]:
    spec = record.spec
    return spec.template, spec.norm, spec.batch_size, spec.lr, spec.seed
