"""Is a run trained by the recipe that it was asked for, from the flags to its record?"""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from normzoo.data import Dataset
from normzoo.errors import UsageError
from normzoo.experiment.comparison import carry_out
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import resolve
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.executor.in_process import InProcessExecutor
from normzoo.experiment.executor.local import LocalExecutor
from normzoo.experiment.executor.protocol import Executor
from normzoo.experiment.planning.groups import expand
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.store import Store
from normzoo.experiment.worker.prepare import prepare
from normzoo.experiment.worker.train import make_module
from normzoo.templates import MemberOptimizer, make_schedule

from .conftest import TRAIN, Train, TrainAll, tiny_spec
from .scripted import Listening
from .synthetic import run_spec

OWN = (Path(__file__).parents[1] / "templates" / "own_optimizers.py").read_text(encoding="utf-8")
RECIPE: dict[str, Any] = {
    "optimizer": "adamw:betas=0.8-0.99",
    "schedule": "onecycle",
    "weight_decay": 0.5,
    "task": "classification:smoothing=0.1",
    "clip_norm": 1.0,
}
SMALL: dict[str, Any] = {"template": "cnn:hidden=8,widths=4", "norm": "batch", "epochs": 1, "lr": 0.01}
CPU = Execution(device="cpu")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with optimizers and schedules of the user's own, in the folder from which normzoo is started."""
    path = tmp_path / "own_recipe_to_train.py"
    path.write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, path.stem, raising=False)
    return path


def matrix_of(**flags: Any) -> MatrixSpec:
    """Return the matrix of ``normzoo compare`` with these flags."""
    small = {"norms": "batch", "templates": "cnn:hidden=8,widths=4", "batch_sizes": "32", "seeds": "2", "epochs": "1"}
    return resolve([], [], {**small, **flags}).matrix


def losses(records: Sequence[RunRecord]) -> list[float]:
    assert [record.status for record in records] == ["ok"] * len(records)
    return [epoch.train_loss for record in records for epoch in record.epochs]


@pytest.mark.slow
def test_a_stack_is_trained_by_a_recipe_as_one_by_one(train_all: TrainAll) -> None:
    """Every part of it, with two learning rates in one stack; the difference is rounding."""
    specs = [run_spec(**{**SMALL, **RECIPE, "lr": lr, "seed": seed}) for lr in (0.01, 0.02) for seed in (0, 1)]
    stacked = train_all(specs)
    alone = [train_all([spec.model_copy(update={"strategy": "sequential"})])[0] for spec in specs]
    assert losses(stacked) == pytest.approx(losses(alone), rel=1e-3)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("part", RECIPE)
def test_every_part_of_a_recipe_changes_the_training(part: str, train_all: TrainAll) -> None:
    """Without it other losses come out, under other keys."""
    whole = run_spec(**{**SMALL, **RECIPE})
    without = run_spec(**{**SMALL, **{key: value for key, value in RECIPE.items() if key != part}})
    assert whole.key != without.key
    assert losses(train_all([whole])) != losses(train_all([without]))


@pytest.mark.slow
def test_decay_on_all_is_another_training(train_all: TrainAll) -> None:
    """Than on weights alone."""
    weights, everything = (run_spec(**{**SMALL, **RECIPE, "weight_decay_on": on}) for on in ("weights", "all"))
    assert losses(train_all([weights])) != losses(train_all([everything]))


@pytest.mark.parametrize(("on", "of_biases"), [("weights", 0.0), ("all", 0.1)])
def test_biases_decay_where_all_parameters_do(on: str, of_biases: float, digits: Dataset) -> None:
    """And nowhere else; weights do anyway."""
    spec = tiny_spec(weight_decay=0.1, weight_decay_on=on)
    module = make_module([spec], [nn.Linear(4, 3)], digits, "cpu", compiled=False)
    (optimizer,) = module.configure_optimizers()
    decays = {id(each): group["weight_decay"] for group in optimizer.param_groups for each in group["params"]}
    assert [decays[id(each)] for each in module.parameters()] == [0.1, of_biases]


