"""No normalization: the control of every comparison."""

from typing import ClassVar, final

from torch import Tensor, nn


@final
class NoNorm(nn.Module):
    """Return the input; takes a mask as norms do, and ignores it, so that it can stand in any norm's place."""

    treats_samples_alone: ClassVar[bool] = True

    def __init__(self, num_features: int | None = None) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return ``x``."""
        return x
