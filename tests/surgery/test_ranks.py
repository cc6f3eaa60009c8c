"""Do all processes that train together end with the same recalibrated statistics, those of all their batches?"""

from pathlib import Path

import pytest
import torch
from ranks import RANKS, in_two_ranks
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.testing import assert_close

from normzoo import layers
from normzoo.surgery import recalibrate

pytestmark = pytest.mark.slow  # processes of its own
SIZES = ((5, 2, 4), (3,))
"""Of the batches of each rank."""


class Net(nn.Module):
    """Has a norm that only one rank calls, and one that none does."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.BatchNorm2d(3), layers.InstanceNorm2d(3, track_running_stats=True))
        self.some, self.none = layers.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return self.some(y) if len(x) == 3 else y


def network() -> nn.Module:
    return Net().double()


def batches(rank: int) -> list[Tensor]:
    drawn = torch.Generator().manual_seed(rank)
    return [torch.randn(size, 3, 4, 4, generator=drawn, dtype=torch.float64) + rank for size in SIZES[rank]]


def run(rank: int, folder: str) -> None:
    """Recalibrate on this rank's batches, alone and wrapped, and write the states."""
    plain, wrapped = network(), DistributedDataParallel(nn.Sequential(network(), nn.Conv2d(3, 3, 1).double()))
    recalibrate(plain, batches(rank))
    recalibrate(wrapped, batches(rank))
    torch.save((plain.state_dict(), wrapped.module[0].state_dict()), Path(folder) / f"rank{rank}.pt")


def test_ranks_end_with_the_statistics_of_all_batches(tmp_path: Path) -> None:
    """To the last digit the same on each, though one has three batches and the other one."""
    in_two_ranks(run, tmp_path)
    states = [torch.load(tmp_path / f"rank{rank}.pt") for rank in range(RANKS)]
    for mine, theirs in zip(*states, strict=True):
        assert_close(dict(mine), dict(theirs), rtol=0, atol=0)
    expected = recalibrate(network(), [each for rank in range(len(SIZES)) for each in batches(rank)]).state_dict()
    for state in states[0]:
        assert_close(dict(state), dict(expected))
    assert expected["some.running_mean"].abs().max() > 0
    assert expected["none.running_mean"].abs().max() == 0
