"""No normalization: the control of every comparison."""

from collections.abc import Mapping
from typing import Any, ClassVar, final

from torch import Tensor, nn


@final
class NoNorm(nn.Module):
    """Return the input; takes a mask as norms do, and ignores it, so that it can stand in any norm's place."""

    is_batch_independent: ClassVar[bool] = True

    __jit_ignored_attributes__: ClassVar[list[str]] = ["standardizes_weights"]

    standardizes_weights: Mapping[str, Any] | None = None

    def __init__(self, num_features: int | None = None) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: A002, ARG002
        """Return the input."""
        return input
