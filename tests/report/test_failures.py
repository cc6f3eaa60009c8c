"""The list of runs without a result."""

from normzoo.report import failure_lines

from .synthetic import by_key, run


def test_ok_runs_are_not_listed() -> None:
    assert failure_lines(by_key(run(0.9), run(0.8, seed=1))) == []


def test_a_line_says_what_where_and_the_first_line_of_why() -> None:
    record = run("out-of-memory", norm="group", batch_size=8, seed=3, error="not enough memory\nby far")
    assert failure_lines(by_key(record)) == ["out-of-memory: cnn, group, batch size 8, seed 3: not enough memory"]


def test_a_run_without_a_reason_ends_with_its_place() -> None:
    assert failure_lines(by_key(run("timeout"))) == ["timeout: cnn, batch, batch size 2, seed 0"]


def test_interrupted_runs_are_unfinished_and_no_failures() -> None:
    assert failure_lines(by_key(run("interrupted"))) == []


def test_the_order_is_that_of_the_places_not_of_the_records() -> None:
    records = [run("failed", seed=1), run("failed", batch_size=8), run("failed"), run("failed", batch_size=32)]
    places = [line.removeprefix("failed: cnn, batch, ") for line in failure_lines(by_key(*records))]
    assert places == ["batch size 2, seed 0", "batch size 2, seed 1", "batch size 8, seed 0", "batch size 32, seed 0"]


def test_after_ten_only_the_number_of_the_rest_is_said() -> None:
    ten = [run("diverged", seed=seed) for seed in range(10)]
    assert len(failure_lines(by_key(*ten))) == 10
    lines = failure_lines(by_key(*ten, run("diverged", seed=10), run("diverged", seed=11)))
    assert len(lines) == 11
    assert lines[-1] == "and 2 more"
