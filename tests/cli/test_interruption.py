"""Is nothing lost when a comparison is interrupted, and does repeating it go on?"""

import signal

from normzoo.experiment.results.records import RunRecord

from .command import CNN
from .interruption import Story


def statuses(records: dict[str, RunRecord]) -> dict[tuple[str, int], str]:
    return {(record.spec.norm.rpartition(":")[2], record.spec.seed): record.status for record in records.values()}


def test_before_training_ctrl_c_ends_it_at_once(story: Story) -> None:
    """While torch is still loading: a word on stderr, no tables, no processes."""
    assert story.early.outcome.code == 130
    assert story.early.outcome.stdout == ""
    assert story.early.outcome.stderr == (
        "normzoo: interrupted; what was finished is kept, and the same command goes on from there\n"
    )
    assert story.early.left == []
    assert story.early.records == {}


def test_after_a_kill_of_the_parent_all_finished_runs_are_in_the_store(story: Story) -> None:
    """SIGKILL in the middle of the second norm: both seeds of the first are there, and nothing else."""
    assert story.killed.outcome.code == -signal.SIGKILL
    assert statuses(story.killed.records) == {("none", 0): "ok", ("none", 1): "ok"}


def test_after_a_kill_of_the_parent_its_workers_end_by_themselves(story: Story) -> None:
    """Within seconds, although the one that trains is in the middle of an epoch that does not end."""
    assert story.killed.left == []


def test_after_a_kill_repeating_goes_on_without_what_was_finished(story: Story) -> None:
    """The records of before are as they were, and the second norm is trained."""
    assert story.killed.records.items() <= story.stopped.records.items()
    assert statuses(story.stopped.records)["First", 0] == "ok"
    assert statuses(story.stopped.records)["First", 1] == "ok"


def test_ctrl_c_keeps_what_is_finished_and_records_what_is_not(story: Story) -> None:
    """The run in flight is interrupted, the one after it has no record."""
    assert statuses(story.stopped.records) == {
        ("none", 0): "ok",
        ("none", 1): "ok",
        ("First", 0): "ok",
        ("First", 1): "ok",
        ("Second", 0): "interrupted",
    }


def test_ctrl_c_shows_the_tables_so_far_and_how_to_go_on(story: Story) -> None:
    """Tables on stdout; on stderr how much is finished, where it is kept, and the command to repeat."""
    outcome = story.stopped.outcome
    assert outcome.code == 130
    table = outcome.stdout.partition("Comparison with the reference")[0]
    rows = [line for line in table.splitlines() if line.startswith(("none ", "holding:"))]
    assert [row.split()[0] for row in rows] == ["none", "holding:First", "holding:Second"]
    assert "%" in outcome.stdout
    *_, told, command = outcome.stderr.splitlines()
    assert told == ("normzoo: interrupted; 4 of 6 runs are finished and kept in normzoo.sqlite; to go on, repeat:")
    assert command.startswith("  normzoo compare --norms none,holding:First,holding:Second --seeds 2")
    assert "Traceback" not in outcome.stderr


def test_ctrl_c_leaves_no_processes(story: Story) -> None:
    """Not even the worker that was in the middle of an epoch."""
    assert story.stopped.left == []


def test_after_ctrl_c_repeating_completes_it_without_what_was_finished(story: Story) -> None:
    """Only the interrupted run and the one after it are trained."""
    outcome, records = story.finished
    assert outcome.code == 0
    assert set(statuses(records).values()) == {"ok"}
    assert len(records) == 6
    finished = {key: record for key, record in story.stopped.records.items() if record.status == "ok"}
    assert finished.items() <= records.items()
    assert outcome.stderr.splitlines()[-1].startswith(f"2/2 runs: {CNN}, holding:Second, ")


def test_a_norm_of_ones_own_is_trained_again_once_its_file_has_changed(story: Story) -> None:
    """The old records stay beside the new ones; what is not in that file is not trained again."""
    _, before = story.finished
    outcome, after = story.changed
    assert outcome.code == 0
    assert before.items() <= after.items()
    new = {key: record for key, record in after.items() if key not in before}
    assert statuses(new) == {(norm, seed): "ok" for norm in ("First", "Second") for seed in (0, 1)}
    sources = {record.spec.sources["norm"] for record in after.values() if record.spec.norm != "none"}
    assert len(sources) == 2
