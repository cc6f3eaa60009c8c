"""Norms that contain their activation."""

from typing import Final

from normzoo.registry._explanation import Explanation, HeldTensor, Line, NormEntry, Paper, Pooling
from normzoo.registry.norms._sentences import (
    ANY_BATCH,
    BIAS,
    RUNNING,
    SAME,
    STATE,
    TRACKED,
    WEIGHT,
    ZERO_CENTERED,
    ZERO_CENTERED_WEIGHT,
    counter,
)

FAMILY: Final = "activation"

_V = HeldTensor(name="v", learned=True, does="v, a factor per channel within the activation; starts at 1")
_PAPER = Paper(
    authors="Hanxiao Liu, Andrew Brock, Karen Simonyan, Quoc V. Le",
    year=2020,
    title="Evolving Normalization-Activation Layers",
    arxiv="2004.02967",
)
_FITS = (
    "ResNets, MobileNets and EfficientNets, in place of batch or group norm and the activation: better in many cases "
    "(Liu et al. 2020)."
)
_NO_PLACE = (
    "Networks with another activation after the norm, or none: its own is part of it, and recurrent networks and "
    "transformers have none there."
)
_COST = Line(text="Its gradient is that of the operations, and keeps several tensors of the size of the input.")

_B0 = Explanation(
    pooling=None,
    parts={
        "variance": Pooling(samples="all", channels="each", positions="all"),
        "own variance": Pooling(samples="each", channels="each", positions="all"),
    },
    does="all samples: one variance per channel, or a sample's own, with an activation",
    centered=False,
    normalized="x / max(sqrt(var + eps), v * x + sqrt(own_var + eps))",
    statistics="var is the variance of a channel over all samples, own_var that of a channel of one sample.",
    options={
        "eps": 1e-5,
        "momentum": 0.1,
        "affine": True,
        "track_running_stats": True,
        "bias": True,
        "zero_centered": False,
    },
    tensors=(WEIGHT, ZERO_CENTERED_WEIGHT, BIAS, _V, *RUNNING, counter("batches seen, counted up in training")),
    training=(Line(text="The batch's own variances, and each sample's own."), ZERO_CENTERED),
    inference=(
        Line(text="running_var in place of the batch's own, and each sample's own.", needs=TRACKED),
        Line(text="The batch's own variances here, too (track_running_stats=False).", unless=TRACKED),
    ),
    cost=(_COST, STATE),
    fits=(_FITS,),
    misfits=(
        _NO_PLACE,
        "Small batches, as for batch: a variance over few samples is noisy.",
        "Plain vectors (N, C), which have no positions for a variance of their own, and are refused.",
    ),
    paper=_PAPER,
    remark="running_mean is kept as in batch, and not used.",
)

_S0 = Explanation(
    pooling=None,
    parts={"variance": Pooling(samples="each", channels="groups", positions="all")},
    does="the channels of a group: one variance per sample and group, with an activation",
    centered=False,
    normalized="x * sigmoid(v * x) / sqrt(var + eps)",
    statistics="var is the variance of all values of a group; their mean is not subtracted.",
    options={"groups": 8, "eps": 1e-5, "affine": True, "bias": True, "zero_centered": False},
    tensors=(WEIGHT, ZERO_CENTERED_WEIGHT, BIAS, _V),
    training=(Line(text="The input's own variances, one for each sample and group."), ZERO_CENTERED),
    inference=(SAME,),
    cost=(_COST,),
    fits=(_FITS, ANY_BATCH),
    misfits=(_NO_PLACE, "Numbers of channels that the groups do not divide. The paper has 32."),
    paper=_PAPER,
)

ENTRIES: Final = {
    "evonorm-b0": NormEntry(
        target="normzoo.layers:EvoNormB0",
        formula="w * x / max(sqrt(var + eps), v * x + sqrt(own_var + eps)) + b",
        source="Liu et al. 2020",
        explanation=_B0,
    ),
    "evonorm-s0": NormEntry(
        target="normzoo.layers:EvoNormS0",
        formula="w * x * sigmoid(v * x) / sqrt(var + eps) + b",
        source="Liu et al. 2020",
        explanation=_S0,
    ),
}
