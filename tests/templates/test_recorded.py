"""Does a step that is recorded once and replayed do what one that is taken anew does?"""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from zoo import CLASSIC

from normzoo.layers import BatchNorm, norm_factory
from normzoo.layers._make import NormFactory
from normzoo.registry import OPTIMIZERS
from normzoo.templates import CudaGraph, MemberModule, RecordedSteps, can_be_recorded, make_schedule, stack
from normzoo.templates._recorded import WARM_UP, Recorder

from . import own_norms
from .networks import SMALL, small_network

RECIPE: dict[str, Any] = {
    "clip_norm": 1.0,
    "weight_decay": 0.1,
    "schedule": make_schedule("step:at=0.25-0.5,gamma=0.5", steps=12),
}
"""Rates are powers of two: a tensor rounds others to float32, and adam makes much of gradients that are rounding."""


class Tape:
    """Keeps the function itself, and calls it on replay: what a graph of operations does, without a GPU."""

    made: Sequence["Tape"] = ()

    def __init__(self) -> None:
        self.did: list[str] = []
        self.function: Callable[[], None] | None = None
        Tape.made = [*Tape.made, self]

    def run(self, function: Callable[[], None]) -> None:
        self.did.append("run")
        function()

    def record(self, function: Callable[[], None]) -> None:
        self.did.append("record")
        self.function = function

    def replay(self) -> None:
        self.did.append("replay")
        assert self.function is not None
        self.function()


@pytest.fixture(autouse=True)
def tapes() -> Iterator[None]:
    Tape.made = ()
    yield
    Tape.made = ()


def networks(template: str, norm: NormFactory, members: int) -> list[nn.Module]:
    smaller: dict[str, dict[str, Any]] = {"cnn": {"widths": (16,)}, "lstm": {"hidden": 16}}
    changes = smaller.get(template, {})
    return [small_network(template, norm, **changes) for _ in range(members)]


def trained(module: MemberModule, blocks: Sequence[tuple[Tensor, Tensor]], kept: Sequence[int] | None = None) -> Any:
    """Train on each block as one epoch; after the first, go on with some members alone. Return losses and state."""
    losses = []
    for number, (images, labels) in enumerate(blocks):
        module.on_train_epoch_start()
        module.training_step((images, labels), 0)
        losses.append(module.train_losses)
        if number == 0 and kept is not None:
            module.keep(kept)
            blocks = [(images[:, :, kept], labels[:, :, kept]) for images, labels in blocks]
            return [losses, trained(module, blocks[1:])]
    return [losses, {name: tensor.detach().clone() for name, tensor in module.network.state_dict().items()}]


def blocks_of(steps: Sequence[int], members: int, device: str = "cpu") -> list[tuple[Tensor, Tensor]]:
    return [
        (torch.randn(count, 6, members, 1, 8, 8).to(device), torch.randint(3, (count, 6, members)).to(device))
        for count in steps
    ]


with_each = pytest.mark.parametrize(
    ("norm", "template", "optimizer"),
    sorted(
        {
            *((norm, "cnn", "sgd") for norm in CLASSIC),
            *(("batch", template, "sgd") for template in SMALL),
            *(("batch", "cnn", optimizer) for optimizer in OPTIMIZERS),
        }
    ),
)


def assert_recording_changes_nothing(
    recorder: Callable[[], Recorder], norm: str, template: str, device: str, **settings: Any
) -> None:
    """Compare losses, parameters and buffers, over several epochs and after a member was taken out."""
    members = networks(template, norm_factory(norm), 3)
    blocks = blocks_of([WARM_UP + 3, WARM_UP + 2, 2], 3, device)
    lrs = [1 / 128, 1 / 128, 1 / 64]
    plain, recorded = (
        MemberModule(copy.deepcopy(members), lrs=lrs, recorder=how, **settings).to(device) for how in (None, recorder)
    )
    assert_close(trained(recorded, blocks, [0, 2]), trained(plain, blocks, [0, 2]), rtol=1e-4, atol=1e-5)


@pytest.mark.slow_but_one
@with_each
def test_a_replayed_step_is_a_step(norm: str, template: str, optimizer: str) -> None:
    """What is replayed reads each new batch, adds to the epoch's losses, and starts anew with fewer members."""
    assert_recording_changes_nothing(Tape, norm, template, "cpu", optimizer=optimizer, **RECIPE)
    first, second = (tape.did for tape in Tape.made)
    assert first == ["run"] * WARM_UP + ["record"] + ["replay"] * 3
    assert second == ["run"] * WARM_UP + ["record"] + ["replay"] * 4


class Graph(Tape):
    """Keeps the rates that a graph would keep: numbers as they were, tensors as they are when it is replayed."""

    optimizer: torch.optim.Optimizer

    def record(self, function: Callable[[], None]) -> None:
        super().record(function)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]

    def replay(self) -> None:
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate
        super().replay()


