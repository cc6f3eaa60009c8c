"""Standardized weights: what a convolution or dense layer computes with has mean 0 and the same spread in every output.

    WeightStandardization:          w' = (w - mean) / sqrt(var + eps)
    ScaledWeightStandardization:    w' = gain * gamma / sqrt(fan_in) * (w - mean) / sqrt(var + eps)

with the mean and variance over the ``fan_in`` weights of an output channel.

Qiao, Wang, Liu, Shen & Yuille (2019), "Micro-Batch Training with Batch-Channel Normalization and Weight
Standardization". Brock, De & Smith (2021), "Characterizing signal propagation to close the performance gap in
unnormalized ResNets".
"""

from collections.abc import Mapping
from math import pi, sqrt
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from normzoo.layers._group import GroupNorm, group_norm
from normzoo.layers._kernels.spec import widened
from normzoo.layers._none import NoNorm

GAMMA_OF_RELU = sqrt(2 / (1 - 1 / pi))
"""What brings the variance of ReLU of normal values back to one (Brock et al. 2021)."""


class WeightStandardization(nn.Module):
    """A parametrization, for ``torch.nn.utils.parametrize``, of weights ``(out, *)``.

    ``eps`` is timm's; the authors' code adds 1e-5 to the deviation.

    >>> from torch.nn.utils.parametrize import register_parametrization
    >>> conv = register_parametrization(nn.Conv2d(3, 8, 3), "weight", WeightStandardization())
    >>> conv.weight.mean((1, 2, 3)).abs().max().item() < 1e-6
    True
    """

    def __init__(self, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, weight: Tensor) -> Tensor:
        """Standardize the weights of each output."""
        rows = widened(weight).flatten(1)
        deviations = rows - rows.mean(1, keepdim=True)
        squares = deviations.abs().square() if deviations.is_complex() else deviations.square()
        rstd = torch.rsqrt(squares.mean(1, keepdim=True) + self.eps)
        return (deviations * rstd).reshape(weight.shape).to(weight.dtype)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"eps={self.eps}"


class ScaledWeightStandardization(WeightStandardization):
    """The same with ``gain``, a learned factor per output that starts at one, and a scale that keeps variances.

    Inputs of variance one that have been through the activation of which ``gamma`` is the constant come out with
    variance one. It is sqrt(2 / (1 - 1 / pi)), about 1.71, for ReLU, and 1 without an activation.

    Args:
        outputs: how many output channels there are.
        gamma: the constant of the activation.
        eps: added to the variance.
        device: of ``gain``.
        dtype: of ``gain``.
    """

    def __init__(
        self,
        outputs: int,
        gamma: float = GAMMA_OF_RELU,
        eps: float = 1e-6,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(eps)
        self.gamma = gamma
        self.gain = nn.Parameter(torch.ones(outputs, device=device, dtype=dtype))

    def forward(self, weight: Tensor) -> Tensor:
        """Standardize the weights of each output, and scale them."""
        factor = self.gain * (self.gamma / sqrt(weight[0].numel()))
        return super().forward(weight) * factor.reshape(-1, *(1 for _ in weight.shape[1:])).to(weight.dtype)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{len(self.gain)}, gamma={self.gamma:.6g}, eps={self.eps}"


def weight_standardization(num_features: int) -> NoNorm:
    """Return no norm, with which convolutions are to have standardized weights: the registry's ``ws``."""
    return _asking(NoNorm(num_features), {"scaled": False})


def scaled_weight_standardization(num_features: int, *, gamma: float = GAMMA_OF_RELU) -> NoNorm:
    """Return no norm, with which they are to be standardized and scaled: the registry's ``scaled-ws``."""
    return _asking(NoNorm(num_features), {"scaled": True, "gamma": gamma})


def group_norm_with_weight_standardization(
    num_features: int,
    *,
    groups: int = 8,
    eps: float = 1e-5,
    affine: bool = True,
    channel_dim: int = 1,
    zero_centered: bool = False,
    unbiased: bool = False,
) -> GroupNorm:
    """Return group norm, with which convolutions are to have standardized weights: the registry's ``group+ws``."""
    norm = group_norm(
        num_features,
        groups=groups,
        eps=eps,
        affine=affine,
        channel_dim=channel_dim,
        zero_centered=zero_centered,
        unbiased=unbiased,
    )
    return _asking(norm, {"scaled": False})


Asking = TypeVar("Asking", NoNorm, GroupNorm)


def _asking(norm: Asking, weights: Mapping[str, Any]) -> Asking:
    """Have a norm ask that the weights of its network's convolutions be standardized."""
    norm.standardizes_weights = weights
    return norm
