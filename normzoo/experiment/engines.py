"""How runs are trained, where it is not a matter of what they are: one by one or stacked, compiled or not. Torch-free."""

from dataclasses import dataclass
from typing import Literal

TrainingEngine = Literal["loop", "stacked"]


@dataclass(frozen=True)
class How:
    """The engine that trains a group of runs.

    Attributes:
        engine: ``loop``: one run after the other; ``stacked``: all at once, side by side.
        compiled: whether the step's forward and backward pass are compiled.
    """

    engine: TrainingEngine = "loop"
    compiled: bool = False
