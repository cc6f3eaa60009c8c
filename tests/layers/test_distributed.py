"""Does a layer train under DistributedDataParallel as it does alone?"""

from pathlib import Path

import pytest
import torch
import torch.multiprocessing
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.testing import assert_close

from normzoo import layers
from normzoo.layers import backend
from normzoo.registry.backends import Backend

from .cases import NORMS, Case
from .references import randomized

RANKS = 2


CASES: list[tuple[Case, Backend]] = [
    *((case, "eager") for case in NORMS if case.layer is not layers.SyncBatchNorm),  # which test_sync.py is about
    *((case, "compiled") for case in NORMS if case.id in ("batch-maps", "group-maps")),
]


class EveryNorm(nn.Module):
    """Adds up what each norm makes of its input, on the backend of its case or on one for all."""

    def __init__(self, of_all: Backend | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norms = nn.ModuleList(randomized(case.ours(torch.float64)) for case, _ in CASES)
        self.backends = [of_all or name for _, name in CASES]

    def forward(self, inputs: list[Tensor]) -> Tensor:
        outputs = []
        for norm, name, x in zip(self.norms, self.backends, inputs, strict=True):
            with backend(name):
                outputs.append(norm(x).pow(3).mean())
        return torch.stack(outputs).sum()


def inputs(rank: int) -> list[Tensor]:
    """Return this rank's own data."""
    torch.manual_seed(100 + rank)
    return [(1 + rank) * case.input() for case, _ in CASES]


def train(rank: int, folder: str) -> None:
    """Take two steps, and write the gradients and buffers of rank 0."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=RANKS)
    model = DistributedDataParallel(EveryNorm())
    for _ in range(2):
        model.zero_grad()
        model(inputs(rank)).backward()
    if rank == 0:
        gradients = {key: parameter.grad for key, parameter in model.module.named_parameters()}
        torch.save((gradients, dict(model.module.named_buffers())), Path(folder) / "rank0.pt")
    distributed.destroy_process_group()


@pytest.mark.slow  # processes of its own
def test_gradients_are_the_mean_over_ranks(tmp_path: Path) -> None:
    """Each rank normalizes its own samples; gradients are averaged, and rank 0's running statistics are kept."""
    torch.multiprocessing.spawn(train, args=(str(tmp_path),), nprocs=RANKS)  # type: ignore[attr-defined,no-untyped-call]
    gradients, buffers = torch.load(tmp_path / "rank0.pt")
    alone = [EveryNorm("eager") for _ in range(RANKS)]
    for rank, model in enumerate(alone):
        for _ in range(2):
            model.zero_grad()
            model(inputs(rank)).backward()
    parameters = [dict(model.named_parameters()) for model in alone]
    for key, value in gradients.items():
        expected = [own[key].grad for own in parameters]
        assert_close(
            value, sum(gradient / RANKS for gradient in expected if gradient is not None), rtol=1e-9, atol=1e-9
        )
    assert_close(buffers, dict(alone[0].named_buffers()), rtol=1e-9, atol=1e-9)
