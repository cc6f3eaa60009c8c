"""Norms that differ from batch norm in what they do with statistics over several batches."""

from typing import Final

from normzoo.registry._explanation import Explanation, HeldTensor, Line, NormEntry, Paper, Pooling
from normzoo.registry.norms._sentences import (
    BIAS,
    KNOWN,
    RUNNING,
    STANDARDIZE,
    STANDARDIZED,
    STATE,
    TRACKED,
    WEIGHT,
    ZERO_CENTERED,
    ZERO_CENTERED_WEIGHT,
    counter,
)

FAMILY: Final = "running"

_BATCH_RENORM = Explanation(
    pooling=None,
    parts={"mean and variance": Pooling(samples="all", channels="each", positions="all")},
    does="all samples, corrected towards the running statistics: one mean and variance per channel",
    centered=True,
    normalized=f"({STANDARDIZED} * r + d)",
    statistics="mean and var are those of batch norm. r = std / running std, d = (mean - running mean) / running std, "
    "by the running statistics before the batch; r lies within 1 / r_max and r_max, d within -d_max and d_max, and no "
    "gradient goes through them.",
    options={
        "eps": 1e-5,
        "momentum": 0.1,
        "affine": True,
        "r_max": 3.0,
        "d_max": 5.0,
        "begin": 20,
        "r_end": 160,
        "d_end": 100,
        "bias": True,
        "zero_centered": False,
    },
    tensors=(WEIGHT, ZERO_CENTERED_WEIGHT, BIAS, *RUNNING, counter("batches seen, counted up in training")),
    training=(
        Line(text="The first {begin} batches: as batch norm, r = 1 and d = 0."),
        Line(
            text="Then the limits of d grow to {d_max} until batch {d_end}, those of r to {r_max} until batch {r_end}: "
            "outputs come close to those of evaluation, whatever else is in the batch."
        ),
        ZERO_CENTERED,
    ),
    inference=(KNOWN,),
    cost=(Line(text="Of the order of batch; its gradient is that of the operations, and keeps more."), STATE),
    fits=(
        "Small batches: with statistics of 4 samples a network on ImageNet reaches 76.5 % after 130k steps, with batch "
        "norm 74.2 % after 210k (Ioffe 2017).",
        "Batches whose samples are not independent, such as several of each class (Ioffe 2017).",
    ),
    misfits=(
        "Short trainings, which end before the limits have grown: until then it is batch norm. Set begin, d_end and "
        "r_end by the number of steps.",
        "Where samples must not act on one another: the gradient still goes through the statistics of the batch.",
    ),
    paper=Paper(
        authors="Sergey Ioffe",
        year=2017,
        title="Batch Renormalization: Towards Reducing Minibatch Dependence in Batch-Normalized Models",
        arxiv="1702.03275",
    ),
    remark="The paper averages the standard deviation over batches, this layer the unbiased variance, as batch norm "
    "does. The steps of the paper (begin=5000, d_end=25000, r_end=40000) are for trainings of more than 100000; the "
    "defaults are in about their proportions, for some hundred.",
)

_DOMAIN = Explanation(
    pooling=None,
    parts={"mean and variance": Pooling(samples="all", channels="each", positions="all")},
    does="all samples of one domain: one mean and variance per channel",
    centered=True,
    normalized=STANDARDIZED,
    statistics="mean and var are those of batch norm, of a batch of one domain.",
    options={
        "domains": 2,
        "eps": 1e-5,
        "momentum": 0.1,
        "affine": True,
        "track_running_stats": True,
        "shared_affine": False,
        "bias": True,
        "zero_centered": False,
    },
    tensors=(
        HeldTensor(
            name="norms.0.weight",
            learned=True,
            needs=("affine",),
            unless=("zero_centered",),
            does="w, a factor per channel, of the first domain unless shared_affine; starts at 1",
        ),
        HeldTensor(
            name="norms.0.weight",
            learned=True,
            needs=("affine", "zero_centered"),
            does="w, a factor per channel less one, of the first domain unless shared_affine; starts at 0",
        ),
        HeldTensor(
            name="norms.0.bias",
            learned=True,
            needs=("affine", "bias"),
            does="b, a summand per channel, of the first domain unless shared_affine; starts at 0",
        ),
        HeldTensor(
            name="norms.0.running_mean",
            learned=False,
            needs=TRACKED,
            does="running mean per channel of the first domain; starts at 0",
        ),
        HeldTensor(
            name="norms.0.running_var",
            learned=False,
            needs=TRACKED,
            does="running variance per channel of the first domain; starts at 1",
        ),
        HeldTensor(
            name="norms.0.num_batches_tracked",
            learned=False,
            per_channel=False,
            needs=TRACKED,
            does="batches of the first domain, counted up in training; starts at 0",
        ),
    ),
    training=(
        Line(text="The batch's own mean and variance. normzoo.layers.domain sets the domain."),
        ZERO_CENTERED,
    ),
    inference=(
        Line(text="The running mean and variance of the domain in place of the batch's own.", needs=TRACKED),
        Line(text="The batch's own mean and variance here, too (track_running_stats=False).", unless=TRACKED),
    ),
    cost=(Line(text="That of batch; {domains} times its state."),),
    fits=(
        "Adapting a network from one domain to others, of which it shares all but the norms: Chang et al. (2019) "
        "report the best accuracies of their time on several benchmarks.",
    ),
    misfits=(
        "Data of one domain, or of domains that are not known, as in normzoo compare: there it is batch.",
        "Batches of samples from several domains: each must be of one.",
    ),
    paper=Paper(
        authors="Woong-Gi Chang, Tackgeun You, Seonguk Seo, Suha Kwak, Bohyung Han",
        year=2019,
        title="Domain-Specific Batch Normalization for Unsupervised Domain Adaptation",
        arxiv="1906.03950",
    ),
    remark="By name it has one domain, and equals batch norm: domain:domains=2 has two.",
)

ENTRIES: Final = {
    "batch-renorm": NormEntry(
        target="normzoo.layers:BatchRenorm",
        formula=f"w * ({STANDARDIZED} * r + d) + b",
        source="Ioffe 2017",
        explanation=_BATCH_RENORM,
        revision=2,
    ),
    "domain": NormEntry(
        target="normzoo.layers:DomainBatchNorm",
        options={"domains": 1},
        formula=f"{STANDARDIZE} of each domain",
        source="Chang et al. 2019",
        explanation=_DOMAIN,
        apart="without domains that are told to it, it is batch",
    ),
}
