"""What is said of several norms."""

from typing import Final

from normzoo.registry._explanation import HeldTensor, Line

TRACKED: Final = ("track_running_stats",)
"""The option under which running statistics are kept."""

WEIGHT: Final = HeldTensor(
    name="weight",
    learned=True,
    needs=("affine",),
    unless=("zero_centered",),
    does="w, a factor per channel; starts at 1",
)
ZERO_CENTERED_WEIGHT: Final = HeldTensor(
    name="weight",
    learned=True,
    needs=("affine", "zero_centered"),
    does="w, a factor per channel less one; starts at 0",
)
ZERO_CENTERED: Final = Line(
    text="zero_centered=True: 1 + w stands in the place of w, as in Gemma; weight decay then pulls the factor to one.",
    needs=("zero_centered",),
)
CHANNELS_ELSEWHERE: Final = Line(
    text="channel_dim={channel_dim}: the dimension of an input that is the channels (1: the second, -1: the last)."
)
UNBIASED: Final = Line(
    text="unbiased=True: var is the unbiased variance here, over one value less.", needs=("unbiased",)
)
REMEMBERED: Final = (
    Line(
        text="The variance that running_var moves towards is unbiased: over one value less than there are.",
        needs=(*TRACKED, "momentum", "unbiased_running"),
    ),
    Line(
        text="unbiased_running=False: the variance that running_var moves towards is the biased one.",
        needs=(*TRACKED, "momentum"),
        unless=("unbiased_running",),
    ),
)
BIAS: Final = HeldTensor(
    name="bias", learned=True, needs=("affine", "bias"), does="b, a summand per channel; starts at 0"
)
RUNNING: Final = (
    HeldTensor(name="running_mean", learned=False, needs=TRACKED, does="running mean per channel; starts at 0"),
    HeldTensor(name="running_var", learned=False, needs=TRACKED, does="running variance per channel; starts at 1"),
)

STANDARDIZED: Final = "(x - mean) / sqrt(var + eps)"
BIASED_MOMENTS: Final = (
    "mean and var are those of all values with the same letter; var is the mean of their squared deviations (biased)."
)
MOMENTS: Final = BIASED_MOMENTS.replace("(biased)", "(biased, unless unbiased=True)")
OWN: Final = Line(text="The input's own mean and variance, one pair for each letter.")
SAME: Final = Line(
    text="As in training: there is no difference between the two, and a sample's output depends on that sample alone.",
    unless=TRACKED,
)
KNOWN: Final = Line(
    text="running_mean and running_var, fixed for each channel, in place of the input's own: every output then depends "
    "on its own input value alone, and the picture holds for training only.",
    needs=TRACKED,
)
PASSES: Final = Line(
    text="Training: two passes over the values forward (statistics; output), two backward (sums; gradient)."
)
KEPT: Final = Line(
    text="Kept for backward: the input and two numbers per pool (mean and 1 / sqrt(var + eps)), here 2 x {pools}."
)
TWO_AGAIN: Final = Line(text="Inference: two passes, since the statistics are the input's own.", unless=TRACKED)
FOLDED: Final = Line(
    text="Inference: one pass, a fixed factor and summand per channel, which can be merged into a convolution or dense "
    "layer before it.",
    needs=TRACKED,
)
STATE: Final = Line(text="State: a mean and a variance per channel.", needs=TRACKED)
ANY_BATCH: Final = "Batches of any size, also of one sample: samples do not act on one another."


SKIPPED: Final = HeldTensor(
    name="num_batches_skipped",
    learned=False,
    per_channel=False,
    needs=(*TRACKED, "skip_nonfinite"),
    does="batches left out of running_mean and running_var for NaN or infinity; starts at 0",
)
POLICIES: Final = {"small_batch": ("error", "running", "instance")}
"""What becomes of small batches."""


def moved(each: str, own: str) -> Line:
    """Say what moves the running statistics, and towards what."""
    return Line(
        text=f"{each} moves running_mean and running_var towards {own} by the fraction {{momentum}}.",
        needs=("track_running_stats", "momentum"),
    )


def averaged(over: str) -> Line:
    """Say what becomes of running statistics without a momentum."""
    return Line(
        text=f"momentum={{momentum}}: none makes running_mean and running_var the plain average over all {over} so "
        "far, 0 leaves them as they are.",
        needs=TRACKED,
        unless=("momentum",),
    )


def small_batches(which: str) -> Line:
    """Say which batches are too small."""
    return Line(
        text=f"small_batch={{small_batch}}: what becomes of a batch {which} fewer than {{min_values}} values per "
        "statistic (error, or by the running statistics, or instance: by each sample's own; neither is remembered).",
    )


def skips(what: str) -> Line:
    """Say what is kept out of the running statistics."""
    return Line(
        text=f"skip_nonfinite=True: {what} whose statistics are NaN or infinite leaves running_mean and running_var as "
        "they are, and is counted in num_batches_skipped.",
        needs=(*TRACKED, "skip_nonfinite"),
    )


def stateless(like: str) -> Line:
    """Say which norms cost as much."""
    return Line(text=f"No state; in training of the order of batch, {like}; in inference more than batch.")


def counter(does: str) -> HeldTensor:
    """Return the description of the counter of batches, which torch.nn keeps beside running statistics."""
    return HeldTensor(
        name="num_batches_tracked", learned=False, per_channel=False, needs=TRACKED, does=f"{does}; starts at 0"
    )


STANDARDIZE: Final = f"w * {STANDARDIZED} + b"
