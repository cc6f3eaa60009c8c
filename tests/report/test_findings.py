"""The findings, against summaries whose answer is known."""

from normzoo.experiment.spec import MatrixSpec
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
        "cnn: at batch size 2, layer is best at 95.0 ±0.9 % (n = 8); group cannot be told from it; "
        "batch is 55.0 ±0.9 points behind (paired, n = 8)."
    )


def test_the_norms_shown_to_differ_from_the_baseline_are_named_with_their_p() -> None:
    # Six differences with 2/256 at least: times 6 for each, as the corrected p never falls.
    assert findings(known())[1] == (
        "cnn: at batch size 2, beside none: layer is 5.0 ±0.0 and group 4.5 ±1.8 points better; batch is 50.0 ±0.9 "
        "points worse (paired, n = 8, p at most 0.047)."
    )


def test_a_difference_over_fewer_seeds_says_so_and_a_single_p_is_given_as_it_is() -> None:
    sentence = of_column(layer=(*[0.9] * 6, None), none=(0.8,) * 7)[1]
    assert sentence == (
        "cnn: at batch size 2, beside none: layer is 10.0 ±0.0 (n = 6) points better (paired, n = 7, p = 0.031)."
    )


def test_where_batch_norm_is_best_the_last_norm_is_named() -> None:
    assert findings(known())[2] == (
        "cnn: at batch size 32, batch is best at 97.0 ±0.9 % (n = 8); none is 7.0 ±0.0 points behind (paired, n = 8)."
    )


def test_who_loses_most_with_each_halving_and_than_whom_it_is_shown_to_lose_more() -> None:
    # From 32 to 2 are four halvings: 57 points by four; the noise of batch norm at 2 by four.
    assert findings(known())[4] == (
        "cnn: with each halving of the batch size batch loses most, 14.2 ±0.2 points (n = 8); it is shown to lose more "
        "than layer, group and none (p at most 0.047)."
    )


def test_two_batch_sizes_and_no_trouble_give_five_findings() -> None:
    assert len(findings(known())) == 5


def changes(change: dict[str, float], noise: float, seeds: int = 6) -> str:
    """Return the sentence on losses, for the mean change of every norm between two sizes four doublings apart."""
    matrix = MatrixSpec(norms=tuple(change), templates="cnn", batch_sizes="2,32", seeds=seeds)
    swing = dict(zip(change, ((1, -1, 0), (-1, 0, 1)), strict=False))
    summary = summarize(
        matrix,
        filled(
            matrix,
            lambda norm, size, seed: 0.5 + (change[norm] + noise * swing[norm][seed % 3] if size == 2 else 0.0),
        ),
    )
    return findings(summary)[-1]


def test_a_loss_that_cannot_be_told_from_anothers_is_not_said_to_be_larger() -> None:
    # The noise has a standard deviation of 4 / sqrt(5 / 4) points; over sqrt(6), times 2.571, by four halvings.
    assert changes({"batch": -0.02, "layer": 0.01}, noise=0.04) == (
        "cnn: with each halving of the batch size batch loses most, 0.5 ±0.9 points (n = 6); layer cannot be told from "
        "it in this."
    )


def test_where_none_loses_the_one_that_gains_least_is_named() -> None:
    assert changes({"batch": 0.08, "layer": 0.04}, noise=0.0).startswith(
        "cnn: with each halving of the batch size layer gains least, 1.0 ±0.0 points (n = 6); it is shown to lose more "
    )


def test_with_too_few_seeds_a_loss_is_given_and_not_compared() -> None:
    assert changes({"batch": -0.4, "layer": 0.0}, noise=0.0, seeds=5) == (
        "cnn: with each halving of the batch size batch loses most, 10.0 ±0.0 points (n = 5); n is too small to test "
        "whether others lose less (6 seeds would do)."
    )


def test_a_slope_of_survivors_is_called_one() -> None:
    matrix = MatrixSpec(norms="batch,none", templates="cnn", batch_sizes="2,32", seeds=3)
    summary = summarize(
        matrix,
        filled(matrix, lambda norm, size, seed: "diverged" if (norm, size, seed) == ("batch", 2, 0) else size / 100),
    )
    assert "batch loses most, 7.5 ±0.0 points (n = 2, over the survivors)" in findings(summary)[2]


def test_over_survivors_nothing_is_said_to_be_better() -> None:
    """Seven survivors of eight are all ahead; still they are not shown to be."""
    summary = of_column(batch=("diverged", *[0.9] * 7), none=(0.5,) * 8)
    assert summary[1] == "cnn: at batch size 2, beside none: as runs were lost, nothing is claimed of batch."


def of_column(**accuracies: tuple[Outcome, ...]) -> list[str]:
    return findings(summarize(*column(accuracies)))


def test_one_seed_gives_no_best() -> None:
    assert of_column(batch=(0.5,), layer=(0.9,)) == [
        "cnn: at batch size 2, layer has the highest accuracy, 90.0 % (n = 1); n is too small to tell it from another "
        "(6 seeds would do)."
    ]


def test_all_tied_claims_nothing_behind() -> None:
    assert of_column(batch=(0.5,) * 7, layer=(0.5,) * 7, none=(0.5,) * 7) == [
        "cnn: at batch size 2, batch is best at 50.0 ±0.0 % (n = 7); layer and none cannot be told from it.",
        "cnn: at batch size 2, beside none: batch and layer cannot be told from it.",
    ]


def test_lost_runs_have_sentences_of_their_own() -> None:
    assert of_column(
        batch=("diverged", "diverged", 0.2),
        layer=(0.9, 0.91, 0.92),
        none=("failed", 0.95, None),
    ) == [
        "cnn: at batch size 2, layer is best at 91.0 ±2.5 % (n = 3); batch ranks behind for the runs that have no "
        "result.",
        "cnn: 2 of 9 runs diverged: batch at batch size 2 (2 of 3).",
        "cnn: 1 of 9 runs failed: none at batch size 2 (1 of 3).",
        "cnn: 1 of 9 runs are missing.",
    ]


def spread(mean: float) -> tuple[float, ...]:
    return tuple(mean + 0.01 * (seed % 3) for seed in range(7))


def test_batch_norm_is_named_even_where_another_norm_is_last() -> None:
    sentence = of_column(layer=spread(0.9), batch=spread(0.7), none=spread(0.1))[0]
    assert sentence.endswith("; batch is 20.0 ±0.0 points behind (paired, n = 7).")


def test_too_few_common_seeds_are_said() -> None:
    sentence = of_column(layer=spread(0.9), none=(0.5, *[None] * 6), batch=spread(0.1))[0]
    assert "; too few seeds in common with it to test: none; batch is " in sentence


def test_a_norm_alone_is_not_called_best() -> None:
    assert of_column(batch=("diverged", "diverged"), layer=(0.9, 0.9))[0] == (
        "cnn: at batch size 2, layer alone has a result, 90.0 ±0.0 % (n = 2)."
    )


def test_without_any_result_nothing_is_claimed() -> None:
    assert of_column(batch=("diverged",), layer=(None,)) == [
        "cnn: at batch size 2, no norm has a result.",
        "cnn: 1 of 2 runs diverged: batch at batch size 2 (1 of 1).",
        "cnn: 1 of 2 runs are missing.",
    ]
