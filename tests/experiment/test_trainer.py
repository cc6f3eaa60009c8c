"""Is a run the same on a device of which Lightning knows nothing? The processor stands in for it."""

import pytest
import torch
from torch import nn

from normzoo.data import Dataset
from normzoo.experiment.config.spec import RunSpec
from normzoo.experiment.worker import trainer as making
from normzoo.experiment.worker.train import make_module

from .conftest import TrainAll, tiny_spec


@pytest.mark.slow_but_one
@pytest.mark.parametrize("strategy", ["sequential", "stacked"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_device_by_itself_trains_the_same(
    train_all: TrainAll, strategy: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last digit, also where autocast is used: it is told the kind of the device."""
    specs = [tiny_spec(norm="batch", strategy=strategy, precision=precision)]
    (wanted,) = train_all(specs)
    monkeypatch.setattr(making, "_OF_LIGHTNING", {})
    (found,) = train_all(specs)
    assert found.error is None
    assert [(each.train_loss, each.test) for each in found.epochs] == [
        (each.train_loss, each.test) for each in wanted.epochs
    ]


def test_mixed_precision_is_that_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning would ask for CUDA's, which does nothing elsewhere."""
    monkeypatch.setattr(making, "device_index", lambda _: 1)
    spec: RunSpec = tiny_spec(precision="bf16-mixed")
    placed = making._placed(spec, "xpu")
    assert placed["strategy"].root_device == torch.device("xpu", 1)
    assert (placed["plugins"].precision, placed["plugins"].device) == ("bf16-mixed", "xpu")
    assert "precision" not in placed


def test_on_a_gpu_the_weights_of_maps_have_their_channels_last(digits: Dataset) -> None:
    """Of a network by itself; those of volumes, for which torch has another layout, are as they were."""
    network = nn.ModuleList([nn.Conv2d(3, 4, 3), nn.Conv3d(3, 4, 3), nn.Linear(3, 4)])
    module = make_module([tiny_spec()], [network], digits, "cuda", compiled=False)
    maps, volumes, _ = (each for each in module.parameters() if each.ndim > 1)
    assert maps.is_contiguous(memory_format=torch.channels_last)
    assert volumes.is_contiguous()
