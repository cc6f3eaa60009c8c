"""Is what is said of the highest norm what its table shows?"""

import pytest

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.report import summarize
from normzoo.report.analysis.findings import findings
from normzoo.report.render.legends import legend, power_sentence
from normzoo.report.render.method import limitations

from .synthetic import Outcome, column, filled, markdown

TWO = (0.8, 0.9)
SIX = (0.80, 0.82, 0.84, 0.86, 0.88, 0.90)
OTHERS: dict[str, tuple[Outcome, ...]] = {
    "crossed": SIX[::-1],
    "below": tuple(value - 0.2 for value in SIX),
    "above": (*(0.98,) * 5, "diverged"),
}


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        (
            {"none": (0.2, 0.3), "batch": TWO, "layer": TWO},
            "batch and layer are highest, with the same mean, none lowest; not tested",
        ),
        (
            {"none": TWO, "batch": (0.2, 0.3), "layer": (0.3, 0.2)},
            "none is highest, batch and layer lowest; not tested",
        ),
        ({"none": TWO, "batch": TWO}, "all norms have the same mean; not tested"),
        ({"batch": SIX, "layer": OTHERS["crossed"]}, "batch and layer are highest, with the same mean; layer"),
        ({"batch": SIX, "layer": SIX}, "batch is highest; layer has the same accuracy in every run"),
        (
            {"batch": SIX, "layer": OTHERS["below"], "none": OTHERS["above"]},
            "batch is highest of those without failed or diverged runs; layer 20.0",
        ),
    ],
    ids=["two highest", "two lowest", "all", "level when tested", "the same in every run", "one diverged"],
)
def test_the_highest_is_named_with_those_beside_it(outcomes: dict[str, tuple[Outcome, ...]], said: str) -> None:
    (found,) = [each for each in findings(summarize(*column(outcomes))) if "highest" in each or "same mean" in each]
    assert said in found


@pytest.mark.parametrize(("first", "is_said"), [((0.99,) * 5 + (None,), True), ((0.99,) * 6, False)])
def test_a_better_mean_than_the_best_is_explained(first: tuple[Outcome, ...], is_said: bool) -> None:
    """Of fewer seeds than a test needs."""
    summary = summarize(*column({"batch": first, "layer": SIX, "none": OTHERS["below"]}))
    assert (
        "highest mean among norms with at least 6 seeds that are not significantly behind another, " in legend(summary)
    ) == is_said


def test_what_is_tested_is_what_there_is() -> None:
    """Slopes where there are several batch sizes, and exceptions where runs are lost."""
    one = markdown(*column({"batch": SIX, "none": OTHERS["below"]}))
    assert "1 difference of one family: every two norms at every batch size. Joint" in one
    lost = markdown(*column({"batch": SIX, "layer": OTHERS["below"], "none": (*SIX[:5], "failed")}))
    assert "at every batch size, but for those that lost runs or have fewer than 6 seeds in common. Joint" in lost
    matrix = MatrixSpec(norms="batch,none", templates="cnn", batch_sizes="2,8", seeds=6)
    several = markdown(matrix, filled(matrix, lambda norm, size, seed: 0.5 + 0.01 * seed * len(norm) + 0.01 * size))
    assert "at every batch size, and the slopes of every two norms, over all templates. Joint" in several


def test_what_no_seed_shows_is_among_the_limits() -> None:
    """A collapse that has not been seen, and the choice of a rate."""
    matrix, records = column({"batch": SIX, "none": SIX[::-1]})
    said = " ".join(limitations(summarize(matrix, records)))
    assert "no norm collapsed on 6 seeds leaves open that one does on up to 39 % of others (95 %)" in said
    assert "seeds do not vary the choice" not in said
    picked = summarize(matrix.model_copy(update={"lrs": (0.05, 0.1)}), records)
    assert "seeds do not vary the choice" in " ".join(limitations(picked))
    collapsed = {"batch": (*SIX[:5], 0.1, *SIX[:2]), "none": (*SIX, *SIX[:2])}
    assert "no norm collapsed" not in " ".join(limitations(summarize(*column(collapsed))))


def test_a_difference_that_is_written_as_nothing_is_not_called_detectable() -> None:
    """As where seeds hardly differ."""
    for spread, is_said in ((0.01, True), (1e-7, False)):
        values = {
            norm: tuple(0.9 + spread * (seed * factor % 5) for seed in range(8))
            for norm, factor in (("batch", 2), ("layer", 3), ("none", 1))
        }
        summary = summarize(*column(values))
        assert bool(power_sentence(summary, summary.tables[0])) == is_said


def test_the_only_norm_with_enough_seeds_is_not_called_lowest() -> None:
    """Of six seeds, beside a better one of five: nothing is tested."""
    (said,) = findings(summarize(*column({"batch": ((0.99,) * 5 + (None,)), "none": SIX})))[:1]
    assert "none is highest of those with enough seeds; not tested" in said


def test_where_nothing_could_be_tested_no_test_is_named() -> None:
    """As with two norms of which one lost a run."""
    said = legend(summarize(*column({"batch": (*SIX[:5], "failed"), "none": SIX})))
    assert "highest mean; there is nothing to test." in said
    assert "comparisons at 5 %" not in said
