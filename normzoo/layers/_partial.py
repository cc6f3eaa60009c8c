"""Partial RMS normalization, whose root mean square is estimated from the first channels alone.

    y = weight * x / sqrt(mean(first^2) + eps) + bias

with ``first`` the values of the first ``ceil(p * C)`` channels.

Zhang & Sennrich (2019), "Root Mean Square Layer Normalization", where it is pRMSNorm.
"""

import math

import torch
from torch import Tensor

from normzoo.layers._formula import FormulaNorm, mean_square, positions


class PartialRMSNorm(FormulaNorm):
    """Partial RMS normalization of inputs ``(N, C)`` or ``(N, C, *)``: the registry's ``partial-rms``.

    As in SampleRMSNorm, a sample's positions are pooled: of a map, the first channels are taken whole. There is always
    one of them; ``p=1`` is SampleRMSNorm.

    >>> y = PartialRMSNorm(4, p=0.5)(torch.tensor([[3.0, 3.0, 60.0, 60.0]]))
    >>> [round(value, 3) for value in y.flatten().tolist()]
    [1.0, 1.0, 20.0, 20.0]

    Raises:
        ValueError: ``p`` is no fraction above 0.
    """

    is_batch_independent = True

    def __init__(
        self,
        num_features: int,
        p: float = 0.0625,
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
        if not 0 < p <= 1:
            raise ValueError(
                self._message(
                    "p must be a fraction above 0 and at most 1",
                    f"got p={p}",
                    "use for example p=0.0625",
                )
            )
        self.p = p
        self.reset_parameters()

    def _compute(self, x: Tensor, mask: Tensor | None) -> Tensor:
        channels = math.ceil(round(self.p * self.num_features, 6)) or 1  # 0.28 of 25 are 7.000000000000001
        first = x[:, :channels]
        return self._scale_and_shift(x * torch.rsqrt(mean_square(first, (1, *positions(x)), mask) + self.eps))

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{super().extra_repr()}, p={self.p}"
