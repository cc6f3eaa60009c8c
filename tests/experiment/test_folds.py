"""Folds in the matrix: which seed has which, what a stack holds, and what a run is known by."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from normzoo.cli.compare import fold_lines
from normzoo.data import load_dataset
from normzoo.errors import ConfigError, DataError
from normzoo.experiment.comparison import early_workers
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import reproducing_command, resolve
from normzoo.experiment.config.spec import MatrixSpec, RunSpec, Strategy
from normzoo.experiment.planning.facts import timing_key
from normzoo.experiment.planning.groups import expand, group
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.reproduce import command_for
from normzoo.experiment.worker.messages import Message, RunDone, Timed, TimeSteps, Train
from normzoo.experiment.worker.prepare import prepare
from normzoo.experiment.worker.serve import Server

from .conftest import tiny_spec
from .synthetic import FACTS, run_record, run_spec

CPU = Execution(device="cpu", jobs=1)


def test_folds_take_turns_over_the_seeds() -> None:
    """Whatever the first seed."""
    runs = expand(MatrixSpec(folds=3, seeds=6, first_seed=4, norms="none", templates="cnn", batch_sizes="8"), FACTS)
    assert [(run.seed, run.fold) for run in runs] == [(4, 1), (5, 2), (6, 0), (7, 1), (8, 2), (9, 0)]


def test_without_folds_keys_and_timings_are_what_they_were() -> None:
    """Those of an earlier version, in which there were none."""
    assert run_spec(folds=1).key == "722423dd9c13a308"
    old = run_spec().model_dump(mode="json", exclude={"folds"})
    assert RunSpec.model_validate(json.loads(json.dumps(old))) == run_spec()
    assert run_spec().fold == run_spec(seed=7).fold == 0


def test_a_group_holds_one_fold() -> None:
    """All of its runs are trained on the same samples; without folds it holds all seeds."""
    matrix = {"norms": "batch,none", "templates": "cnn", "batch_sizes": "8", "seeds": 6, "lrs": "0.1,0.2"}
    groups = group(expand(MatrixSpec.model_validate({**matrix, "folds": 3}), FACTS), set(), FACTS.train)
    assert [{run.fold for run in each.runs} for each in groups] == [{0}, {1}, {2}] * 2
    assert {len(each.runs) for each in groups} == {4}
    assert len(group(expand(MatrixSpec.model_validate(matrix), FACTS), set(), FACTS.train)) == 2


def test_the_steps_of_all_folds_are_timed_once() -> None:
    """They take the same time, which is that of the same arrays without folds."""
    keys = {timing_key([run_spec(folds=3, seed=seed)], {}) for seed in range(3)}
    assert keys == {timing_key([run_spec()], {})}


def test_a_worker_for_every_group_is_started_early() -> None:
    """Up to the number of jobs."""
    settings = {"norms": "none", "templates": "cnn", "batch_sizes": "8", "seeds": 4, "device": "cpu", "jobs": 3}
    assert early_workers(resolve([], [], settings)) == 0
    assert early_workers(resolve([], [], {**settings, "folds": 2})) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"folds": 9},
            "folds 9 with seeds 8: each fold is the test set of one seed or more; use seeds 9 or a multiple",
        ),
        ({"folds": 0}, "folds: must be at least 1, got 0"),
        ({"folds": "five"}, "folds: expected a whole number, got 'five'"),
        ({"folds": 2.5}, "folds: expected a whole number, got '2.5'"),
        ({"folds": True}, "folds: expected a number, got 'True'"),
    ],
    ids=str,
)
def test_what_are_no_folds_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve([], [], settings)
    assert message in str(caught.value)


def test_a_number_of_seeds_that_is_uneven_is_said() -> None:
    """With one that is not; the report counts on none."""
    assert fold_lines(MatrixSpec(seeds=10, folds=5)) == fold_lines(MatrixSpec()) == []
    assert fold_lines(MatrixSpec(seeds=6, folds=5)) == [
        "folds: of 5 folds, 1 is the test set of one seed more than the others; --seeds 10 would be even"
    ]


@pytest.mark.slow
def test_a_batch_must_fit_into_the_smallest_fold() -> None:
    """Digits in five folds leave 1295 or 1296 samples; the facts are those of the first."""
    matrix = MatrixSpec(norms="none", templates="cnn:widths=4,hidden=8", batch_sizes="1295", folds=5)
    prepared, dataset = prepare(matrix, CPU)
    assert (prepared.dataset.train, prepared.dataset.test, prepared.dataset.notes) == (1295, 360, dataset.notes)
    with pytest.raises(ConfigError, match=r"1296 is larger than the training set of a fold of 'digits' \(1295 samples"):
        prepare(matrix.model_copy(update={"batch_sizes": (1296,)}), CPU)


def test_more_folds_than_samples_are_refused_before_anything_is_trained() -> None:
    with pytest.raises(DataError, match="digits has 183 samples of its largest class, too few for 184 folds; use at"):
        prepare(MatrixSpec(norms="none", templates="cnn", seeds=184, folds=184), CPU)


IN_3_FOLDS = load_dataset("digits", folds=3).checksum


def carried_out(strategy: Strategy) -> dict[int, RunRecord]:
    """Have a worker train two seeds of fold 1 of 3, then one of fold 2, and return the records by seed."""
    told: list[Message] = []
    server = Server(told.append)
    for seeds in ((1, 4), (2,)):
        common: dict[str, Any] = {"norm": "batch", "folds": 3, "strategy": strategy, "dataset_checksum": IN_3_FOLDS}
        runs = tuple(tiny_spec(seed=seed, **common) for seed in seeds)
        settings: dict[str, Any] = {"task": "classification", "execution": CPU, "device": "cpu", "threads": 1}
        server.carry_out(Train(runs=runs, dataset="digits", **settings))
    assert list(server._loaded) == [("digits", "classification", 3, 2)], "one fold at a time stays in memory"
    return {each.record.spec.seed: each.record for each in told if isinstance(each, RunDone)}


@pytest.mark.slow
def test_a_stack_of_a_fold_is_what_its_runs_are_alone() -> None:
    """Each trained on the samples of its fold, and tested on those."""
    stacked, alone = carried_out("stacked"), carried_out("sequential")
    assert list(stacked) == list(alone) == [1, 4, 2]
    assert [stacked[seed].members for seed in (1, 4, 2)] == [2, 2, 1]
    for seed, record in stacked.items():
        dataset = load_dataset("digits", folds=3, fold=seed % 3)
        assert (record.train_samples, record.test_samples) == (len(dataset.train), len(dataset.test))
        assert record.hits is not None
        assert len(record.hits) == len(dataset.test)
        (ours,), (theirs,) = record.epochs, alone[seed].epochs
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-3)
        assert ours.test["accuracy"] == pytest.approx(theirs.test["accuracy"], abs=0.02)


@pytest.mark.slow
def test_runs_of_any_fold_are_timed_on_the_first() -> None:
    """So that no other has to be loaded for it."""
    told: list[Message] = []
    server = Server(told.append)
    runs = (tiny_spec(folds=3, seed=2, dataset_checksum=IN_3_FOLDS),)
    settings: dict[str, Any] = {"task": "classification", "execution": CPU, "device": "cpu", "threads": 1}
    server.carry_out(TimeSteps(groups=((runs, "a key"),), dataset="digits", **settings))
    timed = [each.timing for each in told if isinstance(each, Timed)]
    assert [each.key for each in timed] == ["a key"]
    assert timed[0].seconds_per_step
    assert list(server._loaded) == [("digits", "classification", 3, 0)]


def test_the_command_that_trains_a_run_again_has_its_folds() -> None:
    """And a seed for each of them, from that of the run on."""
    record = run_record(run_spec(folds=3, seed=1, norm="none"))
    command = command_for(record.spec.key, record, "digits")
    assert command is not None
    assert "--seeds 3 --first-seed 1 --folds 3 " in command
    assert "--folds 2" in reproducing_command(MatrixSpec(folds=2))
    assert "folds" not in reproducing_command(MatrixSpec())


def test_a_matrix_of_an_earlier_version_has_no_folds() -> None:
    """As it stands in a store."""
    old = MatrixSpec().model_dump(mode="json", exclude={"folds"})
    assert MatrixSpec.model_validate(old) == MatrixSpec()
    with pytest.raises(ValidationError, match="each fold is the test set of one seed or more"):
        MatrixSpec(folds=5, seeds=4)
