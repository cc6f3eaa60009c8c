"""Domain-specific batch normalization: a batch norm for each domain of the data, in a network that they share.

Chang, You, Seo, Kwak & Han (2019), "Domain-Specific Batch Normalization for Unsupervised Domain Adaptation".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from normzoo.errors import UsageError
from normzoo.layers._batch import BatchNorm


@final
class DomainBatchNorm(nn.Module):
    """Batch normalization of inputs ``(N, C)`` or ``(N, C, *)`` of one domain at a time: the registry's ``domain``.

    Each domain has its own running statistics, and its own parameters unless they are shared. ``domain`` says which one
    a batch is of; ``normzoo.layers.domain`` sets it for all norms of a network. One that no batch is of gets no
    gradient. ``convert`` begins with new parameters; a trained batch norm's are loaded into each of ``norms``, as
    ``norm.norms[1].load_state_dict(trained.state_dict())``.

    Args:
        num_features: channels.
        domains: how many there are; 1 is batch norm.
        eps: added to the variance.
        momentum: the weight of the newest batch in the running statistics; None: a plain average over all.
        affine: whether there are weights and biases.
        track_running_stats: whether running statistics stand for a batch's own in evaluation.
        shared_affine: all domains have the same weight and bias.
        device: of the parameters and statistics.
        dtype: of the parameters and statistics.
        bias: whether there are biases beside the weights.
        zero_centered: multiply by one more than the weights, which start at zero.

    Attributes:
        norms: the batch norm of each domain.
        domain: the index of the one that is used; 0 at first.

    Raises:
        ValueError: there is no domain.
    """

    is_batch_independent: ClassVar[bool] = False
    consists_of_parts: ClassVar[bool] = True

    def __init__(
        self,
        num_features: int,
        domains: int = 2,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        shared_affine: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
        zero_centered: bool = False,
    ) -> None:
        super().__init__()
        if domains < 1:
            raise ValueError(
                f"DomainBatchNorm: domains must be at least 1, got domains={domains}; use 1 for batch norm"
            )
        self.domain = 0
        norms = [
            BatchNorm(
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
            for _ in range(domains)
        ]
        if shared_affine:
            for norm in norms[1:]:
                norm.weight, norm.bias = norms[0].weight, norms[0].bias
        for norm in norms:
            norm.is_part = True
        self.norms = nn.ModuleList(norms)

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: A002  # torch.nn's name
        """Normalize a batch of the domain that is set."""
        norm = self.norms[self.domain]
        # Torch's own tools may have put its SyncBatchNorm there, which takes no mask.
        y: Tensor = norm(input, mask) if mask is not None or isinstance(norm, BatchNorm) else norm(input)
        return y

    def reset_parameters(self) -> None:
        """Set weights to one and biases to zero, and forget the running statistics, of all domains."""
        for norm in self.norms:
            if isinstance(norm, BatchNorm):
                norm.reset_parameters()


@contextmanager
def domain(model: nn.Module, index: int) -> Iterator[None]:
    """Have the norms of a network normalize batches of one domain within; afterwards they are as before.

    With activation checkpointing the backward pass must be within, too.

    Args:
        model: a network with ``DomainBatchNorm``.
        index: of the domain, from 0 on.

    Raises:
        UsageError: there is no such norm in it, or one that does not have so many domains.

    >>> norm = DomainBatchNorm(3, domains=2)
    >>> with domain(norm, 1):
    ...     y = norm(torch.randn(8, 3) + 5)
    >>> [bool(each.running_mean.any()) for each in norm.norms]
    [False, True]
    """
    norms = [module for module in model.modules() if isinstance(module, DomainBatchNorm)]
    if not norms:
        raise UsageError("domain: the model has no DomainBatchNorm; exchange its norms by convert(model, 'domain')")
    fewest = min(len(norm.norms) for norm in norms)
    if not 0 <= index < fewest:
        raise UsageError(f"domain: index must be from 0 to {fewest - 1}, got {index}; make the norms with more domains")
    before = [norm.domain for norm in norms]
    for norm in norms:
        norm.domain = index
    try:
        yield
    finally:
        for norm, known in zip(norms, before, strict=True):
            norm.domain = known
