"""Norms that subtract no mean."""

from dataclasses import replace
from typing import Final

from normzoo.registry._explanation import Explanation, HeldTensor, Line, NormEntry, Paper, Pooling
from normzoo.registry.norms._sentences import (
    ANY_BATCH,
    BIAS,
    CHANNELS_ELSEWHERE,
    PASSES,
    SAME,
    TWO_AGAIN,
    WEIGHT,
    ZERO_CENTERED,
    ZERO_CENTERED_WEIGHT,
)

FAMILY: Final = "uncentered"

_RMS = Explanation(
    pooling=Pooling(samples="each", channels="all", positions="all"),
    centered=False,
    normalized="x / sqrt(mean(x^2) + eps)",
    statistics="mean(x^2) is that of all values with the same letter; its root is their root mean square. No mean is "
    "subtracted.",
    options={"eps": 1e-5, "affine": True, "bias": True, "channel_dim": 1, "zero_centered": False},
    tensors=(WEIGHT, ZERO_CENTERED_WEIGHT, BIAS),
    training=(Line(text="The input's own root mean square, one for each letter."), ZERO_CENTERED, CHANNELS_ELSEWHERE),
    inference=(SAME,),
    cost=(
        PASSES,
        Line(text="Kept for backward: the input and one number per pool (1 / sqrt(mean(x^2) + eps)), here {pools}."),
        TWO_AGAIN,
        Line(text="No state; as many passes as layer, with one statistic in place of two: somewhat less work."),
    ),
    fits=(
        "Transformers, recurrent networks and others, in place of layer norm: as the part of it that rescales, it "
        "gives comparable results in less time (Zhang & Sennrich 2019). Large language models such as LLaMA use it, "
        "over each token (Touvron et al. 2023).",
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

_PARTIAL = Explanation(
    pooling=None,
    does="the first channels alone: one root mean square per sample",
    centered=False,
    normalized="x / sqrt(mean(first^2) + eps)",
    statistics="first are a sample's values of the first channels: the fraction p of all, rounded up. No mean is "
    "subtracted.",
    options={"p": 0.0625, "eps": 1e-5, "affine": True, "bias": True, "zero_centered": False},
    tensors=(WEIGHT, ZERO_CENTERED_WEIGHT, BIAS),
    training=(Line(text="The root mean square of the input's own first channels."), ZERO_CENTERED),
    inference=(SAME,),
    cost=(Line(text="Statistics of the fraction {p} of the channels; the output of all. No state."),),
    fits=(
        "Wide layers, in place of rms, where the statistics of all values cost too much: the paper estimates them from "
        "6.25 % (Zhang & Sennrich 2019).",
        ANY_BATCH,
    ),
    misfits=(
        "Few channels: of 16, the first alone sets the scale of all, and where it is small, outputs are large.",
        "Inputs after a ReLU, as in the cnn and the mlp: the first channels may all be silent, and the others are then "
        "divided by sqrt(eps) alone. The paper normalizes before the activation.",
    ),
    paper=_RMS.paper,
    remark="With p=1 it is rms. On maps the first channels are taken whole, with all their positions.",
)

_TAU = HeldTensor(name="tau", learned=True, needs=("threshold",), does="t, a threshold per channel; starts at 0")
_LEARNED_EPS = HeldTensor(
    name="learned_eps",
    learned=True,
    per_channel=False,
    needs=("learn_eps",),
    does="its absolute value, and 1e-12, are added in place of eps; starts at that",
)
_FRN = Explanation(
    pooling=None,
    parts={"mean square": Pooling(samples="each", channels="each", positions="all")},
    does="nothing: one root mean square per sample and channel",
    centered=False,
    normalized="x / sqrt(mean(x^2) + eps)",
    around=(Line(text="max({formula}, t)", needs=("threshold",)),),
    statistics="mean(x^2) is that of a channel of a sample, over its positions. No mean is subtracted.",
    options={"threshold": False, "eps": 1e-6, "learn_eps": False, "affine": True, "bias": True, "zero_centered": False},
    tensors=(WEIGHT, ZERO_CENTERED_WEIGHT, BIAS, _TAU, _LEARNED_EPS),
    training=(Line(text="The input's own root mean square, one for each sample and channel."), ZERO_CENTERED),
    inference=(SAME,),
    cost=(Line(text="Two passes over the values forward, as the others; no state."),),
    fits=(
        "Convolutional image networks, with its threshold, frn-tlu: 0.7 to 1.0 points more than batch in InceptionV3 "
        "and ResnetV2-50 on ImageNet at large batches, and over 1 point more than group at small ones (Singh & "
        "Krishnan 2020).",
        ANY_BATCH,
    ),
    misfits=(
        "Without its threshold, before a ReLU: outputs keep a bias away from zero, which can leave units dead (Singh & "
        "Krishnan 2020).",
        "Training by other recipes than its paper's: by a common one of ResNet-50 another found 24.0 % error where "
        "batch has 23.6 % (Wu, FRN-on-common-ImageNet-baseline).",
        "One position, of which only the sign is left: refused in training, but with learn_eps. So are vectors (N, C).",
    ),
    paper=Paper(
        authors="Saurabh Singh, Shankar Krishnan",
        year=2020,
        title="Filter Response Normalization Layer: Eliminating Batch Dependence in the Training of Deep Neural "
        "Networks",
        arxiv="1911.09737",
    ),
)

_FRN_TLU = replace(
    _FRN,
    does="nothing: one root mean square per sample and channel, with an activation",
    options={name: value for name, value in _FRN.options.items() if name != "threshold"},
    fits=(_FRN.fits[0].replace(", with its threshold, frn-tlu", ""), ANY_BATCH),
    misfits=_FRN.misfits[1:],
    remark="It is frn:threshold=true. Its threshold, max(y, t), is the activation, and no other is put beside it.",
)

ENTRIES: Final = {
    "rms": NormEntry(
        target="normzoo.layers:SampleRMSNorm",
        formula="w * x / sqrt(mean(x^2) + eps) + b",
        source="Zhang & Sennrich 2019",
        explanation=_RMS,
    ),
    "partial-rms": NormEntry(
        target="normzoo.layers:PartialRMSNorm",
        formula="w * x / sqrt(mean(first^2) + eps) + b",
        source="Zhang & Sennrich 2019",
        explanation=_PARTIAL,
    ),
    "frn": NormEntry(
        target="normzoo.layers:FilterResponseNorm",
        formula="w * x / sqrt(mean(x^2) + eps) + b",
        source="Singh & Krishnan 2020",
        explanation=_FRN,
    ),
    "frn-tlu": NormEntry(
        target="normzoo.layers._filter_response:thresholded",
        formula="max(w * x / sqrt(mean(x^2) + eps) + b, t)",
        source="Singh & Krishnan 2020",
        explanation=_FRN_TLU,
    ),
}
