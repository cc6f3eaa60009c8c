"""Filter response normalization: each channel of each sample by its root mean square over positions.

    y = weight * x / sqrt(mean(x^2) + eps) + bias

and, with its thresholded linear unit in place of an activation, ``max(y, tau)``.

Singh & Krishnan (2020), "Filter Response Normalization Layer: Eliminating Batch Dependence in the Training of Deep
Neural Networks".
"""

import torch
from torch import Tensor, nn

from normzoo.layers._formula import FormulaNorm, counted, mean_square, per_channel, positions

_MIN_EPS = 1e-12
"""What is added to a learned one, whose absolute value can reach zero."""


class FilterResponseNorm(FormulaNorm):
    """Filter response normalization of inputs ``(N, C, *)``: the registry's ``frn``.

    With ``threshold`` it contains its activation. ``tau`` is one learned threshold per channel; it starts at 0, where
    the unit is a ReLU.

    Of a single position nothing but its sign is left, so such inputs are refused in training, and vectors always. The
    paper's way out is ``learn_eps``: ``|learned_eps|``, one learned number that starts at ``eps``, is added in place of
    it. Then vectors and single positions are taken. Departure from the paper: 1e-12 is added besides, as a channel of
    zeros would come out as NaN where ``learned_eps`` reaches 0.

    >>> y = FilterResponseNorm(3)(torch.randn(8, 3, 5, 5))
    >>> (y.square().mean((2, 3)) - 1).abs().max().item() < 1e-3
    True
    """

    learned_eps: nn.Parameter | None
    tau: nn.Parameter | None
    is_batch_independent = True
    way_to_more_values = "use more positions or learn_eps=True"

    def __init__(
        self,
        num_features: int,
        threshold: bool = False,
        eps: float = 1e-6,
        learn_eps: bool = False,
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
        self.needs_positions = not learn_eps
        self.contains_activation = threshold
        learned = nn.Parameter(torch.empty((), device=device, dtype=dtype)) if learn_eps else None
        self.register_parameter("learned_eps", learned)
        tau = nn.Parameter(torch.empty(num_features, device=device, dtype=dtype)) if threshold else None
        self.register_parameter("tau", tau)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set ``learned_eps`` to ``eps``, ``weight`` to one, ``bias`` and ``tau`` to zero."""
        if self.learned_eps is not None:
            nn.init.constant_(self.learned_eps, self.eps)
        if self.tau is not None:
            nn.init.zeros_(self.tau)
        super().reset_parameters()

    def _compute(self, x: Tensor, mask: Tensor | None) -> Tensor:
        dims = positions(x)
        eps = self.eps
        if self.learned_eps is None:
            self._refuse_few_values(counted(x, dims, mask), x.shape, statistics="a root mean square needs")
        else:
            eps = self.learned_eps.abs().to(x.dtype) + _MIN_EPS
        y = self._scale_and_shift(x * torch.rsqrt(mean_square(x, dims, mask) + eps))
        return y if self.tau is None else torch.maximum(y, per_channel(self.tau, y))

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{super().extra_repr()}, threshold={self.tau is not None}, learn_eps={self.learned_eps is not None}"


def thresholded(
    num_features: int,
    *,
    eps: float = 1e-6,
    learn_eps: bool = False,
    affine: bool = True,
    bias: bool = True,
    zero_centered: bool = False,
) -> FilterResponseNorm:
    """Return filter response normalization with its threshold: the registry's ``frn-tlu``."""
    return FilterResponseNorm(
        num_features,
        threshold=True,
        eps=eps,
        learn_eps=learn_eps,
        affine=affine,
        bias=bias,
        zero_centered=zero_centered,
    )
