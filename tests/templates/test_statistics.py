"""By which statistics is a trained network evaluated, alone and in a stack, and is it afterwards what it was before?"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torch.testing import assert_close

from normzoo.layers import norm_factory
from normzoo.templates import Cnn, Lstm, by_batch, evaluating, keeps_statistics, recalibrate, stack


class Mine(nn.Module):
    """A user's network, which is mapped as a whole; it uses one norm twice, and drops out in training."""

    def __init__(self, norm: Callable[[int], nn.Module], *, shape: tuple[int, int, int], outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(shape[0], 6, 3, padding=1)
        self.inner = nn.Sequential(norm(6), nn.ReLU())
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(6, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(self.inner(self.convolution(x)) + 1)
        logits: Tensor = self.head(self.drop(y).mean((2, 3)))
        return logits


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "cnn": lambda: Cnn(norm_factory("batch"), shape=(1, 8, 8), outputs=3, widths=(4,), hidden=8),
    "cnn-torch": lambda: Cnn(norm_factory("torch.nn:BatchNorm2d"), shape=(1, 8, 8), outputs=3, widths=(4,), hidden=8),
    "cnn-timm": lambda: Cnn(norm_factory("timm.layers:BatchNormAct2d"), shape=(1, 8, 8), outputs=3, widths=(4,)),
    "lstm": lambda: Lstm(norm_factory("batch"), shape=(1, 8, 8), outputs=3, hidden=4),
    "mine": lambda: Mine(norm_factory("batch"), shape=(1, 8, 8), outputs=3),
    "mine-torch": lambda: Mine(norm_factory("torch.nn:BatchNorm2d"), shape=(1, 8, 8), outputs=3),
    "average": lambda: Cnn(norm_factory("batch:momentum=none"), shape=(1, 8, 8), outputs=3, widths=(4,), hidden=8),
}
each_network = pytest.mark.parametrize("name", NETWORKS)


def trained(name: str, members: int) -> list[nn.Module]:
    """Return networks in float64 whose running statistics have seen something, far from what they will see."""
    networks = [NETWORKS[name]().double() for _ in range(members)]
    with torch.no_grad():
        for network in networks:
            network.train()(3 * images(16) + 2)
    return networks


def images(samples: int) -> Tensor:
    return torch.randn(samples, 1, 8, 8, dtype=torch.float64)


def without_dropout(network: nn.Module) -> nn.Module:
    """Return a copy of which nothing but norms is otherwise in training than in evaluation."""
    alone = copy.deepcopy(network)
    for module in alone.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return alone


def averaged(network: nn.Module, batches: list[Tensor]) -> nn.Module:
    """Return a copy that torch's own function has gone over."""
    expected = without_dropout(network)
    update_bn(batches, expected)
    return expected.eval()


@each_network
def test_recalibrated_statistics_are_those_of_torch(name: str) -> None:
    """Of ``update_bn`` over the same batches, also of unequal sizes; outputs are those of its network."""
    (network,) = trained(name, 1)
    batches, x = [images(size) for size in (6, 6, 5)], images(7)
    expected = averaged(network, batches)
    assert not torch.allclose(expected(x), network.eval()(x), rtol=1e-3)
    with evaluating(network):
        recalibrate(network, batches)
        state = {key: value for key, value in network.state_dict().items() if "running" in key}
        assert state
        assert_close(state, {key: expected.state_dict()[key] for key in state})
        assert_close(network(x), expected(x))


@each_network
def test_members_of_a_stack_are_recalibrated_each_as_alone(name: str) -> None:
    """By all inputs, which are the same for all."""
    networks = trained(name, 3)
    stacked = stack(networks).train()
    batches, x = [images(size) for size in (6, 5)], images(7)
    everyones = [batch.unsqueeze(1).expand(-1, 3, -1, -1, -1) for batch in (*batches, x)]
    with evaluating(stacked):
        recalibrate(stacked, everyones[:-1])
        outputs = stacked(everyones[-1])
    for member, network in enumerate(networks):
        assert_close(outputs[:, member], averaged(network, batches)(x))


@each_network
@pytest.mark.parametrize("members", [1, 3])
def test_by_batch_each_batch_is_normalized_by_its_own(name: str, members: int) -> None:
    """As in training, but with nothing else in training, and without a trace in the running statistics."""
    networks, x = trained(name, members), images(6)
    network = stack(networks).train()
    inputs = x.unsqueeze(1).expand(-1, members, -1, -1, -1)
    with evaluating(network):
        with by_batch(network):
            outputs = network(inputs)
        by_running = network(inputs)
    for member, each in enumerate(networks):
        assert_close(outputs[:, member], without_dropout(each).train()(x))
        assert_close(by_running[:, member], each.eval()(x))
    assert not torch.allclose(outputs, by_running, rtol=1e-3)


def everything(network: nn.Module) -> Iterator[tuple[Any, ...]]:
    """Yield all that could change: modes, momenta, hooks, and tensors with their identity."""
    skeletons = [part for module in network.modules() for part in getattr(module, "_skeleton", ())]
    for module in [*network.modules(), *(part for skeleton in skeletons for part in skeleton.modules())]:
        yield module.training, getattr(module, "momentum", None), len(module._forward_pre_hooks)
        for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
            yield name, id(tensor), None if tensor is None else tensor.tolist(), getattr(tensor, "requires_grad", None)


@each_network
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("failing", [False, True])
def test_afterwards_all_is_as_it_was(name: str, members: int, failing: bool) -> None:
    """Also where it ends with an error; gradients are computed again."""
    networks = trained(name, members)
    network = stack(networks).train() if members > 1 else networks[0]
    x = images(6).unsqueeze(1).expand(-1, members, -1, -1, -1) if members > 1 else images(6)
    before = list(everything(network))
    try:
        with evaluating(network):
            assert not torch.is_grad_enabled()
            recalibrate(network, [x, x])
            with by_batch(network):
                network(x)
                if failing:
                    raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert list(everything(network)) == before
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    "spec", ["instance:track_running_stats=True", "torch.nn:InstanceNorm2d:track_running_stats=true"]
)
@pytest.mark.parametrize("members", [1, 2])
def test_instance_norms_that_track_are_averaged_too(spec: str, members: int) -> None:
    """Plainly, over batches, of each batch's mean over its samples; torch's function passes them over."""
    norm = norm_factory(spec)
    networks = [norm(3).double() for _ in range(members)]
    network = stack(networks) if members > 1 else networks[0]
    batches = [torch.randn(size, 3, 4, 4, dtype=torch.float64) for size in (5, 2, 2)]
    given = [batch.unsqueeze(1).expand(-1, members, -1, -1, -1) if members > 1 else batch for batch in batches]
    mean = torch.stack([batch.mean((0, 2, 3)) for batch in batches]).mean(0)
    var = torch.stack([batch.var((2, 3)).mean(0) for batch in batches]).mean(0)
    with evaluating(network):
        recalibrate(network, given)
        found = dict(network.named_buffers())
        for name, expected in (("running_mean", mean), ("running_var", var)):
            assert_close(found[name], expected.expand(members, -1) if members > 1 else expected)


