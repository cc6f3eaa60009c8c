"""``python -m benchmarks.convert``: how long it takes to exchange the norms of torchvision's models for image classes.

Converting keeps the parameters and makes new norms, so it is timed beside a copy of the model, by turns.
"""

import copy
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torchvision
from torch import nn

from benchmarks import arguments, check_record, write_record
from normzoo.experiment.config.environment import describe_environment
from normzoo.surgery import convert

LIMIT = 0.1
"""Seconds beyond copying that a conversion should stay below."""

ROUNDS = 5


def seconds(function: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def measure(names: list[str], norm: str) -> dict[str, Any]:
    """Convert each model to a norm some times, each time another copy.

    Returns:
        By model, the number of exchanged norms, and the medians of the seconds of a conversion and of a copy.
    """
    models = {}
    for name in names:
        model: nn.Module = torchvision.models.get_model(name, weights=None, **_without_auxiliaries(name))
        copied, converted, norms = [], [], 0
        for _ in range(ROUNDS):
            copied.append(seconds(lambda model=model: copy.deepcopy(model)))  # type: ignore[misc]
            fresh = copy.deepcopy(model)
            started = time.perf_counter()
            _, report = convert(fresh, norm)
            converted.append(time.perf_counter() - started)
            norms = len(report.exchanged)
        models[name] = {"norms": norms, "convert": median(converted), "copy": median(copied)}
    return {
        "norm": norm,
        "models": models,
        "environment": {**describe_environment(), "threads": torch.get_num_threads()},
    }


def _without_auxiliaries(name: str) -> dict[str, bool]:
    return {"init_weights": False} if name in ("googlenet", "inception_v3") else {}


def to_markdown(measured: dict[str, Any]) -> str:
    """Write what was measured as a page."""
    models = measured["models"]
    beyond = [name for name, each in models.items() if each["convert"] > LIMIT]
    slowest = max(models, key=lambda name: models[name]["convert"])
    rows = [
        f"| {name} | {each['norms']} | {each['convert'] * 1000:.1f} | {each['copy'] * 1000:.1f} |"
        for name, each in models.items()
    ]
    return "\n".join(
        [
            "# How long does it take to exchange a model's norms?",
            "",
            f"Milliseconds of `convert` to `{measured['norm']}` for each of torchvision's {len(models)} models "
            f"of image classification, and of a copy of the model (`copy.deepcopy`) beside it: medians of {ROUNDS}.",
            "",
            f"Aimed at: at most {LIMIT * 1000:.0f} beyond copying. "
            + (f"Not reached by {', '.join(beyond)}." if beyond else "Reached by all, without copying.")
            + f" The slowest is {slowest}, with {models[slowest]['convert'] * 1000:.0f}.",
            "",
            "| model | norms | convert | copy |",
            "| :-- | --: | --: | --: |",
            *rows,
            "",
            "`python -m benchmarks.convert reports/convert` measures it again: "
            + ", ".join(f"{name} {value}" for name, value in measured["environment"].items())
            + ".",
            "",
        ]
    )


def main() -> None:
    """Measure all models, and write what was found to PATH.json and PATH.md."""
    (path,), force = arguments("PATH")
    check_record(Path(path), force=force)
    measured = measure(torchvision.models.list_models(module=torchvision.models), "group:groups=32")
    write_record("convert", Path(path), measured, to_markdown(measured), force=force)


if __name__ == "__main__":
    main()
