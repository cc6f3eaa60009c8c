"""Does the command for a stored run train exactly that run?"""

import shlex
from typing import Any

import pytest

from normzoo.experiment.config.resolve import resolve
from normzoo.experiment.config.spec import RunSpec
from normzoo.experiment.planning.facts import DatasetFacts, NetworkFacts
from normzoo.experiment.planning.groups import expand
from normzoo.experiment.results.reproduce import command_for

from .synthetic import run_record, run_spec

LSTM = {"template": "lstm:hidden=8"}
OWN = {"norm": "my.module:Norm:gain=2", "sources": {"norm": "abc"}, "dataset": "npz"}
ALL_OWN = {
    "template": "my.net:Net:depth=20",
    "norm": "my.norm:Norm",
    "task": "my.task:Task",
    "sources": {"template": "a", "norm": "b", "task": "c"},
}


def trained_by(command: str, spec: RunSpec) -> tuple[list[RunSpec], Any]:
    """Return the runs of a command on the run's data, and how it trains them."""
    words = shlex.split(command)
    assert words[:2] == ["normzoo", "compare"]
    flags = {
        name.removeprefix("--").replace("-", "_"): value for name, value in zip(words[2::2], words[3::2], strict=True)
    }
    configuration = resolve([], [], flags)
    matrix = configuration.matrix
    facts = DatasetFacts(matrix.dataset, spec.dataset_checksum, (1, 8, 8), outputs=10, train=1, validation=1, test=1)
    named = {**spec.model_dump(), "augment": ",".join(spec.augment)}
    sources = {kind: {named[kind]: checksum} for kind, checksum in spec.sources.items()}
    networks = {(spec.template, spec.norm): NetworkFacts(keeps_statistics=True)}
    return expand(matrix, facts, sources=sources, networks=networks), configuration.execution


@pytest.mark.parametrize(
    ("changes", "dataset"),
    [
        ({}, "digits"),
        ({"seed": 3, "batch_size": 2, "lr": 0.003125}, "digits"),
        ({"batch_size": 7, "lr": 0.0123456789012}, "digits"),
        ({"template": "cnn:hidden=8,placement=pre,widths=4-5-6"}, "digits"),
        ({"strategy": "sequential", "compile": True}, "digits"),
        ({"task": "regression", "dataset": "npz"}, "npz:own.npz"),
        (ALL_OWN, "digits"),
        ({"optimizer": "adam", "clip_norm": 0.5, "precision": "bf16-mixed"}, "digits"),
        ({"optimizer": "sgd:nesterov=True", "schedule": "cosine:warmup=0.1", "weight_decay": 5e-4}, "digits"),
        ({"weight_decay": 1e-4, "weight_decay_on": "all", "task": "classification:smoothing=0.1"}, "digits"),
        ({"optimizer": "torch.optim:NAdam", "sources": {"optimizer": "0123456789abcdef"}}, "digits"),
        ({"further_eval_stats": ("recalibrated", "batch")}, "digits"),
        (
            {"augment": ("flip", "crop:4:padding=reflect", "own:Jitter:a=1,b=2"), "sources": {"augment": "be,ef"}},
            "digits",
        ),
        (LSTM, "digits"),
        (OWN, "npz:some folder/own.npz"),
    ],
)
def test_the_command_has_the_run_in_it(changes: dict[str, Any], dataset: str) -> None:
    """Up to the last digit of its learning rate, and nothing else; of folds, as many seeds as there are."""
    spec = run_spec(**changes)
    record = run_record(spec, environment={"device": "cuda:1"})
    command = command_for(spec.key, record, dataset)
    assert command is not None
    runs, execution = trained_by(command, spec)
    seeds = range(spec.seed, spec.seed + spec.folds)
    assert runs == [run_spec(**{**changes, "seed": seed}) for seed in seeds]
    assert execution.device == "cuda"
    assert str(execution.store) == "again.sqlite"


@pytest.mark.parametrize(
    ("changes", "dataset", "key"),
    [
        ({}, "digits", "00000000deadbeef"),
        ({"template": "gone"}, "digits", None),
        ({"task": "gone"}, "digits", None),
        ({"dataset": "npz"}, "npz", None),
        ({}, "mnist", None),
        ({"lr": 0.1 + 0.2}, "digits", None),  # no flag gives more than 12 digits
    ],
)
def test_there_is_none_where_no_command_trains_it(changes: dict[str, Any], dataset: str, key: str | None) -> None:
    """By another training procedure, with a setting that is gone, or on data whose path is not known."""
    spec = run_spec(**changes)
    assert command_for(key or spec.key, run_record(spec), dataset) is None
