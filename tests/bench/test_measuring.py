"""Is what is timed first checked, and does the whole command work?"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from normzoo.bench import measure as measuring
from normzoo.bench.measure import copy_bandwidth, measure
from normzoo.bench.spec import Bench, BenchSpec, Case
from normzoo.cli import main

CPU = torch.device("cpu")


def case(**fields: Any) -> Case:
    (first, *_) = BenchSpec.model_validate({"norms": "RMSNorm", "sizes": "tiny", "parts": "plain"}).cases()
    return first.model_copy(update=fields)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_contenders_are_timed_by_turns(mode: str) -> None:
    """Each has as many rounds as the others; in training the bytes it keeps are counted; who is left out is named."""
    found = measure(case(mode=mode), CPU, seconds=0.01)
    assert {"torch.nn", "auto", "eager"} <= set(found.timings)
    assert set(found.timings) | set(found.skipped) == {"torch.nn", "auto", "eager", *measuring.PEERS}
    for timing in found.timings.values():
        assert 0 < timing.lower <= timing.median <= timing.upper
    assert found.rounds >= measuring.MIN_ROUNDS
    assert set(found.saved_bytes) == (set(found.timings) if mode == "train" else set())
    if mode == "train":
        assert 0 < found.saved_bytes["auto"] <= found.saved_bytes["torch.nn"]
    assert found.moved_bytes == (5 if mode == "train" else 2) * 32 * 256 * 4


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_a_contender_that_computes_something_else_is_refused(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No time is taken of a wrong result."""

    class Wrong(torch.nn.RMSNorm):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * 1.01

    monkeypatch.setattr(measuring, "ours", lambda case: Wrong(case.shape[-1]))
    with pytest.raises(RuntimeError, match=r"RMSNorm 32x256 float32 \w+: auto is off by .*, more than 1e-03"):
        measure(case(mode=mode), CPU, seconds=0.01)


def test_a_wrong_gradient_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the output is right."""

    class Wrong(torch.nn.RMSNorm):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.detach() + 0.9 * (x - x.detach()))

    monkeypatch.setattr(measuring, "ours", lambda case: Wrong(case.shape[-1]))
    with pytest.raises(RuntimeError, match="auto is off"):
        measure(case(), CPU, seconds=0.01)


@pytest.mark.parametrize("norm", ["batch", "instance", "layer", "group", "LayerNorm", "RMSNorm"])
def test_peers_have_the_same_parameters(norm: str) -> None:
    """What is compared is the same layer: torch.nn's parameters are ours, and timm's, where it is installed."""
    subject = case(norm=norm, shape=(4, 16, 8, 8) if norm in ("batch", "instance", "layer", "group") else (4, 16))
    theirs = measuring.torch_nn(subject)
    assert {n: p.shape for n, p in measuring.ours(subject).named_parameters()} == {
        n: p.shape for n, p in theirs.named_parameters()
    }


@pytest.mark.slow
def test_a_copy_has_a_speed() -> None:
    """Between a tenth and ten thousand gigabytes a second."""
    assert 1e8 < copy_bandwidth(CPU) < 1e13


@pytest.mark.slow
def test_the_command_from_end_to_end(tmp_path: Path) -> None:
    """It prints tables that fit 80 columns, and writes JSON and a report that say the same."""
    flags = "--norms RMSNorm --sizes tiny --dtypes float32 --parts plain --seconds 0.01 --threads 1 --details"
    command = [sys.executable, "-m", "normzoo", "bench", "layers", *flags.split(), "--report", "speed.md"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Time of ours / time of torch.nn's, float32" in done.stdout
    assert "Forward pass in evaluation" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    bench = Bench.model_validate_json((tmp_path / "speed.json").read_text())
    assert len(bench.measurements) == 2
    assert bench.environment["threads"] == 1
    assert "normzoo bench layers --norms RMSNorm" in (tmp_path / "speed.md").read_text()


@pytest.mark.slow
def test_a_device_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """One line says so."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert main(["bench", "layers", "--device", "cuda"]) == 2
    assert capsys.readouterr().err == (
        "normzoo: error: device: cuda was asked for, and torch finds no CUDA device; use --device cpu or auto\n"
    )


@pytest.mark.gpu
def test_engines_agree_on_a_gpu() -> None:
    """Triton's kernels give what torch.nn's give, forward and backward."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    for norm in ("batch", "instance", "layer", "group"):
        measure(case(norm=norm, shape=(8, 32, 16, 16)), torch.device("cuda"), seconds=0.01)
    for norm in ("LayerNorm", "RMSNorm"):
        measure(case(norm=norm), torch.device("cuda"), seconds=0.01)
