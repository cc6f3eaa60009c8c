"""Does a command train only what is not in the store yet?"""

import re

import pytest

from normzoo.experiment.comparison import Rerun, done_keys

from .command import template
from .growth import Growth


def places(records: object) -> set[tuple[str, str, int, int]]:
    assert isinstance(records, dict)
    return {
        (template(record), record.spec.norm, record.spec.batch_size, record.spec.seed) for record in records.values()
    }


def test_the_same_command_again_trains_nothing(growth: Growth) -> None:
    """The records are those of before to the letter, and there is no progress to show."""
    assert growth.again.outcome.code == 0
    assert growth.again.records == growth.first.records
    assert growth.again.outcome.stderr == ""


def test_the_same_command_again_prints_the_same(growth: Growth) -> None:
    """Byte by byte, times included: they are stored. But it says that nothing was trained."""
    first, again = (outcome.stdout for outcome in (growth.first.outcome, growth.again.outcome))
    assert re.sub(r"\n4 runs trained in \d+ s\.", "\nAll 4 runs were stored.", first) == again


def test_another_norm_and_batch_size_train_only_what_is_new(growth: Growth) -> None:
    """Three norms at two sizes in two templates: four of the twelve runs were there, and stay as they are."""
    before, after = growth.again.records, growth.wider.records
    assert before.items() <= after.items()
    assert places(after) == {
        (name, norm, size, 0) for name in ("cnn", "lstm") for norm in ("none", "batch", "layer") for size in (64, 128)
    }
    assert growth.wider.outcome.stderr.splitlines()[-1].startswith("8/8 runs: ")


def test_another_seed_trains_only_what_is_new(growth: Growth) -> None:
    """The second seed of four groups; the first ones stay as they are."""
    before, after = growth.wider.records, growth.seeds.records
    assert before.items() <= after.items()
    assert places(after) - places(before) == {
        (name, norm, 64, 1) for name in ("cnn", "lstm") for norm in ("none", "batch")
    }
    assert growth.seeds.outcome.stderr.splitlines()[-1].startswith("4/4 runs: ")


def test_rerun_all_trains_what_is_asked_for_anew_and_nothing_else(growth: Growth) -> None:
    """One run was asked for: its record is a new one with the same metrics."""
    before, after = growth.dry.records, growth.anew.records
    changed = [key for key in after if after[key] != before[key]]
    assert set(before) == set(after)
    assert len(changed) == 1
    (key,) = changed
    assert (template(before[key]), before[key].spec.norm, before[key].spec.seed) == ("cnn", "none", 0)
    assert after[key].started_at > before[key].started_at
    assert after[key].test_value == before[key].test_value


@pytest.mark.parametrize(
    ("rerun", "done"),
    [
        (None, {"ok", "diverged", "failed", "out-of-memory", "timeout"}),
        ("failed", {"ok", "diverged"}),
        ("all", set()),
    ],
)
def test_what_counts_as_done(rerun: Rerun | None, done: set[str]) -> None:
    """An interrupted run never does; a diverged one has its result."""
    statuses = {name: name for name in ("ok", "diverged", "failed", "out-of-memory", "timeout", "interrupted")}
    assert done_keys(statuses, rerun) == done
