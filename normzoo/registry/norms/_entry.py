"""What is known of a norm that can be asked for by name."""

from dataclasses import dataclass, field

from normzoo.registry._component import Entry
from normzoo.registry._explanation import Explanation

CHANNELS = ("num_features", "num_channels", "normalized_shape", "channels", "dim", "features", "hidden_size", "size")
"""Names under which norms take their number of channels; one that has none of them takes it first. The earlier one of
two is meant."""


@dataclass(frozen=True, kw_only=True)
class NormEntry(Entry):
    """A norm that can be asked for by name.

    ``target`` is called with a number of channels and the options, and returns the layer; ``summary`` says what it
    pools, as its explanation has it. ``apart`` says why it is no part of ``--norms all``, where it is none.
    """

    summary: str = field(init=False)
    formula: str
    explanation: Explanation
    apart: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "summary", self.explanation.summary)
