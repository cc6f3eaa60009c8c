"""Where records stand in their matrix."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from normzoo.errors import UsageError
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import RunRecord
from normzoo.registry import NORMS
from normzoo.report._sweep import Sweep, sweep


class Place(NamedTuple):
    """A cell of the tables; the norm as the user wrote it."""

    template: str
    norm: str
    batch_size: int


_RunPlace = tuple[str, str, int, float | None, int]
"""Template, canonical norm, batch size, learning rate where there are several, seed."""


def chosen_runs(matrix: MatrixSpec, records: Mapping[str, RunRecord]) -> dict[Place, Sweep]:
    """Return the runs of every cell, at the learning rate chosen for it; records beside the matrix are left out.

    Raises:
        UsageError: two records stand at the same place of the matrix, so they are not of one matrix.
    """
    runs = _by_place(records, has_rates=matrix.lrs is not None)

    def runs_of(place: Place, rate: float) -> list[RunRecord]:
        lr = matrix.lr_at(place.batch_size, rate) if matrix.lrs else None
        norm = NORMS.canonical(place.norm)
        planned = [(place.template, norm, place.batch_size, lr, seed) for seed in range(matrix.seeds)]
        return [runs[each] for each in planned if each in runs]

    places = [
        Place(template, norm, size)
        for template in matrix.templates
        for norm in matrix.norms
        for size in matrix.batch_sizes
    ]
    return {place: sweep({rate: runs_of(place, rate) for rate in matrix.rates}) for place in places}


def _by_place(records: Mapping[str, RunRecord], *, has_rates: bool) -> dict[_RunPlace, RunRecord]:
    places: dict[_RunPlace, RunRecord] = {}
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


def accuracies(records: Sequence[RunRecord]) -> dict[int, float]:
    """Return the test accuracy after the last epoch by seed, of the ok runs."""
    by_seed = {record.spec.seed: record.test_value for record in records}
    return {seed: accuracy for seed, accuracy in by_seed.items() if accuracy is not None}
