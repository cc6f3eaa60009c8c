"""The two families of tests of a whole matrix: norms beside the baseline, then slopes of norms beside each other."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from itertools import combinations

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.report._places import Place
from normzoo.report.statistics.differences import Difference, paired
from normzoo.report.statistics.family import Family, assess
from normzoo.report.statistics.slopes import slopes

Accuracies = Mapping[Place, Mapping[int, float]]
"""Test accuracies by cell and seed."""


@dataclass(frozen=True)
class Comparisons:
    """What was compared over a whole matrix.

    Attributes:
        samples: for each cell but those of the baseline, the paired differences from it.
        versus: their means, tested as one family.
        slopes: by template and norm, the effect of the batch size in every seed.
        contrasts: by template and two norms, the first's slope minus the second's, tested as one family.
    """

    samples: Mapping[Place, list[float]]
    versus: Mapping[Place, Difference]
    versus_family: Family
    slopes: Mapping[tuple[str, str], Mapping[int, float]]
    contrasts: Mapping[tuple[str, str, str], Difference]
    contrast_family: Family


def compare_norms(matrix: MatrixSpec, accuracies: Accuracies, lost: Set[Place] = frozenset()) -> Comparisons:
    """Compare every norm with the baseline in its column, and the effects of the batch size of every two norms.

    What involves a cell of ``lost`` runs, which diverged or failed, is a difference of survivors, and not tested.
    """
    samples = {
        place: paired(reached, accuracies[place._replace(norm=matrix.reference)])
        for place, reached in accuracies.items()
        if place.norm != matrix.reference
    }
    effects = {
        (template, norm): slopes(
            matrix.batch_sizes, [accuracies[Place(template, norm, size)] for size in matrix.batch_sizes]
        )
        for template in matrix.templates
        for norm in matrix.norms
    }
    lost_columns = {place._replace(norm="") for place in lost if place.norm == matrix.reference}
    lost_rows = {(place.template, place.norm) for place in lost}
    versus, versus_family = assess(
        samples, skip={place for place in samples if place in lost or place._replace(norm="") in lost_columns}
    )
    slopes_apart = {
        (template, first, second): paired(effects[template, first], effects[template, second])
        for template in matrix.templates
        for first, second in combinations(matrix.norms, 2)
    }
    contrasts, contrast_family = assess(
        slopes_apart,
        after=versus_family if versus_family.size else None,
        skip={key for key in slopes_apart if lost_rows & {(key[0], key[1]), (key[0], key[2])}},
    )
    return Comparisons(samples, versus, versus_family, effects, contrasts, contrast_family)
