"""Is it said at how many values a norm takes each statistic?"""

import pytest

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import Place
from normzoo.report import Table, summarize
from normzoo.report.render.cells import places_grid

from .synthetic import filled


def table(norm: str, *, batch_size: int, pooled: int | None) -> Table:
    """Summarize a norm that stands in one place."""
    matrix = MatrixSpec(norms=norm, templates="mlp", batch_sizes=str(batch_size), seeds=2)
    place = Place(where="after it", kind="vectors", channels=8, positions=1, has_norm=True, pooled=pooled)
    return summarize(matrix, filled(matrix, lambda *_: 0.9, places=(place,))).tables[0]


def test_of_unequal_parts_it_is_the_least() -> None:
    """Of which not all values become one or minus one."""
    said = "at batch size 8, ghost:size=3 pools at least 2 values after it"
    assert said in table("ghost:size=3", batch_size=8, pooled=2).notes
    said = "at batch size 8, ghost:size=2 pools 2 values after it (each becomes +1 or -1)"
    assert said in table("ghost:size=2", batch_size=8, pooled=2).notes


def test_two_values_become_one_and_minus_one_if_nothing_follows() -> None:
    """Batch renormalization corrects what batch norm makes of them."""
    said = "at batch size 2, batch-renorm pools 2 values after it"
    assert said in table("batch-renorm", batch_size=2, pooled=2).notes


def test_places_of_one_kind_with_other_numbers_are_all_there() -> None:
    """As the layers of an mlp, whose widths differ."""
    matrix = MatrixSpec(norms="layer", templates="mlp", batch_sizes="2,8", seeds=2)
    places = tuple(
        Place(where="after it", kind="vectors", channels=width, positions=1, has_norm=width != 7, pooled=pooled)
        for width, pooled in ((1024, 1024), (7, None), (32, 32), (1024, 1024), (64, 64))
    )
    table = summarize(matrix, filled(matrix, lambda *_: 0.9, places=places)).tables[0]
    (found,) = places_grid(table, ["layer"]).columns
    assert found.cells == [["32, 64 or 1,024"]]


@pytest.mark.parametrize(("norm", "cell"), [("dyt", "–"), ("derf", "–"), ("extended", "?")])  # noqa: RUF001
def test_nothing_pooled_is_not_the_same_as_not_known(norm: str, cell: str) -> None:
    """Of norms that take each value for itself, and of those of which no single number is known."""
    grid = places_grid(table(norm, batch_size=8, pooled=None), [norm])
    assert [column.cells for column in grid.columns] == [[[cell]]]
