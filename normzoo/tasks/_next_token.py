"""The next token of a text, at every step: cross-entropy, perplexity and bits."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor
from torch.nn.functional import cross_entropy

from normzoo.errors import DataError
from normzoo.metric import CROSS_ENTROPY, Metric
from normzoo.tasks._task import Array, Targets, Task

if TYPE_CHECKING:
    from torchmetrics import Metric as TorchMetric


class NextToken(Task):
    """Targets are the token that follows each token, outputs the logits of all tokens; perplexity decides.

    Perplexity is the exponential of the mean cross-entropy, and bits its logarithm to base 2: of text in characters,
    the bits per character. Source: Shannon (1951), "Prediction and Entropy of Printed English".
    """

    loss = CROSS_ENTROPY
    metrics = (
        Metric(name="perplexity", decimals=3, higher_is_better=False, lowest=1),
        Metric(name="bits", label="bits per token", decimals=3, higher_is_better=False, lowest=0),
    )
    per_step: ClassVar[bool] = True

    def prepare(self, source: str, targets: Mapping[str, Array]) -> Targets:
        """Check that targets are integers ``(N, T)`` from 0, none of them larger than those of training."""
        for split, tokens in targets.items():
            if tokens.ndim != 2 or tokens.dtype.kind not in "iu":
                raise DataError(
                    f"{source}: y_{split} has type {tokens.dtype} and shape {tokens.shape}; the tokens that follow are "
                    "integers (N, T), as those of text:PATH are"
                )
        outputs = int(targets["train"].max()) + 1
        for split, tokens in targets.items():
            if tokens.min() < 0 or tokens.max() >= outputs:
                wrong = tokens.min() if tokens.min() < 0 else tokens.max()
                raise DataError(f"{source}: y_{split} holds the token {wrong}, but y_train's are 0 to {outputs - 1}")
        return Targets({split: tokens.astype("int64") for split, tokens in targets.items()}, outputs)

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy of each sample in nats, of logits ``(N, T, V)`` and tokens ``(N, T)``."""
        return cross_entropy(outputs.transpose(-2, -1), targets, reduction="none").mean(-1)

    def torchmetric(self, name: str, outputs: int) -> "TorchMetric":  # noqa: ARG002
        """Return the perplexity, or its logarithm to base 2."""
        from torchmetrics.text import Perplexity

        return Perplexity() if name == "perplexity" else _bits(Perplexity)

    def constant(self, targets: Tensor, outputs: int) -> Tensor:
        """Return the logarithms of the shares of the tokens; one that training does not have counts as seen once."""
        counts = targets.flatten().bincount(minlength=outputs).double().clamp(min=1)
        return counts.div(counts.sum()).log()


def _bits(perplexity: type["TorchMetric"]) -> "TorchMetric":
    """Return a perplexity whose logarithm to base 2 is computed; its class is made when torchmetrics is there."""

    class Bits(perplexity):  # type: ignore[misc, valid-type]
        def compute(self) -> Tensor:
            value: Tensor = super().compute()
            return value.log() / math.log(2)

    return Bits()
