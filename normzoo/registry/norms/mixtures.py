"""Norms with more than one pool."""

from typing import Final

from normzoo.registry._explanation import Explanation, HeldTensor, Line, NormEntry, Paper, Pooling
from normzoo.registry.norms._sentences import (
    BIAS,
    CHANNELS_ELSEWHERE,
    POLICIES,
    REMEMBERED,
    RUNNING,
    SKIPPED,
    STANDARDIZE,
    STANDARDIZED,
    STATE,
    TRACKED,
    WEIGHT,
    ZERO_CENTERED,
    ZERO_CENTERED_WEIGHT,
    counter,
    skips,
    small_batches,
)

FAMILY: Final = "mixtures"

_BATCH: Final = Pooling(samples="all", channels="each", positions="all")
_LAYER: Final = Pooling(samples="each", channels="all", positions="all")
_INSTANCE: Final = Pooling(samples="each", channels="each", positions="all")
_GROUP: Final = Pooling(samples="each", channels="groups", positions="all")

_UNTRACKED: Final = Line(text="As in training (track_running_stats=False).", unless=TRACKED)
_POSITIONS_NEEDED: Final = "Few positions, as with instance; plain vectors (N, C) have one only, and are refused."

_EXTENDED = Explanation(
    pooling=None,
    parts={
        "mean": _BATCH,
        "variance": Pooling(samples="all", channels="all", positions="all"),
    },
    does="all samples: one mean per channel, one variance for all channels",
    centered=True,
    normalized=STANDARDIZED,
    statistics="mean is that of a channel; var is the mean of all squared deviations from these, of all channels.",
    options={
        "eps": 1e-5,
        "momentum": 0.1,
        "affine": True,
        "track_running_stats": True,
        "bias": True,
        "channel_dim": 1,
        "zero_centered": False,
        "unbiased_running": True,
        "small_batch": "error",
        "min_values": 2,
        "skip_nonfinite": False,
    },
    choices=POLICIES,
    tensors=(WEIGHT, ZERO_CENTERED_WEIGHT, BIAS, *RUNNING, counter("batches seen, counted up in training"), SKIPPED),
    training=(
        Line(text="The batch's own means, and its own variance."),
        *REMEMBERED,
        small_batches("with"),
        skips("a batch"),
        ZERO_CENTERED,
        CHANNELS_ELSEWHERE,
    ),
    inference=(
        Line(text="running_mean, and the mean of running_var, in place of the batch's own.", needs=TRACKED),
        Line(text="The batch's own mean and variance here, too (track_running_stats=False).", unless=TRACKED),
    ),
    cost=(Line(text="Of the order of batch; its gradient is that of the operations, and keeps more."), STATE),
    fits=(
        "Small batches, of which a single variance over all channels is steadier than one for each (Luo et al. 2020).",
    ),
    misfits=("Channels of very different scale: they keep it, as only their means are taken away.",),
    paper=Paper(
        authors="Chunjie Luo, Jianfeng Zhan, Lei Wang, Wanling Gao",
        year=2020,
        title="Extended Batch Normalization",
        arxiv="2003.05569",
    ),
    remark="The paper takes the standard deviation over samples, channels and positions; here it is that of what is "
    "left when the means are taken away.",
)

_SWITCHABLE = Explanation(
    pooling=None,
    parts={"instance": _INSTANCE, "layer": _LAYER, "batch": _BATCH},
    does="instance, layer and batch: learned mixtures of their means and of their variances",
    centered=True,
    normalized=STANDARDIZED,
    statistics="mean and var are averages of those of instance, layer and batch norm, weighted by the softmax of "
    "mean_weight and of var_weight.",
    options={
        "eps": 1e-5,
        "momentum": 0.1,
        "affine": True,
        "track_running_stats": True,
        "bias": True,
        "zero_centered": False,
    },
    tensors=(
        WEIGHT,
        ZERO_CENTERED_WEIGHT,
        BIAS,
        HeldTensor(
            name="mean_weight",
            learned=True,
            per_channel=False,
            numbers=3,
            does="for the shares of instance, layer and batch in the mean; starts at 1",
        ),
        HeldTensor(
            name="var_weight",
            learned=True,
            per_channel=False,
            numbers=3,
            does="for their shares in the variance; starts at 1",
        ),
        *RUNNING,
        counter("batches seen, counted up in training"),
    ),
    training=(Line(text="The three own means and variances of the input."), ZERO_CENTERED),
    inference=(
        Line(
            text="running_mean and running_var in place of the batch's; the others' are the input's own.", needs=TRACKED
        ),
        _UNTRACKED,
    ),
    cost=(
        Line(text="One pass for the moments of every sample and channel, of which the others are put together."),
        Line(text="Its gradient is that of the operations, and keeps more than batch's."),
        STATE,
    ),
    fits=(
        "Networks for which it is not known whether instance, layer or batch fits: each place in the network learns "
        "its own mixture, over a wide range of batch sizes (Luo et al. 2018).",
    ),
    misfits=(
        "Inference that must be cheap: it takes statistics of its input, and folds into no convolution.",
        _POSITIONS_NEEDED,
    ),
    paper=Paper(
        authors="Ping Luo, Jiamin Ren, Zhanglin Peng, Ruimao Zhang, Jingyu Li",
        year=2018,
        title="Differentiable Learning-to-Normalize via Switchable Normalization",
        arxiv="1806.10779",
    ),
    remark="All its mixtures start at a third each. With all weight on one of the three it is that norm.",
)

