"""Can the weights of a network be averaged over training, and the statistics of its norms be made anew?"""

import copy

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import StochasticWeightAveraging
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset

from .architectures import ARCHITECTURES, Architecture
from .pairs import loss_of, pair

AVERAGED = [case for case in ARCHITECTURES if case.id in ("resnet", "resnet-group", "densenet", "mnasnet", "swin")]


@pytest.mark.slow_but_one
@pytest.mark.parametrize("use_buffers", [False, True], ids=["parameters", "parameters-and-buffers"])
@pytest.mark.parametrize("architecture", AVERAGED, ids=lambda case: case.id)
def test_averaged_model(architecture: Architecture, use_buffers: bool) -> None:
    """Two steps averaged, with the norms' statistics over three batches made anew, are the published network's."""
    ours, stock = pair(architecture, torch.float64)
    batches = [architecture.input(torch.float64) for _ in range(3)]
    states = []
    for model in (ours, stock):
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5), use_buffers=use_buffers)  # type: ignore[no-untyped-call]
        for x in batches[:2]:
            optimizer.zero_grad()
            loss_of(model(x)).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            averaged.update_parameters(model)
        of_training = copy.deepcopy(dict(averaged.state_dict()))
        update_bn(batches, averaged)
        states.append((of_training, dict(averaged.state_dict()), dict(model.state_dict())))
    assert_close(states[0], states[1], rtol=1e-8, atol=1e-8)
    before, after, _ = states[0]
    tracked = [name for name in after if name.endswith("running_mean")]
    assert all(not torch.equal(before[name], after[name]) for name in tracked)


class Training(lightning.LightningModule):
    """Trains a network on the loss of these tests."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:  # noqa: ARG002  # as Lightning calls it
        """Return the loss."""
        return loss_of(self.network(batch[0]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return plain SGD."""
        return torch.optim.SGD(self.parameters(), lr=0.01)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Lightning's advice on workers, logging and its own dependencies
def test_lightning_averages_weights() -> None:
    """``StochasticWeightAveraging`` leaves a network with the published one's averages and statistics."""
    densenet = next(architecture for architecture in ARCHITECTURES if architecture.id == "densenet")
    ours, stock = pair(densenet, torch.float64)
    started = copy.deepcopy(dict(ours.state_dict()))
    loader = DataLoader(TensorDataset(densenet.input(torch.float64, 8)), batch_size=4)
    for model in (ours, stock):
        trainer = lightning.Trainer(
            max_epochs=4,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[StochasticWeightAveraging(swa_lrs=0.01, swa_epoch_start=2, annealing_epochs=1)],
        )
        trainer.fit(Training(model), loader)
    assert_close(dict(ours.state_dict()), dict(stock.state_dict()), rtol=1e-8, atol=1e-8)
    assert all(not torch.equal(value, started[name]) for name, value in ours.state_dict().items() if value.ndim)
