"""Norms that differ in their pool alone."""

from dataclasses import replace
from typing import Final

from normzoo.registry._explanation import Explanation, Line, NormEntry, Paper, Pooling
from normzoo.registry.norms._sentences import (
    ANY_BATCH,
    BIAS,
    BIASED_MOMENTS,
    CHANNELS_ELSEWHERE,
    FOLDED,
    KEPT,
    KNOWN,
    MOMENTS,
    OWN,
    PASSES,
    POLICIES,
    REMEMBERED,
    RUNNING,
    SAME,
    SKIPPED,
    STANDARDIZE,
    STANDARDIZED,
    STATE,
    TRACKED,
    TWO_AGAIN,
    UNBIASED,
    WEIGHT,
    ZERO_CENTERED,
    ZERO_CENTERED_WEIGHT,
    averaged,
    counter,
    moved,
    skips,
    small_batches,
    stateless,
)

FAMILY: Final = "pools"


_BATCH = Explanation(
    pooling=Pooling(samples="all", channels="each", positions="all"),
    centered=True,
    normalized=STANDARDIZED,
    statistics=MOMENTS,
    options={
        "eps": 1e-5,
        "momentum": 0.1,
        "affine": True,
        "track_running_stats": True,
        "bias": True,
        "channel_dim": 1,
        "zero_centered": False,
        "unbiased": False,
        "unbiased_running": True,
        "small_batch": "error",
        "min_values": 2,
        "skip_nonfinite": False,
    },
    choices=POLICIES,
    tensors=(WEIGHT, ZERO_CENTERED_WEIGHT, BIAS, *RUNNING, counter("batches seen, counted up in training"), SKIPPED),
    training=(
        Line(text="The batch's own mean and variance, one pair for each letter: its samples act on one another."),
        moved("Each batch", "its own"),
        averaged("batches"),
        UNBIASED,
        *REMEMBERED,
        small_batches("with"),
        skips("a batch"),
        ZERO_CENTERED,
        CHANNELS_ELSEWHERE,
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
        "Training at higher learning rates than without a norm (Ioffe & Szegedy 2015; Bjorck et al. 2018).",
        "Inference that must be cheap: then it can be merged into its neighbour.",
    ),
    misfits=(
        "Small batches: its statistics get noisy, and in the same experiment its error rises from 23.6 % at 32 images "
        "per GPU to 24.8 % at 8 and 34.7 % at 2 (Wu & He 2018).",
        "Data at inference unlike the batches of training: running statistics no longer match.",
        "Recurrent networks: they tend to need care, statistics for each time step (Ba et al. 2016) and w starting at "
        "0.1 (Cooijmans et al. 2016).",
        "Samples that must not act on one another: here they do, in batches of each size differently.",
    ),
    paper=Paper(
        authors="Sergey Ioffe, Christian Szegedy",
        year=2015,
        title="Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift",
        arxiv="1502.03167",
    ),
    remark="Why it helps is disputed: Santurkar et al. (2018) find a smoother loss rather than less covariate shift.",
)


_GHOST = replace(
    _BATCH,
    pooling=Pooling(samples="up to size", channels="each", positions="all"),
    options={"size": 8, **{name: value for name, value in _BATCH.options.items() if name != "channel_dim"}},
    tensors=(
        WEIGHT,
        ZERO_CENTERED_WEIGHT,
        BIAS,
        *RUNNING,
        counter("parts of batches seen, counted up in training"),
        replace(SKIPPED, does=SKIPPED.does.replace("batches", "parts of batches")),
    ),
    training=(
        Line(text="The own mean and variance of each part of at most {size} samples, one pair for each letter."),
        moved("Each part in turn", "its own"),
        averaged("parts"),
        UNBIASED,
        *REMEMBERED,
        small_batches("of which a part has"),
        skips("a part"),
        ZERO_CENTERED,
    ),
    inference=(
        KNOWN,
        Line(text="The own mean and variance of each part here, too (track_running_stats=False).", unless=TRACKED),
    ),
    cost=(
        PASSES,
        KEPT,
        FOLDED,
        TWO_AGAIN,
        STATE,
        Line(text="In training the passes of batch, once for each part: with many small parts several times as long."),
    ),
    fits=(
        "Large batches, to get back the noise of small ones: it narrows the gap in generalization between the two "
        "(Hoffer et al. 2017).",
        "As a regularizer at small and medium batches, too (Summers & Dinneen 2020).",
    ),
    misfits=(
        "Small batches, whose statistics are noisy as it is: with size of at least the batch it is batch.",
        "Data at inference unlike that of training, as with batch.",
    ),
    paper=Paper(
        authors="Elad Hoffer, Itay Hubara, Daniel Soudry",
        year=2017,
        title="Train longer, generalize better: closing the generalization gap in large batch training of neural "
        "networks",
        arxiv="1705.08741",
    ),
    remark="Which samples make a part is their order in the batch, which is random in training. Parts differ by one "
    "sample at most, rather than leaving a small rest.",
)


