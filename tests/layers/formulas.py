"""The list of norms with a formula of their own, each beside its paper's equations in float64 NumPy."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from normzoo import layers

Array = npt.NDArray[np.float64]
State = Mapping[str, Array]
"""The layer's parameters and buffers by name; of those with one value per channel, in a shape that broadcasts."""


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


def affine(y: Array, state: State) -> Array:
    """Return ``weight * y + bias``, as far as there are such."""
    return y * state.get("weight", np.ones(())) + state.get("bias", np.zeros(()))


def over(x: Array, *names: str) -> tuple[int, ...]:
    """Return the axes of samples, channels and positions, as named.

    >>> over(np.zeros((2, 3, 4, 5)), "samples", "positions")
    (0, 2, 3)
    """
    axes = {"samples": (0,), "channels": (1,), "positions": tuple(range(2, x.ndim))}
    return tuple(axis for name in names for axis in axes[name])


def _extended(eps: float) -> Callable[[Array, State], Array]:
    def equations(x: Array, state: State) -> Array:
        deviations = x - x.mean(over(x, "samples", "positions"), keepdims=True)
        return affine(deviations / np.sqrt((deviations**2).mean() + eps), state)

    return equations


def _extended_in_evaluation(x: Array, state: State) -> Array:
    return affine((x - state["running_mean"]) / np.sqrt(state["running_var"].mean() + 1e-5), state)


def _moments(x: Array, *names: str) -> tuple[Array, Array]:
    """Return the mean and the biased variance over samples, channels or positions, kept with size 1."""
    return x.mean(over(x, *names), keepdims=True), x.var(over(x, *names), keepdims=True)


def _running(state: State) -> tuple[Array, Array]:
    return state["running_mean"], state["running_var"]


def _softmax(numbers: Array) -> Array:
    shares: Array = np.exp(numbers) / np.exp(numbers).sum()
    return shares


def _switchable(x: Array, state: State, batch: tuple[Array, Array] | None = None) -> Array:
    pools = (
        _moments(x, "positions"),
        _moments(x, "channels", "positions"),
        batch or _moments(x, "samples", "positions"),
    )
    mean = sum(share * pool[0] for share, pool in zip(_softmax(state["mean_weight"]), pools, strict=True))
    var = sum(share * pool[1] for share, pool in zip(_softmax(state["var_weight"]), pools, strict=True))
    return affine((x - mean) / np.sqrt(var + 1e-5), state)


def _batch_instance(x: Array, state: State, batch: tuple[Array, Array] | None = None) -> Array:
    rho = state["rho"].clip(0, 1)
    (mean_b, var_b), (mean_i, var_i) = batch or _moments(x, "samples", "positions"), _moments(x, "positions")
    of_batch, of_instance = (x - mean_b) / np.sqrt(var_b + 1e-5), (x - mean_i) / np.sqrt(var_i + 1e-5)
    return affine(rho * of_batch + (1 - rho) * of_instance, state)


def _batch_channel(groups: int) -> Callable[..., Array]:
    def equations(x: Array, state: State, batch: tuple[Array, Array] | None = None) -> Array:
        mean, var = batch or _moments(x, "samples", "positions")
        z = affine((x - mean) / np.sqrt(var + 1e-5), state).reshape(len(x), groups, -1)
        y = (z - z.mean(-1, keepdims=True)) / np.sqrt(z.var(-1, keepdims=True) + 1e-5)
        factor, summand = (
            state.get(f"channel_{name}", np.asarray(other)) for name, other in (("weight", 1), ("bias", 0))
        )
        scaled: Array = y.reshape(x.shape) * factor + summand
        return scaled

    return equations


def _by_running(equations: Callable[..., Array]) -> Callable[[Array, State], Array]:
    """Return the same with running statistics in place of the batch's."""
    return lambda x, state: equations(x, state, _running(state))


def _dyt(x: Array, state: State) -> Array:
    return affine(np.tanh(state["alpha"] * x), state)


def _derf(x: Array, state: State) -> Array:
    return affine(np.vectorize(math.erf)(state["alpha"] * x + state["shift"]), state)


def _partial_rms(first: int) -> Callable[[Array, State], Array]:
    def equations(x: Array, state: State) -> Array:
        square = (x[:, :first] ** 2).mean(over(x, "channels", "positions"), keepdims=True)
        return affine(x / np.sqrt(square + 1e-5), state)

    return equations


