"""Does a layer in several processes do what it is to: each alone, or synchronized, as over all of their samples?"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import start_processes
from torch.nn.parallel import DistributedDataParallel
from torch.testing import assert_close
from torch.utils.checkpoint import checkpoint

from normzoo.layers import BatchNorm, SyncBatchNorm

from .cases import NORMS
from .references import randomized

RANKS, CHANNELS = 3, 3
SAMPLES = [[2, 0, 3], [4, 1, 0], [0, 0, 6], [1, 2, 2]]
"""Of each rank in each step."""

CASES = [case for case in NORMS if case.layer is not SyncBatchNorm]


class EveryNorm(nn.Module):
    """Adds up what each norm makes of its input."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norms = nn.ModuleList(randomized(case.ours(torch.float64)) for case in CASES)

    def forward(self, inputs: list[Tensor]) -> Tensor:
        return torch.stack([norm(x).pow(3).mean() for norm, x in zip(self.norms, inputs, strict=True)]).sum()


class Recomputed(nn.Module):
    """Keeps nothing of its norm's forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = SyncBatchNorm(CHANNELS).double()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = checkpoint(self.norm, x, use_reentrant=False)
        return y


def inputs(rank: int) -> list[Tensor]:
    """Return this rank's own data."""
    torch.manual_seed(100 + rank)
    return [(1 + rank) * case.input() for case in CASES]


def network(norm: type[nn.Module]) -> nn.Sequential:
    """Make two norms with something before and between them, with the same parameters every time."""
    torch.manual_seed(0)
    conv, last = nn.Conv1d(CHANNELS, CHANNELS, 1), nn.Conv1d(CHANNELS, CHANNELS, 1)
    made = nn.Sequential(
        conv, norm(CHANNELS), nn.Tanh(), last, norm(CHANNELS, momentum=None, bias=False, zero_centered=True)
    ).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.uniform_(0.5, 1.5)
    return made


def batch(step: int) -> tuple[Tensor, Tensor]:
    """Return the samples of all ranks, and what their outputs are multiplied by."""
    torch.manual_seed(step)
    count = sum(SAMPLES[step])
    spread = torch.arange(1.0, count + 1, dtype=torch.float64).reshape(-1, 1, 1)  # so that ranks differ
    shape = (count, CHANNELS, 4)
    return spread * torch.randn(shape, dtype=torch.float64) + spread, torch.randn(shape, dtype=torch.float64)


def mask_of(x: Tensor) -> Tensor:
    """Return a mask of a batch."""
    return torch.arange(x.shape[0] * x.shape[2]).reshape(x.shape[0], x.shape[2]) % 3 > 0


def taken(model: nn.Module, x: Tensor, cotangent: Tensor, mask: Tensor | None = None) -> dict[str, Any]:
    """Take a step, and return all that there is to know of it."""
    x = x.clone().requires_grad_()
    model.zero_grad()
    y = model(x) if mask is None else model(x, mask)
    (y * cotangent).sum().backward()
    return {
        "output": y.detach(),
        "input": x.grad,
        "parameters": {name: parameter.grad for name, parameter in model.named_parameters()},
        "buffers": {name: buffer.clone() for name, buffer in model.named_buffers()},
    }


def synchronized(rank: int) -> dict[str, Any]:
    """Return what a rank finds with norms that are synchronized."""

    def own(values: Tensor, step: int = 0) -> Tensor:
        return torch.split(values, SAMPLES[step])[rank]

    found: dict[str, Any] = {}
    model = network(SyncBatchNorm)
    found["steps"] = [taken(model, *(own(each, step) for each in batch(step))) for step in range(len(SAMPLES))]
    x, cotangent = batch(0)
    found["masked"] = taken(SyncBatchNorm(CHANNELS).double(), own(x), own(cotangent), own(mask_of(x)))
    pair = SyncBatchNorm(CHANNELS, process_group=distributed.new_group([0, 1])).double()
    if rank < 2:
        found["pair"] = taken(pair, x[rank::2], cotangent[rank::2])
    ones = torch.ones(int(rank == 0), CHANNELS, dtype=torch.float64)
    found["lone"] = taken(SyncBatchNorm(CHANNELS).double(), ones, ones)
    found["recomputed"] = taken(Recomputed(), own(x), own(cotangent))
    found["averaged"] = taken(DistributedDataParallel(network(SyncBatchNorm)), own(x), own(cotangent))
    return found


def train(rank: int, folder: str) -> None:
    """Write what a rank finds: each norm by itself in two steps, averaged over the ranks, and synchronized ones."""
    meeting = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", meeting, timedelta(minutes=5), rank=rank, world_size=RANKS)
    model = DistributedDataParallel(EveryNorm())
    for _ in range(2):
        model.zero_grad()
        model(inputs(rank)).backward()
    gradients = {key: parameter.grad for key, parameter in model.module.named_parameters()}
    alone = {"gradients": gradients, "buffers": dict(model.module.named_buffers())}
    torch.save((alone, synchronized(rank)), Path(folder) / f"rank{rank}.pt")
    distributed.destroy_process_group()


