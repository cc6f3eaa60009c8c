"""Norms that were made to find out why another one works."""

from dataclasses import replace
from typing import Final

from normzoo.registry._explanation import Explanation, HeldTensor, Line, NormEntry, Paper, Pooling
from normzoo.registry.norms._sentences import (
    KNOWN,
    STANDARDIZE,
    STANDARDIZED,
    STATE,
    TRACKED,
    WEIGHT,
    ZERO_CENTERED,
    ZERO_CENTERED_WEIGHT,
)

FAMILY: Final = "studies"

_NOISY_BATCH = Explanation(
    pooling=None,
    parts={"mean and variance": Pooling(samples="all", channels="each", positions="all")},
    does="all samples: one mean and variance per channel, and noise after it",
    centered=True,
    normalized=STANDARDIZED,
    statistics="mean and var are those of batch norm. In training y becomes s * y + m, with m and s at random for each "
    "value, about a mean and a spread that are at random for each channel and step.",
    options={
        "strength": 1.0,
        "eps": 1e-5,
        "momentum": 0.1,
        "affine": True,
        "track_running_stats": True,
        "bias": True,
        "zero_centered": False,
    },
    tensors=(
        replace(WEIGHT, name="norm.weight"),
        replace(ZERO_CENTERED_WEIGHT, name="norm.weight"),
        HeldTensor(
            name="norm.bias", learned=True, needs=("affine", "bias"), does="b, a summand per channel; starts at 0"
        ),
        HeldTensor(
            name="norm.running_mean", learned=False, needs=TRACKED, does="running mean per channel; starts at 0"
        ),
        HeldTensor(
            name="norm.running_var", learned=False, needs=TRACKED, does="running variance per channel; starts at 1"
        ),
        HeldTensor(
            name="norm.num_batches_tracked",
            learned=False,
            per_channel=False,
            needs=TRACKED,
            does="batches seen, counted up in training; starts at 0",
        ),
    ),
    training=(
        Line(
            text="The batch's own mean and variance, and then the noise: the distribution moves at every step.",
            needs=("strength",),
        ),
        Line(text="strength=0: the batch's own mean and variance, and no noise.", unless=("strength",)),
        Line(
            text="strength={strength}: 1 is a spread from 1 to 1.25 and a mean from -0.5 to 0.5.", needs=("strength",)
        ),
        ZERO_CENTERED,
    ),
    inference=(
        KNOWN,
        Line(text="The batch's own mean and variance here, too (track_running_stats=False).", unless=TRACKED),
    ),
    cost=(
        Line(text="That of batch, and two random numbers for each value in training."),
        STATE,
    ),
    fits=(
        "Studies of why batch norm helps: where it trains about as well as batch, batch norm does not help by keeping "
        "distributions stable (Santurkar et al. 2018).",
    ),
    misfits=("Any other purpose: the noise is not made to help.",),
    paper=Paper(
        authors="Shibani Santurkar, Dimitris Tsipras, Andrew Ilyas, Aleksander Madry",
        year=2018,
        title="How Does Batch Normalization Help Optimization?",
        arxiv="1805.11604",
    ),
    remark="That the numbers of the noise are those of the paper was not verified. vgg:noise=1 puts the same noise "
    "after any norm.",
)

ENTRIES: Final = {
    "noisy-batch": NormEntry(
        target="normzoo.layers:NoisyBatchNorm",
        formula=f"{STANDARDIZE}, then s * y + m at random in training",
        source="Santurkar et al. 2018",
        explanation=_NOISY_BATCH,
    ),
}
