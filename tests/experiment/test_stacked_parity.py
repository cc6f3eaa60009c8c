"""Is a run of a stack the run that it would be alone?"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice, product
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.testing import assert_close

from normzoo.data import Dataset, Split
from normzoo.experiment.config.spec import RunSpec, Strategy
from normzoo.experiment.worker.train import build_network, make_module, training_blocks
from normzoo.registry import NORMS

from .conftest import TrainAll
from .synthetic import run_spec

BATCH_SIZE, STEPS = 16, 10
SHARES = {"equal": (1.0, 1.0), "mixed": (0.5, 1.0)}
"""Each member's learning rate, in those of the optimizer."""
LEARNING_RATES: dict[str, float] = {"sgd": 0.01, "adam": 0.001, "adamw": 0.001, "rmsprop": 0.0005}

TEMPLATES = ("cnn", "lstm")
WAYS = list(product(LEARNING_RATES, SHARES))
ACTIVATED = ("evonorm-b0", "evonorm-s0", "frn-tlu")
PAIRED = sorted(
    {
        (TEMPLATES[index % len(TEMPLATES)], norm, *WAYS[index // len(TEMPLATES) % len(WAYS)])
        for index, norm in enumerate(each for each in NORMS if each not in {"noisy-batch", *ACTIVATED})
    }
    | {("cnn", norm, *WAYS[index % len(WAYS)]) for index, norm in enumerate(ACTIVATED)}
)
"""Each norm in one of the templates and ways to train, each of these in both templates: a way knows of no norm.

But noisy batch norm, whose numbers are drawn elsewhere, and in the lstm those with an activation, which it refuses."""

each_optimizer = pytest.mark.parametrize("optimizer", LEARNING_RATES)
each_template = pytest.mark.parametrize("template", TEMPLATES)


@pytest.fixture(scope="session")
def exact(digits: Dataset) -> Dataset:
    """As many digits as make one epoch, in float64."""
    samples = BATCH_SIZE * STEPS
    return replace(digits, train=Split(digits.train.inputs[:samples].double(), digits.train.targets[:samples]))


def small_spec(template: str, norm: str, **changes: Any) -> RunSpec:
    """Return a small network with eight channels per group: of two values in float64 training makes chaos, too."""
    network = "cnn:widths=16" if template == "cnn" else "lstm"
    settings = {"template": network, "norm": NORMS.canonical(norm), "batch_size": BATCH_SIZE}
    return run_spec(**{"epochs": 1, **settings, **changes})


def by(strategy: Strategy, specs: Sequence[RunSpec]) -> list[RunSpec]:
    return [spec.model_copy(update={"strategy": strategy}) for spec in specs]


def trained(specs: Sequence[RunSpec], dataset: Dataset, strategy: Strategy) -> tuple[Mapping[str, Tensor], Tensor]:
    """Train some runs for all their steps in float64; return parameters and buffers, and the training losses."""
    specs = by(strategy, specs)
    networks = [build_network(spec, dataset).double() for spec in specs]
    module = make_module(specs, networks, dataset, "cpu", compiled=False).double()
    blocks = training_blocks(specs, dataset)
    module.on_train_epoch_start()
    steps = 0
    for index, block in enumerate(islice(blocks, len(blocks))):
        module.training_step(block, index)
        steps += len(block[1])
    assert steps == STEPS
    state = (module.network if strategy == "stacked" else networks[0]).state_dict()
    return state, torch.tensor(module.train_losses, dtype=torch.float64)


def of_member(state: Mapping[str, Tensor], member: int) -> dict[str, Tensor]:
    """Return a member's part of a stack's state; what is one number, such as a count of batches, is everyone's."""
    return {name: value[member] if value.ndim else value for name, value in state.items()}


@pytest.mark.slow_but_one
@pytest.mark.parametrize(("template", "norm", "optimizer", "rates"), PAIRED)
def test_in_double_precision_a_member_is_the_run_alone(
    template: str, norm: str, optimizer: str, rates: str, exact: Dataset
) -> None:
    """Parameter by parameter and buffer by buffer to 1e-8 after 10 steps, with equal and with mixed learning rates."""
    clip_norm = 1.0 if rates == "mixed" else None
    specs = [
        small_spec(
            template, norm, seed=seed, lr=share * LEARNING_RATES[optimizer], optimizer=optimizer, clip_norm=clip_norm
        )
        for seed, share in enumerate(SHARES[rates])
    ]
    stacked, losses = trained(specs, exact, "stacked")
    for member, spec in enumerate(specs):
        alone, loss = trained([spec], exact, "sequential")
        assert len(alone) >= 5
        assert_close(of_member(stacked, member), dict(alone), rtol=0, atol=1e-8)
        assert_close(losses[member], loss[0], rtol=0, atol=1e-8)


def test_there_are_norms_enough_for_each_way() -> None:
    """Or the test above would have to ask one of them more often."""
    assert {(template, *way) for template, _, *way in PAIRED} == {(each, *way) for each in TEMPLATES for way in WAYS}


@pytest.mark.slow_but_one
@each_optimizer
@each_template
def test_the_promise_could_be_broken(template: str, optimizer: str, exact: Dataset) -> None:
    """Training moves every parameter, and another seed or learning rate moves it elsewhere, by far more than 1e-8."""
    spec = small_spec(template, "batch", optimizer=optimizer, lr=LEARNING_RATES[optimizer])
    start = dict(build_network(spec, exact).named_parameters())
    base, _ = trained([spec], exact, "sequential")
    for other in (
        start,
        trained([spec.model_copy(update={"seed": 1})], exact, "sequential")[0],
        trained([spec.model_copy(update={"lr": spec.lr / 2})], exact, "sequential")[0],
    ):
        for name in start:
            assert (base[name] - other[name]).abs().max() > 1e-5, name


@pytest.mark.slow
@pytest.mark.parametrize(("template", "norm"), [("cnn", "batch"), ("lstm", "layer")])
def test_in_single_precision_no_paired_test_tells_the_strategies_apart(
    template: str, norm: str, train_all: TrainAll
) -> None:
    """Test accuracies of 12 seeds after an epoch differ between seeds, and not, in the mean, between strategies."""
    specs = [small_spec(template, norm, seed=seed, batch_size=32, lr=0.05) for seed in range(12)]
    accuracies: list[list[float]] = []
    strategies: list[Strategy] = ["sequential", "stacked"]
    for strategy in strategies:
        records = train_all(by(strategy, specs))
        assert [record.status for record in records] == ["ok"] * 12
        accuracies.append([record.epochs[-1].test["accuracy"] for record in records])
        assert statistics.stdev(accuracies[-1]) > 0.01
    alone, stacked = accuracies
    assert alone == stacked or stats.ttest_rel(alone, stacked).pvalue > 0.01  # without a difference there is no test


@pytest.mark.slow_but_one
@pytest.mark.parametrize("norm", ["batch:track_running_stats=False", "layer"])
def test_what_is_evaluated_together_does_not_depend_on_the_stack(norm: str, train_all: TrainAll) -> None:
    """A norm that pools over the samples in evaluation, too, sees as many of them in a stack as alone."""
    specs = [small_spec("cnn", norm, seed=seed, batch_size=128) for seed in range(3)]
    (alone,) = train_all(by("sequential", specs[:1]))
    together = train_all(by("stacked", specs))[0]
    for split in ("validation", "test"):
        one, other = (getattr(record.epochs[-1], split)["loss"] for record in (together, alone))
        assert one == pytest.approx(other, rel=1e-4)
