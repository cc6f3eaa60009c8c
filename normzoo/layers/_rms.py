"""Root-mean-square normalization: division by the root mean square, without subtracting a mean.

    y = weight * x / sqrt(mean(x^2) + eps)

Zhang & Sennrich (2019), "Root Mean Square Layer Normalization".
"""

from collections.abc import Sequence

import torch
from torch import Size, Tensor, nn

from normzoo.layers._pooled import OverChannels, PooledNorm, RowNorm


class RMSNorm(RowNorm, nn.RMSNorm):
    """RMS normalization of inputs ``(*, *normalized_shape)``; drop-in for ``torch.nn.RMSNorm``.

    ``eps=None`` means the machine epsilon of the type in which statistics are computed.

    >>> y = RMSNorm(6, eps=0.0)(torch.randn(4, 6))
    >>> (y.square().mean(-1) - 1).abs().max().item() < 1e-5
    True
    """

    centered = False
    eps_may_be_none = True
    takes_complex = True

    def __init__(
        self,
        normalized_shape: int | Sequence[int] | Size,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        zero_centered: bool = False,
    ) -> None:
        super().__init__(
            normalized_shape,
            eps=eps,
            weight=elementwise_affine,
            bias=False,
            device=device,
            dtype=dtype,
            zero_centered=zero_centered,
        )
        self.elementwise_affine = elementwise_affine

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalize; torch.nn calls this norm's input ``x``."""
        return super().forward(x, mask)

    def _eps(self, x: Tensor) -> float:
        if self.eps is not None:
            return float(self.eps)
        return torch.finfo(torch.promote_types(x.dtype, torch.float32)).eps

    def extra_repr(self) -> str:
        """Return the arguments, as torch.nn prints them."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}{self._policies()}"
        )


class SampleRMSNorm(PooledNorm):
    """RMS normalization of inputs ``(N, C, *)``: the registry's ``rms``.

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
        channel_dim: int = 1,
        zero_centered: bool = False,
    ) -> None:
        super().__init__(
            (num_features,),
            eps=eps,
            weight=affine,
            bias=affine and bias,
            device=device,
            dtype=dtype,
            channel_dim=channel_dim,
            zero_centered=zero_centered,
        )
        self.num_features = num_features
        self.reset_parameters()

    def _check_shape(self, shape: Sequence[int]) -> None:
        if len(shape) < 2 or shape[1] != self.num_features:
            raise self._error(
                "the input must be (N, C, *) with num_features channels",
                f"got shape {tuple(shape)} and num_features={self.num_features}",
                self._way_to_channels(shape, self.num_features, "change the input or num_features"),
            )

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{self.num_features}, eps={self.eps}{self._policies()}"
