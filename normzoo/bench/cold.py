"""A fresh process that takes the time of its own first calls, and writes it to stdout as JSON."""

import json
import sys
import time
from typing import Any


def main(process: int, kind: str) -> None:
    """Write a ``ColdStart``."""
    start = time.perf_counter()
    import torch

    from normzoo import layers
    from normzoo.registry.backends import Backend

    imported = time.perf_counter() - start
    device = "cuda" if kind == "cuda" or (kind == "auto" and torch.cuda.is_available()) else "cpu"
    x = torch.randn(8, 32, 32, 32, device=device, requires_grad=True)

    def seconds(layer: Any, backend: Backend) -> float:
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
    sys.stdout.write(json.dumps({"process": process, "import_seconds": imported, **times}) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
