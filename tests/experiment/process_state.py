"""Says what training changes in a process beyond the run itself: ``python -m tests.experiment.process_state``."""

import os
import random
import signal
import sys
import warnings
from typing import Any

import numpy as np
import torch

from normzoo.data import load_dataset
from normzoo.experiment.config.spec import Strategy
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.worker.train import train_group

from .synthetic import run_spec
from .troubled_norms import Raising


def process_state() -> dict[str, Any]:
    """Return what a run could leave behind: the environment, handlers, filters, generators, and torch's switches."""
    return {
        "environment": dict(os.environ),
        "path": list(sys.path),
        "handlers": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "warnings": list(warnings.filters),
        "python": random.getstate(),
        "numpy": repr(np.random.get_state(legacy=False)),
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "benchmark": torch.backends.cudnn.benchmark,
        "precision": torch.get_float32_matmul_precision(),
    }


def ignore(*heard: Any) -> None:
    """Hear of a start or an epoch."""


def main() -> None:
    """By each strategy train runs that are ok, that diverge and that fail, and print the names of what each changed."""
    digits = load_dataset("digits")
    tiny: dict[str, Any] = {
        "template": "cnn:hidden=8,widths=4",
        "norm": "none",
        "batch_size": 64,
        "epochs": 1,
    }
    changes: list[dict[str, Any]] = [{}, {"lr": 1e9}, {"norm": f"{Raising.__module__}:Raising"}]
    strategies: list[Strategy] = ["sequential", "stacked"]
    for strategy in strategies:
        for change in changes:
            specs = [run_spec(**{**tiny, **change, "seed": seed, "strategy": strategy}) for seed in range(2)]
            records: list[RunRecord] = []
            before = process_state()
            train_group(specs, digits, "cpu", on_start=ignore, on_epoch=ignore, on_record=records.append)
            after = process_state()
            changed = [name for name, value in after.items() if value != before[name]]
            statuses = " ".join(record.status for record in records)
            sys.stdout.write(f"{strategy} {statuses}: {', '.join(changed) or 'nothing'}\n")


if __name__ == "__main__":
    main()
