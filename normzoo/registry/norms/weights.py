"""Norms of weights, alone and with norms of activations."""

from dataclasses import replace
from math import pi, sqrt
from typing import Final

from normzoo.registry._explanation import Explanation, Line, NormEntry, Paper
from normzoo.registry.norms._sentences import ANY_BATCH, SAME, STANDARDIZE
from normzoo.registry.norms.pools import GROUP

FAMILY: Final = "weights"

_PAPER: Final = Paper(
    authors="Siyuan Qiao, Huiyu Wang, Chenxi Liu, Wei Shen, Alan Yuille",
    year=2019,
    title="Micro-Batch Training with Batch-Channel Normalization and Weight Standardization",
    arxiv="1903.10520",
)
_COST: Final = Line(
    text="A pass over the weights of every convolution in each forward pass, and one in each backward pass, which is "
    "little beside large maps; for inference the standardized weights can be put in their place."
)
_HOW: Final = (
    "In a comparison the convolutions of the network are parametrized, and the notes say how many; "
    "normzoo.surgery.standardize_weights does the same to a model of yours."
)

_WS = Explanation(
    pooling=None,
    does="weights of convolutions: one mean and variance per output channel; no norm of activations",
    centered=False,
    normalized="x",
    statistics="Nothing is measured of x: it comes from convolutions with weights (v - mean) / sqrt(var + eps), with "
    "the mean and variance of the weights v of an output channel.",
    options={},
    tensors=(),
    training=(Line(text="Nothing here: the weights are standardized where they are used."),),
    inference=(SAME,),
    cost=(_COST,),
    fits=(ANY_BATCH,),
    misfits=(
        "Networks without a norm of activations: it is described for use with one, such as group (Qiao et al. 2019). "
        "Without one, activations grow from layer to layer by about sqrt(fan_in), as all weights have a variance of "
        "one.",
        "Networks without convolutions: there it does nothing.",
    ),
    paper=_PAPER,
    remark=_HOW,
)

_GROUP_WS = replace(
    GROUP,
    cost=(*GROUP.cost, _COST),
    fits=(
        "Convolutional networks at small batches, down to a single image: with it, group matches or outperforms batch "
        "at large ones (Qiao et al. 2019).",
        ANY_BATCH,
    ),
    misfits=(
        "Networks without convolutions: there it is no more than group.",
        "Numbers of channels that the groups do not divide.",
    ),
    paper=_PAPER,
    remark=f"It is group after convolutions with weights (v - mean) / sqrt(var + eps). {_HOW}",
)

_SCALED_WS = Explanation(
    pooling=None,
    does="weights of convolutions, scaled by a gain and their number: no norm of activations",
    centered=False,
    normalized="x",
    statistics="Nothing is measured of x: it comes from convolutions with weights gain * gamma / sqrt(fan_in) * (v - "
    "mean) / sqrt(var + eps), with the mean and variance of the fan_in weights v of an output channel, and a learned "
    "gain for each.",
    options={"gamma": sqrt(2 / (1 - 1 / pi))},
    tensors=(),
    training=(Line(text="Nothing here: the weights are standardized where they are used."),),
    inference=(SAME,),
    cost=(_COST, Line(text="State: none here; each convolution gets a gain per output channel.")),
    fits=(
        "Residual networks that are made to do without a norm of activations: they keep the variance from block to "
        "block by their own scales (Brock et al. 2021).",
        ANY_BATCH,
    ),
    misfits=(
        "Networks that are not made to do without a norm: here no residual branch is scaled, as the paper's are.",
        "Networks without convolutions: there it does nothing.",
    ),
    paper=Paper(
        authors="Andrew Brock, Soham De, Samuel L. Smith",
        year=2021,
        title="Characterizing signal propagation to close the performance gap in unnormalized ResNets",
        arxiv="2101.08692",
    ),
    remark=f"gamma is the constant of the activation: sqrt(2 / (1 - 1 / pi)) for ReLU, 1 for none. {_HOW}",
)

ENTRIES: Final = {
    "ws": NormEntry(
        target="normzoo.layers._weights:weight_standardization",
        formula="x, by weights (v - mean) / sqrt(var + eps)",
        source="Qiao et al. 2019",
        explanation=_WS,
    ),
    "group+ws": NormEntry(
        target="normzoo.layers._weights:group_norm_with_weight_standardization",
        formula=STANDARDIZE + "; x by weights (v - mean) / sqrt(var + eps)",
        source="Qiao et al. 2019",
        explanation=_GROUP_WS,
        options={"groups": 8},
    ),
    "scaled-ws": NormEntry(
        target="normzoo.layers._weights:scaled_weight_standardization",
        formula="x, by weights gain * gamma / sqrt(fan_in) * (v - mean) / sqrt(var + eps)",
        source="Brock et al. 2021",
        explanation=_SCALED_WS,
    ),
}