@pytest.mark.slow_but_one
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_replayed_step_has_the_rate_of_its_own_step(optimizer: str) -> None:
    """A graph reads the tensor of the rate, which is filled before; a number in it would stay what it was."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    blocks = blocks_of([9], 1)
    settings: dict[str, Any] = {"lrs": [0.1], "optimizer": optimizer, "schedule": make_schedule("cosine", steps=9)}
    recorded = MemberModule([copy.deepcopy(network)], recorder=Graph, **settings)
    (Graph.optimizer,) = recorded.optimizer.optimizers
    plain = MemberModule([network], **settings)
    assert_close(trained(recorded, blocks), trained(plain, blocks), rtol=1e-5, atol=1e-6)
    assert Tape.made[0].did.count("replay") == 9 - WARM_UP


def test_an_optimizer_of_ones_own_is_not_recorded() -> None:
    """It may count its steps in a number, which a recording would not change."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    module = MemberModule([network], lrs=[0.1], optimizer="torch.optim:NAdam", recorder=Tape)
    trained(module, blocks_of([WARM_UP + 2], 1))
    assert not Tape.made


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
@with_each
def test_a_replayed_graph_is_a_step(norm: str, template: str, optimizer: str) -> None:
    """The same with the recorder that a GPU has."""
    assert_recording_changes_nothing(CudaGraph, norm, template, "cuda", optimizer=optimizer, **RECIPE)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
@pytest.mark.parametrize(
    "waiting", [lambda total: total.item(), lambda _: torch.cuda.synchronize()], ids=["value", "all"]
)
def test_after_a_failed_recording_a_gpu_goes_on(waiting: Callable[[Tensor], Any]) -> None:
    """What waits for the GPU ends the recording, and is named; steps, random numbers and recordings work after it."""
    seen = torch.zeros((), device="cuda")

    def step(inputs: Tensor, _: Tensor) -> None:
        waiting(inputs.sum())
        seen.add_(inputs.sum())

    one = torch.ones(4, device="cuda")
    torch.cuda.empty_cache()
    reserved = torch.cuda.memory_reserved()
    steps = RecordedSteps(step)
    for _ in range(WARM_UP):
        steps(one, one)
    with pytest.warns(RuntimeWarning, match="training steps are not recorded, and take longer: .*captur"):
        steps(one, one)
    steps(one, one)
    assert float(seen) == 4 * (WARM_UP + 2)
    del steps
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() <= reserved
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    assert 0 < int(nn.Dropout(0.5).cuda()(torch.ones(1000, device="cuda")).count_nonzero()) < 1000
    total = torch.zeros(4, device="cuda")
    others = RecordedSteps(lambda inputs, _: total.add_(inputs))  # type: ignore[arg-type]
    for _ in range(WARM_UP + 3):
        others(one, one)
    assert total.tolist() == [WARM_UP + 3.0] * 4


@pytest.mark.slow_but_one
@pytest.mark.parametrize("template", SMALL)
def test_a_network_by_itself_is_recorded_too(template: str) -> None:
    """Not only a stack."""
    (network,) = networks(template, norm_factory("batch"), 1)
    blocks = blocks_of([WARM_UP + 3], 1)
    plain, recorded = (
        MemberModule([copy.deepcopy(network)], lrs=[0.1], stacked=False, recorder=how) for how in (None, Tape)
    )
    assert_close(trained(recorded, blocks), trained(plain, blocks), rtol=0, atol=0)
    assert Tape.made[0].did.count("replay") == 3


def test_a_batch_of_another_shape_is_taken_as_it_is() -> None:
    """And the recording serves on."""
    seen: list[float] = []
    steps = RecordedSteps(lambda inputs, labels: seen.append(float(inputs.sum() + labels.sum())), Tape)
    for size in (1, 1, 1, 1, 2, 1):
        steps(torch.ones(size), torch.zeros(size))
    assert seen == [1, 1, 1, 1, 2, 1]
    assert Tape.made[0].did == ["run"] * WARM_UP + ["record", "replay", "run", "replay"]


class Unfit(Tape):
    """Refuses, as a device does that is to wait in the middle of a recording."""

    def record(self, function: Callable[[], None]) -> None:
        super().record(function)
        raise RuntimeError("operation not permitted\nwhen stream is capturing")


def test_what_cannot_be_recorded_is_taken_as_it_is() -> None:
    """With one warning, and no step lost or taken twice."""
    seen: list[float] = []
    steps = RecordedSteps(lambda inputs, _: seen.append(float(inputs)), Unfit)
    message = "^training steps are not recorded, and take longer: operation not permitted when stream is capturing$"

    def take(*numbers: int) -> None:
        for number in numbers:
            steps(torch.tensor(float(number)), torch.tensor(0))

    take(*range(WARM_UP))
    with pytest.warns(RuntimeWarning, match=message):
        take(WARM_UP)
    take(WARM_UP + 1, WARM_UP + 2)
    assert seen == list(range(WARM_UP + 3))
    assert Tape.made[0].did == ["run"] * WARM_UP + ["record"] + ["run"] * 3


@pytest.mark.slow_but_one
@pytest.mark.parametrize("norm", CLASSIC)
@pytest.mark.parametrize("template", SMALL)
def test_networks_of_normzoos_norms_can_be_recorded(template: str, norm: str) -> None:
    """As a stack and one by one."""
    members = networks(template, norm_factory(norm), 2)
    assert can_be_recorded(stack(members))
    assert can_be_recorded(members[0])


class Counting(BatchNorm):
    """A norm of the user's own that is made like normzoo's."""


OWN = [own_norms.Reassigning, own_norms.Nested, own_norms.Rolling, own_norms.OfTorch, nn.BatchNorm2d, Counting]


@pytest.mark.parametrize("norm", OWN)
def test_a_network_with_a_norm_of_the_users_own_is_not_recorded(norm: NormFactory) -> None:
    """It may do what a recording does not see."""
    members = networks("cnn", norm, 2)
    assert not can_be_recorded(stack(members))
    assert not can_be_recorded(members[0])
    assert MemberModule(members, lrs=[0.1, 0.1], recorder=Tape)._recorded is None
