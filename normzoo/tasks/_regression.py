"""Numbers: their squared error, RMSE and R2."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from normzoo.errors import DataError
from normzoo.metric import Metric
from normzoo.tasks._task import Array, Scale, Targets, Task

if TYPE_CHECKING:
    from torchmetrics import Metric as TorchMetric


class Regression(Task):
    """Targets are numbers; the loss is their squared error, and the root of its mean (RMSE) decides.

    Targets are standardized by the training split's mean and standard deviation, so that one learning rate serves data
    of any size; the metrics are in the units of the data. RMSE is over all outputs, R2 their mean.
    """

    loss = Metric(name="squared error", higher_is_better=False, lowest=0)
    metrics = (
        Metric(name="rmse", label="RMSE", higher_is_better=False, lowest=0),
        Metric(name="r2", label="R2", decimals=3, higher_is_better=True, highest=1),
    )

    def prepare(self, source: str, targets: Mapping[str, Array]) -> Targets:
        """Check that targets are finite numbers of one shape, and standardize them."""
        numbers = {split: _numbers(f"{source}: y_{split}", values) for split, values in targets.items()}
        train = numbers["train"]
        for split, values in numbers.items():
            if values.shape[1:] != train.shape[1:]:
                numbers_here = f"{values.shape[1]} number{'s' if values.shape[1] > 1 else ''}"
                raise DataError(f"{source}: y_{split} has {numbers_here} per sample, but y_train has {train.shape[1]}")
            if len(values) < 2:
                raise DataError(
                    f"{source}: y_{split} holds one sample; R2 needs at least two, so give more, or an x_val and y_val"
                )
        with np.errstate(over="ignore"):
            mean, std = train.mean(0), train.std(0)
        constant = np.flatnonzero(train.min(0) == train.max(0))  # of which the deviation may be a rounded zero
        if len(constant) == train.shape[1]:
            raise DataError(f"{source}: y_train is constant; there is nothing to learn")
        if len(constant):
            raise DataError(
                f"{source}: y_train is constant in column {constant[0]}; there is nothing to learn, so leave it out"
            )
        if not ((std > 0) & np.isfinite(std)).all():
            raise DataError(
                f"{source}: y_train holds values that are too small or too large: float64 has no square of them; give "
                "them in another unit"
            )
        standardized = {split: ((values - mean) / std).astype(np.float32) for split, values in numbers.items()}
        return Targets(standardized, train.shape[1], Scale(tuple(mean.tolist()), tuple(std.tolist())))

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the squared error of each sample, the mean over its numbers, of ``(N, K)`` and ``(N, K)``."""
        return (outputs - targets).square().mean(-1)

    def torchmetric(self, name: str, outputs: int) -> "TorchMetric":  # noqa: ARG002
        """Return the root mean squared error, or R2."""
        from torchmetrics.regression import MeanSquaredError, R2Score

        if name == "r2":
            return R2Score()
        return MeanSquaredError(squared=False)

    def constant(self, targets: Tensor, outputs: int) -> Tensor:  # noqa: ARG002
        """Return the means."""
        return targets.mean(0)

    def in_units(self, values: Tensor, scale: Scale) -> Tensor:
        """Return numbers in the units of the data."""
        return values * values.new_tensor(scale.std) + values.new_tensor(scale.mean)


def _numbers(source: str, values: Array) -> Array:
    """Return targets ``(N, K)`` as float64."""
    if values.ndim not in (1, 2) or values.size == 0:
        raise DataError(f"{source} has shape {values.shape}; targets of a regression are (N,) or (N, K), so reshape it")
    if values.dtype.kind not in "iuf":
        raise DataError(f"{source} has type {values.dtype}; targets of a regression are numbers")
    numbers = values.reshape(len(values), -1).astype(np.float64)
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        where = tuple(int(index) for index in np.argwhere(wrong)[0])
        raise DataError(
            f"{source} holds values that are not finite, the first ({numbers[where]}) at sample {where[0]}; "
            "remove those samples or replace the values"
        )
    return numbers
