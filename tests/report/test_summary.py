"""From records to numbers, worked by hand; and matrices with much missing, which must still give numbers."""

import math
from collections.abc import Callable
from statistics import fmean

import numpy as np
import pytest

from normzoo.errors import UsageError
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import pack_hits
from normzoo.report import CellSummary, Summary, summarize
from normzoo.report.render.legends import samples_sentence

from .synthetic import Outcome, by_key, column, filled, run


def cell(summary: Summary, norm: str, batch_size: int, template: int = 0) -> CellSummary:
    row = next(row for row in summary.tables[template].rows if row.norm == norm)
    return next(cell for cell in row.cells if cell.batch_size == batch_size)


def test_the_accuracy_is_that_of_the_last_epoch() -> None:
    matrix = MatrixSpec(norms="batch", templates="cnn", batch_sizes="2", seeds=1)
    summary = summarize(matrix, by_key(run(0.75, seconds=(1.0, 1.0, 1.0))))
    assert cell(summary, "batch", 2).values == {0: 0.75}


def test_mean_interval_and_seeds() -> None:
    matrix, records = column({"batch": (0.90, 0.92, 0.94)})
    result = cell(summarize(matrix, records), "batch", 2)
    assert result.values == {0: 0.90, 1: 0.92, 2: 0.94}
    assert result.mean == pytest.approx(0.92)
    assert result.half_width == pytest.approx(0.04968, abs=1e-5)


def test_every_status_is_counted_once() -> None:
    outcomes: tuple[Outcome, ...] = (0.9, 0.8, "diverged", "failed", "out-of-memory", "timeout", "interrupted", None)
    matrix, records = column({"batch": outcomes})
    result = cell(summarize(matrix, records), "batch", 2)
    assert (result.planned, result.ok, result.diverged, result.failed, result.missing) == (8, 2, 1, 3, 2)
    assert result.values.keys() == {0, 1}


def test_rows_tables_and_cells_stand_in_the_order_of_the_matrix() -> None:
    matrix = MatrixSpec(norms="none,group:groups=4,batch", templates="lstm,cnn", batch_sizes="8,2", seeds=1)
    summary = summarize(matrix, {})
    assert [table.template for table in summary.tables] == ["lstm", "cnn"]
    assert [row.norm for row in summary.tables[0].rows] == ["none", "group:groups=4", "batch"]
    assert [cell.batch_size for cell in summary.tables[1].rows[2].cells] == [2, 8]


def test_a_norm_is_found_and_named_by_its_canonical_spec() -> None:
    matrix = MatrixSpec(norms="group:groups=8,batch", templates="cnn", batch_sizes="2", seeds=1)
    summary = summarize(matrix, by_key(run(0.6, norm="group"), run(0.7, norm="batch")))
    assert cell(summary, "group", 2).values == {0: 0.6}


def test_records_outside_the_matrix_are_left_out() -> None:
    matrix = MatrixSpec(norms="batch", templates="cnn", batch_sizes="2", seeds=1)
    outside = [run(0.1, seed=1), run(0.1, batch_size=4), run(0.1, norm="layer"), run(0.1, template="lstm")]
    assert cell(summarize(matrix, by_key(run(0.6), *outside)), "batch", 2).values == {0: 0.6}


def test_two_records_at_one_place_are_refused() -> None:
    one, two = run(0.6), run(0.6, seconds=(1.0, 1.0, 1.0))
    with pytest.raises(UsageError, match=rf"two records of cnn, batch, batch size 2, seed 0 .*{two.spec.key}"):
        summarize(MatrixSpec(), by_key(one, two))


def test_seconds_are_the_median_over_runs_of_the_mean_over_epochs() -> None:
    matrix = MatrixSpec(norms="batch", templates="cnn", batch_sizes="2", seeds=4)
    times = [(1.0, 3.0), (4.0, 6.0), (9.0, 11.0)]
    runs = [run(0.9, seed=seed, seconds=seconds) for seed, seconds in enumerate(times)]
    slow = run("diverged", seed=3, seconds=(500.0, 500.0))
    assert cell(summarize(matrix, by_key(*runs, slow)), "batch", 2).seconds_per_epoch == 5.0


