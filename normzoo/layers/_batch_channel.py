"""Batch-channel normalization: a batch norm, then a channel norm, which is group norm, each with a factor and summand.

    z = weight * (x - mean_b) / sqrt(var_b + eps) + bias
    y = channel_weight * (z - mean_g) / sqrt(var_g + eps) + channel_bias

with the mean and variance of a channel over the batch (b), and those of a group of channels in one sample of z (g).

Qiao, Wang, Liu, Shen & Yuille (2019), "Micro-Batch Training with Batch-Channel Normalization and Weight
Standardization".
"""

import torch
from torch import Tensor, nn

from normzoo.layers._formula import TrackedFormulaNorm, counted, per_channel
from normzoo.layers._group import check_groups
from normzoo.layers._kernels.moments import masked


class BatchChannelNorm(TrackedFormulaNorm):
    """Batch-channel normalization of inputs ``(N, C)`` or ``(N, C, *)``: the registry's ``batch-channel``.

    ``weight``, ``bias`` and the running statistics are those of the batch norm, ``channel_weight`` and ``channel_bias``
    those of the group norm; ``zero_centered`` is of both factors. For batches of one or two the paper has the batch
    norm normalize by estimates in training, too; that is not part of it. Its authors' code has a factor and a summand
    for each group rather than channel.

    >>> y = BatchChannelNorm(6, groups=2)(torch.randn(4, 6, 5, 5))
    >>> y.unflatten(1, (2, 3)).mean((2, 3, 4)).abs().max().item() < 1e-6
    True

    Raises:
        ValueError: ``groups`` does not divide the channels.
    """

    way_to_more_values = "use a larger batch, fewer groups or more positions"

    channel_weight: nn.Parameter | None
    channel_bias: nn.Parameter | None

    def __init__(
        self,
        num_features: int,
        groups: int = 8,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
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
            track_running_stats=track_running_stats,
            bias=bias,
            device=device,
            dtype=dtype,
            zero_centered=zero_centered,
        )
        check_groups(type(self).__name__, num_features, groups)
        self.groups = groups
        for name, like in (("channel_weight", self.weight), ("channel_bias", self.bias)):
            self.register_parameter(name, None if like is None else nn.Parameter(torch.empty_like(like)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the factors to one and the summands to zero, and forget the running statistics."""
        super().reset_parameters()
        if self.channel_weight is not None:
            nn.init.constant_(self.channel_weight, 0.0 if self.zero_centered else 1.0)
        if self.channel_bias is not None:
            nn.init.zeros_(self.channel_bias)

    def _compute(self, x: Tensor, mask: Tensor | None) -> Tensor:
        shape = (-1, self.groups, self.num_features // self.groups, *x.shape[2:])
        within = tuple(range(2, x.ndim + 1))  # of the input with its channels in groups
        mask_of_groups = None if mask is None else mask.unsqueeze(1)
        self._refuse_few_values(counted(x.reshape(shape), within, mask_of_groups), x.shape)
        mean, var = self._of_batch(x, mask)
        z = self._scale_and_shift((x - mean) * torch.rsqrt(var + self.eps))
        split = (z if mask is None else masked(z, mask)).reshape(shape)
        group = self._statistics(split, within, mask_of_groups)
        y = ((split - group.mean) * torch.rsqrt(group.var + self.eps)).flatten(1, 2)  # type: ignore[operator]
        if self.channel_weight is not None:
            factor = per_channel(self.channel_weight, y)
            y = y * (1 + factor if self.zero_centered else factor)
        return y if self.channel_bias is None else y + per_channel(self.channel_bias, y)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{self.num_features}, groups={self.groups}, {super().extra_repr().partition(', ')[2]}"
