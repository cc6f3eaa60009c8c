"""Layer normalization: one mean and variance per row, over the trailing dimensions or over the channels.

    y = weight * (x - mean) / sqrt(var + eps) + bias

Ba, Kiros & Hinton (2016), "Layer Normalization".
"""

from collections.abc import Sequence

import torch
from torch import Size, nn

from normzoo.layers._pooled import OverChannels, PooledNorm, RowNorm


class LayerNorm(RowNorm, nn.LayerNorm):
    """Layer normalization of inputs ``(*, *normalized_shape)``; drop-in for ``torch.nn.LayerNorm``.

    ``weight`` and ``bias`` have the shape ``normalized_shape``. For convolutional maps ``(N, C, H, W)`` with a factor
    per channel, as the literature compares it, use ``make_norm("layer", C)``.

    Departure from torch.nn: one value per statistic (``normalized_shape`` of one value) is an error in training,
    where torch.nn returns ``bias``.

    >>> y = LayerNorm(6)(torch.randn(4, 5, 6))
    >>> y.mean(-1).abs().max().item() < 1e-6
    True
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int] | Size,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        zero_centered: bool = False,
        unbiased: bool = False,
    ) -> None:
        super().__init__(
            normalized_shape,
            eps=eps,
            weight=elementwise_affine,
            bias=elementwise_affine and bias,
            device=device,
            dtype=dtype,
            zero_centered=zero_centered,
            unbiased=unbiased,
        )
        self.elementwise_affine = elementwise_affine

    def extra_repr(self) -> str:
        """Return the arguments, as torch.nn prints them."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}{self._policies()}"
        )


class ChannelLayerNorm(PooledNorm):
    """Layer normalization of each position of inputs ``(N, C, *)`` over its channels: the registry's ``channel-layer``.

    It is ``LayerNorm(C)`` where channels are second rather than last: that of a transformer's tokens (Vaswani et al.
    2017), and of maps in ConvNeXt (Liu et al. 2022, "A ConvNet for the 2020s"), torchvision's ``LayerNorm2d``. Nothing
    is moved in memory. ``weight`` and ``bias`` per channel. torch.nn has no counterpart.

    >>> y = ChannelLayerNorm(6)(torch.randn(4, 6, 5, 5))
    >>> y.mean(1).abs().max().item() < 1e-6
    True
    """

    pool = OverChannels(at_each_position=True)
    way_to_more_values = "use more channels"

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
        unbiased: bool = False,
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
            unbiased=unbiased,
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


class PositionNorm(ChannelLayerNorm):
    """Positional normalization (PONO) of inputs ``(N, C, *)``: the registry's ``position``.

    It is ``ChannelLayerNorm`` without ``weight`` and ``bias`` unless asked for. Li, Wu, Weinberger & Belongie (2019),
    "Positional Normalization". Departures from it: the variance is biased, where their code has
    the unbiased one, and the moments are not handed to a later layer (their moment shortcut).

    >>> y = PositionNorm(6)(torch.randn(4, 6, 5, 5))
    >>> y.mean(1).abs().max().item() < 1e-6
    True
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        affine: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
        zero_centered: bool = False,
    ) -> None:
        super().__init__(num_features, eps, affine, device, dtype, bias=bias, zero_centered=zero_centered)
