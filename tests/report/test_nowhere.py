"""Is a network whose norm stands nowhere marked, and neither ranked nor the reference while there are others?"""

import pytest

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import Place
from normzoo.report import Summary, findings, summarize

from .synthetic import filled, terminal

VALUES = {"frn": 0.95, "batch": 0.9, "layer": 0.8, "none": 0.7, "ws": 0.6}
SIZES = {"frn": 0.02, "batch": -0.01, "layer": 0.0, "none": 0.0, "ws": 0.0}
"""What each gains where the batch is larger."""


def summary(norms: str, *, baseline: str | None = None, seeds: int = 6) -> Summary:
    """Summarize a network of which some norms, as in the mlp, have no place."""
    matrix = MatrixSpec(norms=norms, templates="mlp", batch_sizes="2,8", seeds=seeds, baseline=baseline)
    records = filled(matrix, lambda norm, size, seed: VALUES[norm] + SIZES[norm] * (size == 8) + 0.001 * (seed + size))
    for key, record in records.items():
        has_norm = record.spec.norm in ("batch", "layer")
        place = Place(where="there", kind="vectors", channels=8, positions=1, has_norm=has_norm, pooled=None)
        records[key] = record.model_copy(update={"places": (place,)})
    return summarize(matrix, records)


def test_it_is_marked() -> None:
    """In every cell of its row, with a legend; the control and norms of weights are not."""
    text = terminal(summary("frn,batch,ws,none"), width=200)
    assert "‡ the norm stands nowhere in this network" in " ".join(text.split())
    assert [line.split()[0] for line in text.splitlines() if line.count("‡") == 2] == ["frn"]
    assert "‡" not in terminal(summary("batch,ws,none"))


@pytest.mark.parametrize("seeds", [6, 2])
def test_it_is_not_among_what_is_ranked(seeds: int) -> None:
    """Though its values are the highest, and change most."""
    found = " ".join(findings(summary("frn,batch,layer", seeds=seeds)))
    assert "At batch size 2, batch is " in found
    assert "frn" not in found


def test_it_has_no_rank() -> None:
    """Those of the others are counted without it."""
    rows = summary("frn,batch,layer").tables[0].rows
    assert {row.norm: [cell.rank for cell in row.cells] for row in rows} == {
        "frn": [None, None],
        "batch": [1.0, 1.0],
        "layer": [2.0, 2.0],
    }


def test_it_is_not_the_reference_by_itself() -> None:
    """The next norm is, unless it is asked for."""
    assert summary("frn,layer,batch").reference == "layer"
    assert summary("frn,layer,batch", baseline="frn").reference == "frn"


def test_alone_it_is_shown_like_any_other() -> None:
    """There is nothing else to rank."""
    found = summary("frn")
    assert found.reference == "frn"
    assert "there is nothing to compare frn with" in " ".join(findings(found))
