"""Where the numbers come from, and what a reader should know of them: notes and failures."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import EpochRecord, RunRecord
from normzoo.metric import Metric
from normzoo.registry import NORMS, values_per_statistic
from normzoo.report.analysis.numbers import CellSummary, Row
from normzoo.report.analysis.selection import diverged_or_failed
from normzoo.report.analysis.wording import enumerated, value_text, with_unit


@dataclass(frozen=True)
class Provenance:
    """What the records say of their origin; where they differ, every distinct value, or of ``data`` the latest.

    Attributes:
        data: what samples are, how they were standardized, and what is to be known of them; of folds that of the first,
            from which the others differ by a few samples.
        environment: versions, device, CPU, threads, commit: the distinct values of each.
        training_seconds: training time over all runs, without evaluation.
        compute_seconds: time of all runs, also of those without a result, evaluation included.
    """

    runs: int
    dataset_checksums: tuple[str, ...]
    data: tuple[str, ...]
    strategies: tuple[str, ...]
    environment: Mapping[str, tuple[str, ...]]
    training_seconds: float
    compute_seconds: float


def provenance(records: Mapping[str, RunRecord]) -> Provenance:
    """Collect the origin of the records; the same for any order of them.

    What is to be known of the data is what the latest run was told: the same values may have had other names before.
    """
    runs = list(records.values())
    first = min((run.spec.fold for run in runs), default=0)
    told = [run for run in runs if run.spec.fold == first and run.data]
    latest = max(told, key=lambda run: (datetime.fromisoformat(run.started_at), run.data), default=None)
    names: dict[str, set[str]] = {}
    for run in runs:
        for name, value in _flat(run.environment):
            names.setdefault(name, set()).add(value)
    return Provenance(
        runs=len(runs),
        dataset_checksums=tuple(sorted({run.spec.dataset_checksum for run in runs})),
        data=latest.data if latest else (),
        strategies=tuple(sorted({run.spec.strategy for run in runs})),
        environment={name: tuple(sorted(values)) for name, values in sorted(names.items())},
        training_seconds=math.fsum(epoch.seconds for run in runs for epoch in run.epochs),
        compute_seconds=math.fsum(run.seconds for run in runs),
    )


def _flat(environment: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield names and values; a mapping within gives ``outer.inner``."""
    for name, value in environment.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)


EXPLODED = 1.5
"""From how many times the first training loss on a validation loss says that a network does worse than at its start."""

MAX_SHOWN = 10
"""Failures that are listed one by one."""


def record_notes(runs: Mapping[str, Iterable[RunRecord]]) -> list[str]:
    """Return the distinct notes of the runs, each headed by the norms it is about unless it is about all.

    A note that already begins with a norm's name is left as it is.
    """
    norms: dict[str, list[str]] = {}
    for norm, records in runs.items():
        for note in dict.fromkeys(note for record in records for note in record.notes):
            norms.setdefault(note, []).append(norm)
    return [_headed(note, about, list(runs)) for note, about in norms.items()]


def _headed(note: str, about: Sequence[str], norms: Sequence[str]) -> str:
    names_itself = any(note.startswith(norm.partition(":")[0]) for norm in about)
    return note if names_itself or len(about) == len(norms) else f"{', '.join(about)}: {note}"


def mark_notes(rows: Sequence[Row]) -> list[str]:
    """Say where no norm has all of its runs, so that none is marked as best."""
    partial = sorted(
        {cell.batch_size for row in rows for cell in row.cells if cell.mark == "leading" and cell.is_partial}
    )
    if not partial:
        return []
    return [f"no norm has all of its runs at batch size {_listed(partial)}, so none is marked as best"]


def left_out_notes(matrix: MatrixSpec, template: str, labels: Mapping[str, str]) -> list[str]:
    """Say which norms are left out of a network, and why."""
    return [
        f"left out: {enumerated([labels.get(norm, norm) for norm in norms])}: {reason}"
        for reason, norms in matrix.reasons(template).items()
    ]


