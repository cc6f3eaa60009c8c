"""Compares on a tiny network, in this process."""

from typing import Any

import normzoo
from normzoo.experiment.executor.in_process import InProcessExecutor

TINY: dict[str, Any] = {
    "templates": "cnn:widths=4,hidden=8",
    "batch_sizes": [64],
    "seeds": 2,
    "epochs": 1,
    "progress": False,
}


def in_process(**settings: Any) -> normzoo.Comparison:
    """Compare with these settings, and otherwise those of ``TINY``."""
    return normzoo.compare(executor=InProcessExecutor(), **{**TINY, **settings})
