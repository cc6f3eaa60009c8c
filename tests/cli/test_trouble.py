"""Does everything that can go wrong with a norm become a status, while the rest goes on?"""

import re

import pytest

from normzoo.experiment.results.records import RunRecord

from .command import CNN, as_json
from .trouble import TROUBLES, Trouble


def by_place(records: dict[str, RunRecord]) -> dict[tuple[str, int], RunRecord]:
    """Return records by their norm's last name and seed."""
    return {(record.spec.norm.rpartition(":")[2], record.spec.seed): record for record in records.values()}


@pytest.mark.parametrize(
    ("norm", "statuses"),
    [
        ("none", ("ok", "ok")),
        ("Raising", ("failed", "failed")),
        ("Killed", ("failed", "ok")),
        ("Greedy", ("out-of-memory", "out-of-memory")),
        ("Spoiling", ("diverged", "diverged")),
        ("Sleeping", ("timeout", "ok")),
    ],
)
def test_each_trouble_has_its_status_and_the_next_seed_goes_on(
    norm: str, statuses: tuple[str, str], trouble: Trouble
) -> None:
    """A norm that raises, is killed, wants too much memory, gives NaN or takes too long, beside one that does not."""
    records = by_place(trouble.records)
    assert (records[norm, 0].status, records[norm, 1].status) == statuses


@pytest.mark.parametrize(
    ("norm", "error"),
    [
        ("Raising", r"RuntimeError: no good, said the norm of \(64, 4, 8, 8\)"),
        (
            "Killed",
            "the worker process was killed by SIGKILL; perhaps the system ran out of memory; "
            "an earlier try was killed, too",
        ),
        ("Greedy", "RuntimeError: .*can't allocate memory.*"),
        ("Spoiling", "the loss is no longer finite in epoch 1"),
        ("Sleeping", "the run took longer than 8 s"),
    ],
)
def test_each_record_says_why(norm: str, error: str, trouble: Trouble) -> None:
    """In one line; what was raised keeps its traceback as well."""
    record = by_place(trouble.records)[norm, 0]
    assert record.error is not None
    assert re.fullmatch(error, record.error)
    assert (record.traceback is not None) == (norm in ("Raising", "Greedy"))
    assert record.environment["torch"]


def test_a_diverged_run_keeps_its_losses(trouble: Trouble) -> None:
    """NaN comes back out of the store as NaN."""
    (epoch,) = by_place(trouble.records)["Spoiling", 0].epochs
    assert epoch.train_loss != epoch.train_loss


def test_a_run_out_of_time_took_about_as_long_as_it_may(trouble: Trouble) -> None:
    """It is ended when the time is up, not when it pleases."""
    assert 5 <= by_place(trouble.records)["Sleeping", 0].seconds < 60


def test_the_exit_code_says_that_some_runs_have_no_result(trouble: Trouble) -> None:
    """1: neither a success nor a mistaken request."""
    assert trouble.outcome.code == 1


def test_the_tables_show_it(trouble: Trouble) -> None:
    """Every norm has its row; below, the runs without a result with their reasons, and the way out."""
    table, _, below = trouble.outcome.stdout.partition("Runs without a result\n")
    assert "The same command with --rerun failed tries again those that did not diverge." in below
    below = " ".join(below.split())
    for norm in TROUBLES:
        assert re.search(rf"^troubled:{norm} ", table, re.MULTILINE), norm
    for status, norm, seed in (
        ("failed", "Raising", 1),
        ("failed", "Killed", 0),
        ("out-of-memory", "Greedy", 0),
        ("diverged", "Spoiling", 1),
        ("timeout", "Sleeping", 0),
    ):
        rate = ", learning rate 0.1" if status == "diverged" else ""
        assert f"{status}: {CNN}, troubled:{norm}, batch size 64, seed {seed}{rate}: " in below
    assert "Killed, batch size 64, seed 1" not in below


def test_it_is_told_as_it_happens(trouble: Trouble) -> None:
    """On stderr, a line for each, without tracebacks."""
    stderr = trouble.outcome.stderr
    for start in (
        f"failed: {CNN}, troubled:Raising",
        f"timeout: {CNN}, troubled:Sleeping",
        f"diverged: {CNN}, troubled:Spoiling",
    ):
        assert re.search(rf"^{start}, batch size 64, seed 0(, learning rate 0.1)?: ", stderr, re.MULTILINE), start
    assert "Traceback" not in stderr
    assert re.search(r"^12/12 runs: ", stderr, re.MULTILINE)


def test_rerun_failed_tries_again_what_failed_and_nothing_else(trouble: Trouble) -> None:
    """Once mended, all six are ok; diverged runs are results, and stay with those that were ok."""
    before, after = by_place(trouble.records), by_place(trouble.mended_records)
    assert set(before) == set(after)
    again = {place for place, record in before.items() if record.status in ("failed", "out-of-memory", "timeout")}
    assert len(again) == 6
    assert all(after[place].status == "ok" for place in again)
    kept = {
        trouble.records[key].spec.key for key in trouble.records if trouble.records[key].status in ("ok", "diverged")
    }
    old, new = as_json(trouble.records), as_json(trouble.mended_records)
    assert {key for key in old if old[key] == new[key]} == kept
    assert trouble.mended_outcome.code == 1  # the diverged ones are still without a result
    assert re.search(r"^6/6 runs: ", trouble.mended_outcome.stderr, re.MULTILINE)
