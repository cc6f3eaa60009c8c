"""Records as a store would hold them, without any training; and what is shown of them."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console

from normzoo.experiment.config.spec import MatrixSpec, RunSpec, Strategy
from normzoo.experiment.results.records import EpochRecord, RunRecord, Status
from normzoo.metric import ACCURACY, Metric
from normzoo.registry import NORMS
from normzoo.report import (
    Depth,
    Plot,
    Summary,
    failure_lines,
    heading,
    provenance,
    sections,
    summarize,
    to_markdown,
    to_rich,
)

Outcome = float | str | None
"""The test value after the last epoch, or the status of a run without one, or None for no record."""


def run(
    outcome: float | str,
    *,
    template: str = "cnn",
    norm: str = "batch",
    batch_size: int = 2,
    seed: int = 0,
    lr: float = 0.05,
    strategy: Strategy = "sequential",
    seconds: tuple[float, ...] = (1.0, 1.0),
    metric: Metric = ACCURACY,
    **fields: Any,
) -> RunRecord:
    """Make the record of one run; all epochs but the last have a value of zero."""
    spec = RunSpec(
        template=template,
        norm=NORMS.canonical(norm),
        dataset="digits",
        dataset_checksum="0123abcd",
        strategy=strategy,
        batch_size=batch_size,
        seed=seed,
        epochs=len(seconds),
        optimizer="sgd",
        lr=lr,
    )
    last = outcome if isinstance(outcome, float) else 0.0
    return RunRecord(
        spec=spec,
        status=Status(outcome) if isinstance(outcome, str) else Status.OK,
        epochs=tuple(
            epoch(index, last if index == len(seconds) else 0.0, seconds=each, metric=metric)
            for index, each in enumerate(seconds, 1)
        ),
        started_at="2025-01-01T00:00:00Z",
        seconds=sum(seconds),
        metrics=(metric,),
        **fields,
    )


def epoch(
    number: int,
    test: float,
    *,
    validation: float = 0.5,
    train_loss: float = 1.0,
    validation_loss: float = 1.0,
    test_loss: float = 1.0,
    seconds: float = 1.0,
    metric: Metric = ACCURACY,
) -> EpochRecord:
    return EpochRecord(
        epoch=number,
        train_loss=train_loss,
        validation={"loss": validation_loss, metric.name: validation},
        test={"loss": test_loss, metric.name: test},
        seconds=seconds,
    )


def by_key(*records: RunRecord) -> dict[str, RunRecord]:
    return {record.spec.key: record for record in records}


def filled(matrix: MatrixSpec, outcome: Callable[[str, int, int], Outcome], **fields: Any) -> dict[str, RunRecord]:
    """Make the records of a matrix; ``outcome`` receives norm, batch size and seed."""
    records = {}
    for template in matrix.templates:
        for norm in matrix.norms_in(template):
            for size in matrix.batch_sizes:
                for seed in range(matrix.seeds):
                    value = outcome(norm, size, seed)
                    if value is not None:
                        record = run(value, template=template, norm=norm, batch_size=size, seed=seed, **fields)
                        records[record.spec.key] = record
    return records


def column(accuracies: Mapping[str, tuple[Outcome, ...]]) -> tuple[MatrixSpec, dict[str, RunRecord]]:
    """Make a matrix of one template and one batch size, from the outcomes of every norm by seed."""
    seeds = max(len(outcomes) for outcomes in accuracies.values())
    matrix = MatrixSpec(norms=tuple(accuracies), templates=("cnn",), batch_sizes=(2,), seeds=seeds)
    return matrix, filled(matrix, lambda norm, _, seed: accuracies[norm][seed])


ERROR = Metric(
    name="error",
    unit="%",
    difference_unit="points",
    scale=100,
    decimals=1,
    higher_is_better=False,
    lowest=0,
    highest=1,
)
"""What lacks to an accuracy of 100 %."""

RMSE = Metric(name="rmse", label="RMSE", higher_is_better=False, lowest=0)
R2 = Metric(name="r2", label="R2", decimals=3, higher_is_better=True, highest=1)


def mirrored(outcome: Callable[[str, int, int], Outcome]) -> Callable[[str, int, int], Outcome]:
    """Turn accuracies into errors; a run without a value stays one."""

    def turned(norm: str, size: int, seed: int) -> Outcome:
        value = outcome(norm, size, seed)
        return 1.0 - value if isinstance(value, float) else value

    return turned


def markdown(
    matrix: MatrixSpec, records: Mapping[str, RunRecord], *, plots: Sequence[Plot] = (), **options: Any
) -> str:
    """Write the report of records."""
    given = {"command": "normzoo compare", "failures": failure_lines(records), **options}
    summary = summarize(matrix, records)
    return to_markdown(heading(summary), sections(summary, provenance=provenance(records), **given), plots=plots)


def terminal(summary: Summary, *, width: int = 80, depth: Depth = Depth.DETAILS, **options: Any) -> str:
    """Print a summary, by default without any control sequence."""
    console = Console(width=width, file=io.StringIO(), **{"force_terminal": False, **options})
    console.print(*to_rich(sections(summary), width=width, depth=depth), highlight=False)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
