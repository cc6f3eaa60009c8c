"""Does a network with our norms train under DistributedDataParallel as the published one does?"""

from pathlib import Path

import pytest
import torch
from ranks import RANKS, in_two_ranks
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.testing import assert_close

from .architectures import ARCHITECTURES, Architecture
from .pairs import loss_of, pair

pytestmark = pytest.mark.slow  # processes of its own
CHOSEN = [architecture for architecture in ARCHITECTURES if architecture.id in ("mobilenet-v2", "densenet", "swin")]


def trained(model: nn.Module, architecture: Architecture, rank: int) -> dict[str, Tensor]:
    """Return the state after two steps on this rank's own data."""
    torch.manual_seed(100 + rank)
    parallel = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(parallel.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        loss_of(parallel(architecture.input(torch.float64))).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return dict(model.state_dict())


def train(rank: int, folder: str) -> None:
    """Train each network with our norms and as published, and write the states where this rank ended."""
    states = {}
    for architecture in CHOSEN:
        torch.manual_seed(0)
        ours, stock = pair(architecture, torch.float64)
        started = {name: value.clone() for name, value in stock.state_dict().items()}
        ended = [trained(model, architecture, rank) for model in (ours, stock)]
        states[architecture.id] = (*ended, started)
    torch.save(states, Path(folder) / f"rank{rank}.pt")


@pytest.fixture(scope="module")
def states_of_ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, tuple[dict[str, Tensor], ...]]]:
    """Train in two processes, and return what each has written."""
    folder = tmp_path_factory.mktemp("ranks")
    in_two_ranks(train, folder)
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(RANKS)]


@pytest.mark.parametrize("architecture", CHOSEN, ids=lambda case: case.id)
def test_ranks_train_as_with_the_published_network(
    architecture: Architecture, states_of_ranks: list[dict[str, tuple[dict[str, Tensor], ...]]]
) -> None:
    """After two steps each rank has the parameters, and the running statistics, that it has with torch.nn's norms."""
    parameters = [name for name, _ in architecture.stock().named_parameters()]
    for states in states_of_ranks:
        ours, stock, started = states[architecture.id]
        assert_close(ours, stock, rtol=1e-9, atol=1e-9)
        moved = [name for name in parameters if not torch.equal(stock[name], started[name])]
        assert len(moved) > 0.9 * len(parameters)  # a few serve channels that are never active
    first, second = (states[architecture.id][0] for states in states_of_ranks)
    for name in parameters:
        assert_close(first[name], second[name], rtol=0, atol=0)  # ranks have trained one network
