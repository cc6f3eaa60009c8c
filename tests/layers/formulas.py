"""The list of norms with a formula of their own, each beside its paper's equations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from normzoo import layers

from .equations import (
    Array,
    State,
    batch,
    batch_channel,
    batch_instance,
    by_running,
    by_running_statistics,
    derf,
    dyt,
    evonorm_b0,
    evonorm_s0,
    extended,
    extended_in_evaluation,
    frn,
    grn,
    local_response,
    of_part,
    over,
    partial_rms,
    renorm,
    switchable,
)


@dataclass(frozen=True, kw_only=True)
class FormulaCase:
    """A norm of inputs ``(N, C, *)``, and what it should compute.

    Attributes:
        id: what the test run prints.
        layer: makes the norm of a number of channels.
        options: of its constructor.
        shape: of an input.
        training: the equations in training: of an input and the layer's state before the call.
        evaluation: the equations in evaluation; None: the same.
        couples_samples: whether a sample's output depends on the others, in training.
        checks: the class that refuses what does not fit, where the layer leaves that to a part.
    """

    id: str
    layer: Callable[..., nn.Module]
    options: Mapping[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...]
    training: Callable[[Array, State], Array]
    evaluation: Callable[[Array, State], Array] | None = None
    couples_samples: bool = False
    checks: type[nn.Module] | None = None

    def ours(self, dtype: torch.dtype | None = torch.float64) -> Any:
        """Make the layer, with parameters and statistics that are not those at the start."""
        layer = self.layer(self.shape[1], **self.options).to(dtype=dtype)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.add_(0.5 * torch.rand_like(parameter))
            for buffer in layer.buffers():
                if buffer.is_floating_point():
                    buffer.add_(0.5 * torch.rand_like(buffer))
        return layer

    def input(self, dtype: torch.dtype = torch.float64) -> Tensor:
        """Draw an input, whose channels and positions differ in mean and spread."""
        spread, mean = 1 + torch.rand(self.shape[1:]), torch.randn(self.shape[1:])
        return (mean + spread * torch.randn(self.shape)).to(dtype)

    @property
    def mask_shape(self) -> tuple[int, ...]:
        """The shape of a mask of an input."""
        return (self.shape[0], *self.shape[2:])

    def expected(self, layer: nn.Module, x: Tensor, *, training: bool) -> Tensor:
        """Return what the equations give."""
        state = {name: _broadcast(value, x) for name, value in layer.state_dict().items()}
        equations = self.training if training or self.evaluation is None else self.evaluation
        return torch.as_tensor(equations(x.detach().double().numpy(), state))


def _broadcast(value: Tensor, x: Tensor) -> Array:
    array: Array = value.detach().double().numpy()
    return array.reshape(-1, *(1 for _ in x.shape[2:])) if array.shape == (x.shape[1],) else array


FORMULAS = [
    FormulaCase(
        id="extended-maps",
        layer=layers.ExtendedBatchNorm,
        shape=(3, 4, 2, 3),
        training=extended(1e-5),
        evaluation=extended_in_evaluation,
        couples_samples=True,
    ),
    FormulaCase(
        id="extended-vectors-untracked",
        layer=layers.ExtendedBatchNorm,
        options={"track_running_stats": False, "affine": False, "eps": 1e-3},
        shape=(5, 4),
        training=extended(1e-3),
        couples_samples=True,
    ),
    FormulaCase(
        id="switchable-maps",
        layer=layers.SwitchableNorm,
        shape=(3, 4, 2, 3),
        training=switchable,
        evaluation=by_running(switchable),
        couples_samples=True,
    ),
    FormulaCase(
        id="switchable-sequences-untracked",
        layer=layers.SwitchableNorm,
        options={"track_running_stats": False, "affine": False},
        shape=(3, 4, 5),
        training=switchable,
        couples_samples=True,
    ),
    FormulaCase(
        id="batch-instance-maps",
        layer=layers.BatchInstanceNorm,
        options={"rho": 0.25},
        shape=(3, 4, 2, 3),
        training=batch_instance,
        evaluation=by_running(batch_instance),
        couples_samples=True,
    ),
    FormulaCase(
        id="batch-instance-sequences-untracked",
        layer=layers.BatchInstanceNorm,
        options={"rho": 0.25, "track_running_stats": False, "bias": False},
        shape=(3, 4, 5),
        training=batch_instance,
        couples_samples=True,
    ),
    FormulaCase(
        id="batch-channel-maps",
        layer=layers.BatchChannelNorm,
        options={"groups": 2},
        shape=(3, 4, 2, 3),
        training=batch_channel(2),
        evaluation=by_running(batch_channel(2)),
        couples_samples=True,
    ),
    FormulaCase(
        id="batch-channel-vectors-untracked",
        layer=layers.BatchChannelNorm,
        options={"groups": 2, "track_running_stats": False, "bias": False},
        shape=(5, 6),
        training=batch_channel(2),
        couples_samples=True,
    ),
    FormulaCase(
        id="batch-renorm-maps",
        layer=layers.BatchRenorm,
        shape=(3, 4, 2, 3),
        training=renorm(0.0),
        evaluation=by_running_statistics,
        couples_samples=True,
    ),
    FormulaCase(
        id="batch-renorm-vectors-clipped",  # all of r and d, so that they are constants, as in the gradient
        layer=layers.BatchRenorm,
        options={"r_max": 1.001, "d_max": 0.001, "begin": 0, "r_end": 0, "d_end": 0, "bias": False},
        shape=(5, 4),
        training=renorm(1.0, r_max=1.001, d_max=0.001),
        evaluation=by_running_statistics,
        couples_samples=True,
    ),
    FormulaCase(
        id="noisy-batch-maps-without-noise",  # which test_noise.py is about
        layer=layers.NoisyBatchNorm,
        options={"strength": 0.0},
        shape=(3, 4, 2, 3),
        training=of_part("norm", batch),
        evaluation=of_part("norm", by_running_statistics),
        couples_samples=True,
        checks=layers.BatchNorm,
    ),
    FormulaCase(
        id="domain-maps",
        layer=layers.DomainBatchNorm,
        options={"domains": 1},  # test_domain.py is about several
        shape=(3, 4, 2, 3),
        training=of_part("norms.0", batch),
        evaluation=of_part("norms.0", by_running_statistics),
        couples_samples=True,
        checks=layers.BatchNorm,
    ),
    FormulaCase(id="dyt-maps", layer=layers.DyT, shape=(3, 4, 2, 3), training=dyt),
    FormulaCase(id="dyt-vectors", layer=layers.DyT, options={"alpha": 1.5, "bias": False}, shape=(5, 4), training=dyt),
    FormulaCase(id="derf-maps", layer=layers.Derf, shape=(3, 4, 2, 3), training=derf),
    FormulaCase(id="derf-vectors", layer=layers.Derf, options={"affine": False}, shape=(5, 4), training=derf),
    FormulaCase(
        id="partial-rms-maps",
        layer=layers.PartialRMSNorm,
        options={"p": 0.3},
        shape=(3, 4, 2, 3),
        training=partial_rms(2),
    ),
    FormulaCase(id="partial-rms-vectors", layer=layers.PartialRMSNorm, shape=(5, 20), training=partial_rms(2)),
    FormulaCase(id="frn-maps", layer=layers.FilterResponseNorm, shape=(3, 4, 2, 3), training=frn),
    FormulaCase(
        id="frn-tlu-sequences",
        layer=layers.FilterResponseNorm,
        options={"threshold": True, "affine": False},
        shape=(3, 4, 5),
        training=frn,
    ),
    FormulaCase(
        id="frn-vectors-learned",
        layer=layers.FilterResponseNorm,
        options={"learn_eps": True, "threshold": True, "eps": 1e-4},
        shape=(5, 4),
        training=frn,
    ),
    FormulaCase(
        id="evonorm-b0-maps",
        layer=layers.EvoNormB0,
        shape=(3, 4, 2, 3),
        training=evonorm_b0(lambda x, _: x.var(over(x, "samples", "positions"), keepdims=True)),
        evaluation=evonorm_b0(lambda _, state: state["running_var"]),
        couples_samples=True,
    ),
    FormulaCase(
        id="evonorm-s0-maps", layer=layers.EvoNormS0, options={"groups": 2}, shape=(3, 4, 2, 3), training=evonorm_s0(2)
    ),
    FormulaCase(
        id="evonorm-s0-vectors", layer=layers.EvoNormS0, options={"groups": 1}, shape=(5, 4), training=evonorm_s0(1)
    ),
    FormulaCase(id="grn-maps", layer=layers.GlobalResponseNorm, shape=(3, 4, 2, 3), training=grn),
    FormulaCase(
        id="local-response-maps",
        layer=layers.LocalResponseNorm,
        shape=(3, 7, 2, 3),
        training=local_response(5, 1e-4, 0.75, 1.0),
    ),
    FormulaCase(
        id="local-response-vectors",
        layer=layers.LocalResponseNorm,
        options={"size": 4, "alpha": 0.5, "beta": 0.3, "k": 2.0},
        shape=(5, 7),
        training=local_response(4, 0.5, 0.3, 2.0),
    ),
]
ONE_OF_EACH_FORMULA = list({case.layer: case for case in reversed(FORMULAS)}.values())
"""A case for each class, for questions that take long to answer."""