def place_notes(norms: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """Say at how many values the norms that pool over the batch take their statistics, at the smallest batch size."""
    return [
        f"at batch size {size}, {row.norm} pools {_pools(norm, row.cells[0])}"
        for norm, row in zip(norms, rows, strict=True)
        if _pools_the_batch(norm) and any(place.pooled for place in row.cells[0].places)
        for size in [row.cells[0].batch_size]
    ]


def _pools_the_batch(norm: str) -> bool:
    """Whether a norm's statistics are over several samples; of others' norms, it is known of batch norms alone."""
    if NORMS.parse(norm).is_own:
        return True
    one, two = (values_per_statistic(norm, samples=samples, channels=64) for samples in (1, 2))
    return one != two


def _has_unequal_parts(norm: str, batch_size: int) -> bool:
    """Whether a batch is divided into parts of which some have fewer samples, whose number of values is recorded.

    >>> _has_unequal_parts("ghost:size=3", 8), _has_unequal_parts("ghost:size=3", 9), _has_unequal_parts("batch", 8)
    (True, False, False)
    """
    spec = NORMS.parse(norm)
    if spec.is_own:
        return False
    entry = NORMS.entry(spec)
    about = entry.explanation
    if about.pooling is None:
        return False
    options = {**about.options, **entry.options, **spec.options}
    return batch_size % about.pooling.blocks((batch_size, 1, 1), options)[0] > 0


def _is_of_one_pool(norm: str) -> bool:
    """Whether a norm subtracts a pool's mean and divides by its deviation; others' norms that are known do."""
    spec = NORMS.parse(norm)
    return spec.is_own or NORMS.entry(spec).explanation.pooling is not None


def _pools(norm: str, cell: CellSummary) -> str:
    """Write how many values are pooled where, or are at least."""
    is_least = _has_unequal_parts(norm, cell.batch_size)
    values: dict[str, dict[str, None]] = {}
    for place in cell.places:
        if place.has_norm and place.pooled is not None:
            values.setdefault(place.where, {})[f"{place.pooled:,}"] = None
    places: dict[str, list[str]] = {}
    for where, numbers in values.items():
        places.setdefault(" or ".join(numbers), []).append(where)
    least = "at least " if is_least else ""
    if len(places) > MAX_PLACES:
        fewest, most = min(places, key=_number), max(places, key=_number)
        return f"{least}{fewest} to {most} values, the fewest {_places(places[fewest])}"
    parts = [
        f"{number}{' values' if index == 0 else ''} {_places(where)}"
        f"{' (each becomes +1 or -1)' if number == '2' and _is_of_one_pool(norm) and not is_least else ''}"
        for index, (number, where) in enumerate(places.items())
    ]
    return least + " and ".join(parts)


MAX_PLACES = 3
"""Places, and numbers of values, that are named one by one."""


def _number(text: str) -> int:
    """Read the first of the numbers that stand for places of one name.

    >>> _number("16,384 or 128")
    16384
    """
    return int(text.partition(" ")[0].replace(",", ""))


def _places(where: Sequence[str]) -> str:
    """Name places, or the first and how many there are.

    >>> _places(["after the convolutions", "after the dense layer"])
    'after the convolutions and after the dense layer'
    >>> _places(["bn1", "layer1.0.bn1", "layer1.0.bn2", "layer1.1.bn1"])
    'in 4 places (at bn1 first)'
    """
    if len(where) > MAX_PLACES:
        return f"in {len(where)} places ({_at(where[0])} first)"
    return enumerated(list(map(_at, where)))


def _at(where: str) -> str:
    """Say where a place is: in the template's words, or at a module of that name.

    >>> _at("after the dense layer"), _at("layers.3")
    ('after the dense layer', 'at layers.3')
    """
    return where if " " in where else f"at {where}"


def constant_notes(metric: Metric, rows: Sequence[Row]) -> list[str]:
    """Say where seeds learned nothing that shows on the test set."""
    cells = [(row.norm, cell) for row in rows for cell in row.cells if cell.n_constant and cell.constant is not None]
    if not cells:
        return []
    reached = with_unit(metric, value_text(metric, cells[0][1].constant or 0.0))
    where = [f"{norm} at {cell.batch_size} ({cell.n_constant} of {cell.ok} seeds)" for norm, cell in cells]
    return [f"not clearly better than always the same output, which reaches {reached}: {', '.join(where)}"]


def collapse_notes(metric: Metric, rows: Sequence[Row]) -> list[str]:
    """Say where a few seeds lie far from the others, so that the mean is nobody's run."""
    return [
        f"{row.norm} at batch size {cell.batch_size}: {cell.n_collapsed} of {cell.ok} seeds far "
        f"{'below' if metric.higher_is_better else 'above'} the median, "
        f"{with_unit(metric, value_text(metric, cell.median or 0.0))}; the mean describes no run, and the test "
        "compares whole distributions"
        for row in rows
        for cell in row.cells
        if cell.n_collapsed
    ]


def learning_notes(loss: Metric, rows: Sequence[Row]) -> list[str]:
    """Say where runs got worse on validation data while they got better on what they were trained on."""
    return [
        f"{row.norm} at batch size {cell.batch_size}: in {len(losses)} of {cell.ok} seeds training loss falls while "
        f"validation loss ends above where training began (median {f'{median(losses):.3g} {loss.unit}'.rstrip()})"
        for row in rows
        for cell in row.cells
        if (losses := [runs[-1].validation["loss"] for runs in cell.epochs.values() if _explodes(runs)])
    ]


def _explodes(epochs: Sequence[EpochRecord]) -> bool:
    first, last = epochs[0], epochs[-1]
    return last.train_loss < first.train_loss and last.validation["loss"] > EXPLODED * first.train_loss


def _listed(sizes: Iterable[int]) -> str:
    return ", ".join(map(str, sizes))


def edge_notes(rows: Sequence[Row], rates: Sequence[float]) -> list[str]:
    """Say which picks lie at an end of the learning rates that were tried, so that a better one may lie beyond."""
    if len(rates) < 2:
        return []
    ends = {min(rates): "lowest", max(rates): "highest"}
    notes = []
    for rate, which in ends.items():
        where = [
            f"{row.norm} at {cell.batch_size}" for row in rows for cell in row.cells if cell.rate == rate and cell.ok
        ]
        if where:
            notes.append(f"the {which} learning rate tried, {rate:g}, was chosen for {', '.join(where)}")
    return notes


def failure_lines(records: Mapping[str, RunRecord], *, shown: int = MAX_SHOWN) -> list[str]:
    """Return a line for each run that ended without a result, those that did not diverge first; then how many more.

    Interrupted runs are merely unfinished, and are not among them.
    """
    ended = sorted(filter(diverged_or_failed, records.values()), key=lambda run: (not run.status.is_lost, _order(run)))
    lines = [record.failure_message for record in ended[:shown]]
    return lines if len(ended) <= shown else [*lines, f"and {len(ended) - shown} more"]


def _order(record: RunRecord) -> tuple[str, str, int, float, int]:
    spec = record.spec
    return spec.template, spec.norm, spec.batch_size, spec.lr, spec.seed
