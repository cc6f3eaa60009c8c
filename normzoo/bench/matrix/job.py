"""What a peer's process is told to train. Of the standard library alone, so that it adds nothing to its start."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

PeerWay = Literal["lightning", "bare"]

EVALUATION_ROWS = 1000
"""How many samples every way evaluates at once, as normzoo does."""

RESULT = "result.json"
"""The file in the job's folder that the process leaves."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """The runs of one cell: every norm with every seed, one after the other.

    Attributes:
        way: how they are trained.
        lr: the learning rate in force.
        widths: channels of the cnn's convolutions.
        hidden: units of the cnn's dense layer and of the lstm.
        warm_up: take one step with every norm first, which is not timed.
        folder: where the process works, and leaves its result.
    """

    way: PeerWay
    template: str
    batch_size: int
    norms: tuple[str, ...]
    seeds: tuple[int, ...]
    epochs: int
    lr: float
    widths: tuple[int, ...]
    hidden: int
    dataset: str
    data_root: str
    warm_up: bool
    folder: str

    def to_json(self) -> str:
        """Write it in one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """Read what ``to_json`` wrote."""
        fields: dict[str, Any] = json.loads(text)
        lists: Any = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
        return cls(**{**fields, **lists})
