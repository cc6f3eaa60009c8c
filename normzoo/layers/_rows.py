"""How the norms over trailing dimensions see their input: one row per statistic, each value a channel."""

from collections.abc import Sequence
from numbers import Integral
from typing import Unpack

import torch
from torch import Size, Tensor

from normzoo.layers._kernels.torch_internals import jagged_like
from normzoo.layers._policies import Policies
from normzoo.layers._pooled import OverChannels, PooledNorm


class RowNorm(PooledNorm):
    """What LayerNorm and RMSNorm share: ``normalized_shape``, the trailing dimensions over which each row is pooled."""

    pool = OverChannels()
    is_channels_first = False
    way_to_more_values = "use a larger normalized_shape"

    def __init__(
        self,
        normalized_shape: int | Sequence[int] | Size,
        *,
        eps: float | None,
        weight: bool,
        bias: bool,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
        **policies: Unpack[Policies],
    ) -> None:
        shape = (int(normalized_shape),) if isinstance(normalized_shape, int | Integral) else tuple(normalized_shape)
        super().__init__(shape, eps=eps, weight=weight, bias=bias, device=device, dtype=dtype, **policies)
        self.normalized_shape = shape
        if not shape:
            raise ValueError(
                self._message("normalized_shape must have a dimension", "got ()", "give the trailing sizes")
            )
        self.reset_parameters()

    def _check_shape(self, shape: Sequence[int]) -> None:
        dims = len(self.normalized_shape)
        if tuple(shape[-dims:]) != tuple(self.normalized_shape):
            raise self._error(
                "the input must end in normalized_shape",
                f"got shape {tuple(shape)} and normalized_shape={self.normalized_shape}",
                f"use normalized_shape={tuple(shape[-dims:])} or reshape the input",
            )

    def _grid(self, rank: int) -> tuple[int, int, int, tuple[int, ...]]:
        leading = rank - len(self.normalized_shape)
        return leading, rank, rank, tuple(range(leading, rank))

    def _normalize_nested(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Normalize the rows of a nested tensor, none of which knows of the others."""
        if mask is not None:
            raise self._error("a nested tensor takes no mask", "got one", "all that it holds counts")
        if x.layout != torch.jagged:
            return torch.nested.as_nested_tensor([PooledNorm.forward(self, sample) for sample in x.unbind()])
        return jagged_like(x, PooledNorm.forward(self, x.values()))  # not self(...), which would run hooks once more
