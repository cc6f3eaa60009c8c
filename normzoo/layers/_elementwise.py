"""In place of a norm: functions of each value alone, which squash large ones as norms do. No statistics.

    DyT:   y = weight * tanh(alpha * x) + bias
    Derf:  y = weight * erf(alpha * x + shift) + bias

Zhu, Chen, He, LeCun & Liu (2025), "Transformers without Normalization"; Chen, Lu, Zhu, Sun & Liu (2025), "Stronger
Normalization-Free Transformers".
"""

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from normzoo.layers._formula import FormulaNorm


class ElementwiseNorm(FormulaNorm):
    """What stands in place of a norm of inputs ``(N, C)`` or ``(N, C, *)``.

    ``alpha`` and ``shift`` are one learned number each for all channels; ``alpha`` starts at ``alpha``, ``shift`` at 0.

    Attributes:
        is_shifted: there is a ``shift``.
    """

    is_shifted: ClassVar[bool] = False
    shift: nn.Parameter | None

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
        channel_dim: int = 1,
        zero_centered: bool = False,
    ) -> None:
        super().__init__(
            num_features,
            affine=affine,
            bias=bias,
            device=device,
            dtype=dtype,
            channel_dim=channel_dim,
            zero_centered=zero_centered,
        )
        self.start = float(alpha)
        self.alpha = nn.Parameter(torch.empty((), device=device, dtype=dtype))
        self.register_parameter("shift", nn.Parameter(torch.empty_like(self.alpha)) if self.is_shifted else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set ``alpha`` to its start, ``weight`` to one, ``shift`` and ``bias`` to zero."""
        nn.init.constant_(self.alpha, self.start)
        if self.shift is not None:
            nn.init.zeros_(self.shift)
        super().reset_parameters()

    @abstractmethod
    def _function(self, x: Tensor) -> Tensor:
        """Return the function of each value."""

    def _compute(self, x: Tensor, mask: Tensor | None) -> Tensor:  # noqa: ARG002
        x = self.alpha.to(x.dtype) * x
        return self._scale_and_shift(self._function(x if self.shift is None else x + self.shift.to(x.dtype)))

    def extra_repr(self) -> str:
        """Return the arguments."""
        return (
            f"{self.num_features}, alpha={self.start}, affine={self.affine}, bias={self.bias is not None}"
            f"{self._policies()}"
        )


class DyT(ElementwiseNorm):
    """Dynamic tanh of inputs ``(N, C)`` or ``(N, C, *)``: the registry's ``dyt``.

    ``alpha`` starts at 0.5 in the paper, but in large language models, where it is less the wider they are, and more
    before attention than elsewhere.

    >>> y = DyT(3, alpha=2.0)(torch.full((1, 3), 100.0))
    >>> y.tolist()
    [[1.0, 1.0, 1.0]]
    """

    def _function(self, x: Tensor) -> Tensor:
        return torch.tanh(x)


class Derf(ElementwiseNorm):
    """Dynamic erf of inputs ``(N, C)`` or ``(N, C, *)``: the registry's ``derf``.

    ``alpha`` starts at 0.5, as in the authors' code.

    >>> y = Derf(3, alpha=2.0)(torch.full((1, 3), 100.0))
    >>> y.tolist()
    [[1.0, 1.0, 1.0]]
    """

    is_shifted = True

    def _function(self, x: Tensor) -> Tensor:
        return torch.erf(x)
