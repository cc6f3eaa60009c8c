"""Does the LightningModule train and evaluate as it says, one network or several at once?"""

import copy
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from normzoo.layers import norm_factory
from normzoo.tasks import Scale, make_task
from normzoo.templates import Cnn, MemberMetrics, MemberModule, PerMemberMean, _module


class Batches:
    """Batches of random samples; a plain list would be taken for as many dataloaders."""

    def __init__(self, sizes: Sequence[int], *, last_is_nan: bool = False) -> None:
        self.batches = [(torch.randn(size, 4), torch.randint(3, (size,))) for size in sizes]
        if last_is_nan:
            self.batches[-1][0].fill_(torch.nan)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self.batches)


class Blocks:
    """Blocks of steps, of six samples for each member."""

    def __init__(self, steps: Sequence[int], members: int = 1, *, last_is_nan: bool = False) -> None:
        self.blocks = [(torch.randn(count, 6, members, 4), torch.randint(3, (count, 6, members))) for count in steps]
        if last_is_nan:
            self.blocks[-1][0][-1].fill_(torch.nan)

    def __len__(self) -> int:
        return len(self.blocks)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self.blocks)

    def steps(self, member: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Read what one member sees, step by step."""
        for images, labels in self.blocks:
            yield from zip(images[:, :, member], labels[:, :, member], strict=True)

    def of(self, members: Sequence[int]) -> "Blocks":
        """Return what some members see."""
        part = copy.copy(self)
        part.blocks = [(images[:, :, members], labels[:, :, members]) for images, labels in self.blocks]
        return part


def linear() -> nn.Linear:
    return nn.Linear(4, 3)


def fit(module: MemberModule, train: Blocks, *splits: Batches, epochs: int = 1, precision: Any = None) -> None:
    """Train with a real Trainer that does nothing but train and validate."""
    trainer = Trainer(
        accelerator="cpu",
        precision=precision,
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\..*")  # of its own internals
        trainer.fit(module, train_dataloaders=train, val_dataloaders=list(splits))


def by_hand(network: nn.Module, split: Batches) -> dict[str, float]:
    """Return loss and accuracy over all samples at once."""
    inputs, labels = (torch.cat(parts) for parts in zip(*split, strict=True))
    with torch.no_grad():
        logits = network(inputs)
    accuracy = (logits.argmax(1) == labels).float().mean().item()
    return {"loss": cross_entropy(logits, labels).item(), "accuracy": accuracy}


def of_member(module: MemberModule, member: int, network: nn.Module) -> nn.Module:
    """Return a network like the given one with the parameters and buffers of a member of a stack."""
    alone = copy.deepcopy(network)
    state = module.network.state_dict()
    alone.load_state_dict({name: value[member] if value.ndim else value for name, value in state.items()})
    return alone


def descend(network: nn.Module, train: Blocks, member: int, lr: float) -> list[float]:
    """Take plain gradient steps with momentum, and return their losses."""
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9)
    losses = []
    for inputs, labels in train.steps(member):
        optimizer.zero_grad()
        loss = cross_entropy(network(inputs), labels)
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_a_mean_takes_more_digits_than_its_values() -> None:
    """Of many samples, the sum is in float64."""
    mean = PerMemberMean(1)
    mean.update(torch.tensor([[2.0**24], [1.0]]))
    assert mean.compute().item() == (2**24 + 1) / 2


def test_evaluations_are_those_over_all_samples_of_each_split() -> None:
    """Batches of unequal size count by their samples, and splits and members stay apart."""
    networks = [linear(), linear()]
    validation, test = Batches([7, 7, 2]), Batches([5, 1])
    module = MemberModule(networks, lrs=[0.1, 0.2], splits=2)
    fit(module, Blocks([2], members=2), validation, test)
    assert len(module.evaluations) == 2
    for evaluations, split in zip(module.evaluations, (validation, test), strict=True):
        assert len(evaluations) == 2
        for member, evaluation in enumerate(evaluations):
            expected = by_hand(of_member(module, member, networks[member]), split)
            assert evaluation == pytest.approx(expected)


@pytest.mark.parametrize("stacked", [False, True])
def test_evaluations_are_those_of_the_last_epoch_alone(stacked: bool) -> None:
    """Nothing of an earlier epoch is left in the metrics."""
    network, split = linear(), Batches([6, 3])
    module = MemberModule([network], lrs=[0.5], stacked=stacked)
    fit(module, Blocks([2]), split, epochs=3)
    trained = of_member(module, 0, network) if stacked else network
    assert module.evaluations[0][0] == pytest.approx(by_hand(trained, split))


@pytest.mark.parametrize("values_at_once", [_module.VALUES_AT_ONCE, 1])
def test_hits_are_those_of_the_last_epoch_sample_by_sample(
    values_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of each split, for each member, however many batches are counted at once."""
    monkeypatch.setattr(_module, "VALUES_AT_ONCE", values_at_once)
    networks, splits = [linear(), linear()], (Batches([7, 2]), Batches([5, 1]))
    module = MemberModule(networks, lrs=[0.5, 0.2], splits=2)
    fit(module, Blocks([2], members=2), *splits, epochs=2)
    for hits, split in zip(module.hits, splits, strict=True):
        inputs, labels = (torch.cat(parts) for parts in zip(*split, strict=True))
        assert hits is not None
        for member, network in enumerate(networks):
            expected = of_member(module, member, network)(inputs).argmax(1) == labels
            assert torch.equal(hits[:, member], expected)


def test_numbers_far_from_zero_keep_their_digits() -> None:
    """In the units of the data they take more than float32 has."""
    metrics = MemberMetrics(make_task("regression"), 1, Scale(mean=(1e8,), std=(1.0,)), torch.device("cpu"))
    outputs, targets = torch.randn(50, 1, 1), torch.randn(50, 1)
    metrics.update(outputs, targets)
    wanted = (outputs[:, 0] - targets).double().square().mean().sqrt().item()
    assert metrics.compute()[0]["rmse"] == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("stacked", [False, True])
def test_the_training_loss_is_the_mean_over_the_steps_as_the_weights_change(stacked: bool) -> None:
    """The reference takes plain gradient steps with momentum and averages its losses; blocks are of unequal length."""
    network, train = linear(), Blocks([2, 2, 1])
    reference = copy.deepcopy(network)
    losses = descend(reference, train, 0, lr=0.1)
    module = MemberModule([network], lrs=[0.1], stacked=stacked)
    fit(module, train, Batches([6]))
    assert module.train_losses == pytest.approx([sum(losses) / 5])
    trained = of_member(module, 0, network) if stacked else network
    assert_close(trained.state_dict(), reference.state_dict())


def test_members_are_trained_each_as_alone() -> None:
    """With their own learning rates, data and losses; what is stacked are copies."""
    networks, train = [linear(), linear(), linear()], Blocks([2, 1], members=3)
    starts, rates = copy.deepcopy(networks), [0.1, 0.3, 0.3]
    module = MemberModule(networks, lrs=rates)
    fit(module, train, Batches([6]))
    for member, (network, start, lr) in enumerate(zip(networks, starts, rates, strict=True)):
        assert_close(network.state_dict(), start.state_dict(), rtol=0, atol=0)
        losses = descend(start, train, member, lr)
        assert module.train_losses[member] == pytest.approx(sum(losses) / 3)
        assert_close(of_member(module, member, network).state_dict(), start.state_dict())


def test_a_block_is_as_many_steps() -> None:
    """One block of three steps does what three blocks of one do, to the last digit."""
    networks, whole = [linear(), linear()], Blocks([3], members=2)
    single = copy.copy(whole)
    ((images, labels),) = whole.blocks
    single.blocks = [(images[step : step + 1], labels[step : step + 1]) for step in range(3)]
    modules = [MemberModule(networks, lrs=[0.1, 0.1]) for _ in range(2)]
    for module, train in zip(modules, (whole, single), strict=True):
        module.on_train_epoch_start()
        for index, block in enumerate(train):
            module.training_step(block, index)
    assert modules[0].train_losses == modules[1].train_losses
    assert_close(modules[0].state_dict(), modules[1].state_dict(), rtol=0, atol=0)


def cnns(count: int) -> list[nn.Module]:
    """Return some small networks in float64, with batch norm."""
    return [
        Cnn(norm_factory("batch"), shape=(1, 4, 4), outputs=3, widths=(4,), hidden=8).double() for _ in range(count)
    ]


def image_block(members: int, steps: int = 6) -> tuple[Tensor, Tensor]:
    images = torch.randn(steps, 6, members, 1, 4, 4, dtype=torch.float64)
    return images, torch.randint(3, (steps, 6, members))


@pytest.mark.slow_but_one
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
@pytest.mark.parametrize(
    ("broken", "rates", "clip_norm"),
    [(0, (0.01, 0.01, 0.01), 0.5), (1, (0.02, 0.01, 0.01), None), (2, (0.02, 0.01, 0.01), 0.5)],
    ids=["first, clipped", "second, mixed rates", "third, mixed rates, clipped"],
)
def test_a_member_that_diverges_leaves_the_others_exactly_alone(
    broken: int, rates: tuple[float, ...], optimizer: Any, clip_norm: float | None
) -> None:
    """With NaN in one's weights, the others' parameters are to 1e-8 those of a stack without it, also once it went."""
    networks, first, second = cnns(3), image_block(3), image_block(3)
    with torch.no_grad():
        next(networks[broken].parameters()).fill_(torch.nan)
    others = [member for member in range(3) if member != broken]
    settings: dict[str, Any] = {"optimizer": optimizer, "clip_norm": clip_norm}
    module = MemberModule(networks, lrs=rates, **settings)
    without = MemberModule(
        [networks[member] for member in others], lrs=[rates[member] for member in others], **settings
    )

    def train(module: MemberModule, block: tuple[Tensor, Tensor], members: Sequence[int]) -> Tensor:
        module.on_train_epoch_start()
        module.training_step((block[0][:, :, members], block[1][:, :, members]), 0)
        return torch.tensor(module.train_losses)

    losses, expected = train(module, first, range(3)), train(without, first, others)
    assert losses[broken].isnan()
    assert_close(losses[others], expected)
    assert expected.isfinite().all()
    for (name, mine), theirs in zip(
        module.network.state_dict().items(), without.network.state_dict().values(), strict=True
    ):
        assert_close(mine[others] if mine.ndim else mine, theirs, rtol=0, atol=1e-8, msg=name)
    module.keep(others)
    assert_close(train(module, second, others), train(without, second, others))
    assert module.members == 2
    assert_close(module.network.state_dict(), without.network.state_dict(), rtol=0, atol=1e-8)


def test_two_stacked_members_predict_as_each_alone() -> None:
    """The module can be called like a stack: logits ``(N, M, classes)``."""
    networks, inputs = [linear(), linear()], torch.randn(5, 2, 4)
    logits = MemberModule(networks, lrs=[0.1, 0.1])(inputs)
    assert logits.shape == (5, 2, 3)
    for member, network in enumerate(networks):
        assert_close(logits[:, member], network(inputs[:, member]))


def test_a_member_that_is_not_stacked_is_trained_itself() -> None:
    """The module holds the very network, and gives its logits a dimension of one member."""
    network, inputs = linear(), torch.randn(5, 1, 4)
    module = MemberModule([network], lrs=[0.1], stacked=False)
    assert [id(parameter) for parameter in module.parameters()] == [id(parameter) for parameter in network.parameters()]
    assert_close(module(inputs)[:, 0], network(inputs[:, 0]))


def test_several_members_are_stacked_or_refused() -> None:
    """The message names the number and the way out."""
    with pytest.raises(
        ValueError, match=r"^MemberModule: without a stack there is one member, got 2; use stacked=True$"
    ):
        MemberModule([linear(), linear()], lrs=[0.1, 0.1], stacked=False)


@pytest.mark.parametrize("stacked", [False, True])
def test_a_loss_that_is_not_finite_is_kept_as_it_is(stacked: bool) -> None:
    """NaN is neither dropped from the mean nor refused, so that divergence shows."""
    module = MemberModule([linear()], lrs=[0.1], stacked=stacked)
    fit(module, Blocks([2], last_is_nan=True), Batches([6, 6], last_is_nan=True))
    assert torch.tensor([*module.train_losses, module.evaluations[0][0]["loss"]]).isnan().all()


def test_before_training_there_is_no_training_loss() -> None:
    """NaN, not zero: zero would be a perfect one."""
    losses = MemberModule([linear(), linear()], lrs=[0.1, 0.1]).train_losses
    assert len(losses) == 2
    assert torch.tensor(losses).isnan().all()


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize(
    ("name", "kind", "settings"),
    [
        ("sgd", torch.optim.SGD, {"lr": 0.2, "momentum": 0.9, "nesterov": False, "weight_decay": 0}),
        ("adam", torch.optim.Adam, {"lr": 0.2, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}),
        ("rmsprop", torch.optim.RMSprop, {"lr": 0.2, "alpha": 0.99, "momentum": 0, "eps": 1e-8}),
    ],
)
def test_optimizers_are_torchs_own(name: Any, kind: type, settings: dict[str, Any], stacked: bool) -> None:
    """By name, with the learning rate given and torch's defaults otherwise, over all the network's parameters."""
    module = MemberModule([linear()], lrs=[0.2], optimizer=name, stacked=stacked)
    (optimizer,) = module.configure_optimizers()
    (group,) = optimizer.param_groups
    assert type(optimizer) is kind
    assert {key: group[key] for key in settings} == settings
    assert [id(parameter) for parameter in group["params"]] == [id(parameter) for parameter in module.parameters()]


def test_each_learning_rate_has_its_optimizer() -> None:
    """Members with equal ones, which follow each other, share it."""
    module = MemberModule([linear() for _ in range(3)], lrs=[0.1, 0.2, 0.2])
    rates = [optimizer.param_groups[0]["lr"] for optimizer in module.configure_optimizers()]
    assert rates == [0.1, 0.2]


@pytest.mark.parametrize("rates", [(0.1, 0.1), (0.1, 0.2)], ids=["equal", "mixed"])
def test_a_module_can_be_moved_before_it_is_trained(rates: tuple[float, ...]) -> None:
    """To float64 here, as to a GPU by a Trainer: what is trained are the parameters where they are then."""
    networks, train = [linear(), linear()], Blocks([3], members=2)
    train.blocks = [(images.double(), labels) for images, labels in train.blocks]
    module = MemberModule(networks, lrs=rates).double()
    module.on_train_epoch_start()
    module.training_step(train.blocks[0], 0)
    for member, network in enumerate(networks):
        alone = copy.deepcopy(network).double()
        descend(alone, train, member, rates[member])
        trained = {name: value[member] for name, value in module.network.state_dict().items()}
        assert_close(trained, dict(alone.state_dict()), rtol=0, atol=1e-12)


@pytest.mark.parametrize("stacked", [False, True])
def test_in_mixed_precision_every_step_sees_the_parameters_of_the_last(stacked: bool) -> None:
    """A block of steps ends as the same steps one by one do: low-precision copies of parameters are not kept."""
    rates = [0.5, 0.1] if stacked else [0.5]
    networks = [nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)) for _ in rates]
    at_once = Blocks([12], members=len(rates))
    one_by_one = copy.copy(at_once)
    images, labels = at_once.blocks[0]
    one_by_one.blocks = list(zip(images.unsqueeze(1), labels.unsqueeze(1), strict=True))
    found = []
    for blocks in (at_once, one_by_one):
        module = MemberModule(copy.deepcopy(networks), lrs=rates, stacked=stacked)
        module.on_train_epoch_start()
        for index, block in enumerate(blocks):
            with torch.autocast("cpu", torch.bfloat16):
                module.training_step(block, index)
        found.append(dict(module.network.state_dict()))
    assert_close(found[0], found[1], rtol=0, atol=0)


def test_in_mixed_precision_a_member_is_trained_as_alone() -> None:
    """But for the rounding of bfloat16."""
    networks = [nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)) for _ in range(2)]
    blocks = Blocks([10], members=2)
    module = MemberModule(networks, lrs=[0.1, 0.1])
    fit(module, blocks, Batches([4]), precision="bf16-mixed")
    for member, network in enumerate(networks):
        alone = MemberModule([copy.deepcopy(network)], lrs=[0.1], stacked=False)
        fit(alone, blocks.of([member]), Batches([4]), precision="bf16-mixed")
        trained = of_member(module, member, network)
        expected = {name.removeprefix("module."): value for name, value in alone.network.state_dict().items()}
        assert_close(dict(trained.state_dict()), expected, rtol=0, atol=0.02)