def train_others(_: int, folder: str) -> None:
    """Fork into all ranks but the first, so that torch is loaded once for them."""
    torch.set_num_threads(1)
    start: Any = start_processes
    start(train_other, args=(folder,), nprocs=RANKS - 1, start_method="fork")


def train_other(number: int, folder: str) -> None:
    train(1 + number, folder)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return what each rank has written, of which the first is the process of the tests."""
    folder = tmp_path_factory.mktemp("ranks")
    start: Any = start_processes
    others = start(train_others, args=(str(folder),), join=False, start_method="spawn")
    try:
        train(0, str(folder))
        while not others.join():
            pass
    finally:
        for process in others.processes:
            process.kill()
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(RANKS)]


@pytest.mark.slow  # processes of its own
def test_gradients_are_the_mean_over_ranks(found: Sequence[Any]) -> None:
    """Each rank normalizes its own samples; gradients are averaged, and rank 0's running statistics are kept."""
    alone = [EveryNorm() for _ in range(RANKS)]
    for rank, model in enumerate(alone):
        for _ in range(2):
            model.zero_grad()
            model(inputs(rank)).backward()
    parameters = [dict(model.named_parameters()) for model in alone]
    of_first, _ = found[0]
    for key, value in of_first["gradients"].items():
        expected = [own[key].grad for own in parameters]
        assert_close(
            value, sum(gradient / RANKS for gradient in expected if gradient is not None), rtol=1e-9, atol=1e-9
        )
    assert_close(of_first["buffers"], dict(alone[0].named_buffers()), rtol=1e-9, atol=1e-9)


@pytest.mark.slow  # processes of its own
def test_all_ranks_are_one_batch(found: Sequence[Any]) -> None:
    """Outputs, gradients and running statistics over several steps, with unequally many samples, or none."""
    ranks = [synchronized for _, synchronized in found]
    whole = network(BatchNorm)
    for step in range(len(SAMPLES)):
        hold([each["steps"][step] for each in ranks], taken(whole, *batch(step)))
    x, cotangent = batch(0)
    hold([each["masked"] for each in ranks], taken(BatchNorm(CHANNELS).double(), x, cotangent, mask_of(x)))
    order = torch.cat([torch.arange(rank, len(x), 2) for rank in range(2)])
    expected = taken(BatchNorm(CHANNELS).double(), x[order], cotangent[order])
    hold([each["pair"] for each in ranks[:2]], expected)
    for each in ranks:
        assert_close(each["lone"]["buffers"], dict(SyncBatchNorm(CHANNELS).double().named_buffers()))
    assert_close(ranks[0]["lone"]["output"], torch.zeros(1, CHANNELS, dtype=torch.float64))
    recomputed = nn.Sequential(OrderedDict(norm=BatchNorm(CHANNELS).double()))
    hold([each["recomputed"] for each in ranks], taken(recomputed, x, cotangent))
    expected = taken(network(BatchNorm), x, cotangent)["parameters"]
    for each in ranks:
        averaged = {f"module.{name}": value / RANKS for name, value in expected.items()}
        assert_close(each["averaged"]["parameters"], averaged)


def hold(found: Sequence[Mapping[str, Any]], expected: Mapping[str, Any]) -> None:
    """Hold what the ranks found together against what one process found with all samples."""
    for name in ("output", "input"):
        assert_close(torch.cat([each[name] for each in found]), expected[name], rtol=1e-9, atol=1e-9)
    for name, value in expected["parameters"].items():
        assert_close(sum(each["parameters"][name] for each in found), value, rtol=1e-9, atol=1e-9)
    for each in found:
        assert_close(each["buffers"], expected["buffers"], rtol=1e-9, atol=1e-9)


def test_one_process_is_batch_norm() -> None:
    """Where no group is initialized."""
    for x, cotangent in (batch(0), batch(2)):
        assert_close(taken(network(SyncBatchNorm), x, cotangent), taken(network(BatchNorm), x, cotangent))


def test_it_takes_what_torchs_takes() -> None:
    """The arguments of ``torch.nn.SyncBatchNorm`` in their order, beside keywords; its state, and not its class."""
    parameters = (signature(norm).parameters.values() for norm in (SyncBatchNorm, nn.SyncBatchNorm))
    ours, theirs = (
        [(each.name, each.default) for each in those if each.kind != Parameter.KEYWORD_ONLY] for those in parameters
    )
    assert ours == theirs
    norm = SyncBatchNorm(CHANNELS)
    assert list(norm.state_dict()) == list(nn.SyncBatchNorm(CHANNELS).state_dict())
    assert not isinstance(norm, nn.SyncBatchNorm)  # which DistributedDataParallel takes on GPUs alone
