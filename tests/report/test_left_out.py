"""Is it said which norms are left out of a network, and are tables and plots those of the others?"""

import pytest

from normzoo.experiment.config.spec import LeftOut, MatrixSpec
from normzoo.report import Summary, provenance, sections, summarize, summary_rows, to_markdown
from normzoo.report.plots import draw
from normzoo.report.render.method import method

from .synthetic import filled

REASON = "it contains an activation"


def without(*norms: str, templates: str = "cnn,lstm", baseline: str | None = None) -> Summary:
    """Summarize two networks, of which the second lacks some norms; one norm is apart from all."""
    matrix = MatrixSpec(
        norms="batch,dyt,layer,none", optional="all", templates=templates, batch_sizes="2,8", seeds=6, baseline=baseline
    )
    left_out = [LeftOut(norm=norm, template="lstm", reason=REASON) for norm in norms]
    apart = LeftOut(norm="group", template="", reason="in one process it is batch")
    matrix = matrix.without([*left_out, apart])
    records = filled(matrix, lambda norm, size, seed: 0.5 + 0.01 * len(norm) + 0.001 * seed * size)
    return summarize(matrix, records, labels={"dyt": "DyT"})


def test_a_table_has_the_norms_of_its_network() -> None:
    """And a note that names the others by their labels, with the reason."""
    cnn, lstm = without("dyt", "layer").tables
    assert [row.norm for row in cnn.rows] == ["batch", "DyT", "layer", "none"]
    assert [row.norm for row in lstm.rows] == ["batch", "none"]
    assert "left out: DyT and layer: each contains an activation" in lstm.notes
    assert f"left out: DyT: {REASON}" in without("dyt").tables[1].notes
    assert not any(note.startswith("left out") for note in cnn.notes)
    assert not any("missing" in sentence for sentence in lstm.notes)


def test_what_is_apart_from_all_is_said_once() -> None:
    """Where it is said how results came about."""
    said = list(method(without("dyt"), provenance({})))
    assert said[1] == "No part of all: group: in one process it is batch."


def test_rows_for_other_programs_are_those_of_the_tables() -> None:
    """None of what was not trained."""
    rows = [(row["template"], row["norm"]) for row in summary_rows(without("dyt", "layer"))]
    assert ("cnn", "dyt") in rows
    assert len(rows) == 2 * (4 + 2)
    assert ("lstm", "dyt") not in rows


@pytest.mark.slow
@pytest.mark.parametrize("norms", [("dyt",), ("none",), ("batch", "none", "layer")], ids=",".join)
def test_everything_is_shown_without_them(norms: tuple[str, ...]) -> None:
    """The whole report, and every plot; also where the reference norm is one of them."""
    made = without(*norms)
    text = to_markdown("Report", sections(made, provenance=provenance({}), command="normzoo compare"))
    assert REASON.removeprefix("it ") in text
    for kind in ("values", "forest", "gap", "curves"):
        draw(made, kind)


def test_each_panel_names_its_own_rows() -> None:
    """Those of another network stand elsewhere."""
    figure = draw(without("dyt", "layer"), "forest")
    names = [[label.get_text() for label in axis.get_yticklabels()] for axis in figure.axes]
    assert names[0][2:5] == ["batch", "DyT", "layer"]
    assert names[1][2:4] == ["batch", "batch"]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
