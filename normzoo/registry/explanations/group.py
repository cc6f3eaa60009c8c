"""What there is to say of group normalization."""

from normzoo.registry._explanation import Explanation, Line, Paper, Pooling
from normzoo.registry.explanations._sentences import (
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

GROUP = Explanation(
    pooling=Pooling(samples="each", channels="groups", positions="all"),
    centered=True,
    normalized=STANDARDIZED,
    statistics=MOMENTS,
    options={"groups": 8, "eps": 1e-5, "affine": True},
    tensors=(WEIGHT, BIAS),
    training=(OWN,),
    inference=(SAME,),
    cost=(
        PASSES,
        KEPT,
        TWO_AGAIN,
        Line(text="No state; in training of the order of batch, layer and instance; in inference more than batch."),
    ),
    fits=(
        "Convolutional image networks at small batches: 24.1 % error in ResNet-50 on ImageNet at 2 images per GPU, "
        "where batch has 34.7 %, and between 24.0 % and 24.2 % at 4 to 32 (Wu & He 2018).",
        "Detection, segmentation and video, whose inputs leave room for few samples (Wu & He 2018).",
    ),
    misfits=(
        "Large batches in image classification, where batch tends to be a little ahead: 23.6 % against 24.1 % at 32 "
        "images per GPU (Wu & He 2018).",
        "Numbers of channels that the groups do not divide. One group is layer, as many groups as channels instance; "
        "how many are best is a setting to try (Wu & He 2018 use 32).",
    ),
    paper=Paper(authors="Yuxin Wu, Kaiming He", year=2018, title="Group Normalization", arxiv="1803.08494"),
)
