"""Channels that compete: the response of each is set against those of others.

    GRN:   y = x + weight * x * norm / (mean(norm) + eps) + bias
    LRN:   y = x / (k + alpha * mean(near^2)) ** beta

with ``norm`` the root of the sum of a channel's squares over positions, averaged over channels, and ``near`` the values
of the ``size`` channels around one, at its position.

Woo, Debnath, Hu, Chen, Liu, Kweon & Xie (2023), "ConvNeXt V2: Co-designing and Scaling ConvNets with Masked
Autoencoders"; Krizhevsky, Sutskever & Hinton (2012), "ImageNet Classification with Deep Convolutional Neural Networks".
"""

import torch
from torch import Tensor

from normzoo.layers._formula import FormulaNorm, positions


class GlobalResponseNorm(FormulaNorm):
    """Global response normalization of inputs ``(N, C, *)``: the registry's ``grn``.

    ``weight`` and ``bias`` start at 0, where it returns its input.

    >>> x = torch.randn(2, 3, 5, 5)
    >>> bool((GlobalResponseNorm(3)(x) == x).all())
    True
    """

    needs_positions = True
    is_batch_independent = True
    weight_start = 0.0

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-6,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_features, eps=eps, affine=True, bias=True, device=device, dtype=dtype)
        self.reset_parameters()

    def _compute(self, x: Tensor, mask: Tensor | None) -> Tensor:  # noqa: ARG002  # masked values are zero
        squares = x.square().sum(positions(x), keepdim=True)
        is_silent = squares == 0  # where the root has no gradient
        response = squares.masked_fill(is_silent, 1.0).sqrt().masked_fill(is_silent, 0.0)
        return x + self._scale_and_shift(x * (response / (response.mean(1, keepdim=True) + self.eps)))

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{self.num_features}, eps={self.eps}"


class LocalResponseNorm(FormulaNorm):
    """Local response normalization of inputs ``(N, C)`` or ``(N, C, *)``: the registry's ``local-response``.

    What ``torch.nn.LocalResponseNorm`` computes, of vectors as well. As there, ``alpha`` is divided by ``size``, which
    the paper does not do; the paper has ``k=2``.

    >>> y = LocalResponseNorm(3, size=1, alpha=1.0, beta=0.5)(torch.ones(1, 3))
    >>> (y - 0.5**0.5).abs().max().item() < 1e-6
    True

    Raises:
        ValueError: ``size`` is no whole number above 0.
    """

    is_batch_independent = True
    eps_may_be_none = True  # there is none

    def __init__(
        self,
        num_features: int,
        size: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 1.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_features, affine=False, bias=False, device=device, dtype=dtype)
        if not isinstance(size, int) or size < 1:
            raise ValueError(
                self._message("size must be a whole number above 0", f"got size={size!r}", "use for example size=5")
            )
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def _compute(self, x: Tensor, mask: Tensor | None) -> Tensor:  # noqa: ARG002  # each position for itself
        channels = x.shape[1]
        padded = torch.constant_pad_nd(x.square(), (0, 0) * len(positions(x)) + (self.size // 2, (self.size - 1) // 2))
        near = torch.stack([padded.narrow(1, first, channels) for first in range(self.size)]).sum(0)
        return x * (self.k + self.alpha / self.size * near).pow(-self.beta)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{self.num_features}, size={self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