@pytest.mark.parametrize(("seconds", "expected"), [((9.0, 1.0, 3.0), 2.0), ((9.0,), None)])
def test_seconds_are_without_the_epoch_in_which_a_step_was_compiled(
    seconds: tuple[float, ...], expected: float | None
) -> None:
    """A single epoch says nothing of others."""
    matrix = MatrixSpec(norms="batch", templates="cnn", batch_sizes="2", seeds=1, epochs=len(seconds))
    record = run(0.9, seconds=seconds).model_copy(update={"compiled": True})
    assert cell(summarize(matrix, by_key(record)), "batch", 2).seconds_per_epoch == expected


def test_the_change_is_the_smallest_minus_the_largest_batch_size_paired_by_seed() -> None:
    accuracies: dict[int, tuple[Outcome, ...]] = {2: (0.50, 0.60, 0.40), 8: (0.1, 0.1, 0.1), 32: (0.90, 0.95, "failed")}
    matrix = MatrixSpec(norms="batch", templates="cnn", seeds=3)
    change = summarize(matrix, filled(matrix, lambda _, size, seed: accuracies[size][seed])).tables[0].rows[0].change
    assert change is not None
    assert change.pairs == 2
    assert change.mean == pytest.approx(-0.375)
    # Differences -0.40 and -0.35: standard deviation 0.035355, t(0.975, 1) = 12.706, over sqrt(2).
    assert change.half_width == pytest.approx(0.31766, abs=1e-4)


def test_a_single_batch_size_has_no_change() -> None:
    matrix, records = column({"batch": (0.9, 0.8)})
    assert summarize(matrix, records).tables[0].rows[0].change is None


def test_marks_reach_the_cells() -> None:
    low, high = (0.5, 0.6, 0.4, 0.5, 0.5, 0.6), (0.9, 0.95, 0.92, 0.9, 0.9, 0.9)
    matrix, records = column({"batch": low, "layer": high, "none": ("diverged", *[0.99] * 5)})
    summary = summarize(matrix, records)
    assert [cell(summary, norm, 2).mark for norm in matrix.norms] == ["", "best", ""]
    behind = cell(summary, "batch", 2).behind
    assert behind is not None
    assert behind.mean == pytest.approx(fmean(high) - fmean(low))


def test_a_missing_run_does_not_demote() -> None:
    matrix, records = column({"batch": (0.5, 0.6, 0.4, 0.5, 0.5, 0.5, 0.5), "layer": (*[0.9] * 6, None)})
    assert cell(summarize(matrix, records), "layer", 2).mark == "best"


def test_batch_sizes_at_which_no_norm_has_all_of_its_runs_are_named() -> None:
    matrix = MatrixSpec(norms="batch,layer,none", templates="cnn", batch_sizes="2,4,8,32", seeds=3)
    lost = filled(matrix, lambda _, size, seed: "diverged" if (size, seed) == (4, 0) else 0.5)
    assert summarize(matrix, lost).tables[0].notes == (
        "no norm has all of its runs at batch size 4, so none is marked as best",
    )


def test_the_notes_of_the_runs_appear_once_with_the_norms_they_are_about() -> None:
    matrix = MatrixSpec(norms="batch,layer,instance", templates="cnn,lstm", batch_sizes="2", seeds=2)
    notes = {"batch": ("all",), "layer": ("all", "own"), "instance": ("all", "own", "instance: itself")}
    records = {
        key: record.model_copy(update={"notes": notes[record.spec.norm.partition(":")[0]]})
        for key, record in filled(matrix, lambda *_: 0.5).items()
        if record.spec.template == "cnn"
    }
    cnn, lstm = summarize(matrix, records).tables
    assert cnn.notes == ("all", "layer, instance: own", "instance: itself")
    assert lstm.notes == ()


DEGENERATE: dict[str, Callable[[str, int, int], Outcome]] = {
    "all tie": lambda *_: 0.5,
    "all perfect": lambda *_: 1.0,
    "everything diverged": lambda *_: "diverged",
    "nothing there": lambda *_: None,
    "one norm missing at one batch size": lambda norm, size, seed: (
        None if (norm, size) == ("layer", 8) else 0.5 + 0.01 * seed
    ),
    "half missing": lambda norm, size, seed: None if (len(norm) + size + seed) % 2 else 0.4 + 0.1 * (seed % 3),
    "one completed run": lambda _, __, seed: 0.4 if seed == 0 else "diverged",
    "constant lead": lambda norm, _, seed: 0.1 * len(norm) + 0.01 * seed,
}


