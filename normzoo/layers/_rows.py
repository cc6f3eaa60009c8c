"""How the norms over trailing dimensions see their input: one row per statistic, each value a channel."""

from collections.abc import Sequence
from numbers import Integral

import torch
from torch import Size, Tensor

from normzoo.layers._base import Norm
from normzoo.layers._pool import OverChannels, product


class RowNorm(Norm):
    """What LayerNorm and RMSNorm share: ``normalized_shape``, the trailing dimensions over which each row is pooled."""

    pool = OverChannels()
    channels_follow_samples = False

    def __init__(
        self,
        normalized_shape: int | Sequence[int] | Size,
        *,
        eps: float | None,
        weight: bool,
        bias: bool,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        shape = (int(normalized_shape),) if isinstance(normalized_shape, int | Integral) else tuple(normalized_shape)
        super().__init__(shape, eps=eps, weight=weight, bias=bias, device=device, dtype=dtype)
        self.normalized_shape = shape
        if not shape:
            raise self._refusal("normalized_shape must have a dimension", "got ()", "give the trailing sizes")
        self.reset_parameters()

    def _size(self, shape: Sequence[int]) -> tuple[int, int, int]:
        dims = len(self.normalized_shape)
        if tuple(shape[-dims:]) != self.normalized_shape:
            raise self._refusal(
                "the input must end in normalized_shape",
                f"got shape {tuple(shape)} and normalized_shape={self.normalized_shape}",
                f"construct it with normalized_shape={tuple(shape[-len(self.normalized_shape) :])} or mend the input",
            )
        return product(shape[:-dims]), product(shape[-dims:]), 1

    def _mask_shape(self, x: Tensor) -> tuple[int, ...]:
        return tuple(x.shape[: x.ndim - len(self.normalized_shape)])