def test_running_statistics_that_are_not_finite_are_forgotten() -> None:
    """They have no part in the average."""
    network, x = nn.BatchNorm1d(2), torch.randn(8, 2)
    mean, var = network.get_buffer("running_mean").fill_(torch.nan), network.get_buffer("running_var").fill_(torch.inf)
    with evaluating(network):
        recalibrate(network, [x])
        assert_close(mean, x.mean(0))
        assert_close(var, x.var(0))
    assert mean.isnan().all()
    assert var.isinf().all()


@pytest.mark.parametrize(
    ("spec", "kept"),
    [
        ("batch", True),
        ("batch:track_running_stats=False", False),
        ("torch.nn:BatchNorm2d", True),
        ("instance", False),
        ("instance:track_running_stats=True", True),
        ("layer", False),
        ("group:groups=2", False),
        ("none", False),
        ("torchvision.ops:FrozenBatchNorm2d", False),
    ],
)
def test_which_networks_keep_statistics(spec: str, kept: bool) -> None:
    """Those with a norm that is evaluated by running ones, in a stack as well."""
    for template in (Cnn, Mine):
        networks = [template(norm_factory(spec), shape=(1, 8, 8), outputs=3) for _ in range(2)]
        assert keeps_statistics(networks[0]) == kept
        assert keeps_statistics(stack(networks)) == kept
