"""Run as a process of its own: does each package import, and which devices does torch see?

By its path, so that it works where nothing of normzoo does. A line of JSON for each answer, as soon as there is one:
whoever started this so learns at which package it ended.
"""

import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

ESSENTIAL = "torch"
"""Where this does not import, nor do those that are built on it."""


def imports(modules: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Import one after the other; say of each what it raised, and of torch what devices it sees."""
    for name in modules:
        try:
            module = importlib.import_module(name)
        except Exception as error:  # whatever a broken package raises is the answer
            yield {"module": name, "error": " ".join(f"{type(error).__name__}: {error}".split())}
            if name == ESSENTIAL:
                return
        else:
            yield {"module": name, "error": "", **({"devices": devices(module)} if name == ESSENTIAL else {})}


def devices(torch: Any) -> list[str]:
    """Return the names of the GPUs; of another accelerator its kind."""
    if torch.cuda.is_available():
        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    accelerator = getattr(torch, "accelerator", None)
    if accelerator is not None and accelerator.is_available():
        return [accelerator.current_accelerator().type] * accelerator.device_count()
    return []


if __name__ == "__main__":
    for answer in imports(sys.argv[1:]):
        print(json.dumps(answer), flush=True)
