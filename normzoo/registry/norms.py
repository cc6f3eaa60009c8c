"""The norms, one entry each: its formula, its source, and what there is to say of it, first of all what it pools."""

from dataclasses import dataclass, field
from math import prod

from normzoo.registry import explanations
from normzoo.registry._component import Entry, Registry
from normzoo.registry._explanation import Explanation

CHANNELS = ("num_features", "num_channels", "normalized_shape", "channels", "dim", "features", "hidden_size", "size")
"""Names under which norms take their number of channels; one that has none of them takes it first. The earlier one of
two is meant."""


@dataclass(frozen=True, kw_only=True)
class NormEntry(Entry):
    """A norm that can be asked for by name.

    ``target`` is called with a number of channels and the options, and returns the layer; ``summary`` says what it
    pools, as its explanation has it.
    """

    summary: str = field(init=False)
    formula: str
    explanation: Explanation

    def __post_init__(self) -> None:
        object.__setattr__(self, "summary", self.explanation.summary)


_STANDARDIZE = "w * (x - mean) / sqrt(var + eps) + b"

_ENTRIES = {
    "batch": NormEntry(
        target="normzoo.layers:BatchNorm",
        formula=_STANDARDIZE + "; running mean and var in evaluation",
        source="Ioffe & Szegedy 2015",
        explanation=explanations.BATCH,
    ),
    "layer": NormEntry(
        target="normzoo.layers._group:layer_norm",
        formula=_STANDARDIZE,
        source="Ba et al. 2016; on maps as in Wu & He 2018",
        explanation=explanations.LAYER,
    ),
    "channel-layer": NormEntry(
        target="normzoo.layers:ChannelLayerNorm",
        formula=_STANDARDIZE,
        source="Ba et al. 2016; on maps as in Liu et al. 2022",
        explanation=explanations.CHANNEL_LAYER,
    ),
    "instance": NormEntry(
        target="normzoo.layers:InstanceNorm",
        formula=_STANDARDIZE,
        source="Ulyanov et al. 2016",
        explanation=explanations.INSTANCE,
        options={"affine": True},
    ),
    "group": NormEntry(
        target="normzoo.layers._group:group_norm",
        formula=_STANDARDIZE,
        source="Wu & He 2018",
        explanation=explanations.GROUP,
        options={"groups": 8},
    ),
    "rms": NormEntry(
        target="normzoo.layers:SampleRMSNorm",
        formula="w * x / sqrt(mean(x^2) + eps) + b",
        source="Zhang & Sennrich 2019",
        explanation=explanations.RMS,
    ),
    "none": NormEntry(
        target="normzoo.layers:NoNorm",
        formula="x",
        source="-",
        explanation=explanations.NONE,
    ),
}

NORMS = Registry("norm", _ENTRIES, given=("device", "dtype"), first=CHANNELS, own="pkg.module:MyNorm")
"""The norms by name."""


def values_per_statistic(norm: str, *, samples: int, channels: int, positions: int = 1) -> int | None:
    """Return at how many values a norm takes each of its statistics in training.

    None where nothing is measured, as by the control, and for norms that are not of the registry.

    >>> values_per_statistic("batch", samples=2, channels=32, positions=8 * 8)
    128
    >>> values_per_statistic("batch", samples=2, channels=64)
    2
    """
    spec = NORMS.parse(norm)
    if spec.is_own:
        return None
    entry = NORMS.entry(spec)
    about = entry.explanation
    if about.pooling is None:
        return None
    sizes = (samples, channels, positions)
    return prod(sizes) // prod(about.pooling.blocks(sizes, {**about.options, **entry.options, **spec.options}))