_BATCH_INSTANCE = Explanation(
    pooling=None,
    parts={"batch": _BATCH, "instance": _INSTANCE},
    does="batch and instance: a learned mixture of their outputs for each channel",
    centered=True,
    normalized="(rho * batch(x) + (1 - rho) * instance(x))",
    statistics="batch(x) and instance(x) are x after these norms, without w and b; rho is between 0 and 1.",
    options={
        "rho": 1.0,
        "eps": 1e-5,
        "momentum": 0.1,
        "affine": True,
        "track_running_stats": True,
        "bias": True,
        "zero_centered": False,
    },
    tensors=(
        WEIGHT,
        ZERO_CENTERED_WEIGHT,
        BIAS,
        HeldTensor(name="rho", learned=True, does="the share of batch norm in each channel; starts at {rho:g}"),
        *RUNNING,
        counter("batches seen, counted up in training"),
    ),
    training=(Line(text="The own means and variances of the batch and of each sample."), ZERO_CENTERED),
    inference=(
        Line(text="running_mean and running_var in place of the batch's; a sample's own for instance.", needs=TRACKED),
        _UNTRACKED,
    ),
    cost=(Line(text="About that of batch and instance together; its gradient keeps more."), STATE),
    fits=(
        "Images whose style differs and tells nothing: each channel learns whether to keep it, as batch does, or to "
        "take it away, as instance does (Nam & Kim 2018).",
    ),
    misfits=(
        "Inference that must be cheap: it takes statistics of its input, and folds into no convolution.",
        _POSITIONS_NEEDED,
    ),
    paper=Paper(
        authors="Hyeonseob Nam, Hyo-Eun Kim",
        year=2018,
        title="Batch-Instance Normalization for Adaptively Style-Invariant Neural Networks",
        arxiv="1805.07925",
    ),
    remark="rho is clipped to [0, 1] where it is used, so that any optimizer will do. The paper gives it a higher "
    "learning rate than the rest.",
)

_BATCH_CHANNEL = Explanation(
    pooling=None,
    parts={"batch": _BATCH, "channel": _GROUP},
    does="batch, then group: one mean and variance per channel, then one per sample and group",
    centered=True,
    normalized="(z - mean_g) / sqrt(var_g + eps)",
    factor="channel_weight",
    summand="channel_bias",
    statistics="z is x after batch norm, with w and b where there are such; mean_g and var_g are those of a group of "
    "its channels in one sample.",
    options={
        "groups": 8,
        "eps": 1e-5,
        "momentum": 0.1,
        "affine": True,
        "track_running_stats": True,
        "bias": True,
        "zero_centered": False,
    },
    tensors=(
        WEIGHT,
        ZERO_CENTERED_WEIGHT,
        BIAS,
        HeldTensor(
            name="channel_weight",
            learned=True,
            needs=("affine",),
            unless=("zero_centered",),
            does="w_g, the factor per channel of the second norm; starts at 1",
        ),
        HeldTensor(
            name="channel_weight",
            learned=True,
            needs=("affine", "zero_centered"),
            does="w_g, the factor per channel of the second norm, less one; starts at 0",
        ),
        HeldTensor(
            name="channel_bias",
            learned=True,
            needs=("affine", "bias"),
            does="b_g, its summand per channel; starts at 0",
        ),
        *RUNNING,
        counter("batches seen, counted up in training"),
    ),
    training=(Line(text="The own mean and variance of the batch, then those of each group."), ZERO_CENTERED),
    inference=(
        Line(
            text="running_mean and running_var in place of the batch's; then a sample's own, in groups.", needs=TRACKED
        ),
        _UNTRACKED,
    ),
    cost=(Line(text="About that of batch and group together; its gradient keeps more."), STATE),
    fits=(
        "Convolutional networks with standardized weights, in place of group: it keeps channels from the singularity "
        "at which they are never active (Qiao et al. 2019).",
    ),
    misfits=(
        "Batches of one or two, with which its batch norm is as noisy as batch; the paper takes estimates there.",
        "Numbers of channels that the groups do not divide.",
    ),
    paper=Paper(
        authors="Siyuan Qiao, Huiyu Wang, Chenxi Liu, Wei Shen, Alan Yuille",
        year=2019,
        title="Micro-Batch Training with Batch-Channel Normalization and Weight Standardization",
        arxiv="1903.10520",
    ),
)

ENTRIES: Final = {
    "extended": NormEntry(
        target="normzoo.layers:ExtendedBatchNorm",
        formula=STANDARDIZE,
        source="Luo et al. 2020",
        explanation=_EXTENDED,
    ),
    "switchable": NormEntry(
        target="normzoo.layers:SwitchableNorm",
        formula=STANDARDIZE + ", mean and var mixtures of those of instance, layer and batch",
        source="Luo et al. 2018",
        explanation=_SWITCHABLE,
    ),
    "batch-instance": NormEntry(
        target="normzoo.layers:BatchInstanceNorm",
        formula="w * (rho * batch(x) + (1 - rho) * instance(x)) + b",
        source="Nam & Kim 2018",
        explanation=_BATCH_INSTANCE,
    ),
    "batch-channel": NormEntry(
        target="normzoo.layers:BatchChannelNorm",
        formula="w_g * (z - mean_g) / sqrt(var_g + eps) + b_g, z = " + STANDARDIZE,
        source="Qiao et al. 2019",
        explanation=_BATCH_CHANNEL,
        options={"groups": 8},
    ),
}
