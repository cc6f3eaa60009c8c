"""Batch renormalization: batch normalization, corrected towards what running statistics would give.

    y = weight * ((x - mean) / std * r + d) + bias,    std = sqrt(var + eps)
    r = clip(std / running_std, 1 / r_max, r_max)      d = clip((mean - running_mean) / running_std, -d_max, d_max)

No gradient goes through ``r`` and ``d``. They are by the running statistics as they were before the batch. Without the
clipping, y would be what evaluation gives. The first batches are normalized as by batch norm (``r_max = 1``,
``d_max = 0``); then both limits grow linearly to their values.

Ioffe (2017), "Batch Renormalization: Towards Reducing Minibatch Dependence in Batch-Normalized Models". Departures: the
paper averages std over batches, where this layer averages the unbiased variance, as batch norm does, so that
``running_var`` means the same in both; and the steps at which the limits grow are not those of the paper.
"""

import torch
from torch import Tensor

from normzoo.layers._formula import TrackedFormulaNorm, per_channel


class BatchRenorm(TrackedFormulaNorm):
    """Batch renormalization of inputs ``(N, C)`` or ``(N, C, *)``: the registry's ``batch-renorm``.

    The paper begins after 5000 batches and reaches ``d_max`` at 25000 and ``r_max`` at 40000, of 130000 and more on
    ImageNet. The defaults here are in about the same proportions, for trainings of some hundred steps: set them for
    longer ones. Under activation checkpointing the repeated pass takes ``r`` and ``d`` of the statistics that it finds,
    those after the batch, so that the gradient is not exact. Inside a recurrence ``weight`` should start at 0.1, as in
    ``BatchNorm``.

    Args:
        num_features: channels.
        eps: added to the variance.
        momentum: the weight of the newest batch in the running statistics; None: a plain average over all.
        affine: whether there are ``weight`` and ``bias``.
        r_max: the largest factor, and its inverse the smallest; at least 1.
        d_max: the largest shift, either way; at least 0.
        begin: how many batches are normalized as by batch norm.
        r_end: the number of the batch, from one on, whose ``r`` is the first to be clipped by ``r_max``; it is that
            after ``begin`` at the earliest.
        d_end: the number of the batch whose ``d`` is the first to be clipped by ``d_max``, likewise.
        device: of the parameters and statistics.
        dtype: of the parameters and statistics.
        bias: whether there is a ``bias`` beside ``weight``.
        zero_centered: multiply by ``1 + weight``, which starts at zero.

    Raises:
        ValueError: a limit is too small, or the steps are not in order.

    >>> norm, x = BatchRenorm(3, begin=0, r_end=0, d_end=0, r_max=100.0, d_max=100.0), torch.randn(8, 3)
    >>> expected = norm.eval()(x)
    >>> torch.allclose(norm.train()(x), expected, atol=1e-6)
    True
    """

    way_to_more_values = "use a larger batch or more positions"
    recurrent_gain = 0.1

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        r_max: float = 3.0,
        d_max: float = 5.0,
        begin: int = 20,
        r_end: int = 160,
        d_end: int = 100,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
        zero_centered: bool = False,
    ) -> None:
        super().__init__(
            num_features,
            eps=eps,
            momentum=momentum,
            affine=affine,
            track_running_stats=True,
            bias=bias,
            device=device,
            dtype=dtype,
            zero_centered=zero_centered,
        )
        self.r_max, self.d_max = r_max, d_max
        self.begin, self.r_end, self.d_end = begin, r_end, d_end
        if not (r_max >= 1 and d_max >= 0):
            raise ValueError(
                self._message(
                    "r_max must be at least 1 and d_max at least 0",
                    f"got r_max={r_max} and d_max={d_max}",
                    "use r_max=1, d_max=0 for batch norm",
                )
            )
        if not 0 <= begin <= min(r_end, d_end):
            raise ValueError(
                self._message(
                    "begin must lie between 0 and both r_end and d_end",
                    f"got begin={begin}, r_end={r_end} and d_end={d_end}",
                    "use for example begin=20, r_end=160, d_end=100",
                )
            )
        self.reset_parameters()

    def _compute(self, x: Tensor, mask: Tensor | None) -> Tensor:
        is_corrected = self.training and self.track_running_stats  # which surgery sets aside, to have the batch's own
        names = ("running_mean", "running_var", "num_batches_tracked") if is_corrected else ()
        before = [self.get_buffer(name).clone() for name in names]  # the batch is about to change them
        mean, var = self._of_batch(x, mask)
        std = torch.sqrt(var + self.eps)
        y = (x - mean) / std
        if before:
            r, d = self._corrections(mean.detach(), std.detach(), *before)
            y = y * r + d
        return self._scale_and_shift(y)

    def _corrections(
        self, mean: Tensor, std: Tensor, running_mean: Tensor, running_var: Tensor, batches: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return ``r`` and ``d``, from statistics of a batch and those of all before it."""
        running_std = torch.sqrt(per_channel(running_var, std) + self.eps)
        most_r = 1 + (self.r_max - 1) * self._share(batches, self.r_end).to(std.dtype)
        most_d = self.d_max * self._share(batches, self.d_end).to(std.dtype)
        r = (std / running_std).clamp(1 / most_r, most_r)
        d = ((mean - per_channel(running_mean, mean)) / running_std).clamp(-most_d, most_d)
        return r, d

    def _share(self, batches: Tensor, end: int) -> Tensor:
        """Return how far a limit has grown for the batch after so many: from 0 to 1."""
        if end == self.begin:
            return batches >= end
        return ((batches + 1 - self.begin) / (end - self.begin)).clamp(0, 1)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, r_max={self.r_max}, d_max={self.d_max}, begin={self.begin}, "
            f"r_end={self.r_end}, d_end={self.d_end}{self._policies()}"
        )
