"""Norms over all processes of a training."""

from dataclasses import replace
from typing import Final

from normzoo.registry._explanation import Line, NormEntry, Paper
from normzoo.registry.norms import pools
from normzoo.registry.norms._sentences import (
    BIAS,
    BIASED_MOMENTS,
    RUNNING,
    WEIGHT,
    ZERO_CENTERED,
    ZERO_CENTERED_WEIGHT,
    counter,
)

FAMILY: Final = "processes"

_BATCH = pools.ENTRIES["batch"].explanation

_SYNC = replace(
    _BATCH,
    statistics=BIASED_MOMENTS,
    choices={},
    options={
        "eps": 1e-5,
        "momentum": 0.1,
        "affine": True,
        "track_running_stats": True,
        "bias": True,
        "zero_centered": False,
        "process_group": None,
    },
    tensors=(WEIGHT, ZERO_CENTERED_WEIGHT, BIAS, *RUNNING, counter("batches seen, counted up in training")),
    training=(
        *_BATCH.training[:3],  # without what is said of other options
        Line(text="Where several processes train: the samples of all of them are one batch."),
        ZERO_CENTERED,
    ),
    cost=(
        *_BATCH.cost,
        Line(
            text="Over several processes: two exchanges forward (counts and sums; squares) and two backward, of one "
            "or two numbers per channel."
        ),
    ),
    fits=(
        "Training on several processes with few samples on each, such as large images: its statistics are those of all "
        "(Peng et al. 2017).",
    ),
    misfits=(
        "One process, as each run of normzoo compare is: there it is batch.",
        "Slow connections: every layer waits for all processes.",
    ),
    paper=Paper(
        authors="Chao Peng, Tete Xiao, Zeming Li, Yuning Jiang, Xiangyu Zhang, Kai Jia, Gang Yu, Jian Sun",
        year=2017,
        title="MegDet: A Large Mini-Batch Object Detector",
        arxiv="1711.07240",
    ),
    remark="The paper calls it cross-GPU batch normalization. Without several processes it equals batch norm.",
)

ENTRIES: Final = {
    "sync": NormEntry(
        target="normzoo.layers:SyncBatchNorm",
        formula=pools.ENTRIES["batch"].formula,
        source="Peng et al. 2017",
        explanation=_SYNC,
        apart="in a single process it is batch",
    ),
}
