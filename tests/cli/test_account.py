"""Does the time left follow from what steps were timed to take, and then from the pace?"""

import pytest

from normzoo.cli._account import Account
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.planning.groups import DatasetFacts, Group, expand

FACTS = DatasetFacts(name="digits", checksum="0", shape=(1, 8, 8), outputs=10, train=100, validation=30, test=30)
MATRIX = MatrixSpec(norms=("none",), templates=("cnn",), batch_sizes=(2, 4), seeds=2, epochs=2)
RUNS = expand(MATRIX, FACTS, {})
LONG = Group(tuple(RUNS[:2]), steps=100, seconds_per_step=1.0)
SHORT = Group((RUNS[2],), steps=50, seconds_per_step=1.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("normzoo.cli._account.time.monotonic", lambda: now[0])
    return now


def test_at_first_it_is_the_expected_time_over_all_workers(clock: list[float]) -> None:
    """100 s and 50 s by two workers."""
    account = Account([LONG, SHORT], jobs=2)
    assert (account.total, account.left, account.count) == (150.0, "about 1 min 15 s left", "0/3")
    assert clock == [0.0]


def test_then_the_pace_counts(clock: list[float]) -> None:
    """A third of the work took twice as long as expected: so will the rest."""
    account = Account([LONG, SHORT], jobs=1)
    for run in LONG.runs:
        account.begin(run)
        account.advance(run)
    assert account.done == pytest.approx(50.0)
    clock[0] = 100.0
    assert account.left == "about 3 min 20 s left"


def test_a_run_that_ends_early_or_starts_again_counts_once(clock: list[float]) -> None:
    """As one that diverges, or a stack that is taken apart."""
    account = Account([LONG], jobs=1)
    first, second = LONG.runs
    account.begin(first)
    account.advance(first)
    account.begin(first)
    assert account.done == 0
    account.finish(first)
    account.finish(second)
    assert (account.done, account.count, account.left) == (100.0, "2/2", "about 0 s left")
    assert clock == [0.0]
