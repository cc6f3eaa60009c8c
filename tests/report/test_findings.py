"""The findings, against summaries whose answer is known."""

import pytest

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.report import Summary, findings, summarize

from .synthetic import Outcome, column, filled

NOISE = (0.01, -0.01) * 4
"""Standard deviation 0.01069: over eight seeds an interval of 2.3646 * 1.069 points / sqrt(8) = 0.9 points."""


def known() -> Summary:
    """Batch norm wins at 32 and falls at 2; group and layer tie at 2; none is last at 32.

    All norms share the noise of the seeds, which pairing removes; batch norm has as much again at 2, and group's is
    the other way round there.
    """
    means = {
        "batch": {2: 0.40, 32: 0.97},
        "layer": {2: 0.95, 32: 0.93},
        "group": {2: 0.945, 32: 0.94},
        "none": {2: 0.90, 32: 0.90},
    }
    share = {("batch", 2): 2, ("group", 2): -1}
    matrix = MatrixSpec(norms=tuple(means), templates="cnn", batch_sizes="2,32", seeds=8)

    def outcome(norm: str, size: int, seed: int) -> Outcome:
        return means[norm][size] + NOISE[seed] * share.get((norm, size), 1)

    return summarize(matrix, filled(matrix, outcome))


def test_the_smallest_batch_size_names_the_best_the_tied_and_how_far_batch_norm_is_behind() -> None:
    assert findings(known())[0] == (
        "cnn: at batch size 2, layer is best at 95.0 ±0.9 % (n = 8); group does not differ significantly from it; "
        "batch is 55.0 ±0.9 points behind (paired, n = 8)."
    )


def test_the_norms_shown_to_differ_from_the_baseline_are_named_with_their_p() -> None:
    # Six differences with 2/256 at least: times 6 for each, as the corrected p never falls.
    assert findings(known())[1] == (
        "cnn: at batch size 2, compared with none: layer is 5.0 ±0.0 and group 4.5 ±1.8 points better; batch is 50.0 "
        "±0.9 points worse (paired, n = 8, p at most 0.047)."
    )


def test_a_difference_over_fewer_seeds_says_so_and_a_single_p_is_given_as_it_is() -> None:
    sentence = of_column(layer=(*[0.9] * 6, None), none=(0.8,) * 7)[1]
    assert sentence == (
        "cnn: at batch size 2, compared with none: layer is 10.0 ±0.0 points better (paired, n = 6, p = 0.031)."
    )


def test_where_batch_norm_is_best_the_last_norm_is_named() -> None:
    assert findings(known())[2] == (
        "cnn: at batch size 32, batch is best at 97.0 ±0.9 % (n = 8); none is 7.0 ±0.0 points behind (paired, n = 8)."
    )


def test_who_loses_most_and_than_whom_significantly_more() -> None:
    assert findings(known())[4] == (
        "cnn: from batch size 32 to 2, batch loses most, 57.0 ±0.9 points (paired, n = 8), by its slope significantly "
        "more than every other norm (p at most 0.047)."
    )


def test_two_batch_sizes_and_no_trouble_give_five_findings() -> None:
    assert len(findings(known())) == 5


def changes(change: dict[str, float], noise: float = 0.0, seeds: int = 7) -> str:
    """Return what is said of the effect, for the mean change of every norm between two sizes four doublings apart.

    Layer is a tenth ahead at both, so that some difference is shown.
    """
    matrix = MatrixSpec(norms=tuple(change), templates="cnn", batch_sizes="2,32", seeds=seeds)
    swing = dict(zip(change, ((1, -1, 0), (-1, 0, 1), (0, 1, -1)), strict=False))

    def outcome(norm: str, size: int, seed: int) -> Outcome:
        changed = change[norm] + noise * swing[norm][seed % 3] if size == 2 else 0.0
        return 0.5 + 0.1 * (norm == "layer") + changed

    return findings(summarize(matrix, filled(matrix, outcome)))[-1]


FROM_TO = "cnn: from batch size 32 to 2, "


def test_a_loss_that_is_not_significantly_larger_is_not_said_to_be() -> None:
    # Over seven seeds the noise, three times +4, twice -4 and twice 0 points, has a mean of 0.57 and a standard
    # deviation of 3.599; over sqrt(7), times 2.447.
    assert changes({"batch": -0.06, "layer": -0.02}, noise=0.04) == (
        f"{FROM_TO}batch loses most, 5.4 ±3.3 points (paired, n = 7), by its slope not significantly more than layer."
    )


def test_the_others_are_said_not_to_differ_where_that_was_tested() -> None:
    sentence = changes({"batch": -0.4, "layer": -0.02, "none": -0.01}, noise=0.02, seeds=8)
    assert sentence.endswith(
        "by its slope significantly more than every other norm (p at most 0.031); the slopes of the others do not "
        "differ significantly from one another."
    )


def test_a_loss_whose_interval_holds_zero_is_not_called_one() -> None:
    assert changes({"batch": -0.02, "layer": 0.01}, noise=0.04) == (
        f"{FROM_TO}no norm clearly loses accuracy; the lowest change is that of batch, -1.4 ±3.3 points "
        "(paired, n = 7)."
    )


def test_where_all_gain_the_lowest_change_is_named_and_nobody_is_shown_to_lose() -> None:
    assert changes({"batch": 0.08, "layer": 0.04}) == (
        f"{FROM_TO}no norm clearly loses accuracy; the lowest change is that of layer, +4.0 ±0.0 points "
        "(paired, n = 7)."
    )