def _renorm(share: float, r_max: float = 3.0, d_max: float = 5.0) -> Callable[[Array, State], Array]:
    """Batch renormalization with limits that have grown to a share of their size."""

    def equations(x: Array, state: State) -> Array:
        axes = over(x, "samples", "positions")
        mean, std = x.mean(axes, keepdims=True), np.sqrt(x.var(axes, keepdims=True) + 1e-5)
        running_std = np.sqrt(state["running_var"] + 1e-5)
        most_r, most_d = 1 + share * (r_max - 1), share * d_max
        r = np.clip(std / running_std, 1 / most_r, most_r)
        d = np.clip((mean - state["running_mean"]) / running_std, -most_d, most_d)
        return affine((x - mean) / std * r + d, state)

    return equations


def _frn(x: Array, state: State) -> Array:
    eps = np.abs(state.get("learned_eps", np.array(1e-6)))
    y = affine(x / np.sqrt((x**2).mean(over(x, "positions"), keepdims=True) + eps), state)
    return np.maximum(y, state["tau"]) if "tau" in state else y


def _evonorm_b0(var: Callable[[Array, State], Array]) -> Callable[[Array, State], Array]:
    def equations(x: Array, state: State) -> Array:
        own = np.sqrt(x.var(over(x, "positions"), keepdims=True) + 1e-5)
        return affine(x / np.maximum(np.sqrt(var(x, state) + 1e-5), state["v"] * x + own), state)

    return equations


def _evonorm_s0(groups: int) -> Callable[[Array, State], Array]:
    def equations(x: Array, state: State) -> Array:
        parts = np.split(x, groups, axis=1)
        var = [np.broadcast_to(part.var(over(x, "channels", "positions"), keepdims=True), part.shape) for part in parts]
        return affine(x / (1 + np.exp(-state["v"] * x)) / np.sqrt(np.concatenate(var, axis=1) + 1e-5), state)

    return equations


def _grn(x: Array, state: State) -> Array:
    response = np.sqrt((x**2).sum(over(x, "positions"), keepdims=True))
    return x + affine(x * response / (response.mean(1, keepdims=True) + 1e-6), state)


