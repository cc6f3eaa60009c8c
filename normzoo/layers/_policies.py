"""What a norm can be asked for beyond torch.nn's options: keywords, whose defaults are what torch.nn's layers do."""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypedDict

SmallBatch = Literal["error", "running", "instance"]
"""What becomes of a batch that is too small for its own statistics."""


class Policies(TypedDict, total=False):
    """The options that torch.nn's layers do not have; a norm takes those that mean something for it.

    Attributes:
        channel_dim: the dimension of an input that is the channels; -1: the last. Samples are first, and the others are
            positions. A mask has the shape of the input without it.
        zero_centered: multiply by ``1 + weight``, which starts at zero, in place of ``weight``; as in Gemma.
        unbiased: normalize by the unbiased variance, over one value less than there are.
        unbiased_running: move the running variance towards the unbiased one; False: towards the biased one.
        small_batch: what to do with a batch in training that has fewer than ``min_values`` values for a statistic:
            ``error``: refuse it; ``running``: normalize it by the running statistics; ``instance``: normalize each
            sample by its own, over its positions. Neither is remembered.
        min_values: at least 2.
        skip_nonfinite: leave the running statistics as they are where a batch's own are NaN or infinite, and count
            such batches in ``num_batches_skipped``.
    """

    channel_dim: int
    zero_centered: bool
    unbiased: bool
    unbiased_running: bool
    small_batch: SmallBatch
    min_values: int
    skip_nonfinite: bool


DEFAULTS: Final[Mapping[str, Any]] = {
    "channel_dim": 1,
    "zero_centered": False,
    "unbiased": False,
    "unbiased_running": True,
    "small_batch": "error",
    "min_values": 2,
    "skip_nonfinite": False,
}
"""The values of all of them with which ours do as torch.nn's."""