_LAYER = Explanation(
    pooling=Pooling(samples="each", channels="all", positions="all"),
    centered=True,
    normalized=STANDARDIZED,
    statistics=MOMENTS,
    options={"eps": 1e-5, "affine": True, "channel_dim": 1, "zero_centered": False, "unbiased": False},
    tensors=(WEIGHT, ZERO_CENTERED_WEIGHT, BIAS),
    training=(OWN, UNBIASED, ZERO_CENTERED, CHANNELS_ELSEWHERE),
    inference=(SAME,),
    cost=(PASSES, KEPT, TWO_AGAIN, stateless("instance and group")),
    fits=(
        "Recurrent networks: it steadies their hidden states and tends to shorten their training (Ba et al. 2016).",
        "Transformers, there over each token (Vaswani et al. 2017).",
        ANY_BATCH,
    ),
    misfits=(
        "Convolutional image networks, which tend to do better with batch or group: 25.3 % error against 23.6 % and "
        "24.1 % in ResNet-50 on ImageNet at 32 images per GPU (Wu & He 2018); Ba et al. (2016) also see batch ahead "
        "there.",
        "Channels of very different scale: the large ones set the mean and variance of all.",
    ),
    paper=Paper(
        authors="Jimmy Lei Ba, Jamie Ryan Kiros, Geoffrey E. Hinton",
        year=2016,
        title="Layer Normalization",
        arxiv="1607.06450",
    ),
    remark="This is how Wu & He (2018) compare it, with w and b per channel. normzoo.layers.LayerNorm, like "
    "torch.nn.LayerNorm, pools the last dimensions instead: in a transformer those of one token, as channel-layer "
    "does.",
)


_CHANNEL_LAYER = replace(
    _LAYER,
    pooling=Pooling(samples="each", channels="all", positions="each"),
    options={"eps": 1e-5, "affine": True, "bias": True, "channel_dim": 1, "zero_centered": False, "unbiased": False},
    cost=(
        PASSES,
        KEPT,
        TWO_AGAIN,
        Line(
            text="No state; a pool for each position, so there is more to keep than for layer, which has one for each "
            "sample."
        ),
    ),
    fits=(
        "Transformers, whose layer norm it is: over the channels of one token (Vaswani et al. 2017).",
        "Convolutional networks made like transformers: ConvNeXt has it in place of batch norm, with a slightly higher "
        "accuracy on ImageNet (Liu et al. 2022).",
        ANY_BATCH,
    ),
    misfits=(
        "Few channels: a pool holds one value of each; of two channels, all that is left is which is larger.",
        "Where the contrast between positions matters: each comes out at the same mean and spread, an empty background "
        "as well.",
    ),
    remark="On maps it is the LayerNorm of ConvNeXt (Liu et al. 2022, arXiv:2201.03545), torchvision's LayerNorm2d; on "
    "vectors it is layer. layer pools all positions of a sample, too.",
)


