"""Is synchronized batch norm over several processes batch norm over all of their samples?"""

from collections.abc import Mapping, Sequence
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.testing import assert_close

from normzoo.layers import BatchNorm, SyncBatchNorm

CHANNELS, STEPS = 3, 3
SAMPLES: Mapping[int, Sequence[Sequence[int]]] = {2: [(4, 1), (0, 5), (3, 3)], 3: [(2, 0, 3), (1, 1, 3), (0, 0, 6)]}
"""Of each rank in each step, by how many ranks there are."""


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
    count = sum(SAMPLES[2][step])
    spread = torch.arange(1.0, count + 1, dtype=torch.float64).reshape(-1, 1, 1)  # so that ranks differ
    shape = (count, CHANNELS, 4)
    return spread * torch.randn(shape, dtype=torch.float64) + spread, torch.randn(shape, dtype=torch.float64)


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


def own(values: Tensor, samples: Sequence[int], rank: int) -> Tensor:
    """Return what a rank holds of a batch."""
    return torch.split(values, list(samples))[rank]


def train(rank: int, ranks: int, folder: str) -> None:
    """Take the steps of a rank, and write what each found; also under a mask, and one with a group of its own."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=ranks)
    model = network(SyncBatchNorm)
    found = []
    for step, samples in enumerate(SAMPLES[ranks]):
        found.append(taken(model, *(own(each, samples, rank) for each in batch(step))))
    masked = SyncBatchNorm(CHANNELS).double()
    parts = [own(each, SAMPLES[ranks][0], rank) for each in (*batch(0), mask_of(batch(0)[0]))]
    found.append(taken(masked, *parts))
    group = distributed.new_group([0, 1])
    paired = SyncBatchNorm(CHANNELS, process_group=group).double()
    if rank < 2:
        found.append(taken(paired, *(each[rank::2] for each in batch(0))))
    lone = SyncBatchNorm(CHANNELS).double()
    x = torch.ones(int(rank == 0), CHANNELS, dtype=torch.float64)
    found.append(taken(lone, x, x))
    averaged = DistributedDataParallel(network(SyncBatchNorm))
    found.append(taken(averaged, *(own(each, SAMPLES[ranks][0], rank) for each in batch(0))))
    torch.save(found, Path(folder) / f"rank{rank}.pt")
    distributed.destroy_process_group()


def mask_of(x: Tensor) -> Tensor:
    """Return a mask of a batch."""
    return torch.arange(x.shape[0] * x.shape[2]).reshape(x.shape[0], x.shape[2]) % 3 > 0


@pytest.mark.slow  # processes of its own
@pytest.mark.parametrize("ranks", [2, 3])
def test_all_ranks_are_one_batch(ranks: int, tmp_path: Path) -> None:
    """Outputs, gradients and running statistics over several steps, with unequally many samples, or none."""
    torch.multiprocessing.spawn(train, args=(ranks, str(tmp_path)), nprocs=ranks)  # type: ignore[attr-defined,no-untyped-call]
    found = [torch.load(tmp_path / f"rank{rank}.pt") for rank in range(ranks)]
    whole = network(BatchNorm)
    for step in range(STEPS):
        hold([each[step] for each in found], taken(whole, *batch(step)))
    x, cotangent = batch(0)
    hold([each[STEPS] for each in found], taken(BatchNorm(CHANNELS).double(), x, cotangent, mask_of(x)))
    order = torch.cat([torch.arange(rank, len(x), 2) for rank in range(2)])
    expected = taken(BatchNorm(CHANNELS).double(), x[order], cotangent[order])
    hold([each[STEPS + 1] for each in found[:2]], expected)
    for each in found:
        assert_close(each[-2]["buffers"], dict(SyncBatchNorm(CHANNELS).double().named_buffers()))
    assert_close(found[0][-2]["output"], torch.zeros(1, CHANNELS, dtype=torch.float64))
    expected = taken(network(BatchNorm), x, cotangent)["parameters"]
    for each in found:
        assert_close(each[-1]["parameters"], {f"module.{name}": value / ranks for name, value in expected.items()})


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
