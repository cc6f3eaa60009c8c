"""Do the tables say what was timed?"""

import pytest

from benchmarks.matrix.spec import MatrixBench
from benchmarks.matrix.tables import how_measured, ratio_text, ratios, seconds, to_markdown

from .matrix_sample import matrix_bench


def test_ratios_are_multiples_of_normzoos_training() -> None:
    """Medians over rounds; the peers' are multiplied up from one seed to five; sums and the whole come last."""
    table = ratios(matrix_bench())
    assert table.header == ("template", "batch size", "normzoo s", "lightning", "bare", "process")
    assert table.rows == (
        ("cnn", "2", "10.0", "8.00x", "2.00x", "40.0x"),
        ("cnn", "32", "5.0", "16.0x", "4.00x", "80.0x"),
        ("all", "sum", "15.0", "10.7x", "2.67x", "53.3x"),
        ("whole matrix", "training", "8.0", "20.0x", "5.00x", "100.0x"),
        ("whole matrix", "with start-up", "10.0", "16.0x", "4.00x", "80.0x"),
    )


def test_peers_are_multiplied_by_the_seeds_they_left_out() -> None:
    """If they train all, by nothing."""
    assert ratios(matrix_bench(peer_seeds=5)).rows[0][3:] == ("1.60x", "0.40x", "8.00x")


def test_ways_that_were_not_timed_have_no_column() -> None:
    """The others keep theirs."""
    table = ratios(matrix_bench(ways="bare,normzoo"))
    assert table.header[3:] == ("bare",)
    assert table.rows[0][3:] == ("2.00x",)


def test_a_single_cell_is_the_whole() -> None:
    """It has a row of its own and one with the start-up, and no sums."""
    measured = matrix_bench(batch_sizes="2")
    measured = measured.model_copy(update={"cells": measured.cells[:1], "whole": measured.cells[0].normzoo})
    assert [row[:3] for row in ratios(measured).rows] == [
        ("cnn", "2", "10.0"),
        ("whole matrix", "with start-up", "12.0"),
    ]


def test_seconds_are_multiplied_up_too() -> None:
    """Of the command the whole, its start-up, and the rest; of the peers those for all seeds."""
    table = seconds(matrix_bench())
    assert table.header[2:5] == ("normzoo wall", "start-up", "training")
    assert table.rows == (
        ("cnn", "2", "12.0", "2.0", "10.0", "80.0", "20.0", "400.0"),
        ("cnn", "32", "7.0", "2.0", "5.0", "80.0", "20.0", "400.0"),
        ("whole matrix", "one command", "10.0", "2.0", "8.0", "160.0", "40.0", "800.0"),
    )


@pytest.mark.parametrize("ours", [0.0, -1.0])
def test_there_is_no_ratio_to_no_time(ours: float) -> None:
    """A training so short that it is lost in the start-up has none."""
    assert ratio_text(1.0, ours) == "?"


def test_what_was_multiplied_up_is_said_in_words() -> None:
    """Of those that were timed, and only if something was left out."""
    said = "the time of lightning, bare, process is that of 1 of them multiplied by 5, since they train every run alone"
    assert said in how_measured(matrix_bench())
    assert "multiplied" not in how_measured(matrix_bench(peer_seeds=5))
    assert "the time of bare is that of 2 of them multiplied by 2.5" in how_measured(
        matrix_bench(peer_seeds=2, ways="normzoo,bare")
    )


def test_the_report_holds_tables_method_machine_and_command() -> None:
    """And the same measurements give the same text, also after they were written and read."""
    measured = matrix_bench()
    text = to_markdown(measured, name="speed", notes="Said besides.")
    parts = [
        "# Speed of a whole comparison on a CPU",
        "| cnn | 2 | 10.0 | 8.00x | 2.00x | 40.0x |",
        "| whole matrix | one command | 10.0 | 2.0 | 8.0 | 160.0 | 40.0 | 800.0 |",
        "Said besides.",
        "A processor, 4 processors (load average before: 0.25); torch 2.0, lightning 2.6; commit abc",
        "torch's default, 4 threads",
        "3 rounds, of which the median is shown",
        "- process: one fresh process per run",
        "[speed.json](speed.json)",
        "python -m benchmarks.matrix --templates cnn --batch-sizes 2,32 --seeds 5 --rounds 3 --report speed.md",
        "| peer_threads | 4 |",
    ]
    for part in parts:
        assert part in text
    assert "| none |" not in text
    assert (
        to_markdown(MatrixBench.model_validate_json(measured.model_dump_json()), name="speed", notes="Said besides.")
        == text
    )
    assert "- process" not in to_markdown(matrix_bench(ways="normzoo,bare"), name="speed")
