"""What there is to say of batch normalization."""

from normzoo.registry._explanation import Explanation, Line, Paper, Pooling
from normzoo.registry.explanations._sentences import (
    BIAS,
    FOLDED,
    KEPT,
    KNOWN,
    MOMENTS,
    PASSES,
    RUNNING,
    STANDARDIZED,
    STATE,
    TRACKED,
    TWO_AGAIN,
    WEIGHT,
    counter,
)

BATCH = Explanation(
    pooling=Pooling(samples="all", channels="each", positions="all"),
    centered=True,
    normalized=STANDARDIZED,
    statistics=MOMENTS,
    options={"eps": 1e-5, "momentum": 0.1, "affine": True, "track_running_stats": True, "bias": True},
    tensors=(WEIGHT, BIAS, *RUNNING, counter("batches seen, counted up in training")),
    training=(
        Line(text="The batch's own mean and variance, one pair for each letter: its samples act on one another."),
        Line(
            text="Each batch moves running_mean and running_var towards its own (unbiased) by the fraction {momentum}.",
            needs=("track_running_stats", "momentum"),
        ),
        Line(
            text="momentum={momentum}: none makes running_mean and running_var the plain average over all batches so "
            "far, 0 leaves them as they are.",
            needs=TRACKED,
            unless=("momentum",),
        ),
    ),
    inference=(
        KNOWN,
        Line(
            text="The batch's own mean and variance here, too (track_running_stats=False): an output depends on what "
            "else is in its batch.",
            unless=TRACKED,
        ),
    ),
    cost=(
        PASSES,
        KEPT,
        FOLDED,
        TWO_AGAIN,
        STATE,
        Line(text="In training of the order of layer, instance and group; in inference less.", needs=TRACKED),
        Line(text="Of the order of layer, instance and group; no state.", unless=TRACKED),
    ),
    fits=(
        "Convolutional image networks at large batches: of batch, group, layer and instance it has the lowest error of "
        "ResNet-50 on ImageNet at 32 images per GPU, 23.6 % (Wu & He 2018).",
        "Training at higher learning rates than without (Ioffe & Szegedy 2015; Bjorck et al. 2018).",
        "Inference that must be cheap, as then it can be merged into its neighbour.",
    ),
    misfits=(
        "Small batches: its statistics get noisy, and in the same experiment its error rises from 23.6 % at 32 images "
        "per GPU to 24.8 % at 8 and 34.7 % at 2 (Wu & He 2018).",
        "Data at inference unlike the batches of training: running statistics no longer match.",
        "Recurrent networks tend to need care: statistics for each time step (Ba et al. 2016), and w starting at 0.1 "
        "(Cooijmans et al. 2016).",
        "Where samples must not act on one another, or batches vary in size.",
    ),
    paper=Paper(
        authors="Sergey Ioffe, Christian Szegedy",
        year=2015,
        title="Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift",
        arxiv="1502.03167",
    ),
    remark="Why it helps is disputed: Santurkar et al. (2018) find a smoother loss rather than less covariate shift.",
)
