"""Does the LightningModule train and evaluate as it says?"""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from normzoo.templates import Classifier


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


def linear() -> nn.Linear:
    return nn.Linear(4, 3)


def fit(module: Classifier, train: Batches, *splits: Batches, epochs: int = 1) -> None:
    """Train with a real Trainer that does nothing but train and validate."""
    trainer = Trainer(
        accelerator="cpu",
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


def by_hand(network: nn.Module, split: Batches) -> tuple[float, float]:
    """Return loss and accuracy over all samples at once."""
    inputs, labels = (torch.cat(parts) for parts in zip(*split, strict=True))
    with torch.no_grad():
        logits = network(inputs)
    return cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).float().mean().item()


def test_evaluations_are_those_over_all_samples_of_each_split() -> None:
    """Batches of unequal size count by their samples, and the two splits stay apart."""
    network = linear()
    validation, test = Batches([7, 7, 2]), Batches([5, 1])
    module = Classifier(network, classes=3, splits=2)
    fit(module, Batches([6, 6]), validation, test)
    assert len(module.evaluations) == 2
    assert module.evaluations[0] == pytest.approx(by_hand(network, validation))
    assert module.evaluations[1] == pytest.approx(by_hand(network, test))


def test_evaluations_are_those_of_the_last_epoch_alone() -> None:
    """Nothing of an earlier epoch is left in the metrics."""
    network, split = linear(), Batches([6, 3])
    module = Classifier(network, classes=3, lr=0.5)
    fit(module, Batches([6, 6]), split, epochs=3)
    assert module.evaluations[0] == pytest.approx(by_hand(network, split))


def test_the_training_loss_is_the_mean_over_the_steps_as_the_weights_change() -> None:
    """The reference takes plain gradient steps with momentum and averages its losses."""
    network, reference, train = linear(), linear(), Batches([6, 6, 6])
    reference.load_state_dict(network.state_dict())
    optimizer = torch.optim.SGD(reference.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for inputs, labels in train:
        optimizer.zero_grad()
        loss = cross_entropy(reference(inputs), labels)
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    module = Classifier(network, classes=3, lr=0.1)
    fit(module, train, Batches([6]))
    assert module.train_loss == pytest.approx(sum(losses) / 3)
    assert_close(network.state_dict(), reference.state_dict())


def test_a_loss_that_is_not_finite_is_kept_as_it_is() -> None:
    """NaN is neither dropped from the mean nor refused, so that divergence shows."""
    broken = Batches([6, 6], last_is_nan=True)
    module = Classifier(linear(), classes=3)
    fit(module, broken, broken)
    assert torch.tensor([module.train_loss, module.evaluations[0].loss]).isnan().all()


def test_before_training_there_is_no_training_loss() -> None:
    """NaN, not zero: zero would be a perfect one."""
    assert torch.tensor(Classifier(linear(), classes=3).train_loss).isnan()


@pytest.mark.parametrize(
    ("name", "kind", "settings"),
    [
        ("sgd", torch.optim.SGD, {"lr": 0.2, "momentum": 0.9, "nesterov": False, "weight_decay": 0}),
        ("adam", torch.optim.Adam, {"lr": 0.2, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}),
        ("rmsprop", torch.optim.RMSprop, {"lr": 0.2, "alpha": 0.99, "momentum": 0, "eps": 1e-8}),
    ],
)
def test_optimizers_are_torchs_own(name: Any, kind: type, settings: dict[str, Any]) -> None:
    """By name, with the learning rate given and torch's defaults otherwise, over all the network's parameters."""
    network = linear()
    optimizer = Classifier(network, classes=3, optimizer=name, lr=0.2).configure_optimizers()
    (group,) = optimizer.param_groups
    assert type(optimizer) is kind
    assert {key: group[key] for key in settings} == settings
    assert [id(parameter) for parameter in group["params"]] == [id(parameter) for parameter in network.parameters()]


def test_forward_gives_logits() -> None:
    """The module can be called like the network in it."""
    network, inputs = linear(), torch.randn(5, 4)
    assert_close(Classifier(network, classes=3)(inputs), network(inputs))