@pytest.mark.slow_but_one
@pytest.mark.parametrize("seeds", [1, 2, 14])
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_matrices_give_finite_numbers_or_none(case: str, seeds: int) -> None:
    matrix = MatrixSpec(seeds=seeds)
    summary = summarize(matrix, filled(matrix, DEGENERATE[case]))
    for table in summary.tables:
        for row in table.rows:
            differences = [row.change, row.slope, *(cell.behind for cell in row.cells)]
            differences += [cell.vs_reference.difference for cell in row.cells if cell.vs_reference]
            differences += [contrast.difference for contrast in table.contrasts]
            numbers = [value for d in differences if d for value in (d.mean, d.half_width, d.p_value)]
            numbers += [value for c in row.cells for value in (c.mean, c.half_width, c.median, c.lowest, c.highest)]
            numbers += [value for c in row.cells for value in (c.seconds_per_epoch, c.rank)]
            numbers += [
                value
                for c in row.cells
                if c.vs_reference
                for value in (c.vs_reference.probability, c.vs_reference.correlation)
            ]
            numbers += [power.detectable for power in table.powers]
            assert all(math.isfinite(value) for value in numbers if value is not None)
            for result in row.cells:
                assert result.ok + result.diverged + result.failed + result.missing == result.planned == seeds
                assert (result.mean is None) == (result.mark is None) == (result.ok == 0)


def test_where_all_tie_one_is_best_and_the_rest_tied() -> None:
    matrix = MatrixSpec(seeds=10)
    rows = summarize(matrix, filled(matrix, lambda *_: 0.5)).tables[0].rows
    assert [row.cells[0].mark for row in rows] == ["best", "tied", "tied", "tied", "tied"]


def test_median_and_range_are_of_the_ok_runs() -> None:
    matrix, records = column({"batch": (0.90, 0.96, "diverged", 0.94, 0.91)})
    result = cell(summarize(matrix, records), "batch", 2)
    assert result.median == pytest.approx(0.925)
    assert (result.lowest, result.highest) == (0.90, 0.96)
    assert result.is_partial


def test_the_baseline_is_none_or_what_was_asked_for() -> None:
    accuracies: dict[str, tuple[Outcome, ...]] = {"batch": (0.5, 0.6), "none": (0.75, 0.75), "layer": (0.9, 1.0)}
    matrix, records = column(accuracies)
    vs_none = summarize(matrix, records)
    vs_batch = summarize(matrix.model_copy(update={"baseline": "batch"}), records)
    found = [
        {
            row.norm: versus.difference.mean
            for row in summary.tables[0].rows
            if (versus := row.cells[0].vs_reference) and versus.difference
        }
        for summary in (vs_none, vs_batch)
    ]
    assert found == [
        {"batch": pytest.approx(-0.2), "layer": pytest.approx(0.2)},
        {"none": pytest.approx(0.2), "layer": pytest.approx(0.4)},
    ]


def test_the_family_is_every_pair_of_a_block_and_of_slopes_in_the_whole_matrix() -> None:
    """Two templates of three batch sizes and three norms: three pairs in each of six blocks, and three of slopes."""
    matrix = MatrixSpec(norms="batch,layer,none", seeds=10)
    summary = summarize(matrix, filled(matrix, lambda norm, _, seed: 0.1 * len(norm) + 0.01 * seed))
    assert (summary.family.size, summary.family.seeds) == (2 * 3 * 3 + 2 * 3, 10)


def test_a_pair_has_one_p_value_everywhere() -> None:
    """Beside the reference, as the distance from the best, and with another reference."""

    def outcome(norm: str, size: int, seed: int) -> Outcome:
        return 0.1 * len(norm) + 0.03 * ((7 * seed + len(norm) * size) % 5)

    matrix = MatrixSpec(norms="batch,none,instance", templates="cnn", seeds=8)
    records = filled(matrix, outcome)
    vs_none, vs_best = (
        summarize(matrix.model_copy(update={"baseline": norm}), records) for norm in ("none", "instance")
    )
    for size in matrix.batch_sizes:
        best = cell(vs_none, "instance", size)
        assert best.mark == "best"
        assert best.vs_reference
        assert best.vs_reference.difference
        behind = cell(vs_none, "none", size).behind
        other = cell(vs_best, "none", size).vs_reference
        assert behind
        assert other
        assert other.difference
        assert best.vs_reference.difference.p_value == behind.p_value == other.difference.p_value


