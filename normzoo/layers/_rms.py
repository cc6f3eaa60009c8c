"""Root-mean-square normalization: division by the root mean square, without subtracting a mean.

    y = weight * x / sqrt(mean(x^2) + eps)

Zhang & Sennrich (2019), "Root Mean Square Layer Normalization".
"""

from collections.abc import Sequence
from typing import final

import torch
from torch import Size, Tensor

from normzoo.layers._base import Norm
from normzoo.layers._pool import OverChannels, product
from normzoo.layers._rows import RowNorm


@final
class RMSNorm(RowNorm):
    """RMS normalization of inputs ``(*, *normalized_shape)``; drop-in for ``torch.nn.RMSNorm``.

    ``eps=None`` means the machine epsilon of the type in which statistics are computed.

    >>> y = RMSNorm(6, eps=0.0)(torch.randn(4, 6))
    >>> (y.square().mean(-1) - 1).abs().max().item() < 1e-5
    True
    """

    centered = False
    eps_may_be_none = True

    def __init__(
        self,
        normalized_shape: int | Sequence[int] | Size,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(normalized_shape, eps=eps, weight=elementwise_affine, bias=False, device=device, dtype=dtype)
        self.elementwise_affine = elementwise_affine

    def _eps(self, x: Tensor) -> float:
        if self.eps is not None:
            return self.eps
        return torch.finfo(torch.promote_types(x.dtype, torch.float32)).eps

    def extra_repr(self) -> str:
        """Return the arguments, as torch.nn prints them."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


@final
class SampleRMSNorm(Norm):
    """RMS normalization over all channels and positions of a sample ``(N, C, *)``: the registry's ``rms``.

    To RMSNorm what layer normalization of a map (Wu & He 2018) is to LayerNorm; ``weight`` and ``bias`` per channel.
    torch.nn has no counterpart.
    """

    centered = False
    pool = OverChannels()

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__((num_features,), eps=eps, weight=affine, bias=affine and bias, device=device, dtype=dtype)
        self.num_features = num_features
        self.reset_parameters()

    def _size(self, shape: Sequence[int]) -> tuple[int, int, int]:
        if len(shape) < 2 or shape[1] != self.num_features:
            raise self._refusal(
                "the input must be (N, C, *) with num_features channels",
                f"got shape {tuple(shape)} and num_features={self.num_features}",
                "mend the input or num_features",
            )
        return shape[0], shape[1], product(shape[2:])

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{self.num_features}, eps={self.eps}"
