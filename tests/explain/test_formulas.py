"""Is the formula that is printed what the layer computes?"""

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from normzoo.explain import subject
from normzoo.explain._sections import formula
from normzoo.explain._subject import held

from .cases import EVERY, MAPS, SPECS, each_of
from .test_agreement import alike, explanation, layer_and_input, pool_numbers

FUNCTIONS: Mapping[str, Callable[..., Tensor]] = {
    "sqrt": torch.sqrt,
    "tanh": torch.tanh,
    "erf": torch.erf,
    "sigmoid": torch.sigmoid,
    "exp": torch.exp,
    "abs": torch.abs,
    "max": torch.maximum,
}
"""That a formula may use; ``mean`` is one, too, where it is written as one."""

STATISTICS = {
    "mean": ("", "mean", "mean square", "mean and variance"),
    "var": ("", "variance", "mean and variance"),
}
"""By its name in a formula, over which of several kinds of pools a statistic is taken."""

Names = dict[str, Any]


def moments(x: Tensor, *dims: int) -> tuple[Tensor, Tensor]:
    """Return the mean and the biased variance."""
    return x.mean(dims, keepdim=True), x.var(dims, correction=0, keepdim=True)


def standardized(x: Tensor, *dims: int) -> Tensor:
    mean, var = moments(x, *dims)
    return (x - mean) / torch.sqrt(var + 1e-5)


def named_in_batch_channel(x: Tensor, layer: Any) -> Names:
    gain = 0 if layer.weight is None else layer.weight.reshape(-1, 1, 1)
    factor = 1 if layer.weight is None else 1 + gain if layer.zero_centered else gain
    z = standardized(x, 0, 2, 3) * factor + (0 if layer.bias is None else layer.bias.reshape(-1, 1, 1))
    mean, var = moments(z.reshape(len(z), 2, -1), 2)
    return {
        "z": z,
        **{name: each.repeat_interleave(2, 1)[..., None] for name, each in (("mean_g", mean), ("var_g", var))},
    }


def named_in_switchable(x: Tensor, layer: Any) -> Names:
    of_all = [moments(x, *dims) for dims in ((2, 3), (1, 2, 3), (0, 2, 3))]
    shares = (layer.mean_weight.softmax(0), layer.var_weight.softmax(0))
    return {
        name: sum(share * each[index] for share, each in zip(shares[index], of_all, strict=True))
        for index, name in enumerate(("mean", "var"))
    }


def named_in_grn(x: Tensor, layer: Any) -> Names:  # noqa: ARG001
    return {"norm": x.square().sum((2, 3), keepdim=True).sqrt(), "mean": lambda norm: norm.mean(1, keepdim=True)}


def named_in_partial_rms(x: Tensor, layer: Any) -> Names:  # noqa: ARG001
    return {"first": x[:, :1], "mean": lambda squares: squares.mean((1, 2, 3), keepdim=True)}


OF_ITS_OWN: Mapping[str, Callable[[Tensor, Any], Names]] = {
    "batch-channel": named_in_batch_channel,
    "batch-instance": lambda _, layer: {
        "batch": lambda each: standardized(each, 0, 2, 3),
        "instance": lambda each: standardized(each, 2, 3),
        "rho": layer.rho.clamp(0, 1).reshape(-1, 1, 1),
    },
    "batch-renorm": lambda *_: {"r": 1, "d": 0},
    "evonorm-b0": lambda x, _: {"own_var": moments(x, 2, 3)[1]},
    "grn": named_in_grn,
    "partial-rms": named_in_partial_rms,
    "switchable": named_in_switchable,
}
"""What some formulas name beside the statistics of pools, as the sentence below them says it."""


def can_be_evaluated(spec: str) -> bool:
    """Whether a formula holds nothing but what the test below knows."""
    asked = subject(spec, MAPS)
    try:
        tree = ast.parse(formula(asked).removeprefix("y = ").replace("^", "**"), mode="eval")
    except SyntaxError:
        return False
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    statistics = {
        name for name, parts in STATISTICS.items() if explanation(asked).pooling or {*parts} & asked.parts.keys() - {""}
    }
    letters = {each.letter for each in held(asked)} - {""}
    own = OF_ITS_OWN.get(spec.partition(":")[0])
    layer, x = layer_and_input(spec, MAPS)
    return names <= {"x", *FUNCTIONS, *statistics, *letters, *asked.options, *(own(x, layer) if own else ())}


BEYOND = {"local-response", "noisy-batch"}
"""Norms whose formula holds more than the test below knows, neighbours and noise; to find that out takes as long as to
import all this."""

FORMULAS = [spec for spec in EVERY if spec.partition(":")[0] not in BEYOND]


@pytest.mark.slow
def test_all_formulas_are_evaluated_but_of_those_beyond() -> None:
    """Among them those of all norms with one pool."""
    assert [spec for spec in FORMULAS if not can_be_evaluated(spec)] == []
    assert set(SPECS) <= set(FORMULAS)


@each_of(FORMULAS)
def test_the_formula_is_what_the_layer_computes(spec: str) -> None:
    """As it is printed, with every statistic taken over the values of a letter, and every tensor by its own."""
    layer, x = layer_and_input(spec, MAPS)
    asked = subject(spec, MAPS)

    def pooled(values: Tensor, statistic: str = "mean") -> Tensor:
        parts = [part for part in STATISTICS[statistic] if part in asked.parts]
        numbers = pool_numbers(asked, asked.parts[parts[0]] if parts else None)
        same = alike(numbers).double()
        return (same @ values.reshape(-1) / same.sum(1)).reshape(values.shape)

    written = formula(asked).removeprefix("y = ").replace("^", "**")
    tensors = dict(layer.named_parameters()) | dict(layer.named_buffers())
    names: dict[str, Any] = {**asked.options, "x": x, **FUNCTIONS}
    for each in held(asked):
        if letter := each.letter:
            value = tensors[each.name].detach()
            names[letter] = value.reshape(-1, 1, 1) if each.per_channel else value
    names["mean"] = pooled if "mean(" in written else pooled(x)
    names["var"] = pooled((x - pooled(x)).square(), "var")
    if asked.options.get("unbiased"):
        names["var"] *= math.prod(asked.pools.extent) / (math.prod(asked.pools.extent) - 1)
    if "learned_eps" in tensors:
        names["eps"] = tensors["learned_eps"].detach().abs() + 1e-12
    if own := OF_ITS_OWN.get(spec.partition(":")[0]):
        names |= own(x, layer)
    expected = eval(written, {"__builtins__": {}}, names)  # noqa: S307  # of our own text
    torch.testing.assert_close(layer(x), expected)