def test_a_schedule_extends_over_all_steps_of_a_run(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through both epochs, in which what is left of the samples makes no step."""
    factors: list[float] = []
    monkeypatch.setattr(MemberOptimizer, "scale_rates", lambda _, factor: factors.append(factor))
    assert train(schedule="cosine", epochs=2).status == "ok"
    steps = 2 * (TRAIN // 64)
    schedule = make_schedule("cosine", steps)
    assert schedule is not None
    assert factors == [schedule(step) for step in range(steps)]


@pytest.mark.slow
def test_what_is_evaluated_has_labels_as_they_are(train_all: TrainAll) -> None:
    """A smoothed loss cannot be small; that of the test set can, where the network has learned."""
    (record,) = train_all([run_spec(**{**SMALL, "task": "classification:smoothing=0.8", "epochs": 4, "lr": 0.2})])
    assert record.epochs[-1].train_loss > 2.1
    assert record.epochs[-1].test["loss"] < record.epochs[-1].train_loss - 0.3


def carried_out(matrix: MatrixSpec, store: Path, executor: Executor) -> list[RunRecord]:
    configuration = resolve([], [], {**matrix.model_dump(exclude={"lrs"}), "device": "cpu"})
    with Store(store) as results, executor:
        outcome = carry_out(configuration, results, executor, lambda _: nullcontext(Listening()), command="")
        return list(results.records(outcome.keys).values())


@pytest.mark.slow
def test_own_parts_are_trained_with_like_any_other(own: Path, tmp_path: Path) -> None:
    """In workers, side by side as Lion takes each number by itself; what was trained is not trained again."""
    matrix = matrix_of(optimizer=f"{own.stem}:Lion", schedule=f"{own.stem}:triangle:peak=0.25", lr="0.001")
    records = carried_out(matrix, tmp_path / "s", LocalExecutor(Execution(device="cpu", jobs=1)))
    assert [(record.status, record.members) for record in records] == [("ok", 2)] * 2
    assert {frozenset(record.spec.sources) for record in records} == {frozenset({"optimizer", "schedule"})}
    assert carried_out(matrix, tmp_path / "s", InProcessExecutor()) == records


@pytest.mark.slow
def test_what_looks_at_whole_parameters_is_trained_one_by_one(own: Path) -> None:
    """And where a stack is asked for, that is refused with the reason."""
    matrix = matrix_of(optimizer=f"{own.stem}:Normalized")
    prepared, _ = prepare(matrix, CPU)
    runs = expand(matrix, prepared.dataset, sources=prepared.sources, networks=prepared.networks)
    assert {run.strategy for run in runs} == {"sequential"}
    with pytest.raises(UsageError, match="Normalized does not update each number by itself"):
        prepare(matrix_of(optimizer=f"{own.stem}:Normalized", strategy="stacked"), CPU)


@pytest.mark.slow
def test_changing_the_file_of_an_optimizer_changes_the_keys(own: Path) -> None:
    """What it trains is another thing; and what it was is known by its file."""

    def keys() -> list[str]:
        matrix = matrix_of(optimizer=f"{own.stem}:Lion")
        prepared, _ = prepare(matrix, CPU)
        assert own.stem in prepared.modules
        return [run.key for run in expand(matrix, prepared.dataset, sources=prepared.sources)]

    first = keys()
    assert keys() == first
    own.write_text(OWN + "# changed\n")
    assert not set(keys()) & set(first)


@pytest.mark.slow
def test_a_schedule_is_tried_over_the_steps_that_there_will_be(own: Path) -> None:
    """One that would be no rate over more steps is one over these."""
    prepare(matrix_of(schedule=f"{own.stem}:falling", epochs="3"), CPU)


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"optimizer": "OWN:Failing"}, r"fails on the parameters of the cnn\S* with norm 'batch': RuntimeError: no st"),
        ({"optimizer": "OWN:Normalized", "weight_decay": "0.1"}, "has no weight_decay, and would ignore it"),
        ({"optimizer": "adam", "momentum": "0.9"}, r"it has no option 'momentum' \(it takes: betas, eps, amsgrad\)"),
        ({"optimizer": "sgd:nestrov=true"}, "it has no option 'nestrov'; did you mean 'nesterov'?"),
        ({"schedule": "step:at=2"}, "schedule 'step:at=2': at must be shares of the steps between 0 and 1, got 2"),
        (
            {"schedule": "OWN:falling", "batch_sizes": "8,32", "epochs": "2"},
            "it returned -0.01 at step 101 of 268",
        ),
        ({"schedule": "OWN:triangle", "warmup": "0.1"}, r"it has no option 'warmup' \(it takes: peak\)"),
        ({"task": "regression", "label_smoothing": "0.1"}, "it has no option 'smoothing'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_trained(flags: dict[str, str], message: str, own: Path) -> None:
    """In one line, with the part, the rule and the value."""
    with pytest.raises(UsageError, match=message) as caught:
        prepare(matrix_of(**{key: value.replace("OWN", own.stem) for key, value in flags.items()}), CPU)
    assert "\n" not in str(caught.value)
