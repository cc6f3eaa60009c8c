"""Does the runner keep account of what is carried out, whatever is told and when it falls silent?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from normzoo.errors import UsageError
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.executor.protocol import Slots
from normzoo.experiment.planning.facts import NetworkFacts, Networks, PlaceFacts, Prepared
from normzoo.experiment.planning.groups import Group
from normzoo.experiment.results.records import Place, RunRecord, Status
from normzoo.experiment.results.store import Store
from normzoo.experiment.runner import Runner
from normzoo.experiment.worker.messages import (
    EpochDone,
    Message,
    Rejected,
    RunDone,
    Started,
    TaskDone,
    Train,
    Trying,
    WorkerDied,
)
from normzoo.metric import ACCURACY

from .scripted import Listening, ScriptedExecutor
from .synthetic import FACTS, run_record, run_spec

A, B, C = (run_spec(seed=seed) for seed in range(3))


def done(spec: RunSpec, status: Status = Status.OK) -> RunDone:
    return RunDone(run_record(spec, status, losses=(1.0,) if status is Status.OK else ()))


def run(
    tmp_path: Path,
    executor: ScriptedExecutor,
    *specs: RunSpec,
    timeout: float | None = None,
    listener: Listening | None = None,
    slots: int = 1,
    each: int | None = None,
    networks: Networks | None = None,
    **group: Any,
) -> dict[str, RunRecord]:
    """Train runs in groups of ``each``, or all in one, by a script, and return what is stored of each."""
    configuration = Configuration(MatrixSpec(), Execution(timeout=timeout))
    prepared = Prepared(FACTS, {}, networks or {}, (ACCURACY,), "cpu", {})
    size = each or len(specs)
    parts = [specs[start : start + size] for start in range(0, len(specs), size)]
    with Store(tmp_path / "store") as store:
        runner = Runner(configuration, prepared, executor, store, listener or Listening())
        try:
            runner.run([Group(tuple(part), steps=10, **group) for part in parts], Slots(slots, 1))
        finally:
            records = store.records([spec.key for spec in specs])
    return records


def kept(tmp_path: Path, *specs: RunSpec) -> list[str]:
    """Return what the store holds of each run."""
    with Store(tmp_path / "store", writable=False) as store:
        found = store.statuses()
    return [found.get(spec.key, "nothing") for spec in specs]


def trained(executor: ScriptedExecutor) -> list[list[int]]:
    """Return the seeds of each task."""
    return [[spec.seed for spec in task.runs] for task in executor.tasks if isinstance(task, Train)]


def statuses(records: dict[str, RunRecord], *specs: RunSpec) -> list[str]:
    return [records[spec.key].status for spec in specs]


def test_the_runs_of_a_stack_that_failed_are_tried_one_by_one(tmp_path: Path) -> None:
    """Each is started again, and has the outcome of that."""
    executor = ScriptedExecutor(
        [Started(A), Started(B), Started(A), done(A, Status.FAILED), Started(B), done(B), TaskDone()],
    )
    assert statuses(run(tmp_path, executor, A, B), A, B) == ["failed", "ok"]


def test_of_a_stack_that_was_taken_apart_only_the_run_at_hand_is_given_up(tmp_path: Path) -> None:
    """Its time limit is that of one run, from when it was started again; the others are trained by another task."""
    executor = ScriptedExecutor(
        [Started(A), Started(B), Started(C), Started(A)],
        [Started(B), Started(C), done(B), done(C), TaskDone()],
    )
    records = run(tmp_path, executor, A, B, C, timeout=0.1)
    assert statuses(records, A, B, C) == ["timeout", "ok", "ok"]
    assert records[A.key].error == "the run took longer than 0.1 s"
    assert len(executor.cancelled) == 1
    assert trained(executor) == [[0, 1, 2], [1, 2]]


def test_a_worker_that_dies_over_one_run_of_a_stack_loses_that_run_alone(tmp_path: Path) -> None:
    """After the stack was taken apart it is known which."""
    executor = ScriptedExecutor(
        [Started(A), Started(B), Started(A), done(A), Started(B), WorkerDied("gone")],
    )
    records = run(tmp_path, executor, A, B)
    assert statuses(records, A, B) == ["ok", "failed"]
    assert records[B.key].error == "gone"


def test_a_worker_that_dies_over_a_whole_stack_leaves_each_run_to_be_tried_by_itself(tmp_path: Path) -> None:
    """Any of them may have been the cause."""
    executor = ScriptedExecutor(
        [Started(A), Started(B), WorkerDied("gone")],
        [Started(A), done(A), TaskDone()],
        [Started(B), WorkerDied("gone again")],
    )
    records = run(tmp_path, executor, A, B)
    assert statuses(records, A, B) == ["ok", "failed"]
    assert trained(executor) == [[0, 1], [0], [1]]


KILLED = WorkerDied("killed", killed_by="signal 9")


def test_a_run_whose_worker_was_killed_is_tried_once_more(tmp_path: Path) -> None:
    """With those that waited behind it; what was finished is not trained again."""
    executor = ScriptedExecutor(
        [Started(A), done(A), Started(B), KILLED], [Started(B), done(B), Started(C), done(C), TaskDone()]
    )
    listener = Listening()
    assert statuses(run(tmp_path, executor, A, B, C, listener=listener), A, B, C) == ["ok", "ok", "ok"]
    assert trained(executor) == [[0, 1, 2], [1, 2]]
    assert listener.heard[3] == "tried again 1 (signal 9)"


def test_a_second_kill_makes_a_run_failed(tmp_path: Path) -> None:
    """Whatever it was that killed it; the next run has two tries of its own."""
    executor = ScriptedExecutor(
        [Started(A), KILLED], [Started(A), EPOCH, KILLED], [Started(B), KILLED], [Started(B), done(B), TaskDone()]
    )
    records = run(tmp_path, executor, A, B)
    assert statuses(records, A, B) == ["failed", "ok"]
    assert records[A.key].error == "killed; an earlier try was killed, too"
    assert len(records[A.key].epochs) == 1


def test_a_stack_whose_worker_was_killed_is_tried_once_more_as_a_stack(tmp_path: Path) -> None:
    """After a second kill each run by itself, since it may be for the memory of all; then a kill is a failure."""
    executor = ScriptedExecutor(
        [Started(A), Started(B), KILLED],
        [Started(A), Started(B), KILLED],
        [Started(A), done(A), TaskDone()],
        [Started(B), KILLED],
    )
    listener = Listening()
    assert statuses(run(tmp_path, executor, A, B, listener=listener), A, B) == ["ok", "failed"]
    assert trained(executor) == [[0, 1], [0, 1], [0], [1]]
    assert [said for said in listener.heard if said.startswith("tried")] == ["tried again 0 1 (signal 9)"]


def test_workers_that_are_killed_before_they_begin_are_not_tried_for_ever(tmp_path: Path) -> None:
    """Each run is the next one twice."""
    executor = ScriptedExecutor([KILLED], [KILLED], [KILLED], [KILLED])
    assert statuses(run(tmp_path, executor, A, B), A, B) == ["failed", "failed"]
    assert trained(executor) == [[0, 1], [0, 1], [1], [1]]


class Late(ScriptedExecutor):
    """Tells what is behind an interrupt when it is asked once more."""

    was_interrupted = False

    def wait(self, seconds: float | None = None) -> None:
        try:
            super().wait(seconds)
        except KeyboardInterrupt:
            self.was_interrupted = True
            raise

    def events(self) -> list[tuple[object, Message]]:
        if self.was_interrupted:
            super().wait(0)
        return super().events()


def test_a_worker_that_was_killed_by_what_interrupts_the_command_is_not_tried_again(tmp_path: Path) -> None:
    """As by a signal to all processes of a group: its run is interrupted."""
    executor, listener = Late([Started(A), KeyboardInterrupt(), KILLED]), Listening()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, executor, A, B, listener=listener)
    assert listener.heard == ["started 0", "interrupted 0"]
    assert kept(tmp_path, A, B) == ["interrupted", "nothing"]


def test_a_worker_that_dies_before_it_begins_is_not_tried_for_ever(tmp_path: Path) -> None:
    """The next run is to blame, and then the one after it."""
    step = Trying("loading dataset 'mine'", 9.0)
    executor = ScriptedExecutor([step, WorkerDied("gone", "help\nme")], [WorkerDied("gone")])
    records = run(tmp_path, executor, A, B)
    assert statuses(records, A, B) == ["failed", "failed"]
    assert trained(executor) == [[0, 1], [1]]
    assert [records[spec.key].error for spec in (A, B)] == ["loading dataset 'mine', gone", "gone"]
    assert [records[spec.key].traceback for spec in (A, B)] == ["The last that it wrote:\nhelp\nme", None]


def test_the_whole_stack_has_the_time_of_all_its_runs(tmp_path: Path) -> None:
    """And is given up whole."""
    executor = ScriptedExecutor([Started(A), Started(B)])
    records = run(tmp_path, executor, A, B, timeout=0.1)
    assert statuses(records, A, B) == ["timeout", "timeout"]
    assert records[A.key].error == "each of 2 stacked runs took longer than 0.1 s"
    assert sum(record.seconds for record in records.values()) > 0.1
    waited = [seconds for seconds in executor.waited if seconds is not None]
    assert 0 < max(waited) <= 0.2


@pytest.mark.parametrize(("compiled", "alone"), [(False, 0.5), (True, None)])
def test_the_time_from_before_is_a_runs_share_of_what_was_timed(
    compiled: bool, alone: float | None, tmp_path: Path
) -> None:
    """One step of two runs takes 0.1 s, and an epoch has ten; a compiled step was not timed."""
    record = run_record(A.model_copy(update={"epochs": 1}), losses=(1.0,), compiled=compiled)
    spec = record.spec
    executor = ScriptedExecutor([Started(spec), Started(B), RunDone(record), done(B), TaskDone()])
    records = run(tmp_path, executor, spec, B, seconds_per_step=0.1)
    assert records[spec.key].epoch_seconds_alone == alone


def test_as_many_groups_as_there_are_slots_are_carried_out_at_once(tmp_path: Path) -> None:
    """Their times compare with nothing; a group that is trained alone has times of its own."""
    executor = ScriptedExecutor(
        [Started(A), done(A), TaskDone()], [Started(B), done(B), TaskDone()], [Started(C), done(C), TaskDone()]
    )
    records = run(tmp_path, executor, A, B, C, slots=2, each=1)
    assert statuses(records, A, B, C) == ["ok", "ok", "ok"]
    assert [records[spec.key].contended for spec in (A, B, C)] == [True, True, False]


def test_what_is_told_of_a_task_that_is_over_counts_no_more(tmp_path: Path) -> None:
    """As when it was given up in the same moment."""
    executor = ScriptedExecutor([Started(A), done(A), TaskDone(), done(A, Status.FAILED)])
    assert statuses(run(tmp_path, executor, A), A) == ["ok"]


EPOCH = EpochDone(A, run_record(A).epochs[0])
TOLD: Sequence[Message] = [Started(A), EPOCH, done(A), Started(B), done(B), Started(C), EpochDone(C, EPOCH.epoch)]


@pytest.mark.slow_but_one
@pytest.mark.parametrize("at", ["started 0", "epoch 1 of 0", "ok 0", "started 1", "ok 1", "started 2", "epoch 1 of 2"])
def test_an_interrupt_by_the_listener_loses_nothing_that_was_told(at: str, tmp_path: Path) -> None:
    """All of it was told at once: what is behind the moment of the interrupt is kept no less."""
    executor = ScriptedExecutor(TOLD)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, executor, A, B, C, listener=Listening(raises_at=at))
    assert kept(tmp_path, A, B, C) == ["ok", "ok", "interrupted"]
    with Store(tmp_path / "store", writable=False) as store:
        (lost,) = store.records([C.key]).values()
    assert (lost.error, len(lost.epochs)) == ("interrupted by the user", 1)
    assert len(executor.cancelled) == 1


def test_an_interrupt_while_waiting_keeps_what_is_finished(tmp_path: Path) -> None:
    """What was told before, and what was told and not listened to yet; the rest of the group is not spoken of."""
    executor = ScriptedExecutor([Started(A), done(A), Started(B), KeyboardInterrupt()], [])
    listener = Listening()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, executor, A, B, C, listener=listener)
    assert kept(tmp_path, A, B, C) == ["ok", "interrupted", "nothing"]
    assert listener.heard == ["started 0", "ok 0", "started 1", "interrupted 1"]
    assert len(executor.cancelled) == 1
    assert trained(executor) == [[0, 1, 2]]


def test_an_interrupt_replaces_no_result(tmp_path: Path) -> None:
    """A run that is trained again keeps what it had."""
    run(tmp_path, ScriptedExecutor([Started(A), done(A), TaskDone()]), A)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, ScriptedExecutor([Started(A), KeyboardInterrupt()]), A)
    assert kept(tmp_path, A) == ["ok"]


def test_records_say_where_their_norms_stand(tmp_path: Path) -> None:
    """As it was found out before, at each run's batch size; also that of a run that was lost."""
    small, large = run_spec(norm="batch", batch_size=2), run_spec(norm="batch", batch_size=32)
    facts = PlaceFacts(where="in the middle", kind="maps", channels=4, positions=9, pools_as="batch")
    nothing = PlaceFacts(where="at the end", kind="vectors", channels=4, positions=1, has_norm=False)
    script: Sequence[Message] = [Started(small), done(small), Started(large), WorkerDied("gone")]
    networks = {("cnn", "batch"): NetworkFacts(places=(facts, nothing))}
    records = run(tmp_path, ScriptedExecutor(script), small, large, networks=networks)
    for spec, pooled in ((small, 18), (large, 288)):
        assert records[spec.key].places == (
            Place(where="in the middle", kind="maps", channels=4, positions=9, has_norm=True, pooled=pooled),
            Place(where="at the end", kind="vectors", channels=4, positions=1, has_norm=False, pooled=None),
        )
    assert run(tmp_path, ScriptedExecutor([Started(A), done(A), TaskDone()]), A)[A.key].places == ()


def test_a_task_that_is_refused_ends_the_comparison_with_its_reason(tmp_path: Path) -> None:
    """As its data is no longer what was planned with; what is finished is kept, and what others were at noted."""
    executor = ScriptedExecutor(
        [Started(A), done(A), TaskDone()], [Rejected("other data"), TaskDone()], [Started(C), Rejected("other data")]
    )
    with pytest.raises(UsageError, match=r"^other data$"):
        run(tmp_path, executor, A, B, C, each=1, slots=3)
    assert kept(tmp_path, A, B, C) == ["ok", "nothing", "nothing"]


def test_what_others_were_at_when_a_task_is_refused_is_interrupted(tmp_path: Path) -> None:
    executor = ScriptedExecutor([Started(A)], [Rejected("other data"), TaskDone()])
    with pytest.raises(UsageError, match=r"^other data$"):
        run(tmp_path, executor, A, B, C, each=1, slots=2)
    assert kept(tmp_path, A, B, C) == ["interrupted", "nothing", "nothing"]
    assert trained(executor) == [[0], [1]]
