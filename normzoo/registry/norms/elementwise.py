"""In place of norms: functions of each value alone."""

from typing import Final

from normzoo.registry._explanation import Explanation, HeldTensor, Line, NormEntry, Paper
from normzoo.registry.norms._sentences import (
    ANY_BATCH,
    BIAS,
    CHANNELS_ELSEWHERE,
    SAME,
    WEIGHT,
    ZERO_CENTERED,
    ZERO_CENTERED_WEIGHT,
)

FAMILY: Final = "elementwise"

_ALPHA = HeldTensor(
    name="alpha", learned=True, per_channel=False, does="a, a factor before the function; starts at {alpha:g}"
)

_DYT = Explanation(
    pooling=None,
    does="no statistics: each value for itself",
    centered=False,
    normalized="tanh(a * x)",
    statistics="Nothing is measured: a is learned.",
    options={"alpha": 0.5, "affine": True, "bias": True, "channel_dim": 1, "zero_centered": False},
    tensors=(WEIGHT, ZERO_CENTERED_WEIGHT, BIAS, _ALPHA),
    training=(Line(text="The function alone."), ZERO_CENTERED, CHANNELS_ELSEWHERE),
    inference=(SAME,),
    cost=(Line(text="One pass over the values forward and one backward; no statistics, no state."),),
    fits=(
        "Transformers, in place of layer or RMS norm: about the same accuracy (Zhu et al. 2025).",
        ANY_BATCH,
    ),
    misfits=(
        "Convolutional networks, in place of batch norm: in its own paper ResNet-50 on ImageNet falls from 76.2 % to "
        "68.9 %, VGG-19 from 72.7 % to 71.0 % (Zhu et al. 2025).",
    ),
    paper=Paper(
        authors="Jiachen Zhu, Xinlei Chen, Kaiming He, Yann LeCun, Zhuang Liu",
        year=2025,
        title="Transformers without Normalization",
        arxiv="2503.10622",
    ),
)

_DERF = Explanation(
    pooling=None,
    does="no statistics: each value for itself",
    centered=False,
    normalized="erf(a * x + s)",
    statistics="Nothing is measured: a and s are learned.",
    options={"alpha": 0.5, "affine": True, "bias": True, "channel_dim": 1, "zero_centered": False},
    tensors=(
        WEIGHT,
        ZERO_CENTERED_WEIGHT,
        BIAS,
        _ALPHA,
        HeldTensor(name="shift", learned=True, per_channel=False, does="s, a summand before the function; starts at 0"),
    ),
    training=(Line(text="The function alone."), ZERO_CENTERED, CHANNELS_ELSEWHERE),
    inference=(SAME,),
    cost=(Line(text="One pass over the values forward and one backward; no statistics, no state."),),
    fits=(
        "Transformers, in place of layer or RMS norm: ViT-B on ImageNet has 82.8 % with it, 82.5 % with dyt and 82.3 % "
        "with layer norm (Chen et al. 2025).",
        ANY_BATCH,
    ),
    misfits=("Convolutional networks, in place of batch norm: dyt, which is like it, falls behind there.",),
    paper=Paper(
        authors="Mingzhi Chen, Taiming Lu, Jiachen Zhu, Mingjie Sun, Zhuang Liu",
        year=2025,
        title="Stronger Normalization-Free Transformers",
        arxiv="2512.10938",
    ),
)

ENTRIES: Final = {
    "derf": NormEntry(
        target="normzoo.layers:Derf",
        formula="w * erf(a * x + s) + b",
        source="Chen et al. 2025",
        explanation=_DERF,
    ),
    "dyt": NormEntry(
        target="normzoo.layers:DyT",
        formula="w * tanh(a * x) + b",
        source="Zhu et al. 2025",
        explanation=_DYT,
    ),
}
