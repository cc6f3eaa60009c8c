"""Norms that subtract no mean."""

from typing import Final

from normzoo.registry._explanation import Explanation, Line, Paper, Pooling
from normzoo.registry.norms._entry import NormEntry
from normzoo.registry.norms._sentences import ANY_BATCH, BIAS, PASSES, SAME, TWO_AGAIN, WEIGHT

FAMILY: Final = "uncentered"

_RMS = Explanation(
    pooling=Pooling(samples="each", channels="all", positions="all"),
    centered=False,
    normalized="x / sqrt(mean(x^2) + eps)",
    statistics="mean(x^2) is that of all values with the same letter; its root is their root mean square. No mean is "
    "subtracted.",
    options={"eps": 1e-5, "affine": True, "bias": True},
    tensors=(WEIGHT, BIAS),
    training=(Line(text="The input's own root mean square, one for each letter."),),
    inference=(SAME,),
    cost=(
        PASSES,
        Line(text="Kept for backward: the input and one number per pool (1 / sqrt(mean(x^2) + eps)), here {pools}."),
        TWO_AGAIN,
        Line(text="No state; as many passes as layer, with one statistic in place of two: somewhat less work."),
    ),
    fits=(
        "In place of layer norm, of which it is the part that rescales: comparable results in less time in recurrent "
        "networks, transformers and others (Zhang & Sennrich 2019). Large language models such as LLaMA use it, over "
        "each token (Touvron et al. 2023).",
        ANY_BATCH,
    ),
    misfits=(
        "Inputs far from zero: their mean stays, and makes up most of the root mean square.",
        "Convolutional image networks: it is no part of the comparison by Wu & He (2018), so compare for yourself.",
    ),
    paper=Paper(
        authors="Biao Zhang, Rico Sennrich",
        year=2019,
        title="Root Mean Square Layer Normalization",
        arxiv="1910.07467",
    ),
    remark="It pools what layer does, with w and b per channel. normzoo.layers.RMSNorm, like torch.nn.RMSNorm, pools "
    "the last dimensions instead, and has no b.",
)


ENTRIES: Final = {
    "rms": NormEntry(
        target="normzoo.layers:SampleRMSNorm",
        formula="w * x / sqrt(mean(x^2) + eps) + b",
        source="Zhang & Sennrich 2019",
        explanation=_RMS,
    ),
}
