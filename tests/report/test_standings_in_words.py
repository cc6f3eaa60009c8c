"""Is what is said of the highest norm what its table shows?"""

import pytest

from normzoo.report import summarize
from normzoo.report.analysis.findings import findings

from .synthetic import Outcome, column

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
            "batch is highest of those with all of their runs; layer 20.0",
        ),
    ],
    ids=["two highest", "two lowest", "all", "level when tested", "the same in every run", "one diverged"],
)
def test_the_highest_is_named_with_those_beside_it(outcomes: dict[str, tuple[Outcome, ...]], said: str) -> None:
    (found,) = [each for each in findings(summarize(*column(outcomes))) if "highest" in each or "same mean" in each]
    assert said in found
