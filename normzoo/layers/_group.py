"""Group normalization, whose pools are those of ``WithinGroups``.

    y = weight * (x - mean) / sqrt(var + eps) + bias

Wu & He (2018), "Group Normalization". One group is layer normalization of a map as they compare it; as many
groups as channels is instance normalization.
"""

from collections.abc import Sequence
from numbers import Integral

import torch
from torch import nn

from normzoo.layers._pooled import OverChannels, Pool, PooledNorm, WithinGroups


class GroupNorm(PooledNorm, nn.GroupNorm):
    """Group normalization of inputs ``(N, C)`` or ``(N, C, *)``; drop-in for ``torch.nn.GroupNorm``.

    Departure from torch.nn: one value per statistic (as many groups as channels, no positions) is an error in
    training, where torch.nn returns ``bias``.

    >>> y = GroupNorm(2, 6)(torch.randn(4, 6, 5, 5))
    >>> y.unflatten(1, (2, 3)).mean((2, 3, 4)).abs().max().item() < 1e-6
    True

    Raises:
        ValueError: ``num_groups`` does not divide ``num_channels``.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
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
            (num_channels,),
            eps=eps,
            weight=affine,
            bias=affine and bias,
            device=device,
            dtype=dtype,
            channel_dim=channel_dim,
            zero_centered=zero_centered,
            unbiased=unbiased,
        )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.affine = affine
        self._pool = self._pool_of(num_groups)
        self.reset_parameters()

    @property
    def pool(self) -> Pool:
        """The channels of a group."""
        pool = self._pool
        if self.num_groups != (pool.groups or 1):  # somebody has set it since
            pool = self._pool = self._pool_of(self.num_groups)
        return pool

    def _pool_of(self, groups: int) -> Pool:
        """Return the pool of so many groups.

        Raises:
            ValueError: they do not divide the channels.
        """
        channels = self.num_channels if self.weight is None else self.weight.shape[-1]
        check_groups(type(self).__name__, channels, groups)
        return OverChannels() if groups == 1 else WithinGroups(groups)

    def _check_shape(self, shape: Sequence[int]) -> None:
        if len(shape) < 2:
            raise self._error("the input must be at least 2D (N, C, *)", f"got {len(shape)}D", "add a batch dimension")
        if shape[1] != self.num_channels and not self._has_tensors_of(shape[1]):
            raise self._error(
                "the input's channels must equal num_channels",
                f"got {shape[1]} channels in shape {tuple(shape)} and num_channels={self.num_channels}",
                self._way_to_channels(
                    shape, self.num_channels, f"construct it with num_channels={shape[1]} or change the input"
                ),
            )

    def extra_repr(self) -> str:
        """Return the arguments, as torch.nn prints them."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}{self._policies()}"
        )


def check_groups(layer: str, channels: int, groups: int) -> None:
    """Raise a ``ValueError``, in the name of a layer, where groups do not divide channels."""
    if not isinstance(groups, Integral):
        raise ValueError(f"{layer}: groups must be a whole number, got groups={groups!r}; use for example groups=8")
    if groups < 1 or channels % groups:
        way_out = f"use groups={nearest_divisor(channels, groups)}"
        if groups > 0:
            way_out += f" or {_next_multiple(channels, groups)} channels"
        raise ValueError(f"{layer}: groups must divide channels, got channels={channels}, groups={groups}; {way_out}")


def nearest_divisor(channels: int, groups: int) -> int:
    """Return the number of groups nearest to the one asked for that divides the channels; of two, the smaller."""
    divisors = [divisor for divisor in range(1, channels + 1) if channels % divisor == 0] or [1]
    return min(divisors, key=lambda divisor: abs(divisor - groups))


def _next_multiple(channels: int, groups: int) -> int:
    return (channels // groups + 1) * groups


def group_norm(
    num_features: int,
    *,
    groups: int = 8,
    eps: float = 1e-5,
    affine: bool = True,
    channel_dim: int = 1,
    zero_centered: bool = False,
    unbiased: bool = False,
) -> GroupNorm:
    """Return group normalization of ``num_features`` channels in ``groups`` groups: the registry's ``group``."""
    return GroupNorm(
        groups,
        num_features,
        eps=eps,
        affine=affine,
        channel_dim=channel_dim,
        zero_centered=zero_centered,
        unbiased=unbiased,
    )


def layer_norm(
    num_features: int,
    *,
    eps: float = 1e-5,
    affine: bool = True,
    channel_dim: int = 1,
    zero_centered: bool = False,
    unbiased: bool = False,
) -> GroupNorm:
    """Return layer normalization of ``num_features`` channels: the registry's ``layer``.

    In a map this is one group, with ``weight`` and ``bias`` per channel, as Wu & He (2018) compare it; for a
    vector ``(N, C)`` it is ``LayerNorm(C)``.
    """
    return GroupNorm(
        1,
        num_features,
        eps=eps,
        affine=affine,
        channel_dim=channel_dim,
        zero_centered=zero_centered,
        unbiased=unbiased,
    )
