"""What a worker finds out before anything is planned. Torch-free."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from normzoo.experiment.config.spec import RunSpec
from normzoo.metric import Metric
from normzoo.registry import DATASETS, InputKind, values_per_statistic

Device = str
"""``cpu`` or the kind of an accelerator, as torch names it: ``cuda``, ``mps``, ``xpu``."""


@dataclass(frozen=True)
class DatasetFacts:
    """What planning needs to know of a dataset: checksum, a sample's shape, outputs, and the samples of each split.

    Of folds they are those of the first; others differ by a few samples. ``notes`` are what a reader of the results
    should know of the data, and ``description`` is what its samples are.
    """

    name: str
    checksum: str
    shape: tuple[int, ...]
    outputs: int
    train: int
    validation: int
    test: int
    notes: tuple[str, ...] = ()
    description: str = ""


def data_lines(dataset: str, data: Sequence[str]) -> list[str]:
    """Write what is to be known of a dataset, as it is printed.

    >>> data_lines("digits", ["images of shape (1, 8, 8)", "12 are grey"])
    ['data: 12 are grey']

    Args:
        dataset: its spec.
        data: its description, which goes without saying of one of normzoo's own, and its notes.
    """
    spec = DATASETS.parse(dataset)
    told = data if spec.argument or spec.is_own else data[1:]
    return [f"data: {each}" for each in told if each]


@dataclass(frozen=True)
class PlaceFacts:
    """A place of a network where its norm stands, or none.

    Attributes:
        where: in the template's words, or the name of the module.
        kind: of what is there.
        channels: how many.
        positions: of each channel: H * W, T, or 1.
        rows: of a batch, for each sample; more than one where a network puts positions among the samples.
        has_norm: False where none stands, or the control.
        pools_as: the norm of the registry whose pools it has; empty where nothing is pooled, or that is not known.
    """

    where: str
    kind: InputKind
    channels: int
    positions: int
    rows: int = 1
    has_norm: bool = True
    pools_as: str = ""

    def pooled(self, batch_size: int) -> int | None:
        """Return at how many values each statistic is taken in training; None where that is not known."""
        if not self.pools_as:
            return None
        sizes = {"samples": batch_size * self.rows, "channels": self.channels, "positions": self.positions}
        return values_per_statistic(self.pools_as, **sizes)


@dataclass(frozen=True)
class NetworkFacts:
    """What was found out of a template with a norm by trying it once.

    Attributes:
        flops: floating-point operations of a forward pass over one sample.
        unstackable: why its seeds cannot be trained side by side; empty where they can.
        places: where its norms stand, in the order of a forward pass.
        keeps_statistics: some of its norms keep running statistics, and are evaluated by them.
        products: matrix products and convolutions of a forward pass; a layer has one, or one at each time step.
        parameters: how many numbers it learns.
        refusal: why the template does not take the norm, of which it may do without; empty where it does.
    """

    flops: int = 0
    unstackable: str = ""
    places: tuple[PlaceFacts, ...] = ()
    keeps_statistics: bool = False
    products: int = 0
    parameters: int = 0
    refusal: str = ""


Networks = Mapping[tuple[str, str], NetworkFacts]
"""By template and norm."""


@dataclass(frozen=True)
class Prepared:
    """What a parent needs to plan a matrix, and to say where it ran.

    Attributes:
        dataset: sizes and checksum.
        sources: by kind and spec, the checksum of the file that the user's own component comes from, or a version.
        networks: what was found out of each.
        metrics: by which networks are judged.
        device: where runs will train.
        environment: versions, machine and commit.
        accelerators: how many devices of that kind there are, beyond the processor.
        modules: by name, the files of the modules that the user's own components came with.
    """

    dataset: DatasetFacts
    sources: Mapping[str, Mapping[str, str]]
    networks: Networks
    metrics: tuple[Metric, ...]
    device: Device
    environment: dict[str, Any]
    accelerators: int = 0
    modules: Mapping[str, str] = field(default_factory=dict)


class Timing(BaseModel):
    """How long a step of a group takes, timed over a few steps while nothing else was trained.

    It plans the work and fills a column of the report; no result depends on it.

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
