"""The findings, against summaries whose answer is known."""

from normzoo.experiment.spec import MatrixSpec
from normzoo.report import Summary, findings, summarize

from .synthetic import Outcome, column, filled

NOISE = (0.0, 0.01, -0.01)
"""Standard deviation 0.01: over three seeds an interval of 4.3027 * 1 point / sqrt(3) = 2.5 points."""


def known() -> Summary:
    """Batch norm wins at 32 and falls at 2; group and layer tie at 2; none is last at 32.

    All norms share the noise of the seeds, which pairing removes; batch norm has as much again at 2.
    """
    means = {
        "batch": {2: 0.40, 32: 0.97},
        "layer": {2: 0.95, 32: 0.93},
        "group": {2: 0.95, 32: 0.94},
        "none": {2: 0.90, 32: 0.90},
    }
    matrix = MatrixSpec(norms=tuple(means), templates="cnn", batch_sizes="2,32", seeds=3)

    def outcome(norm: str, size: int, seed: int) -> Outcome:
        return means[norm][size] + NOISE[seed] * (2 if (norm, size) == ("batch", 2) else 1)

    return summarize(matrix, filled(matrix, outcome))


def test_the_smallest_batch_size_names_the_best_the_tied_and_how_far_batch_norm_is_behind() -> None:
    assert findings(known())[0] == (
        "cnn: at batch size 2, layer is best at 95.0 ±2.5 % (n = 3); group cannot be told from it; "
        "batch is 55.0 ±2.5 points behind (paired, n = 3)."
    )


def test_where_batch_norm_is_best_the_last_norm_is_named() -> None:
    assert findings(known())[1] == (
        "cnn: at batch size 32, batch is best at 97.0 ±2.5 % (n = 3); none is 7.0 ±0.0 points behind (paired, n = 3)."
    )


def test_the_largest_loss_and_a_gain_are_named() -> None:
    assert findings(known())[2] == (
        "cnn: from batch size 32 to 2, batch has the largest mean loss, 57.0 ±2.5 points (paired, n = 3); "
        "layer gains 2.0 ±0.0 points (paired, n = 3)."
    )


def test_two_batch_sizes_and_no_trouble_give_three_findings() -> None:
    assert len(findings(known())) == 3


def changes(change: dict[str, float], noise: float) -> str:
    """Return the sentence on losses, for the mean change of every norm."""
    matrix = MatrixSpec(norms=tuple(change), templates="cnn", batch_sizes="2,32", seeds=3)
    swing = (0.0, noise, -noise)
    summary = summarize(
        matrix,
        filled(matrix, lambda norm, size, seed: 0.5 + (change[norm] + swing[seed] if size == 2 else 0.0)),
    )
    return findings(summary)[2]


def test_no_loss_is_claimed_where_the_intervals_hold_zero() -> None:
    assert changes({"batch": -0.02, "layer": 0.01}, noise=0.05) == (
        "cnn: from batch size 32 to 2, no norm is shown to lose accuracy; the lowest mean change is that of batch, "
        "-2.0 ±12.4 points (paired, n = 3)."
    )


def test_a_change_that_cannot_be_told_from_zero_is_called_so() -> None:
    assert changes({"batch": -0.30, "layer": -0.01}, noise=0.01) == (
        "cnn: from batch size 32 to 2, batch has the largest mean loss, 30.0 ±2.5 points (paired, n = 3); "
        "the change of layer, -1.0 ±2.5 points (paired, n = 3), cannot be told from zero."
    )


def test_the_smallest_of_several_losses() -> None:
    assert changes({"batch": -0.30, "layer": -0.10}, noise=0.01).endswith(
        "; layer has the smallest, 10.0 ±2.5 points (paired, n = 3)."
    )


def of_column(**accuracies: tuple[Outcome, ...]) -> list[str]:
    return findings(summarize(*column(accuracies)))


def test_one_seed_gives_no_best() -> None:
    assert of_column(batch=(0.5,), layer=(0.9,)) == [
        "cnn: at batch size 2, layer has the highest accuracy, 90.0 % (n = 1), but n is too small to test it "
        "against another."
    ]


def test_one_seed_gives_no_change() -> None:
    matrix = MatrixSpec(seeds=1, templates="cnn")
    summary = summarize(matrix, filled(matrix, lambda norm, size, _: 0.01 * len(norm) * size**0.5))
    assert findings(summary)[2] == "cnn: from batch size 32 to 2, n is too small to test any change."


def test_all_tied_claims_nothing_behind() -> None:
    assert of_column(batch=(0.5, 0.5, 0.5), layer=(0.5, 0.5, 0.5), none=(0.5, 0.5, 0.5)) == [
        "cnn: at batch size 2, batch is best at 50.0 ±0.0 % (n = 3); layer and none cannot be told from it."
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


def test_batch_norm_is_named_even_where_another_norm_is_last() -> None:
    (sentence,) = of_column(layer=(0.9, 0.91, 0.92), batch=(0.7, 0.71, 0.72), none=(0.1, 0.11, 0.12))
    assert sentence.endswith("; batch is 20.0 ±0.0 points behind (paired, n = 3).")


def test_too_few_common_seeds_are_said() -> None:
    (sentence, _) = of_column(layer=(0.9, 0.91, 0.92), none=(0.5, None, None), batch=(0.1, 0.2, 0.1))
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
