"""Norms with more than one pool."""

from typing import Final

from normzoo.registry._explanation import Explanation, Line, Paper, Pooling
from normzoo.registry.norms._entry import NormEntry
from normzoo.registry.norms._sentences import BIAS, RUNNING, STANDARDIZE, STANDARDIZED, STATE, TRACKED, WEIGHT, counter

FAMILY: Final = "mixtures"

_EXTENDED = Explanation(
    pooling=None,
    parts={
        "mean": Pooling(samples="all", channels="each", positions="all"),
        "variance": Pooling(samples="all", channels="all", positions="all"),
    },
    does="all samples: one mean per channel, one variance for all channels",
    centered=True,
    normalized=STANDARDIZED,
    statistics="mean is that of a channel; var is the mean of all squared deviations from these, of all channels.",
    options={"eps": 1e-5, "momentum": 0.1, "affine": True, "track_running_stats": True, "bias": True},
    tensors=(WEIGHT, BIAS, *RUNNING, counter("batches seen, counted up in training")),
    training=(Line(text="The batch's own means, and its own variance."),),
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
)

ENTRIES: Final = {
    "extended": NormEntry(
        target="normzoo.layers:ExtendedBatchNorm",
        formula=STANDARDIZE,
        source="Luo et al. 2020",
        explanation=_EXTENDED,
    ),
}
