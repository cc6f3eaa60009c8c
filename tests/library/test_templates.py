"""Is every kind of network compared from end to end, on real images, and nothing trained twice?"""

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

import normzoo
from normzoo.experiment.executor.in_process import InProcessExecutor

OWN = '''
from torch import nn
from torch.nn import functional


class AsItIs(nn.Module):
    """As one writes it: functional calls between layers, dropout, and norms of torch.nn."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(in_channels, 8, 3), nn.BatchNorm2d(8)
        self.drop, self.head = nn.Dropout(0.2), nn.Linear(8 * 9, num_classes)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.norm(self.conv(x))), 2)
        return self.head(self.drop(x.view(x.size(0), -1)))


def with_norm(norm_act, shape, outputs):
    return nn.Sequential(nn.Conv2d(shape[0], 8, 3), norm_act(8), nn.Flatten(), nn.LazyLinear(outputs))
'''
TEMPLATES = (
    "own_networks:AsItIs",
    "own_networks:with_norm",
    "torchvision:mobilenet_v3_small:stem=small,width_mult=0.25",
    "resnet:depth=8,width=4",
    "vgg:dropout=0.3,hidden=8,noise=0.5,width=4",
    "mlp:dropout=0.2,widths=16",
    "transformer:depth=1,dropout=0.1,heads=2,placement=peri,width=8",
)


@pytest.mark.slow
def test_all_kinds_of_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is written as; the second time, and with a further seed, only what is new is trained."""
    (tmp_path / "own_networks.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_networks", raising=False)
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1).repeat(3, axis=-1)  # in colour, as torchvision's networks have it
    split = {"x_train": images[:160], "y_train": labels[:160], "x_test": images[160:240], "y_test": labels[160:240]}
    np.savez(tmp_path / "digits.npz", **split)

    def compare(seeds: int) -> normzoo.Comparison:
        return normzoo.compare(
            templates=TEMPLATES,
            norms=["batch", "instance"],
            batch_sizes=[16],
            dataset=f"npz:{tmp_path / 'digits.npz'}",
            seeds=seeds,
            epochs=1,
            schedule="cosine",
            augment=["crop:1"],
            store=tmp_path / "runs.sqlite",
            executor=InProcessExecutor(),
            progress=False,
        )

    first = compare(1)
    assert len(first.records) == 2 * len(TEMPLATES)
    assert {record.status.value for record in first.records.values()} == {"ok"}
    assert {record.spec.template for record in first.records.values()} == set(TEMPLATES)
    again = compare(2)
    assert len(again.records) == 2 * len(first.records)
    assert first.records.items() <= again.records.items()
    said = str(again)
    assert "its own norms are exchanged: 1 BatchNorm2d" in said
    assert "no norm" in said
