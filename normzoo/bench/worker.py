"""The processes that measure: one that times all cases, and fresh ones that time their own first calls.

``python -m normzoo.bench.worker`` reads a ``BenchSpec`` from stdin and writes one line of JSON for each case;
``python -m normzoo.bench.worker cold NUMBER DEVICE`` writes a ``ColdStart``. The module itself imports only the
standard library, so that a cold start is timed from the import of torch on.
"""

import json
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from normzoo.registry.backends import Backend


def time_cases(text: str) -> None:
    """Write what is known of the machine first, then the measurements of a ``BenchSpec`` in JSON."""
    import torch

    from normzoo.bench.measure import copy_bandwidth, measure
    from normzoo.bench.spec import BenchSpec
    from normzoo.experiment.config.environment import describe_environment

    spec = BenchSpec.model_validate_json(text)
    if spec.threads:
        torch.set_num_threads(spec.threads)
    kind = spec.device if spec.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cuda" and not torch.cuda.is_available():
        _write({"error": "device: 'cuda' is not available here; use --device cpu"})
        return
    device = torch.device(kind)
    name = torch.cuda.get_device_name() if kind == "cuda" else "cpu"
    environment = {**describe_environment(), "device": name, "threads": torch.get_num_threads()}
    _write({"environment": environment, "copy_bytes_per_second": copy_bandwidth(device)})
    for case in spec.cases():
        _write({"measurement": measure(case, device, spec.seconds).model_dump(mode="json")})


def time_cold_start(process: int, kind: str) -> None:
    """Write the times of this process's first calls, forward and backward."""
    start = time.perf_counter()
    import torch

    from normzoo import layers

    imported = time.perf_counter() - start
    device = "cuda" if kind == "cuda" or (kind == "auto" and torch.cuda.is_available()) else "cpu"
    x = torch.randn(8, 32, 32, 32, device=device, requires_grad=True)

    def seconds(layer: Any, backend: "Backend") -> float:
        start = time.perf_counter()
        with layers.backend(backend):
            layer(x).sum().backward()
        if device == "cuda":
            torch.cuda.synchronize()
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
    if sys.argv[1:2] == ["cold"]:
        time_cold_start(int(sys.argv[2]), sys.argv[3])
    else:
        time_cases(sys.stdin.read())
