"""EvoNorms: normalization and activation in one formula, found by a search.

    B0:  y = weight * x / max(sqrt(var + eps), v * x + sqrt(own_var + eps)) + bias
    S0:  y = weight * x * sigmoid(v * x) / sqrt(group_var + eps) + bias

with ``var`` of a channel over the batch, ``own_var`` of a channel of one sample, and ``group_var`` of a group of
channels of one sample. ``v`` is learned, one per channel.

Liu, Brock, Simonyan & Le (2020), "Evolving Normalization-Activation Layers".
"""

import torch
from torch import Tensor, nn

from normzoo.layers._formula import FormulaNorm, TrackedFormulaNorm, counted, per_channel, positions
from normzoo.layers._group import check_groups


class EvoNormB0(TrackedFormulaNorm):
    """EvoNorm-B0 of inputs ``(N, C, *)``: the registry's ``evonorm-b0``. ``v`` starts at one.

    In evaluation the running variance stands for the batch's. A running mean is kept as in batch norm, and not used.

    >>> EvoNormB0(3)(torch.randn(8, 3, 5, 5)).shape
    torch.Size([8, 3, 5, 5])
    """

    needs_positions = True
    contains_activation = True
    way_to_more_values = "use more positions"

    def __init__(
        self,
        num_features: int,
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
        self.v = nn.Parameter(torch.empty(num_features, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set ``v`` and ``weight`` to one, ``bias`` to zero, and forget the running statistics."""
        nn.init.ones_(self.v)
        super().reset_parameters()

    def _compute(self, x: Tensor, mask: Tensor | None) -> Tensor:
        own = self._statistics(x, positions(x), mask)
        _, var = self._of_batch(x, mask)
        left = torch.sqrt(var + self.eps)
        right = per_channel(self.v, x) * x + torch.sqrt(own.var + self.eps)
        return self._scale_and_shift(x / torch.maximum(left, right))


class EvoNormS0(FormulaNorm):
    """EvoNorm-S0 of inputs ``(N, C)`` or ``(N, C, *)``: the registry's ``evonorm-s0``. ``v`` starts at one.

    It has as many groups as the registry's ``group`` unless told otherwise; the paper has 32.

    >>> EvoNormS0(4, groups=2)(torch.randn(8, 4, 5, 5)).shape
    torch.Size([8, 4, 5, 5])

    Raises:
        ValueError: ``groups`` does not divide ``num_features``.
    """

    is_batch_independent = True
    contains_activation = True

    def __init__(
        self,
        num_features: int,
        groups: int = 8,
        eps: float = 1e-5,
        affine: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
        zero_centered: bool = False,
    ) -> None:
        super().__init__(
            num_features,
            eps=eps,
            affine=affine,
            bias=bias,
            device=device,
            dtype=dtype,
            zero_centered=zero_centered,
        )
        check_groups(type(self).__name__, num_features, groups)
        self.groups = groups
        self.v = nn.Parameter(torch.empty(num_features, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set ``v`` and ``weight`` to one, and ``bias`` to zero."""
        nn.init.ones_(self.v)
        super().reset_parameters()

    def _compute(self, x: Tensor, mask: Tensor | None) -> Tensor:
        grouped = x.reshape(x.shape[0], self.groups, -1, *x.shape[2:])
        of_groups = None if mask is None else mask.unsqueeze(1)
        dims = (2, *(dim + 1 for dim in positions(x)))
        self._refuse_few_values(counted(grouped, dims, of_groups), x.shape)
        var = self._statistics(grouped, dims, of_groups).var
        rstd = torch.rsqrt(var + self.eps).expand(-1, -1, grouped.shape[2], *var.shape[3:])
        gate = torch.sigmoid(per_channel(self.v, x) * x)
        return self._scale_and_shift(x * gate * rstd.reshape(x.shape[0], -1, *var.shape[3:]))

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{super().extra_repr()}, groups={self.groups}"
