"""In place of a norm: functions of each value alone, which squash large ones as norms do. No statistics.

    DyT:   y = weight * tanh(alpha * x) + bias

Zhu, Chen, He, LeCun & Liu (2025), "Transformers without Normalization".
"""

import torch
from torch import Tensor, nn

from normzoo.layers._formula import FormulaNorm


class DyT(FormulaNorm):
    """Dynamic tanh of inputs ``(N, C)`` or ``(N, C, *)``: the registry's ``dyt``.

    ``alpha`` is one learned number for all channels; it starts at ``alpha`` (0.5 in the paper; for the attention and
    other blocks of large language models it gives other starts).

    >>> y = DyT(3, alpha=2.0)(torch.full((1, 3), 100.0))
    >>> y.tolist()
    [[1.0, 1.0, 1.0]]
    """

    is_batch_independent = True
    eps_may_be_none = True  # there is none

    def __init__(
        self,
        num_features: int,
        alpha: float = 0.5,
        affine: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, affine=affine, bias=bias, device=device, dtype=dtype)
        self.start = float(alpha)
        self.alpha = nn.Parameter(torch.empty((), device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set ``alpha`` to its start, ``weight`` to one and ``bias`` to zero."""
        nn.init.constant_(self.alpha, self.start)
        super().reset_parameters()

    def _compute(self, x: Tensor, mask: Tensor | None) -> Tensor:  # noqa: ARG002
        return self._scale_and_shift(torch.tanh(self.alpha.to(x.dtype) * x))

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{self.num_features}, alpha={self.start}, affine={self.affine}, bias={self.bias is not None}"
