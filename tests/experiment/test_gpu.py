"""Are runs on a GPU those of the processor, in every template and in every way to train?"""

import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from zoo import CLASSIC

from normzoo.data import Dataset
from normzoo.experiment.config.spec import RunSpec
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.worker.train import train_group
from normzoo.registry import NORMS

from .conftest import ignore, tiny_spec

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]

CNN = "cnn:widths=16,hidden=64"
"""Groups of eight hold two channels at least, of vectors eight values: of two, rounding would decide the signs."""

TEMPLATES = (CNN, "lstm", "mlp", "resnet:depth=8,width=8", "transformer:width=16,depth=1", "vgg:width=8,hidden=32")

WAYS: dict[str, dict[str, Any]] = {
    "alone": {"strategy": "sequential"},
    "side by side": {"strategy": "stacked"},
    "compiled": {"strategy": "sequential", "compile": True},
}
NOT_COMPILED = ("alone", "side by side")


@pytest.fixture(autouse=True)
def _exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have convolutions multiply in float32, as the processor does, and not in TF32."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def trained(specs: Sequence[RunSpec], digits: Dataset, device: str) -> list[RunRecord]:
    """Train some runs, and return their records in the order of the runs."""
    records: dict[str, RunRecord] = {}
    train_group(
        specs,
        digits.to(device),
        device,
        on_start=ignore,
        on_epoch=ignore,
        on_record=lambda record: records.update({record.spec.key: record}),
    )
    return [records[spec.key] for spec in specs]


def assert_the_same(specs: Sequence[RunSpec], digits: Dataset, tolerance: float) -> None:
    """Losses of both devices agree; nothing failed."""
    for here, there in zip(*(trained(specs, digits, device) for device in ("cpu", "cuda")), strict=True):
        assert (here.error, there.error) == (None, None)
        assert there.peak_memory_bytes
        for one, other in zip(here.epochs, there.epochs, strict=True):
            assert one.train_loss == pytest.approx(other.train_loss, rel=tolerance)


@pytest.mark.parametrize(("template", "way"), [*product(TEMPLATES, NOT_COMPILED), (CNN, "compiled")])
def test_every_template_in_every_way(template: str, way: str, digits: Dataset) -> None:
    """The first epoch's loss is the same but for rounding, which grows from step to step."""
    specs = [tiny_spec(template=template, norm="batch", seed=seed, lr=0.01, **WAYS[way]) for seed in (0, 1)]
    assert_the_same(specs, digits, 1e-3)


@pytest.mark.parametrize("norm", sorted({*NORMS} - {"noisy-batch"}))
def test_every_norm_trains(norm: str, digits: Dataset) -> None:
    """Side by side, where steps are recorded and replayed; what rounding does grows with each."""
    specs = [tiny_spec(template=CNN, norm=norm, strategy="stacked", seed=seed, lr=0.01) for seed in (0, 1)]
    assert_the_same(specs, digits, 5e-3)


@pytest.mark.parametrize(("norm", "way"), [*product(CLASSIC, NOT_COMPILED), ("batch", "compiled")])
def test_mixed_precision(norm: str, way: str, digits: Dataset) -> None:
    """In bfloat16 losses agree to what that type resolves."""
    settings: dict[str, Any] = {"template": CNN, "norm": norm, "precision": "bf16-mixed", "lr": 0.01, **WAYS[way]}
    specs = [tiny_spec(seed=seed, **settings) for seed in (0, 1)]
    assert_the_same(specs, digits, 3e-2)


def test_a_comparison_in_several_workers(tmp_path: Path) -> None:
    """They share the GPU; steps are timed, runs are stored with its name, and nobody warns."""
    store = tmp_path / "runs.sqlite"
    flags = ["--norms", "batch,group,none", "--batch-sizes", "8,32", "--seeds", "3", "--epochs", "1", "--jobs", "3"]
    command = [sys.executable, "-m", "normzoo", "compare", *flags, "--device", "cuda", "--store", str(store)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower()
    rows = tmp_path / "runs.json"
    command = [sys.executable, "-m", "normzoo", "export", "--store", str(store), "--output", str(rows)]
    subprocess.run(command, capture_output=True, check=True)
    runs = json.loads(rows.read_text(encoding="utf-8"))
    assert [run["status"] for run in runs] == ["ok"] * 36
    assert {run["environment.device"] for run in runs} == {torch.cuda.get_device_name()}
