"""The runs without a result, one line each."""

from collections.abc import Mapping

from normzoo.experiment.records import RunRecord

SHOWN = 10


def failure_lines(records: Mapping[str, RunRecord], *, shown: int = SHOWN) -> list[str]:
    """Return a line for each run that is not ok, in the order of the matrix; after ``shown`` of them, their number."""
    troubled = sorted((record for record in records.values() if record.status != "ok"), key=_order)
    lines = [_line(record) for record in troubled[:shown]]
    return lines if len(troubled) <= shown else [*lines, f"and {len(troubled) - shown} more"]


def _order(record: RunRecord) -> tuple[str, str, int, int]:
    spec = record.spec
    return spec.template, spec.norm, spec.batch_size, spec.seed


def _line(record: RunRecord) -> str:
    spec = record.spec
    reason = (record.error or "").strip().partition("\n")[0]
    where = f"{record.status}: {spec.template}, {spec.norm}, batch size {spec.batch_size}, seed {spec.seed}"
    return f"{where}: {reason}" if reason else where
