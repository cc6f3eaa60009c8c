"""Can runs be paired by seed, and repeated?"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from normzoo.data import Dataset
from normzoo.experiment.config.spec import Strategy
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.worker.train import build_network
from normzoo.registry import NORMS
from normzoo.templates import MemberModule

from .conftest import Train, TrainAll, tiny_spec
from .troubled_norms import Drawing

each_strategy = pytest.mark.parametrize("strategy", ["sequential", "stacked"])


def metrics(record: RunRecord) -> list[dict[str, float]]:
    return [epoch.model_dump(exclude={"seconds"}) for epoch in record.epochs]


@pytest.mark.slow_but_one
@each_strategy
@pytest.mark.parametrize("template", ["cnn", "lstm"])
@pytest.mark.parametrize("norm", ["none", "batch", "instance:affine=True"])
def test_the_same_spec_gives_the_same_metrics_to_the_last_digit(
    train: Train, template: str, norm: str, strategy: Strategy
) -> None:
    """Whatever was drawn or trained before."""
    spec = {"template": template, "norm": norm, "epochs": 2, "strategy": strategy}
    first = train(**spec)
    torch.manual_seed(999)
    train(norm="batch", seed=5)
    torch.rand(3)
    assert first.status == "ok"
    assert metrics(train(**spec)) == metrics(first)


def test_another_seed_gives_other_metrics(train: Train) -> None:
    """Otherwise seeds would be no replicates."""
    assert metrics(train(seed=0)) != metrics(train(seed=1))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("template", ["cnn", "lstm"])
def test_the_same_seed_gives_every_norm_the_same_initial_weights(template: str, norm: str, digits: Dataset) -> None:
    """Convolutions, dense layers and LSTM weights are equal; only the norms' own parameters differ."""
    network = "cnn:hidden=8,widths=8" if template == "cnn" else "lstm:hidden=8"
    control = build_network(tiny_spec(template=network, seed=7), digits).state_dict()
    state = build_network(tiny_spec(template=network, norm=norm, seed=7), digits).state_dict()
    assert len(control) >= 5
    assert set(control) <= set(state)
    for name, value in control.items():
        assert torch.equal(state[name], value), name


TargetsSeen = Callable[..., list[list[list[int]]]]


@pytest.fixture
def targets_seen(train_all: TrainAll, monkeypatch: pytest.MonkeyPatch) -> TargetsSeen:
    """Trains runs of some seeds, and returns for each the targets of each of its steps."""
    seen: list[Tensor] = []
    training_step = MemberModule.training_step

    def watching(module: MemberModule, block: tuple[Tensor, Tensor], index: int) -> None:
        seen.append(block[1])
        training_step(module, block, index)

    monkeypatch.setattr(MemberModule, "training_step", watching)

    def watch(*seeds: int, strategy: Strategy = "sequential", **changes: Any) -> list[list[list[int]]]:
        seen.clear()
        records = train_all([tiny_spec(seed=seed, strategy=strategy, **changes) for seed in seeds])
        assert [record.status for record in records] == ["ok"] * len(seeds)
        blocks = torch.cat(seen)  # (steps, N, members); without a stack, one run's after the other's
        steps = blocks if strategy == "stacked" else torch.cat(blocks.chunk(len(seeds)), 2)
        return [steps[:, :, member].tolist() for member in range(len(seeds))]

    return watch


@pytest.mark.slow_but_one
@pytest.mark.parametrize("norm", ["batch", "instance:affine=True", f"{Drawing.__module__}:Drawing"])
@pytest.mark.parametrize("template", ["cnn", "lstm"])
def test_the_same_seed_gives_every_norm_the_same_order_of_the_data(
    template: str, norm: str, targets_seen: TargetsSeen
) -> None:
    """Step by step over two epochs, also under a norm that uses up random numbers."""
    control = targets_seen(3, epochs=2)
    assert len(control[0]) == 2 * (1078 // 64)
    assert targets_seen(3, epochs=2, norm=norm, template=template) == control


@pytest.mark.slow_but_one
@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("template", ["cnn", "lstm"])
def test_the_strategy_does_not_change_the_order_of_the_data(
    template: str, norm: str, targets_seen: TargetsSeen
) -> None:
    """Each member of a stack sees, step by step over two epochs, what it sees alone."""
    seeds = (5, 3, 4)
    alone = targets_seen(*seeds, epochs=2)
    stacked = targets_seen(*sorted(seeds), epochs=2, strategy="stacked", template=template, norm=norm)
    assert stacked == [alone[seeds.index(seed)] for seed in sorted(seeds)]


@each_strategy
def test_another_seed_and_another_epoch_have_another_order(strategy: Strategy, targets_seen: TargetsSeen) -> None:
    """Otherwise the tests above could not fail."""
    first, second = targets_seen(3, 4, epochs=2, strategy=strategy)
    assert first != second
    assert first[: len(first) // 2] != first[len(first) // 2 :]


@pytest.mark.slow
def test_a_run_leaves_the_process_as_it_found_it() -> None:
    """A process and an environment of its own, since what leaks mostly leaks once: nothing in it changes."""
    command = [sys.executable, "-m", "tests.experiment.process_state"]
    root = Path(__file__).parents[2]
    variables = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH") if name in os.environ}
    done = subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, check=True)
    statuses = ("ok", "diverged", "failed")
    assert done.stdout.splitlines() == [
        f"{strategy} {status} {status}: nothing" for strategy in ("sequential", "stacked") for status in statuses
    ]
