"""The norms, one entry each: what it pools, its formula and its source."""

from dataclasses import dataclass

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
    pools.
    """

    formula: str
    explanation: Explanation


_STANDARDIZE = "w * (x - mean) / sqrt(var + eps) + b"

_ENTRIES = {
    "batch": NormEntry(
        target="normzoo.layers:BatchNorm",
        summary="all samples: one mean and variance per channel",
        formula=_STANDARDIZE + "; running mean and var in evaluation",
        source="Ioffe & Szegedy 2015",
        explanation=explanations.BATCH,
    ),
    "layer": NormEntry(
        target="normzoo.layers._group:layer_norm",
        summary="all channels: one mean and variance per sample",
        formula=_STANDARDIZE,
        source="Ba et al. 2016; on maps as in Wu & He 2018",
        explanation=explanations.LAYER,
    ),
    "instance": NormEntry(
        target="normzoo.layers:InstanceNorm",
        summary="nothing: one mean and variance per sample and channel",
        formula=_STANDARDIZE,
        source="Ulyanov et al. 2016",
        explanation=explanations.INSTANCE,
        options={"affine": True},
    ),
    "group": NormEntry(
        target="normzoo.layers._group:group_norm",
        summary="the channels of a group: one mean and variance per sample and group",
        formula=_STANDARDIZE,
        source="Wu & He 2018",
        explanation=explanations.GROUP,
        options={"groups": 8},
    ),
    "rms": NormEntry(
        target="normzoo.layers:SampleRMSNorm",
        summary="all channels: one root mean square per sample",
        formula="w * x / sqrt(mean(x^2) + eps) + b",
        source="Zhang & Sennrich 2019",
        explanation=explanations.RMS,
    ),
    "none": NormEntry(
        target="normzoo.layers:NoNorm",
        summary="nothing is normalized: the control",
        formula="x",
        source="-",
        explanation=explanations.NONE,
    ),
}

NORMS = Registry("norm", _ENTRIES, given=("device", "dtype"), first=CHANNELS, own="pkg.module:MyNorm")
"""The norms by name."""
