"""Does Lightning recalibrate the norms of what it trains, and train on as it would have?"""

import copy
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset

from normzoo import layers
from normzoo.surgery import recalibrate
from normzoo.surgery.callbacks import Recalibration

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice on workers, logging and its own dependencies


class Training(lightning.LightningModule):
    """Trains a network with a batch norm, and remembers by which statistics it was validated."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Sequential(layers.BatchNorm1d(3), nn.Linear(3, 2), nn.Dropout(0.5), nn.BatchNorm1d(2))
        self.validated: list[dict[str, Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        """Return the network's output."""
        y: Tensor = self.network(x)
        return y

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:  # noqa: ARG002  # as Lightning calls it
        """Return a loss."""
        loss: Tensor = self(batch[0]).square().mean()
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:  # noqa: ARG002
        """Remember the statistics."""
        if not self.trainer.sanity_checking:
            self.validated.append(copy.deepcopy(dict(self.network.state_dict())))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return plain SGD."""
        return torch.optim.SGD(self.parameters(), lr=0.1)


DATA = TensorDataset(2 * torch.randn(10, 3) + 1)


def fitted(*callbacks: lightning.Callback, module: Training | None = None) -> Training:
    """Train for two epochs of shuffled batches of four, and validate after each."""
    module = module or Training()
    torch.manual_seed(1)
    is_saved = any(isinstance(each, ModelCheckpoint) for each in callbacks)
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=is_saved, enable_progress_bar=False,
        enable_model_summary=False, callbacks=list(callbacks), num_sanity_val_steps=1,
    )  # fmt: skip
    trainer.fit(module, DataLoader(DATA, batch_size=4, shuffle=True), DataLoader(DATA, batch_size=5))
    return module


def statistics(state: Any) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if "running" in name}


def test_at_the_end_statistics_are_those_of_the_training_data() -> None:
    """And all else is what it is without; the model stays in training."""
    plain, module = fitted(), fitted(Recalibration())
    values = DATA.tensors[0]
    assert_close(module.network[0].running_mean, values.mean(0))
    assert_close(module.network[0].running_var, values.var(0, correction=0))
    state, expected = module.network.state_dict(), plain.network.state_dict()
    changed = {name for name in state if not torch.equal(state[name], expected[name])}
    assert changed == set(statistics(state))
    assert_close(module.validated, plain.validated, rtol=0, atol=0)


def test_for_validation_they_are_recalibrated_and_put_back(tmp_path: Any) -> None:
    """Training goes on as without, with the same random numbers, and checkpoints hold the running averages."""
    plain = fitted()
    checkpoint = ModelCheckpoint(tmp_path, save_top_k=-1)
    module = fitted(Recalibration(before_validation=True), checkpoint)
    values = DATA.tensors[0]
    assert len(module.validated) == len(plain.validated) == 4
    for mine, theirs in zip(module.validated, plain.validated, strict=True):
        assert_close(mine["0.running_mean"], values.mean(0))
        assert not torch.allclose(theirs["0.running_mean"], values.mean(0))
        assert all(torch.equal(mine[name], theirs[name]) for name in set(mine) - set(statistics(mine)))
    saved = torch.load(checkpoint.best_model_path)["state_dict"]
    assert_close(saved["network.0.running_mean"], plain.network[0].running_mean, rtol=0, atol=0)


def test_of_some_batches_by_a_function() -> None:
    """Which gets the module and the batch."""
    sizes: list[int] = []

    def forward(module: lightning.LightningModule, batch: list[Tensor]) -> None:
        sizes.append(len(batch[0]))
        module(batch[0])

    fitted(Recalibration(batches=2, forward=forward))
    assert sizes == [4, 4]


class Failing(Training):
    """Fails as it is validated, after its training has begun."""

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        """Remember the statistics and fail."""
        super().validation_step(batch, index)
        if self.validated:
            raise ZeroDivisionError


def test_where_a_validation_fails_the_running_averages_are_put_back() -> None:
    """As they were before it."""
    expected = fitted().validated[0]
    module = Failing()
    with pytest.raises(ZeroDivisionError):
        fitted(Recalibration(before_validation=True), module=module)
    assert not torch.equal(module.validated[0]["0.running_mean"], expected["0.running_mean"])
    assert_close(dict(module.network.state_dict()), expected, rtol=0, atol=0)


def test_it_is_the_recalibration_of_surgery() -> None:
    """Whose result is the same from a loader."""
    module = fitted(Recalibration())
    again = copy.deepcopy(module.network)
    recalibrate(again, DataLoader(DATA, batch_size=10))
    assert_close(again[0].running_mean, module.network[0].running_mean)