_POSITION = replace(
    _CHANNEL_LAYER,
    statistics=BIASED_MOMENTS,
    options={"eps": 1e-5, "affine": False, "bias": True, "zero_centered": False},
    training=(OWN, ZERO_CENTERED),
    cost=(PASSES, KEPT, TWO_AGAIN, Line(text="No state; what channel-layer costs, less its weight and bias.")),
    fits=(
        "Generative networks from image to image: they get the means and deviations back in a later layer (Li et al. "
        "2019).",
        ANY_BATCH,
    ),
    misfits=(
        "Where the contrast between positions matters, and nothing brings it back: each position comes out at the same "
        "mean and spread.",
        "Few channels: a pool holds one value of each.",
    ),
    paper=Paper(
        authors="Boyi Li, Felix Wu, Kilian Q. Weinberger, Serge Belongie",
        year=2019,
        title="Positional Normalization",
        arxiv="1907.04312",
    ),
    remark="It is channel-layer without weight and bias. The paper's moment shortcut, which hands mean and deviation "
    "to a later layer, is a matter of the network, and no part of this norm.",
)


_INSTANCE = replace(
    _LAYER,
    pooling=Pooling(samples="each", channels="each", positions="all"),
    options={
        "eps": 1e-5,
        "momentum": 0.1,
        "affine": False,
        "track_running_stats": False,
        "bias": True,
        "channel_dim": 1,
        "zero_centered": False,
        "unbiased": False,
        "unbiased_running": True,
        "skip_nonfinite": False,
    },
    tensors=(
        WEIGHT,
        ZERO_CENTERED_WEIGHT,
        BIAS,
        *RUNNING,
        counter("there for torch.nn's sake; never counted up"),
        SKIPPED,
    ),
    training=(
        OWN,
        moved("Each batch", "the average of its samples' own"),
        Line(
            text="momentum={momentum}: running_mean and running_var stay as they are.",
            needs=TRACKED,
            unless=("momentum",),
        ),
        UNBIASED,
        *REMEMBERED,
        skips("a batch"),
        ZERO_CENTERED,
        CHANNELS_ELSEWHERE,
    ),
    inference=(SAME, KNOWN),
    cost=(
        PASSES,
        KEPT,
        TWO_AGAIN,
        FOLDED,
        replace(stateless("layer and group"), unless=TRACKED),
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


GROUP: Final = replace(
    _LAYER,
    pooling=Pooling(samples="each", channels="groups", positions="all"),
    options={"groups": 8, "eps": 1e-5, "affine": True, "channel_dim": 1, "zero_centered": False, "unbiased": False},
    cost=(PASSES, KEPT, TWO_AGAIN, stateless("layer and instance")),
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
    remark="",
)


ENTRIES: Final = {
    "batch": NormEntry(
        target="normzoo.layers:BatchNorm",
        formula=STANDARDIZE + "; running mean and var in evaluation",
        source="Ioffe & Szegedy 2015",
        explanation=_BATCH,
    ),
    "ghost": NormEntry(
        target="normzoo.layers:GhostBatchNorm",
        formula=STANDARDIZE + "; running mean and var in evaluation",
        source="Hoffer et al. 2017",
        explanation=_GHOST,
        options={"size": 8},
    ),
    "layer": NormEntry(
        target="normzoo.layers._group:layer_norm",
        formula=STANDARDIZE,
        source="Ba et al. 2016; on maps as in Wu & He 2018",
        explanation=_LAYER,
    ),
    "channel-layer": NormEntry(
        target="normzoo.layers:ChannelLayerNorm",
        formula=STANDARDIZE,
        source="Ba et al. 2016; on maps as in Liu et al. 2022",
        explanation=_CHANNEL_LAYER,
    ),
    "position": NormEntry(
        target="normzoo.layers:PositionNorm",
        formula=STANDARDIZED,
        source="Li et al. 2019",
        explanation=_POSITION,
    ),
    "instance": NormEntry(
        target="normzoo.layers:InstanceNorm",
        formula=STANDARDIZE,
        source="Ulyanov et al. 2016",
        explanation=_INSTANCE,
        options={"affine": True},
    ),
    "group": NormEntry(
        target="normzoo.layers._group:group_norm",
        formula=STANDARDIZE,
        source="Wu & He 2018",
        explanation=GROUP,
        options={"groups": 8},
    ),
}
