"""Noisy batch normalization: batch normalization, and noise that moves the distribution which it has just made.

    y = s * (weight * (x - mean) / sqrt(var + eps) + bias) + m

with ``s`` and ``m`` at random, in training (see ``Noise``).

Santurkar, Tsipras, Ilyas & Madry (2018), "How Does Batch Normalization Help Optimization?", ask by it whether batch
norm helps by keeping distributions stable: with the noise they are not, and it trains about as well.
"""

from typing import ClassVar, final

import torch
from torch import Generator, Tensor, nn

from normzoo.layers._batch import BatchNorm
from normzoo.layers._kernels.moments import masked

Drawn = tuple[Tensor, ...]
"""Random numbers for an input: what it is multiplied by, and perhaps what is added to it; empty where it stays."""


@final
class Noise(nn.Module):
    """Multiply each value by a random factor and add a random shift, in training.

        y = s x + m        for each value      m ~ U(mean - r, mean + r)    s ~ N(spread, r^2)
                           for each channel    mean ~ U(-0.5 a, 0.5 a)      spread ~ U(1, 1 + 0.25 a)

    with r = 0.1 a, all anew at every step: where it follows a norm, the distribution that the norm has just made moves.
    After Santurkar et al. (2018), "How Does Batch Normalization Help Optimization?". That the numbers are theirs was
    not verified.

    Args:
        strength: a.

    Raises:
        ValueError: the strength is negative.
    """

    def __init__(self, strength: float = 1.0) -> None:
        super().__init__()
        if strength < 0:
            raise ValueError(f"Noise: strength must be at least 0, got {strength:g}; use 0 for no noise")
        self.strength = strength

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, *)`` to ``(N, C, *)``."""
        if not self.training or not self.strength:
            return x
        factor, shift = self.draw(x, None)
        return x * factor + shift

    def draw(self, x: Tensor, generator: Generator | None) -> Drawn:
        """Draw the factors and the shifts for an input ``(N, C, *)``."""
        if not self.strength:
            return ()
        channels = (x.shape[1], *(1 for _ in x.shape[2:]))
        half, jitter = 0.5 * self.strength, 0.1 * self.strength
        mean = x.new_empty(channels).uniform_(-half, half, generator=generator)
        spread = x.new_empty(channels).uniform_(1, 1 + half / 2, generator=generator)
        shift = x.new_empty(x.shape).uniform_(-jitter, jitter, generator=generator)
        factor = x.new_empty(x.shape).normal_(0, jitter, generator=generator)
        return factor.add_(spread), shift.add_(mean)


@final
class NoisyBatchNorm(nn.Module):
    """Batch normalization with noise after it, of inputs ``(N, C)`` or ``(N, C, *)``: the registry's ``noisy-batch``.

    In evaluation there is no noise, and it is batch norm.

    Args:
        num_features: channels.
        strength: of the noise; 0 is batch norm.
        eps: added to the variance.
        momentum: the weight of the newest batch in the running statistics; None: a plain average over all.
        affine: whether there are ``norm.weight`` and ``norm.bias``.
        track_running_stats: whether running statistics stand for a batch's own in evaluation.
        device: of the parameters and statistics.
        dtype: of the parameters and statistics.
        bias: whether there is a ``norm.bias`` beside ``norm.weight``.
        zero_centered: multiply by ``1 + norm.weight``, which starts at zero.

    Raises:
        ValueError: the strength is negative.
    """

    is_batch_independent: ClassVar[bool] = False
    consists_of_parts: ClassVar[bool] = True

    def __init__(
        self,
        num_features: int,
        strength: float = 1.0,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
        zero_centered: bool = False,
    ) -> None:
        super().__init__()
        self.norm = BatchNorm(
            num_features,
            eps,
            momentum,
            affine,
            track_running_stats,
            device,
            dtype,
            bias=bias,
            zero_centered=zero_centered,
        )
        self.norm.is_part = True
        self.noise = Noise(strength)

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: A002  # torch.nn's name
        """Normalize, and add the noise; what does not count comes out as zero."""
        norm: nn.Module = self.norm
        # Torch's own tools may have put its SyncBatchNorm there, which takes no mask.
        y: Tensor = self.noise(norm(input, mask) if mask is not None or isinstance(norm, BatchNorm) else norm(input))
        if mask is None:
            return y
        return masked(y, mask.unsqueeze(1 if self.norm.members is None else 2))

    def reset_parameters(self) -> None:
        """Set ``weight`` to one and ``bias`` to zero, and forget the running statistics."""
        self.norm.reset_parameters()
