"""Is a network put in training and in evaluation by its own methods, as by a loop by hand?"""

import pytest
import torch
from torch import Tensor, nn

from normzoo.templates import MemberModule

from .test_module import Batches, Blocks, fit


class PartlyFrozen(nn.Module):
    """A network that keeps its norm in evaluation, in the usual way, and counts on being put in training."""

    consists_of_parts = False

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.norm = nn.Linear(4, 3), nn.BatchNorm1d(3)

    def train(self, mode: bool = True) -> "PartlyFrozen":
        super().train(mode)
        self.norm.eval()
        self.is_told = True
        return self

    def forward(self, x: Tensor) -> Tensor:
        assert self.is_told
        y: Tensor = self.norm(self.dense(x))
        return y


class PartlyFrozenInParts(PartlyFrozen):
    consists_of_parts = True


@pytest.mark.parametrize("kind", [PartlyFrozen, PartlyFrozenInParts])
@pytest.mark.parametrize("members", [1, 2])
def test_a_network_is_put_in_training_by_its_own_method(kind: type[nn.Module], members: int) -> None:
    """As by a loop by hand, which may keep parts of it in evaluation; between epochs it is evaluated."""
    torch.manual_seed(0)
    networks = [kind() for _ in range(members)]
    module = MemberModule(networks, lrs=[0.1] * members)
    before = {name: value.clone() for name, value in module.network.state_dict().items()}
    fit(module, Blocks([3, 2], members), Batches([5]), epochs=2)
    after = module.network.state_dict()
    changed = {name.rpartition("/")[2].rpartition(".")[2] for name in before if not before[name].equal(after[name])}
    assert changed == {"weight", "bias"}
