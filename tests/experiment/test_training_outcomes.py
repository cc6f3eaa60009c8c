"""Does every end that a run can come to leave a record that says so?"""

import itertools
import math
import time
from functools import partial
from typing import Any

import pytest
import torch

from normzoo.data import Dataset
from normzoo.experiment.config.spec import RunSpec, Strategy
from normzoo.experiment.results.records import EpochRecord, RunRecord
from normzoo.experiment.worker.train import train_group
from normzoo.experiment.worker.trainer import is_finite
from normzoo.layers._kernels.dispatch import backend_here
from normzoo.templates import MemberModule

from . import troubled_norms
from .conftest import TRAIN, Train, TrainAll, tiny_spec

NORMS = troubled_norms.__name__

each_strategy = pytest.mark.parametrize("strategy", ["sequential", "stacked"])


@pytest.mark.slow_but_one
@each_strategy
@pytest.mark.parametrize("template", ["cnn", "lstm"])
def test_an_ok_run_has_all_its_epochs(train: Train, template: str, strategy: Strategy) -> None:
    """Metrics in their units, time, memory, environment and no error."""
    record = train(template=template, epochs=2, strategy=strategy)
    assert record.status == "ok"
    assert (record.error, record.traceback) == (None, None)
    assert [epoch.epoch for epoch in record.epochs] == [1, 2]
    for epoch in record.epochs:
        assert set(epoch.test) == set(epoch.validation) == {"loss", "accuracy"}
        assert 0 <= epoch.test["accuracy"] <= 1
        assert 0 <= epoch.validation["accuracy"] <= 1
        assert 0 < epoch.test["loss"] < 10
        assert epoch.seconds > 0
    assert record.seconds > sum(epoch.seconds for epoch in record.epochs)
    trained = 2 * (TRAIN // 64) * 64
    assert record.samples_per_second == pytest.approx(trained / sum(epoch.seconds for epoch in record.epochs))
    assert record.peak_memory_bytes is not None
    assert record.peak_memory_bytes > 2**26
    assert record.environment["device"] == "cpu"
    assert record.environment["torch"]
    assert (record.spec.strategy, record.members, record.compiled) == (strategy, 1, False)


@pytest.mark.parametrize("asked", [None, "auto"])
def test_norms_are_trained_eagerly_unless_the_environment_says_otherwise(
    asked: str | None, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the record says how."""
    seen = []
    training_step = MemberModule.training_step

    def watching(*given: Any) -> None:
        seen.append(backend_here())
        training_step(*given)

    monkeypatch.setattr(MemberModule, "training_step", watching)
    monkeypatch.setenv("NORMZOO_BACKEND", asked or "")
    record = train(norm="batch")
    assert {*seen, record.environment["norm_backend"]} == {asked or "eager"}


@pytest.mark.slow_but_one
@each_strategy
def test_training_helps(train_all: TrainAll, strategy: Strategy) -> None:
    """Losses fall and accuracy rises above chance: it is training, not bookkeeping."""
    network = {"template": "cnn:hidden=16,widths=8", "norm": "batch", "strategy": strategy}
    for record in train_all([tiny_spec(epochs=3, lr=0.1, seed=seed, **network) for seed in range(2)]):
        first, last = record.epochs[0], record.epochs[-1]
        assert last.train_loss < first.train_loss
        assert last.test["accuracy"] > 0.5


@pytest.mark.slow_but_one
@each_strategy
def test_records_say_what_their_run_was_trained_with(train_all: TrainAll, strategy: Strategy) -> None:
    """How many runs were trained at once; each has the metrics of its own seed."""
    records = train_all([tiny_spec(seed=seed, strategy=strategy) for seed in (2, 0, 1)])
    members = 3 if strategy == "stacked" else 1
    assert [(record.members, record.compiled) for record in records] == [(members, False)] * 3
    assert [record.spec.seed for record in records] == [2, 0, 1]
    assert len({record.epochs[0].train_loss for record in records}) == 3


@pytest.mark.slow
def test_each_run_of_a_stack_has_the_metrics_that_it_has_alone(train_all: TrainAll) -> None:
    """Whatever the order of seeds and learning rates: to float rounding, the records of the two strategies agree."""
    specs = [tiny_spec(seed=seed, lr=lr) for seed, lr in ((4, 0.05), (0, 0.1), (2, 0.05), (1, 0.02))]
    for alone, stacked in zip(train_all(specs), train_all(as_stack(specs)), strict=True):
        assert (stacked.spec.seed, stacked.spec.lr) == (alone.spec.seed, alone.spec.lr)
        assert losses(stacked.epochs[0]) == pytest.approx(losses(alone.epochs[0]), rel=1e-3)


@pytest.mark.slow_but_one
@each_strategy
def test_seconds_are_shares(train_all: TrainAll, strategy: Strategy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs' seconds add up to the time that the group took, and their epochs' to no more than that."""
    monkeypatch.setattr(time, "perf_counter", map(float, itertools.count()).__next__)  # a second for every look at it
    specs = [tiny_spec(seed=seed, epochs=2, strategy=strategy) for seed in range(3)]
    start = time.perf_counter()
    records = train_all(specs)
    wall = time.perf_counter() - start
    assert 0.5 * wall < sum(record.seconds for record in records) < wall
    for record in records:
        training = sum(epoch.seconds for epoch in record.epochs)
        assert 0 < training < record.seconds
        assert record.samples_per_second == pytest.approx(2 * (TRAIN // 64) * 64 / training)


def test_shares_of_seconds_are_those_of_the_runs_that_are_left(
    train_all: TrainAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an epoch that takes as long as the one before, two runs have more each than three."""
    monkeypatch.setattr(time, "perf_counter", map(float, itertools.count()).__next__)
    specs = as_stack([tiny_spec(seed=seed, epochs=3, lr=1e30 if seed == 1 else 0.05) for seed in range(3)])
    first, *others = (epoch.seconds for epoch in train_all(specs)[0].epochs)
    assert others == pytest.approx([first * 3 / 2] * 2)


@pytest.mark.slow_but_one
@each_strategy
def test_divergence_is_a_status_with_its_epoch_and_ends_the_run(train: Train, strategy: Strategy) -> None:
    """A learning rate of 1e9 gives losses that are not finite; the epochs left are not trained."""
    record = train(lr=1e9, epochs=5, strategy=strategy)
    assert record.status == "diverged"
    last = record.epochs[-1]
    assert record.error == f"the loss is no longer finite in epoch {last.epoch}"
    assert last.epoch < 5
    assert not all(math.isfinite(loss) for loss in (last.train_loss, last.validation["loss"], last.test["loss"]))
    assert record.traceback is None
    assert record.test_value is None


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("place", range(3), ids=["training", "validation", "test"])
def test_no_loss_of_an_epoch_may_be_other_than_finite(place: int, value: float) -> None:
    """Whichever it is: training cannot go on with it."""
    train_loss, validation, test = (value if index == place else 1.0 for index in range(3))
    epoch = EpochRecord(
        epoch=1, train_loss=train_loss, validation={"loss": validation}, test={"loss": test}, seconds=1.0
    )
    assert not is_finite(epoch)


def losses(epoch: EpochRecord) -> tuple[float, float, float]:
    return epoch.train_loss, epoch.validation["loss"], epoch.test["loss"]


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("template", "norm", "lr"),
    [("cnn", "none", 1e9), ("cnn", "batch", math.inf), ("lstm", "none", math.inf), ("lstm", "batch", math.inf)],
)
def test_a_run_that_diverges_leaves_the_others_of_its_stack_alone(
    train_all: TrainAll, template: str, norm: str, lr: float
) -> None:
    """It is recorded with its epoch; the others are what they are in a stack without it, to float rounding."""
    specs = as_stack([tiny_spec(template=template, norm=norm, seed=seed, epochs=3) for seed in range(3)])
    specs[1] = specs[1].model_copy(update={"lr": lr})
    diverging = train_all(specs)
    without = train_all([specs[0], specs[2]])
    assert [record.status for record in diverging] == ["ok", "diverged", "ok"]
    assert [record.members for record in diverging] == [3, 3, 3]
    diverged = diverging[1]
    assert diverged.error == f"the loss is no longer finite in epoch {diverged.epochs[-1].epoch}"
    assert len(diverged.epochs) < 3
    assert diverged.test_value is None
    for beside, alone in zip((diverging[0], diverging[2]), without, strict=True):
        assert (beside.spec, beside.status, len(beside.epochs)) == (alone.spec, "ok", 3)
        for mine, theirs in zip(beside.epochs, alone.epochs, strict=True):
            assert losses(mine) == pytest.approx(losses(theirs), rel=1e-4)
            assert mine.test["accuracy"] == pytest.approx(theirs.test["accuracy"], abs=0.006)


@pytest.mark.slow
def test_a_stack_in_which_all_diverge_ends(train_all: TrainAll) -> None:
    """Nobody is left to train: each run has its record, and no further epoch."""
    records = train_all([tiny_spec(seed=seed, lr=1e9, epochs=5, strategy="stacked") for seed in range(2)])
    assert [(record.status, len(record.epochs)) for record in records] == [("diverged", 1)] * 2


@pytest.mark.slow
@each_strategy
def test_an_exception_is_a_status_with_its_traceback(train: Train, strategy: Strategy) -> None:
    """One line of error, and the place in the user's own file."""
    record = train(norm=f"{NORMS}:Raising", strategy=strategy)
    assert record.status == "failed"
    assert record.error == "ZeroDivisionError: as it was told"
    assert record.traceback is not None
    assert "troubled_norms.py" in record.traceback
    assert record.epochs == ()
    assert record.samples_per_second is None


@pytest.mark.parametrize(("norm", "error"), [("Interrupting", "KeyboardInterrupt"), ("Exiting", "SystemExit: 3")])
def test_a_norm_that_would_end_the_program_ends_its_run(train: Train, norm: str, error: str) -> None:
    """And the record says what it raised, not what Lightning made of that."""
    record = train(norm=f"{NORMS}:{norm}")
    assert (record.status, record.error) == ("failed", error)


@pytest.mark.slow_but_one
@each_strategy
@pytest.mark.parametrize("norm", ["Greedy", "Swallowing"])
def test_running_out_of_memory_is_a_status_of_its_own(train: Train, norm: str, strategy: Strategy) -> None:
    """Whether torch cannot allocate or Python."""
    record = train(norm=f"{NORMS}:{norm}", strategy=strategy)
    assert record.status == "out-of-memory"
    assert record.error
    assert "\n" not in record.error


@pytest.mark.slow
@each_strategy
def test_a_norm_that_cannot_be_built_is_a_failed_run(train: Train, strategy: Strategy) -> None:
    """The parent checks it before; a worker survives it anyway."""
    record = train(norm="group:groups=3", strategy=strategy)
    assert record.status == "failed"
    assert record.error is not None
    assert "groups must divide channels" in record.error


@pytest.mark.slow
def test_a_norm_that_draws_random_numbers_cannot_be_stacked(train: Train) -> None:
    """The record says why; trained one by one it is ok."""
    norm = f"{NORMS}:Drawing"
    record = train(norm=norm, strategy="stacked")
    assert record.status == "failed"
    assert record.error is not None
    assert record.error.startswith("RuntimeError: vmap: called random operation while in randomness error mode")
    assert record.error.endswith("; it draws random numbers after some steps, so use --strategy sequential")
    assert train(norm=norm, strategy="sequential").status == "ok"


@pytest.mark.slow_but_one
@each_strategy
def test_notes_of_the_template_reach_the_record(train_all: TrainAll, strategy: Strategy) -> None:
    """Where a place has no norm, the table can say so, for every run."""
    note = ("no norm after the dense layer, whose vectors have no positions",)
    for norm, notes in (("instance:affine=True", note), ("none", ())):
        records = train_all([tiny_spec(norm=norm, seed=seed, strategy=strategy) for seed in range(2)])
        assert [record.notes for record in records] == [notes, notes]


def as_stack(specs: list[RunSpec], **changes: Any) -> list[RunSpec]:
    """Return the runs as they are trained side by side."""
    return [spec.model_copy(update={"strategy": "stacked", **changes}) for spec in specs]


def heard_of(runs: list[RunSpec], dataset: Dataset) -> list[tuple[str, int]]:
    """Train a group, and return what was told of it, with the seeds it was told of."""
    heard: list[tuple[str, int]] = []

    def on_start(spec: RunSpec) -> None:
        heard.append(("start", spec.seed))

    def on_epoch(spec: RunSpec, epoch: EpochRecord) -> None:
        heard.append((f"epoch {epoch.epoch}", spec.seed))

    def on_record(record: RunRecord) -> None:
        heard.append((record.status, record.spec.seed))

    train_group(runs, dataset, "cpu", on_start=on_start, on_epoch=on_epoch, on_record=on_record)
    return heard


@pytest.fixture
def one_fails() -> list[RunSpec]:
    return [tiny_spec(seed=0), tiny_spec(seed=1, norm=f"{NORMS}:Raising"), tiny_spec(seed=2)]


ONE_BY_ONE = [
    *(("start", 0), ("epoch 1", 0), ("ok", 0)),
    *(("start", 1), ("failed", 1)),
    *(("start", 2), ("epoch 1", 2), ("ok", 2)),
]


def test_a_group_is_trained_run_by_run_and_a_failure_stops_none_of_it(
    digits: Dataset, one_fails: list[RunSpec]
) -> None:
    """What happens is told in order: a start, its epochs, its record, then the next."""
    assert heard_of(one_fails, digits) == ONE_BY_ONE


def test_a_stack_is_trained_at_once(digits: Dataset) -> None:
    """All starts come first, then every epoch of all, then the records."""
    assert heard_of(as_stack([tiny_spec(seed=seed, epochs=2) for seed in range(2)]), digits) == [
        *(("start", 0), ("start", 1)),
        *(("epoch 1", 0), ("epoch 1", 1), ("epoch 2", 0), ("epoch 2", 1)),
        *(("ok", 0), ("ok", 1)),
    ]


@pytest.mark.slow
def test_a_stack_that_fails_is_started_again_one_by_one(digits: Dataset, one_fails: list[RunSpec]) -> None:
    """Its starts are told again; each run gets the record that it deserves, once."""
    assert heard_of(as_stack(one_fails), digits) == [("start", 0), ("start", 1), ("start", 2), *ONE_BY_ONE]


def assert_compiled_is_plain(train_all: TrainAll, specs: list[RunSpec]) -> list[RunRecord]:
    """Train a stack with the compiler and without, compare to float rounding, and return the records with it."""
    plain, compiled = (train_all(as_stack(specs, compile=compiled)) for compiled in (False, True))
    assert [record.compiled for record in compiled] == [True] * len(specs)
    assert [record.status for record in plain] == [record.status for record in compiled]
    for mine, theirs in zip(compiled, plain, strict=True):
        assert [losses(epoch) for epoch in mine.epochs] == [
            pytest.approx(losses(epoch), rel=1e-3, nan_ok=True) for epoch in theirs.epochs
        ]
    return compiled


@pytest.mark.slow
def test_compiled_a_stack_is_trained_as_without_the_compiler(train_all: TrainAll) -> None:
    """By code that is generated, forward and backward."""
    specs = [tiny_spec(template="mlp:widths=4", norm="batch", seed=seed) for seed in range(2)]
    assert [record.status for record in assert_compiled_is_plain(train_all, specs)] == ["ok"] * 2


@pytest.mark.slow
def test_a_compiled_stack_goes_on_without_a_run_that_diverged(
    train_all: TrainAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From where on it has other shapes, and is captured again; what is generated from it is not asked here."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    specs = [tiny_spec(template="mlp:widths=4", norm="batch", seed=seed, epochs=2) for seed in range(3)]
    specs[1] = specs[1].model_copy(update={"lr": math.inf})
    records = assert_compiled_is_plain(train_all, specs)
    assert [record.status for record in records] == ["ok", "diverged", "ok"]


@pytest.mark.slow
@each_strategy
def test_what_cannot_be_compiled_is_trained_without(
    digits: Dataset, train_all: TrainAll, strategy: Strategy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its starts are told again, and the records say that nothing was compiled."""

    def refuse(*_: object) -> None:
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(torch, "compile", refuse)
    specs = [tiny_spec(seed=seed, strategy=strategy, compile=True) for seed in range(2)]
    records = train_all(specs)
    assert [(record.status, record.spec.compile, record.compiled) for record in records] == [("ok", True, False)] * 2
    assert all("trained without compiling, as that failed" in record.notes for record in records)
    first = [("start", 0)] if strategy == "sequential" else [("start", 0), ("start", 1)]
    plain = [tiny_spec(seed=seed, strategy=strategy) for seed in range(2)]
    assert heard_of(specs, digits) == [*first, *heard_of(plain, digits)]


@pytest.mark.slow
def test_every_run_of_a_stack_that_fails_has_its_own_record(train_all: TrainAll) -> None:
    """As a stack of its own, with error and traceback."""
    records = train_all(as_stack([tiny_spec(seed=seed, norm=f"{NORMS}:Raising") for seed in range(3)]))
    for record in records:
        assert (record.status, record.error) == ("failed", "ZeroDivisionError: as it was told")
        assert (record.spec.strategy, record.members) == ("stacked", 1)
        assert record.traceback is not None
        assert "troubled_norms.py" in record.traceback
