"""The processes that measure: one that times all cases, and fresh ones that time their own first calls.

``python -m normzoo.bench.worker`` reads a ``BenchSpec`` from stdin and writes one line of JSON for each case;
``python -m normzoo.bench.worker cold NUMBER DEVICE`` writes a ``ColdStart``; ``python -m normzoo.bench.worker lstm``
reads an ``LstmBenchSpec`` and writes an ``LstmBench``, or a line on what is wrong with the device. The module itself
imports the standard library and the errors alone, so that a cold start is timed from the import of torch on.
"""

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from normzoo.errors import DeviceError

if TYPE_CHECKING:
    import torch

    from normzoo.bench.lstm import LstmBenchSpec
    from normzoo.bench.spec import BenchSpec
    from normzoo.registry.backends import Backend


def time_cases(text: str) -> None:
    """Write what is known of the machine first, then the measurements of a ``BenchSpec`` in JSON."""
    from normzoo.bench.measure import copy_bandwidth, measure
    from normzoo.bench.spec import BenchSpec

    spec = BenchSpec.model_validate_json(text)
    try:
        device = _device(spec)
    except DeviceError as error:
        _write({"error": str(error)})
        return
    environment = _environment(device)
    _write({"environment": environment, "copy_bytes_per_second": copy_bandwidth(device)})
    for case in spec.cases():
        _write({"measurement": measure(case, device, spec.seconds).model_dump(mode="json")})


def time_lstm(text: str) -> None:
    """Write the measurements of an ``LstmBenchSpec`` in JSON."""
    from normzoo.bench.lstm import LstmBench, LstmBenchSpec
    from normzoo.bench.measure_lstm import measure_lstm

    spec = LstmBenchSpec.model_validate_json(text)
    try:
        device = _device(spec)
    except DeviceError as error:
        sys.stdout.write(f"{error}\n")
        return
    import torch

    torch.backends.cudnn.allow_tf32 = False  # as all others multiply in float32
    timings, rounds = measure_lstm(spec, device)
    bench = LstmBench(spec=spec, environment=_environment(device), timings=timings, rounds=rounds)
    sys.stdout.write(bench.model_dump_json() + "\n")


def _device(spec: "BenchSpec | LstmBenchSpec") -> "torch.device":
    """Return where to measure, with as many threads as are asked for.

    Raises:
        DeviceError: it is not there.
    """
    import torch

    from normzoo.devices import resolve_device

    if spec.threads:
        torch.set_num_threads(spec.threads)
    return torch.device(resolve_device(spec.device))


def _environment(device: "torch.device") -> dict[str, Any]:
    """Return the versions, the machine, the device and the threads."""
    import torch

    from normzoo.devices import device_name
    from normzoo.experiment.config.environment import describe_environment

    return {**describe_environment(), "device": device_name(device.type), "threads": torch.get_num_threads()}


def time_cold_start(process: int, kind: str) -> None:
    """Write the times of this process's first calls, forward and backward."""
    start = time.perf_counter()
    import torch

    from normzoo import layers

    imported = time.perf_counter() - start
    from normzoo.devices import resolve_device, synchronize

    device = resolve_device(kind)
    x = torch.randn(8, 32, 32, 32, device=device, requires_grad=True)

    def seconds(layer: Any, backend: "Backend") -> float:
        start = time.perf_counter()
        with layers.backend(backend):
            layer(x).sum().backward()
        synchronize(device)
        return time.perf_counter() - start

    batch, group = layers.BatchNorm2d(32).to(device), layers.GroupNorm(8, 32).to(device)
    times = {
        "eager_seconds": seconds(batch, "eager"),
        "compiled_seconds": seconds(batch, "compiled"),
        "another_seconds": seconds(group, "compiled"),
        "warm_seconds": min(seconds(batch, "compiled") for _ in range(20)),
    }
    _write({"process": process, "import_seconds": imported, **times})


def _write(message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    from normzoo.interrupts import killed_with_parent

    killed_with_parent()
    if sys.argv[1:2] == ["cold"]:
        time_cold_start(int(sys.argv[2]), sys.argv[3])
    elif sys.argv[1:2] == ["lstm"]:
        time_lstm(sys.stdin.read())
    else:
        time_cases(sys.stdin.read())
