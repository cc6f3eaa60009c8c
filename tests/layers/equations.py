"""The equations of papers in float64 NumPy, of an input ``(N, C, *)`` and the layer's state."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
State = Mapping[str, Array]
"""The layer's parameters and buffers by name; of those with one value per channel, in a shape that broadcasts."""


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


def extended(eps: float) -> Callable[[Array, State], Array]:
    def equations(x: Array, state: State) -> Array:
        deviations = x - x.mean(over(x, "samples", "positions"), keepdims=True)
        return affine(deviations / np.sqrt((deviations**2).mean() + eps), state)

    return equations


def extended_in_evaluation(x: Array, state: State) -> Array:
    return affine((x - state["running_mean"]) / np.sqrt(state["running_var"].mean() + 1e-5), state)


def moments(x: Array, *names: str) -> tuple[Array, Array]:
    """Return the mean and the biased variance over samples, channels or positions, kept with size 1."""
    return x.mean(over(x, *names), keepdims=True), x.var(over(x, *names), keepdims=True)


def running(state: State) -> tuple[Array, Array]:
    return state["running_mean"], state["running_var"]


def softmax(numbers: Array) -> Array:
    shares: Array = np.exp(numbers) / np.exp(numbers).sum()
    return shares


def switchable(x: Array, state: State, batch: tuple[Array, Array] | None = None) -> Array:
    pools = (
        moments(x, "positions"),
        moments(x, "channels", "positions"),
        batch or moments(x, "samples", "positions"),
    )
    mean = sum(share * pool[0] for share, pool in zip(softmax(state["mean_weight"]), pools, strict=True))
    var = sum(share * pool[1] for share, pool in zip(softmax(state["var_weight"]), pools, strict=True))
    return affine((x - mean) / np.sqrt(var + 1e-5), state)


def batch_instance(x: Array, state: State, batch: tuple[Array, Array] | None = None) -> Array:
    rho = state["rho"].clip(0, 1)
    (mean_b, var_b), (mean_i, var_i) = batch or moments(x, "samples", "positions"), moments(x, "positions")
    of_batch, of_instance = (x - mean_b) / np.sqrt(var_b + 1e-5), (x - mean_i) / np.sqrt(var_i + 1e-5)
    return affine(rho * of_batch + (1 - rho) * of_instance, state)


def batch_channel(groups: int) -> Callable[..., Array]:
    def equations(x: Array, state: State, batch: tuple[Array, Array] | None = None) -> Array:
        mean, var = batch or moments(x, "samples", "positions")
        z = affine((x - mean) / np.sqrt(var + 1e-5), state).reshape(len(x), groups, -1)
        y = (z - z.mean(-1, keepdims=True)) / np.sqrt(z.var(-1, keepdims=True) + 1e-5)
        factor, summand = (
            state.get(f"channel_{name}", np.asarray(other)) for name, other in (("weight", 1), ("bias", 0))
        )
        scaled: Array = y.reshape(x.shape) * factor + summand
        return scaled

    return equations


def by_running(equations: Callable[..., Array]) -> Callable[[Array, State], Array]:
    """Return the same with running statistics in place of the batch's."""
    return lambda x, state: equations(x, state, running(state))


def dyt(x: Array, state: State) -> Array:
    return affine(np.tanh(state["alpha"] * x), state)


def derf(x: Array, state: State) -> Array:
    return affine(np.vectorize(math.erf)(state["alpha"] * x + state["shift"]), state)


def partial_rms(first: int) -> Callable[[Array, State], Array]:
    def equations(x: Array, state: State) -> Array:
        square = (x[:, :first] ** 2).mean(over(x, "channels", "positions"), keepdims=True)
        return affine(x / np.sqrt(square + 1e-5), state)

    return equations


def renorm(share: float, r_max: float = 3.0, d_max: float = 5.0) -> Callable[[Array, State], Array]:
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


def frn(x: Array, state: State) -> Array:
    eps = np.abs(state.get("learned_eps", np.array(1e-6)))
    y = affine(x / np.sqrt((x**2).mean(over(x, "positions"), keepdims=True) + eps), state)
    return np.maximum(y, state["tau"]) if "tau" in state else y


def evonorm_b0(var: Callable[[Array, State], Array]) -> Callable[[Array, State], Array]:
    def equations(x: Array, state: State) -> Array:
        own = np.sqrt(x.var(over(x, "positions"), keepdims=True) + 1e-5)
        return affine(x / np.maximum(np.sqrt(var(x, state) + 1e-5), state["v"] * x + own), state)

    return equations


def evonorm_s0(groups: int) -> Callable[[Array, State], Array]:
    def equations(x: Array, state: State) -> Array:
        parts = np.split(x, groups, axis=1)
        var = [np.broadcast_to(part.var(over(x, "channels", "positions"), keepdims=True), part.shape) for part in parts]
        return affine(x / (1 + np.exp(-state["v"] * x)) / np.sqrt(np.concatenate(var, axis=1) + 1e-5), state)

    return equations


def grn(x: Array, state: State) -> Array:
    response = np.sqrt((x**2).sum(over(x, "positions"), keepdims=True))
    return x + affine(x * response / (response.mean(1, keepdims=True) + 1e-6), state)


def local_response(size: int, alpha: float, beta: float, k: float) -> Callable[[Array, State], Array]:
    def equations(x: Array, state: State) -> Array:  # noqa: ARG001
        y = np.empty_like(x)
        for channel in range(x.shape[1]):
            near = x[:, max(0, channel - size // 2) : channel + (size + 1) // 2]
            y[:, channel] = x[:, channel] / (k + alpha / size * (near**2).sum(1)) ** beta
        return y

    return equations


def by_running_statistics(x: Array, state: State) -> Array:
    return affine((x - state["running_mean"]) / np.sqrt(state["running_var"] + 1e-5), state)


def batch(x: Array, state: State) -> Array:
    axes = over(x, "samples", "positions")
    return affine((x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5), state)


def of_part(part: str, equations: Callable[[Array, State], Array]) -> Callable[[Array, State], Array]:
    """Return the equations of a part that holds all tensors."""
    return lambda x, state: equations(x, {name.removeprefix(f"{part}."): value for name, value in state.items()})