def test_with_too_few_seeds_a_loss_is_given_and_not_compared() -> None:
    assert changes({"batch": -0.4, "layer": 0.0}, seeds=5) == (
        f"{FROM_TO}batch loses most, 40.0 ±0.0 points (paired, n = 5), not compared with the others, which needs "
        "at least 7 seeds."
    )


def test_a_norm_by_itself_loses_but_not_most() -> None:
    assert changes({"layer": -0.4}) == f"{FROM_TO}layer loses 40.0 ±0.0 points (paired, n = 7)."


@pytest.mark.parametrize("diverged", [1, 7])
def test_a_norm_that_lost_runs_is_named_first_and_has_no_part_in_the_comparison(diverged: int) -> None:
    """Though it may well be the one that suffers most: it must not vanish from what is said."""
    matrix = MatrixSpec(norms="batch,layer,none", templates="cnn", batch_sizes="2,32", seeds=8)

    def outcome(norm: str, size: int, seed: int) -> Outcome:
        if norm == "batch" and size == 2:
            return "diverged" if seed < diverged else 0.1
        return {"batch": 0.9, "layer": 0.9, "none": 0.5}[norm] - (0.04 if norm == "layer" and size == 2 else 0.0)

    sentences = findings(summarize(matrix, filled(matrix, outcome)))
    assert (
        f"cnn: the effect of the batch size is not compared for batch ({diverged} of 8 at 2), as these runs failed or "
        "diverged." in sentences
    )
    assert (
        f"{FROM_TO}of the others layer loses most, 4.0 ±0.0 points (paired, n = 8), by its slope significantly more "
        "than none (p = 0.023)."
    ) in sentences


def test_over_completed_runs_only_nothing_is_said_to_be_better() -> None:
    """Seven completed runs of eight are all ahead; still they are not shown to be."""
    sentences = of_column(batch=("diverged", *[0.9] * 7), layer=(0.8,) * 8, none=(0.5,) * 8)
    assert sentences[1] == (
        "cnn: at batch size 2, compared with none: layer is 30.0 ±0.0 points better (paired, n = 8, p = 0.008); not "
        "tested, as some runs failed or diverged: batch."
    )


def test_where_no_norm_is_whole_the_highest_is_over_completed_runs_only() -> None:
    assert of_column(batch=("diverged", 0.9, 0.9), none=("diverged", "diverged", 0.5))[0] == (
        "cnn: at batch size 2, no norm has all of its runs; over completed runs only, batch has the highest mean, "
        "90.0 ±0.0 % (n = 2)."
    )


def of_column(**accuracies: tuple[Outcome, ...]) -> list[str]:
    return findings(summarize(*column(accuracies)))


def test_one_seed_gives_no_best() -> None:
    assert of_column(batch=(0.5,), layer=(0.9,)) == [
        "cnn: at batch size 2, layer has the highest mean, 90.0 % (n = 1), and batch the lowest, 50.0 % (n = 1); "
        "differences are not tested, which needs at least 6 seeds."
    ]


def test_all_tied_claims_nothing_behind() -> None:
    assert of_column(batch=(0.5,) * 7, layer=(0.5,) * 7, none=(0.5,) * 7) == [
        "cnn: at batch size 2, no norm differs significantly from the best, batch at 50.0 ±0.0 % (n = 7).",
        "cnn: at batch size 2, compared with none: batch and layer do not differ significantly from it.",
    ]


def test_lost_runs_have_sentences_of_their_own() -> None:
    assert of_column(
        batch=("diverged", "diverged", 0.2),
        layer=(0.9, 0.91, 0.92),
        none=("failed", 0.95, None),
    ) == [
        "cnn: at batch size 2, layer is best at 91.0 ±2.5 % (n = 3); batch ranks behind, as some of its runs failed "
        "or diverged.",
        "cnn: 2 of 9 runs diverged: batch at batch size 2 (2 of 3).",
        "cnn: 1 of 9 runs failed: none at batch size 2 (1 of 3).",
        "cnn: 1 of 9 runs is missing.",
    ]


def spread(mean: float) -> tuple[float, ...]:
    return tuple(mean + 0.01 * (seed % 3) for seed in range(7))


def test_batch_norm_is_named_even_where_another_norm_is_last() -> None:
    sentence = of_column(layer=spread(0.9), batch=spread(0.7), none=spread(0.1))[0]
    assert sentence.endswith("; batch is 20.0 ±0.0 points behind (paired, n = 7).")


def test_too_few_common_seeds_are_said() -> None:
    sentences = of_column(layer=spread(0.9), batch=(0.5, *[None] * 6), none=spread(0.1))
    assert "; too few seeds in common with it to test: batch; none is " in sentences[0]
    assert sentences[1].endswith("; not tested, as too few seeds are in common: batch.")


def test_a_norm_alone_is_not_called_best() -> None:
    assert of_column(batch=("diverged", "diverged"), layer=(0.9, 0.9))[0] == (
        "cnn: at batch size 2, layer alone has a result, 90.0 ±0.0 % (n = 2)."
    )


def test_without_any_result_nothing_is_claimed() -> None:
    assert of_column(batch=("diverged",), layer=(None,)) == [
        "cnn: at batch size 2, no norm has a result.",
        "cnn: 1 of 2 runs diverged: batch at batch size 2 (1 of 1).",
        "cnn: 1 of 2 runs is missing.",
    ]
