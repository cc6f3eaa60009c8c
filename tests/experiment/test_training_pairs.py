"""Can runs be paired by seed, and repeated?"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from zoo import CLASSIC

from normzoo.data import Dataset, Split
from normzoo.experiment.config.spec import Strategy
from normzoo.experiment.planning.strategy import strategy_for
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.worker.networks import try_network
from normzoo.experiment.worker.train import build_network, drawing_seed, train_group
from normzoo.tasks import Classification
from normzoo.templates import MemberModule

from .conftest import TRAIN, Train, TrainAll, ignore, tiny_spec
from .troubled_norms import Drawing

each_strategy = pytest.mark.parametrize("strategy", ["sequential", "stacked"])


def metrics(record: RunRecord) -> list[dict[str, float]]:
    return [epoch.model_dump(exclude={"seconds"}) for epoch in record.epochs]


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("template", "norm", "strategy"),
    [
        ("cnn", "batch", "stacked"),
        ("cnn", "none", "sequential"),
        ("cnn", "instance:affine=True", "stacked"),
        ("lstm", "none", "stacked"),
        ("lstm", "batch", "sequential"),
    ],
)
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


OWN_NETWORK = """
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout


class Mapped(nn.Module):
    def __init__(self, norm, *, shape, outputs):
        super().__init__()
        self.norm, self.dense = norm(1), nn.Linear(64, outputs)

    def forward(self, images: Tensor) -> Tensor:
        return self.dense(dropout(self.norm(images).flatten(1), 0.3, self.training))


class Parts(Mapped):
    consists_of_parts = True

    def forward(self, images: Tensor) -> Tensor:
        return self.dense(dropout(self.norm(images).flatten(-3), 0.3, self.training))
"""


@pytest.fixture
def own_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of the user's own that draw random numbers by themselves."""
    (tmp_path / "own_drawing_network.py").write_text(OWN_NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_drawing_network", raising=False)


@pytest.mark.slow_but_one
@pytest.mark.usefixtures("own_network")
@pytest.mark.parametrize("name", ["Mapped", "Parts"])
def test_what_draws_by_itself_is_trained_one_by_one_and_can_be_repeated(
    name: str, train: Train, digits: Dataset
) -> None:
    """Whatever was drawn or trained before in the same process, and whatever its norm draws as it is made."""
    template = f"own_drawing_network:{name}"
    found = try_network(tiny_spec(template=template), digits, Classification())
    assert found.unstackable == "it draws random numbers, and is not stacked part by part (consists_of_parts)"
    assert strategy_for("auto", found, "cpu", batch_size=2) == "sequential"
    first = train(template=template, epochs=2)
    torch.manual_seed(999)
    train(norm="batch", seed=5)
    assert metrics(train(template=template, epochs=2)) == metrics(first)
    assert metrics(train(template=template, epochs=2, seed=1)) != metrics(first)


@pytest.mark.slow
def test_random_numbers_in_a_network_are_the_same_in_both_strategies(digits: Dataset) -> None:
    """Of each seed: alone, in a stack, in a smaller one, and beside a run that diverges and is taken out."""
    names = ("train", "validation", "test")
    few: dict[str, Any] = {
        name: Split(getattr(digits, name).inputs[:64], getattr(digits, name).targets[:64]) for name in names
    }
    network = "vgg:dropout=0.5,hidden=8,noise=0.5,sites=all,width=2"
    alone = [
        tiny_spec(template=network, norm="group:groups=2", batch_size=16, seed=seed, epochs=2, lr=0.01)
        for seed in range(3)
    ]
    stacked = [spec.model_copy(update={"strategy": "stacked"}) for spec in alone]
    diverging = stacked[1].model_copy(update={"lr": 1e30})
    losses: dict[tuple[int, float], list[list[float]]] = {}
    for specs in (alone, stacked, stacked[1:], [diverging, *stacked]):
        records: list[RunRecord] = []
        train_group(specs, replace(digits, **few), "cpu", on_start=ignore, on_epoch=ignore, on_record=records.append)
        for record in records:
            epochs = [epoch.train_loss for epoch in record.epochs]
            losses.setdefault((record.spec.seed, record.spec.lr), []).append(epochs)
    assert len(losses.pop((diverging.seed, diverging.lr))[0]) == 1
    assert [len(found) for found in losses.values()] == [3, 4, 4]
    for first, *others in losses.values():
        assert [other == pytest.approx(first, rel=1e-4) for other in others] == [True] * len(others)


@pytest.mark.slow
def test_another_seed_gives_other_metrics(train: Train) -> None:
    """Otherwise seeds would be no replicates."""
    assert metrics(train(seed=0)) != metrics(train(seed=1))


@pytest.mark.slow_but_one
@pytest.mark.parametrize("norm", CLASSIC)
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


def test_a_run_draws_other_numbers_in_training_than_its_weights_start_from() -> None:
    """Nor those that another run's start from: the seeds are apart."""
    seeds = range(1000)
    drawn = {drawing_seed(tiny_spec(seed=seed)) for seed in seeds}
    assert len(drawn) == len(seeds)
    assert drawn.isdisjoint(seeds)


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
    assert len(control[0]) == 2 * (TRAIN // 64)
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


@pytest.mark.slow_but_one
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
    needed = ("PATH", "HOME", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "OMP_WAIT_POLICY")
    variables = {name: os.environ[name] for name in needed if name in os.environ}
    done = subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, check=True)
    statuses = ("ok", "diverged", "failed")
    assert done.stdout.splitlines() == [
        f"{strategy} {status} {status}: nothing" for strategy in ("sequential", "stacked") for status in statuses
    ]
