"""Does a layer train under DistributedDataParallel as it does alone?"""

import copy
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.testing import assert_close

from normzoo.layers import Engine, engine, make_norm

RANKS = 2
SPECS = ["batch", "layer", "instance", "group:groups=4", "rms"]


def build() -> nn.Module:
    torch.manual_seed(0)
    return nn.ModuleList(nn.Sequential(nn.Conv2d(2, 8, 3), make_norm(spec, 8), nn.ReLU()) for spec in SPECS)


class All(nn.Module):
    """Adds up what each norm's branch makes of the input."""

    def __init__(self, branches: Any) -> None:
        super().__init__()
        self.branches = branches

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([branch(x).mean() for branch in self.branches]).sum()


def inputs(rank: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(100 + rank)
    return torch.randn(6, 2, 8, 8, generator=generator) * (1 + rank)


def train(rank: int, port: int, name: Engine, folder: str) -> None:
    """Take two steps on this rank's own data, and write the gradients and buffers of rank 0."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"tcp://localhost:{port}", rank=rank, world_size=RANKS)
    model = DistributedDataParallel(All(build()))
    with engine(name):
        for _ in range(2):
            model.zero_grad()
            model(inputs(rank)).backward()
    if rank == 0:
        module = model.module
        torch.save(
            ({n: p.grad for n, p in module.named_parameters()}, dict(module.named_buffers())), Path(folder) / "rank0.pt"
        )
    distributed.destroy_process_group()


@pytest.mark.parametrize("name", ["eager", "compiled"])
def test_gradients_are_the_mean_over_ranks(name: Engine, tmp_path: Path) -> None:
    """Each rank normalizes its own samples; gradients are averaged, and rank 0's running statistics are kept."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    torch.multiprocessing.spawn(train, args=(port, name, str(tmp_path)), nprocs=RANKS)  # type: ignore[attr-defined,no-untyped-call]
    gradients, buffers = torch.load(tmp_path / "rank0.pt")
    alone = [All(copy.deepcopy(build())) for _ in range(RANKS)]
    for rank, model in enumerate(alone):
        for _ in range(2):
            model.zero_grad()
            model(inputs(rank)).backward()
    for key, value in gradients.items():
        expected = torch.stack([dict(model.named_parameters())[key].grad for model in alone]).mean(0)  # type: ignore[misc]
        assert_close(value, expected, rtol=1e-4, atol=1e-6)
    assert_close(buffers, dict(alone[0].named_buffers()), rtol=1e-4, atol=1e-6)
