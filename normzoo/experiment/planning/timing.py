"""How long a step takes, as it was timed. It plans the work and fills a column of the report; no result depends on it.

Torch-free.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from normzoo.experiment.config.spec import RunSpec


class Timing(BaseModel):
    """How long a step of a group takes, timed over a few steps while nothing else was trained.

    Attributes:
        key: what was timed, and on what machine: ``timing_key``.
        members: how many runs.
        seconds_per_step: of one step of all members together: at once, or one after the other. None where they
            could not be trained.
        reason: why they could not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    members: int
    seconds_per_step: float | None
    reason: str | None = None


Timings = Mapping[str, Timing]
"""By key."""


_NO_MATTER = {"seed", "lr", "epochs", "further_eval_stats", "schedule", "weight_decay", "weight_decay_on", "folds"}
"""Fields of a run by which a step takes no longer, or hardly."""


def timing_key(runs: Sequence[RunSpec], environment: Mapping[str, Any]) -> str:
    """Return what decides how long a step of a group takes: all of its runs but seeds and epochs; code and machine."""
    names = ("device", "cpu", "threads", "torch", "norm_backend", "normzoo", "protocol")
    machine = {name: environment.get(name) for name in names}
    without = _NO_MATTER | (set() if runs[0].augment else {"augment"})
    work = runs[0].model_dump(mode="json", exclude=without)
    sizes = {"members": len(runs), "rates": len({run.lr for run in runs})}
    text = json.dumps({"machine": machine, "work": work, **sizes}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
