"""What there is to say of instance normalization."""

from normzoo.registry._explanation import Explanation, Line, Paper, Pooling
from normzoo.registry.explanations._sentences import (
    ANY_BATCH,
    BIAS,
    FOLDED,
    KEPT,
    KNOWN,
    MOMENTS,
    OWN,
    PASSES,
    RUNNING,
    SAME,
    STANDARDIZED,
    STATE,
    TRACKED,
    TWO_AGAIN,
    WEIGHT,
    counter,
)

INSTANCE = Explanation(
    pooling=Pooling(samples="each", channels="each", positions="all"),
    centered=True,
    normalized=STANDARDIZED,
    statistics=MOMENTS,
    options={"eps": 1e-5, "momentum": 0.1, "affine": False, "track_running_stats": False, "bias": True},
    tensors=(WEIGHT, BIAS, *RUNNING, counter("there for torch.nn's sake; never counted up")),
    training=(
        OWN,
        Line(
            text="Each batch moves running_mean and running_var towards the average of its samples' own (unbiased) by "
            "the fraction {momentum}.",
            needs=("track_running_stats", "momentum"),
        ),
        Line(
            text="momentum={momentum}: running_mean and running_var stay as they are.",
            needs=TRACKED,
            unless=("momentum",),
        ),
    ),
    inference=(SAME, KNOWN),
    cost=(
        PASSES,
        KEPT,
        TWO_AGAIN,
        FOLDED,
        Line(
            text="No state; in training of the order of batch, layer and group; in inference more than batch.",
            unless=TRACKED,
        ),
        STATE,
    ),
    fits=(
        "Style transfer and image-to-image networks, where the contrast of an image should not matter: put in place of "
        "batch norm, it gives better pictures (Ulyanov et al. 2016).",
        ANY_BATCH,
    ),
    misfits=(
        "Classification, where the mean and spread of a channel tell something: 28.4 % error against 23.6 % for batch "
        "and 24.1 % for group in ResNet-50 on ImageNet at 32 images per GPU (Wu & He 2018).",
        "Few positions: every statistic comes from those of one channel alone; "
        "plain vectors (N, C) have one only, and are refused.",
    ),
    paper=Paper(
        authors="Dmitry Ulyanov, Andrea Vedaldi, Victor Lempitsky",
        year=2016,
        title="Instance Normalization: The Missing Ingredient for Fast Stylization",
        arxiv="1607.08022",
    ),
    remark="It is group with as many groups as channels, and what batch does in training with a single sample.",
)
