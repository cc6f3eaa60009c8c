"""Is the device that is asked for found by torch.accelerator, whatever its kind, and is what a kind lacks left out?

No device but the processor is needed: torch's modules for the others are replaced by ones that note what is asked.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from normzoo import devices
from normzoo.data import Dataset, load_dataset
from normzoo.devices import resolve_device, with_float64
from normzoo.errors import DeviceError
from normzoo.experiment.comparison import early_workers
from normzoo.experiment.config.resolve import resolve
from normzoo.experiment.executor import local
from normzoo.experiment.worker import memory
from normzoo.tasks import make_task
from normzoo.templates import MemberMetrics


def there_is(kind: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have torch.accelerator name a kind of device, or none."""
    found = None if kind is None else torch.device(kind)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: check_available and found)


def its_module_is(monkeypatch: pytest.MonkeyPatch, **functions: Any) -> None:
    """Have torch's module for every kind of device consist of some functions."""
    monkeypatch.setattr(torch, "get_device_module", lambda _: SimpleNamespace(**functions))


@pytest.mark.parametrize(
    ("there", "automatic"), [(None, "cpu"), ("cuda", "cuda"), ("mps", "cpu"), ("xpu", "cpu")], ids=str
)
def test_devices_are_those_that_torch_names(there: str | None, automatic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``auto`` is CUDA's where there is one; others are taken by their names; the processor always, the rest never."""
    there_is(there, monkeypatch)
    assert resolve_device("auto") == automatic
    assert resolve_device("cpu") == "cpu"
    for kind, name in (("cuda", "CUDA"), ("mps", "MPS"), ("xpu", "XPU")):
        if kind == there:
            assert resolve_device(kind) == kind
            continue
        message = f"device: {kind} was asked for, and torch finds no {name} device; use --device cpu or auto"
        with pytest.raises(DeviceError, match=message):
            resolve_device(kind)


def test_a_kind_is_asked_for_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """XPU's module has CUDA's functions by the same names."""
    asked: list[Any] = []
    its_module_is(
        monkeypatch,
        get_device_name=lambda: "Arc",
        set_device=asked.append,
        current_device=lambda: 3,
        max_memory_allocated=lambda: 7,
        mem_get_info=lambda: (5, 9),
        synchronize=lambda: asked.append("waited"),
        empty_cache=lambda: asked.append("emptied"),
        reset_peak_memory_stats=lambda: asked.append("reset"),
        manual_seed=asked.append,
    )
    assert (devices.device_name("xpu"), devices.device_index("xpu")) == ("xpu: Arc", 3)
    assert (memory.peak_memory_bytes("xpu"), memory._free_bytes("xpu")) == (7, 5)
    devices.choose_device("xpu", 2)
    devices.synchronize("xpu")
    devices.release_memory("xpu")
    memory.reset_peak_memory("xpu")
    devices.seed_device("xpu", 12)
    assert asked == [2, "waited", "emptied", "reset", 12]


@pytest.mark.skipif(torch.version.cuda is None, reason="this torch is not for CUDA")
@pytest.mark.parametrize("name", ["_cuda_clearCublasWorkspaces", "_cuda_endAllocateToPool", "_cuda_releasePool"])
def test_what_torch_keeps_to_itself_is_there(name: str) -> None:
    """Else memory of streams no longer used is counted, and failed recordings keep some."""
    assert callable(getattr(torch._C, name))


def test_cuda_also_forgets_what_products_worked_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch keeps it for every stream that there ever was."""
    asked: list[str] = []
    its_module_is(monkeypatch, empty_cache=lambda: asked.append("emptied"))
    monkeypatch.setattr(torch._C, "_cuda_clearCublasWorkspaces", lambda: asked.append("cleared"), raising=False)
    devices.release_memory("cuda")
    devices.release_memory("xpu")
    assert asked == ["cleared", "emptied", "emptied"]


def test_what_a_kind_lacks_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """MPS has a single device, of which torch tells neither a name nor the memory."""
    its_module_is(monkeypatch, synchronize=lambda: None, empty_cache=lambda: None)
    assert (devices.device_name("mps"), devices.device_index("mps")) == ("mps", 0)
    assert memory.peak_memory_bytes("mps") is None
    assert memory._free_bytes("mps") == memory._free_bytes("cpu")
    devices.choose_device("mps", 1)
    memory.reset_peak_memory("mps")


def test_of_a_processor_no_module_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has nothing to wait for or to choose."""
    its_module_is(monkeypatch)
    devices.choose_device("cpu", 0)
    devices.synchronize("cpu")
    devices.release_memory("cpu")
    devices.seed_device("cpu", 0)
    assert (devices.device_name("cpu"), devices.device_index("cpu"), devices.peak_allocated("cpu")) == ("cpu", 0, None)


def test_the_random_numbers_of_a_device_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """And those of the host."""
    state = {1: torch.zeros(1, dtype=torch.uint8)}
    its_module_is(
        monkeypatch,
        current_device=lambda: 1,
        get_rng_state=lambda device: state[device].clone(),
        set_rng_state=lambda new, device: state.update({device: new}),
    )
    monkeypatch.setattr(torch, "xpu", torch.get_device_module("xpu"))  # where torch 2.11 looks for it
    before = torch.get_rng_state()
    with devices.same_random_numbers("xpu"):
        state[1] += 1
        torch.rand(1)
    assert state[1].item() == 0
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.mark.parametrize("kind", ["mps", "xpu"])
def test_where_there_may_be_no_float64_metrics_are_counted_on_the_host(kind: str, digits: Dataset) -> None:
    """With the same results; CUDA's are counted where they are."""
    assert with_float64(torch.device(kind)) == torch.device("cpu")
    assert with_float64(torch.device("cuda", 1)) == torch.device("cuda", 1)
    outputs, targets = torch.randn(8, 2, 10), torch.arange(8) % 10
    found = []
    for device in (kind, "cpu"):
        metrics = MemberMetrics(make_task("classification"), 2, digits.scale, torch.device(device))
        metrics.update(outputs, targets)
        found.append(metrics.compute())
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("torch_version", "files", "expected"),
    [
        ("2.9.0", ["nvidia"], True),
        ("2.9.0+cpu", ["nvidia"], True),
        ("2.9.0", ["nvidiactl"], True),
        ("2.9.0", ["kfd", "dri"], False),
        ("2.9.0+cu130", ["dri"], False),
        ("2.9.0+cpu.cxx11.abi", ["dri"], False),
        ("2.9.0+rocm6.4", ["kfd"], True),
        ("2.9.0+xpu", ["dri"], True),
        ("2.9.0+xpu", [], False),
        ("2.10.0a0+git1234", ["kfd"], True),
        (None, ["dri"], False),
    ],
)
def test_gpus_are_those_that_torch_may_use(
    torch_version: str | None, files: list[str], expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the graphics of a desktop whose torch cannot use them: workers are then forked, which is faster."""
    for name in files:
        (tmp_path / name).touch()
    monkeypatch.setattr(local, "_NVIDIA", (tmp_path / "nvidia", tmp_path / "nvidiactl"))
    monkeypatch.setattr(local, "_OTHERS", (tmp_path / "kfd", tmp_path / "dri"))
    monkeypatch.setattr(local, "package_version", lambda _: torch_version)
    assert local.machine_has_gpus() is expected


@pytest.mark.parametrize(("device", "expected"), [("cpu", 2), ("auto", 2), ("cuda", 0), ("mps", 0), ("xpu", 0)])
def test_for_a_device_by_name_no_workers_are_started_early(
    device: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many it needs is known when there is a first."""
    monkeypatch.setattr("normzoo.experiment.comparison.machine_has_gpus", lambda: False)
    assert early_workers(resolve([], [], {"device": device, "jobs": 3})) == expected