def _local_response(size: int, alpha: float, beta: float, k: float) -> Callable[[Array, State], Array]:
    def equations(x: Array, state: State) -> Array:  # noqa: ARG001
        y = np.empty_like(x)
        for channel in range(x.shape[1]):
            near = x[:, max(0, channel - size // 2) : channel + (size + 1) // 2]
            y[:, channel] = x[:, channel] / (k + alpha / size * (near**2).sum(1)) ** beta
        return y

    return equations


def _by_running_statistics(x: Array, state: State) -> Array:
    return affine((x - state["running_mean"]) / np.sqrt(state["running_var"] + 1e-5), state)


def _batch(x: Array, state: State) -> Array:
    axes = over(x, "samples", "positions")
    return affine((x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5), state)


def _of_part(part: str, equations: Callable[[Array, State], Array]) -> Callable[[Array, State], Array]:
    """Return the equations of a part that holds all tensors."""
    return lambda x, state: equations(x, {name.removeprefix(f"{part}."): value for name, value in state.items()})


FORMULAS = [
    FormulaCase(
        id="extended-maps",
        layer=layers.ExtendedBatchNorm,
        shape=(3, 4, 2, 3),
        training=_extended(1e-5),
        evaluation=_extended_in_evaluation,
        couples_samples=True,
    ),
    FormulaCase(
        id="extended-vectors-untracked",
        layer=layers.ExtendedBatchNorm,
        options={"track_running_stats": False, "affine": False, "eps": 1e-3},
        shape=(5, 4),
        training=_extended(1e-3),
        couples_samples=True,
    ),
    FormulaCase(
        id="switchable-maps",
        layer=layers.SwitchableNorm,
        shape=(3, 4, 2, 3),
        training=_switchable,
        evaluation=_by_running(_switchable),
        couples_samples=True,
    ),
    FormulaCase(
        id="switchable-sequences-untracked",
        layer=layers.SwitchableNorm,
        options={"track_running_stats": False, "affine": False},
        shape=(3, 4, 5),
        training=_switchable,
        couples_samples=True,
    ),
    FormulaCase(
        id="batch-instance-maps",
        layer=layers.BatchInstanceNorm,
        options={"rho": 0.25},
        shape=(3, 4, 2, 3),
        training=_batch_instance,
        evaluation=_by_running(_batch_instance),
        couples_samples=True,
    ),
    FormulaCase(
        id="batch-instance-sequences-untracked",
        layer=layers.BatchInstanceNorm,
        options={"rho": 0.25, "track_running_stats": False, "bias": False},
        shape=(3, 4, 5),
        training=_batch_instance,
        couples_samples=True,
    ),
    FormulaCase(
        id="batch-channel-maps",
        layer=layers.BatchChannelNorm,
        options={"groups": 2},
        shape=(3, 4, 2, 3),
        training=_batch_channel(2),
        evaluation=_by_running(_batch_channel(2)),
        couples_samples=True,
    ),
    FormulaCase(
        id="batch-channel-vectors-untracked",
        layer=layers.BatchChannelNorm,
        options={"groups": 2, "track_running_stats": False, "bias": False},
        shape=(5, 6),
        training=_batch_channel(2),
        couples_samples=True,
    ),
    FormulaCase(
        id="batch-renorm-maps",
        layer=layers.BatchRenorm,
        shape=(3, 4, 2, 3),
        training=_renorm(0.0),
        evaluation=_by_running_statistics,
        couples_samples=True,
    ),
    FormulaCase(
        id="batch-renorm-vectors-clipped",  # all of r and d, so that they are constants, as in the gradient
        layer=layers.BatchRenorm,
        options={"r_max": 1.001, "d_max": 0.001, "begin": 0, "r_end": 0, "d_end": 0, "bias": False},
        shape=(5, 4),
        training=_renorm(1.0, r_max=1.001, d_max=0.001),
        evaluation=_by_running_statistics,
        couples_samples=True,
    ),
    FormulaCase(
        id="noisy-batch-maps-without-noise",  # which test_noise.py is about
        layer=layers.NoisyBatchNorm,
        options={"strength": 0.0},
        shape=(3, 4, 2, 3),
        training=_of_part("norm", _batch),
        evaluation=_of_part("norm", _by_running_statistics),
        couples_samples=True,
        checks=layers.BatchNorm,
    ),
    FormulaCase(
        id="domain-maps",
        layer=layers.DomainBatchNorm,
        options={"domains": 1},  # test_domain.py is about several
        shape=(3, 4, 2, 3),
        training=_of_part("norms.0", _batch),
        evaluation=_of_part("norms.0", _by_running_statistics),
        couples_samples=True,
        checks=layers.BatchNorm,
    ),
    FormulaCase(id="dyt-maps", layer=layers.DyT, shape=(3, 4, 2, 3), training=_dyt),
    FormulaCase(id="dyt-vectors", layer=layers.DyT, options={"alpha": 1.5, "bias": False}, shape=(5, 4), training=_dyt),
    FormulaCase(id="derf-maps", layer=layers.Derf, shape=(3, 4, 2, 3), training=_derf),
    FormulaCase(id="derf-vectors", layer=layers.Derf, options={"affine": False}, shape=(5, 4), training=_derf),
    FormulaCase(
        id="partial-rms-maps",
        layer=layers.PartialRMSNorm,
        options={"p": 0.3},
        shape=(3, 4, 2, 3),
        training=_partial_rms(2),
    ),
    FormulaCase(id="partial-rms-vectors", layer=layers.PartialRMSNorm, shape=(5, 20), training=_partial_rms(2)),
    FormulaCase(id="frn-maps", layer=layers.FilterResponseNorm, shape=(3, 4, 2, 3), training=_frn),
    FormulaCase(
        id="frn-tlu-sequences",
        layer=layers.FilterResponseNorm,
        options={"threshold": True, "affine": False},
        shape=(3, 4, 5),
        training=_frn,
    ),
    FormulaCase(
        id="frn-vectors-learned",
        layer=layers.FilterResponseNorm,
        options={"learn_eps": True, "threshold": True, "eps": 1e-4},
        shape=(5, 4),
        training=_frn,
    ),
    FormulaCase(
        id="evonorm-b0-maps",
        layer=layers.EvoNormB0,
        shape=(3, 4, 2, 3),
        training=_evonorm_b0(lambda x, _: x.var(over(x, "samples", "positions"), keepdims=True)),
        evaluation=_evonorm_b0(lambda _, state: state["running_var"]),
        couples_samples=True,
    ),
    FormulaCase(
        id="evonorm-s0-maps", layer=layers.EvoNormS0, options={"groups": 2}, shape=(3, 4, 2, 3), training=_evonorm_s0(2)
    ),
    FormulaCase(
        id="evonorm-s0-vectors", layer=layers.EvoNormS0, options={"groups": 1}, shape=(5, 4), training=_evonorm_s0(1)
    ),
    FormulaCase(id="grn-maps", layer=layers.GlobalResponseNorm, shape=(3, 4, 2, 3), training=_grn),
    FormulaCase(
        id="local-response-maps",
        layer=layers.LocalResponseNorm,
        shape=(3, 7, 2, 3),
        training=_local_response(5, 1e-4, 0.75, 1.0),
    ),
    FormulaCase(
        id="local-response-vectors",
        layer=layers.LocalResponseNorm,
        options={"size": 4, "alpha": 0.5, "beta": 0.3, "k": 2.0},
        shape=(5, 7),
        training=_local_response(4, 0.5, 0.3, 2.0),
    ),
]
ONE_OF_EACH_FORMULA = list({case.layer: case for case in reversed(FORMULAS)}.values())
"""A case for each class, for questions that take long to answer."""
