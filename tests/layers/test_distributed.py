"""Does a layer train under DistributedDataParallel as it does alone?"""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
import torch.multiprocessing
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.testing import assert_close

from normzoo.layers import backend
from normzoo.registry.backends import Backend

from .cases import NORMS, ONE_OF_EACH, Case
from .references import randomized

RANKS = 2


CASES: dict[Backend, list[Case]] = {"eager": NORMS, "compiled": ONE_OF_EACH}


class EveryNorm(nn.Module):
    """Adds up what each norm makes of its input."""

    def __init__(self, cases: Sequence[Case]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norms = nn.ModuleList(randomized(case.ours(torch.float64)) for case in cases)

    def forward(self, inputs: list[Tensor]) -> Tensor:
        outputs = [norm(x).pow(3).mean() for norm, x in zip(self.norms, inputs, strict=True)]
        return torch.stack(outputs).sum()


def inputs(cases: Sequence[Case], rank: int) -> list[Tensor]:
    """Return this rank's own data."""
    torch.manual_seed(100 + rank)
    return [(1 + rank) * case.input() for case in cases]


def train(rank: int, name: Backend, folder: str) -> None:
    """Take two steps, and write the gradients and buffers of rank 0."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=RANKS)
    model = DistributedDataParallel(EveryNorm(CASES[name]))
    with backend(name):
        for _ in range(2):
            model.zero_grad()
            model(inputs(CASES[name], rank)).backward()
    if rank == 0:
        gradients = {key: parameter.grad for key, parameter in model.module.named_parameters()}
        torch.save((gradients, dict(model.module.named_buffers())), Path(folder) / "rank0.pt")
    distributed.destroy_process_group()


@pytest.mark.slow  # processes of its own
@pytest.mark.parametrize("name", CASES)
def test_gradients_are_the_mean_over_ranks(name: Backend, tmp_path: Path) -> None:
    """Each rank normalizes its own samples; gradients are averaged, and rank 0's running statistics are kept."""
    torch.multiprocessing.spawn(train, args=(name, str(tmp_path)), nprocs=RANKS)  # type: ignore[attr-defined,no-untyped-call]
    gradients, buffers = torch.load(tmp_path / "rank0.pt")
    alone = [EveryNorm(CASES[name]) for _ in range(RANKS)]
    for rank, model in enumerate(alone):
        for _ in range(2):
            model.zero_grad()
            model(inputs(CASES[name], rank)).backward()
    parameters = [dict(model.named_parameters()) for model in alone]
    for key, value in gradients.items():
        expected = [own[key].grad for own in parameters]
        assert_close(
            value, sum(gradient / RANKS for gradient in expected if gradient is not None), rtol=1e-9, atol=1e-9
        )
    assert_close(buffers, dict(alone[0].named_buffers()), rtol=1e-9, atol=1e-9)
