"""Norms that set the response of each channel against those of others."""

from typing import Final

from normzoo.registry._explanation import Explanation, HeldTensor, Line, NormEntry, Paper
from normzoo.registry.norms._sentences import ANY_BATCH, BIAS, SAME

FAMILY: Final = "response"

_GRN = Explanation(
    pooling=None,
    does="each channel's size, relative to the mean size of all channels, per sample",
    centered=False,
    normalized="x * norm / (mean(norm) + eps)",
    around=(Line(text="x + {formula}"),),
    statistics="norm is the root of the sum of a channel's squares over positions, of one sample; mean(norm) is that "
    "of all channels.",
    options={"eps": 1e-6},
    tensors=(HeldTensor(name="weight", learned=True, does="w, a factor per channel; starts at 0"), BIAS),
    training=(Line(text="The input's own sizes, one for each sample and channel; the input is added."),),
    inference=(SAME,),
    cost=(Line(text="Two passes over the values forward, as the others; no state."),),
    fits=(
        "ConvNeXt V2 with masked autoencoders, within its blocks and beside layer norm: against channels that die or "
        "are alike (Woo et al. 2023).",
        ANY_BATCH,
    ),
    misfits=(
        "Networks without another norm: large inputs stay large, and it starts as no norm at all.",
        "Plain vectors (N, C), which have no positions, and are refused.",
    ),
    paper=Paper(
        authors="Sanghyun Woo, Shoubhik Debnath, Ronghang Hu, Xinlei Chen, Zhuang Liu, In So Kweon, Saining Xie",
        year=2023,
        title="ConvNeXt V2: Co-designing and Scaling ConvNets with Masked Autoencoders",
        arxiv="2301.00808",
    ),
)

_LOCAL = Explanation(
    pooling=None,
    does="neighbouring channels: one mean square around each value",
    centered=False,
    normalized="x / (k + alpha * mean(near^2))^beta",
    statistics="near are the values of the channels around one, size of them, at the same position; beyond the first "
    "and last channel they are 0.",
    options={"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0},
    tensors=(),
    training=(Line(text="The input's own squares around each value."),),
    inference=(SAME,),
    cost=(Line(text="As many additions per value as there are neighbours; no parameters, no state."),),
    fits=("AlexNet, for which it was made (Krizhevsky et al. 2012).", ANY_BATCH),
    misfits=(
        "Networks without another norm: with the options that it has by itself, inputs of ordinary size stay nearly as "
        "they are.",
        "Where neighbouring channels have nothing to do with one another.",
    ),
    paper=Paper(
        authors="Alex Krizhevsky, Ilya Sutskever, Geoffrey E. Hinton",
        year=2012,
        title="ImageNet Classification with Deep Convolutional Neural Networks",
        arxiv=None,
    ),
    remark="It is torch.nn.LocalResponseNorm, which divides alpha by size; the paper does not, and has k=2.",
)

ENTRIES: Final = {
    "grn": NormEntry(
        target="normzoo.layers:GlobalResponseNorm",
        formula="x + w * x * norm / (mean(norm) + eps) + b",
        source="Woo et al. 2023",
        explanation=_GRN,
    ),
    "local-response": NormEntry(
        target="normzoo.layers:LocalResponseNorm",
        formula="x / (k + alpha * mean(near^2))^beta",
        source="Krizhevsky et al. 2012",
        explanation=_LOCAL,
    ),
}
