"""Is all that stacking changes the order of sums, so that runs part by rounding and by nothing else?

Found on Fashion-MNIST: a run alone and the same run in a stack ended an epoch of batch norm at batch size 8 with losses
that differed in the second digit. Training there is chaotic: what differs in the last digit after one step differs in
the first after some hundred. So they are held against each other step by step, with more digits.
"""

import gzip
from collections.abc import Iterable, Iterator
from itertools import islice
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from normzoo.data import BlocksOfSteps, Dataset, Split
from normzoo.experiment.config.spec import RunSpec, Strategy
from normzoo.experiment.worker.train import build_network, make_module

from .synthetic import run_spec

SAMPLES, BATCH_SIZE, SEEDS = 160, 8, (0, 1)
SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def smooth_images() -> Split:
    """Return ten kinds of blots, each about a place and a size of its own, with noise."""
    random = np.random.default_rng(0)
    targets = random.integers(0, 10, SAMPLES)
    rows, columns = np.mgrid[0:28, 0:28]
    centres, sizes = random.uniform(6, 22, (10, 2)), random.uniform(3, 9, 10)
    at = centres[targets] + random.normal(0, 1.5, (SAMPLES, 2))
    distance = (rows - at[:, 0, None, None]) ** 2 + (columns - at[:, 1, None, None]) ** 2
    images = np.exp(-distance / sizes[targets, None, None] ** 2) + random.normal(0, 0.1, distance.shape)
    return standardized(torch.from_numpy(images), torch.from_numpy(targets))


def clothes() -> Split:
    """Return the first images of Fashion-MNIST."""
    raw = SHARED / "FashionMNIST" / "raw"
    if not raw.is_dir():
        pytest.skip(f"there is no {raw.relative_to(SHARED.parents[1])} beside the checkout")
    arrays = []
    for what, header, shape in (("images-idx3", 16, (SAMPLES, 28, 28)), ("labels-idx1", 8, (SAMPLES,))):
        with gzip.open(raw / f"train-{what}-ubyte.gz") as file:
            values = file.read(header + prod(shape))
        arrays.append(torch.from_numpy(np.frombuffer(values, np.uint8, offset=header).reshape(shape).copy()))
    return standardized(arrays[0].double(), arrays[1].long())


def standardized(images: Tensor, targets: Tensor) -> Split:
    return Split((images - images.mean()).div(images.std()).unsqueeze(1), targets)


@pytest.fixture(scope="module", params=[smooth_images, clothes])
def images(request: pytest.FixtureRequest) -> Dataset:
    """The training samples of an epoch, in float64."""
    split = request.param()
    return Dataset("images", split, split, split, outputs=10, checksum="0" * 16)


def specs(strategy: Strategy) -> list[RunSpec]:
    rate = 0.05 * BATCH_SIZE / 32
    settings = {"norm": "batch", "batch_size": BATCH_SIZE, "lr": rate, "epochs": 1, "strategy": strategy}
    return [run_spec(seed=seed, **settings) for seed in SEEDS]


def steps(runs: list[RunSpec], dataset: Dataset, dtype: torch.dtype, nudge: float = 0.0) -> Iterator[list[Tensor]]:
    """Train some runs, and yield all parameters of each in a row after every step.

    Args:
        runs: what to train.
        dataset: on what.
        dtype: in which precision.
        nudge: what one parameter is off by from the start, as a share of it.
    """
    networks = [build_network(spec, dataset).to(dtype) for spec in runs]
    for network in networks:
        next(network.parameters()).data.flatten()[0] *= 1 + nudge
    module = make_module(runs, networks, dataset, "cpu", compiled=False).to(dtype)
    module.on_train_epoch_start()
    split = Split(dataset.train.inputs.to(dtype), dataset.train.targets)
    for inputs, targets in BlocksOfSteps(split, BATCH_SIZE, seeds=[spec.seed for spec in runs]):
        for step in range(len(targets)):
            module.training_step((inputs[step : step + 1], targets[step : step + 1]), step)
            values = [value.detach() for value in module.network.parameters()]
            if runs[0].strategy == "stacked":
                yield [torch.cat([value[member].flatten() for value in values]) for member in range(len(runs))]
            else:
                yield [torch.cat([value.flatten() for value in values])]


def apart(one: Iterable[list[Tensor]], other: Iterable[list[Tensor]]) -> list[float]:
    """Return how far runs are apart after each step, in the size of the largest parameter."""
    return [
        max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours, theirs, strict=True))
        for ours, theirs in zip(one, other, strict=True)
    ]


def alone(dataset: Dataset, dtype: torch.dtype, nudge: float = 0.0) -> Iterator[list[Tensor]]:
    """Train each run by itself, and yield the parameters of all after every step."""
    each = [steps([spec], dataset, dtype, nudge) for spec in specs("sequential")]
    return ([row for (row,) in rows] for rows in zip(*each, strict=True))


def told(stacked: list[float], nudged: list[float]) -> str:
    """Write the difference after every fifth step, for whoever has to find out why it grew."""
    written = [f"{at + 1}: {stacked[at]:.1e} ({nudged[at]:.1e})" for at in range(0, len(stacked), 5)]
    return "apart by stacking (by a last digit) after step " + ", ".join(written)


@pytest.mark.slow
def test_in_double_precision_runs_part_by_rounding_alone(images: Dataset) -> None:
    """By the last digits at first, and then no faster than two runs alone, of which one began a last digit off."""
    precision = torch.float64
    each = list(alone(images, precision))
    stacked = apart(steps(specs("stacked"), images, precision), each)
    nudged = apart(alone(images, precision, nudge=2**-52), each)
    message = told(stacked, nudged)
    assert len(stacked) == SAMPLES // BATCH_SIZE
    assert stacked[0] < 1e-14, message
    assert max(stacked[:10]) < 1e-9, message
    assert all(one < 1000 * max(other, 1e-15) for one, other in zip(stacked, nudged, strict=True)), message


@pytest.mark.slow_but_one
def test_in_single_precision_a_step_parts_them_by_rounding_alone(images: Dataset) -> None:
    """As far as can be told of single precision, which soon is another run."""
    both = steps(specs("stacked"), images, torch.float32), alone(images, torch.float32)
    (difference,) = apart(islice(both[0], 1), islice(both[1], 1))
    assert difference < 1e-5