def test_a_norm_missing_at_one_batch_size_leaves_the_rest_of_the_family() -> None:
    matrix = MatrixSpec(norms="batch,layer,none", templates="cnn", seeds=10)
    summary = summarize(
        matrix,
        filled(
            matrix, lambda norm, size, seed: None if (norm, size) == ("layer", 8) else 0.1 * len(norm) + 0.01 * seed
        ),
    )
    assert summary.family.size == 3 + 1 + 3 + 1, "at batch size 8, and of slopes, one pair is left"
    lacking = cell(summary, "layer", 8).vs_reference
    assert lacking is not None
    assert (lacking.difference, lacking.probability, cell(summary, "layer", 8).rank) == (None, None, None)


def test_the_sizes_of_the_dataset_are_those_of_the_records() -> None:
    matrix, records = column({"batch": (0.5,)})
    assert summarize(matrix, records).test_samples is None
    known = filled(matrix, lambda *_: 0.5, train_samples=1296, validation_samples=141, test_samples=360)
    summary = summarize(matrix, known)
    assert (summary.train_samples, summary.test_samples) == (1296, 360)


def test_what_lost_runs_is_measured_and_not_tested() -> None:
    """Neither against the baseline nor against another norm's slope; nor anything against a baseline that lost one."""

    def outcome(norm: str, size: int, seed: int) -> Outcome:
        accuracy = 0.1 * len(norm) + 0.01 * seed + 0.001 * size * len(norm)
        return "diverged" if (norm, size, seed) == ("layer", 8, 0) else accuracy

    matrix = MatrixSpec(norms="batch,layer,none", templates="cnn", seeds=10)
    summary = summarize(matrix, filled(matrix, outcome))
    versus = [cell(summary, "layer", size).vs_reference for size in (2, 8, 32)]
    assert [each.difference.p_value is None for each in versus if each and each.difference] == [False, True, False]
    assert [(each.difference.pairs, each.is_partial) for each in versus if each and each.difference] == [
        (10, False),
        (9, True),
        (10, False),
    ]
    told = {(each.first, each.second): each.difference.p_value is None for each in summary.tables[0].contrasts}
    assert told == {("batch", "layer"): True, ("batch", "none"): False, ("layer", "none"): True}
    against = summarize(matrix.model_copy(update={"baseline": "layer"}), filled(matrix, outcome))
    assert against.family.size == summary.family.size == 3 + 1 + 3 + 1


def test_what_the_test_samples_leave_is_not_said_where_it_is_written_as_nothing() -> None:
    """Of norms that are right on the same samples; of others it is said."""

    def said(other: slice) -> str | None:
        hits = {"batch": np.arange(40) < 30, "none": np.arange(40) < 30}
        hits["none"][other] = False
        matrix, records = column({"batch": (0.75,) * 3, "none": (0.75,) * 3})
        shared = {
            key: record.model_copy(update={"test_hits": pack_hits(hits[record.spec.norm]), "test_samples": 40})
            for key, record in records.items()
        }
        summary = summarize(matrix, shared)
        return samples_sentence(summary, summary.tables[0])

    assert said(slice(0)) is None
    assert "widest interval over both would still be about \u00b1" in str(said(slice(5)))


def test_an_interval_over_test_samples_is_of_all_seeds_or_none() -> None:
    """Of fewer seeds than the difference beside it, it could be narrower."""

    def interval(known: int) -> object:
        matrix, records = column({"batch": (0.75,) * 4, "none": (0.75,) * 4})
        random = np.random.default_rng(0)
        shared = {
            key: record.model_copy(update={"test_hits": pack_hits(random.random(40) < 0.75), "test_samples": 40})
            if record.spec.seed < known
            else record
            for key, record in records.items()
        }
        versus = summarize(matrix, shared).tables[0].rows[0].cells[0].vs_reference
        return versus and versus.with_samples

    assert interval(4) is not None
    assert interval(3) is None
