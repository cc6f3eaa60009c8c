"""What there is to say of layer normalization."""

from normzoo.registry._explanation import Explanation, Line, Paper, Pooling
from normzoo.registry.explanations._sentences import (
    ANY_BATCH,
    BIAS,
    KEPT,
    MOMENTS,
    OWN,
    PASSES,
    SAME,
    STANDARDIZED,
    TWO_AGAIN,
    WEIGHT,
)

LAYER = Explanation(
    pooling=Pooling(samples="each", channels="all", positions="all"),
    centered=True,
    normalized=STANDARDIZED,
    statistics=MOMENTS,
    options={"eps": 1e-5, "affine": True},
    tensors=(WEIGHT, BIAS),
    training=(OWN,),
    inference=(SAME,),
    cost=(
        PASSES,
        KEPT,
        TWO_AGAIN,
        Line(text="No state; in training of the order of batch, instance and group; in inference more than batch."),
    ),
    fits=(
        "Recurrent networks, whose hidden states it steadies and whose training it tends to shorten (Ba et al. 2016); "
        "also transformers, there over each token (Vaswani et al. 2017).",
        ANY_BATCH,
    ),
    misfits=(
        "Convolutional image networks tend to do better with batch or group: 25.3 % error against 23.6 % and 24.1 % in "
        "ResNet-50 on ImageNet at 32 images per GPU (Wu & He 2018); Ba et al. (2016) also see batch ahead there.",
        "Channels of very different scale: the large ones set the mean and variance of all.",
    ),
    paper=Paper(
        authors="Jimmy Lei Ba, Jamie Ryan Kiros, Geoffrey E. Hinton",
        year=2016,
        title="Layer Normalization",
        arxiv="1607.06450",
    ),
    remark="Here a pool is all channels and positions of a sample, with w and b per channel, as Wu & He (2018) compare "
    "it. normzoo.layers.LayerNorm, like torch.nn.LayerNorm, pools the last dimensions instead: in a transformer those "
    "of one token.",
)
