"""Does what is said of a norm hold for the real layer?"""

import copy
import inspect
import math
import re
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import torch
from torch import Tensor, nn

from normzoo.explain import Subject, subject
from normzoo.explain._pools import Pools
from normzoo.explain._subject import held, tensor_shape
from normzoo.layers import make_norm
from normzoo.layers._make import contains_activation
from normzoo.layers._pooled import Pool, WithinGroups
from normzoo.registry import NORMS, Explanation, Option, Pooling, load, values_per_statistic

from .cases import EVERY, MAPS, ONE_POOL, SPECS, each_in_all_shapes, each_of


def explanation(asked: Subject) -> Explanation:
    assert asked.about is not None
    return asked.about


def pool_numbers(asked: Subject, pools: Pools | None = None) -> Tensor:
    """Return the number of every value's pool, in the shape of the input; values without a pool have one each."""
    pools = pools or asked.pools
    samples, channels, positions = pools.sizes
    numbers = [
        pools.number(sample, channel, position)
        for sample in range(samples)
        for channel in range(channels)
        for position in range(positions)
    ]
    alone = [index if number is None else number for index, number in enumerate(numbers)]
    return torch.tensor(alone).reshape(asked.shape)


def layer_and_input(spec: str, shape: tuple[int, ...]) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    layer = make_norm(spec, shape[1]).double()
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    return layer, torch.randn(shape, dtype=torch.float64) + 1


def output(layer: nn.Module, *inputs: Tensor) -> Tensor:
    """Return what a copy puts out, with the same random numbers at every call."""
    torch.default_generator.manual_seed(1)  # a hundred times as fast as torch.manual_seed
    with torch.no_grad():
        y: Tensor = copy.deepcopy(layer)(*inputs)
    return y


def outputs_moved(layer: nn.Module, x: Tensor) -> Tensor:
    """Return, for each value of the input, which outputs change with it."""
    before, moved = output(layer, x), x.repeat(x.numel(), *([1] * x.ndim))
    moved.view(x.numel(), -1).diagonal().add_(0.5)
    after = torch.stack([output(layer, each) for each in moved.view(-1, *x.shape)])
    return ((after - before).abs() > 1e-9).view(x.numel(), -1)


def alike(numbers: Tensor) -> Tensor:
    """Return, for each of some numbers, which are the same."""
    return numbers.view(-1, 1) == numbers.view(1, -1)


def layers_pool(pooling: Pooling, options: Mapping[str, Option]) -> tuple[tuple[int, ...], int | None]:
    """Return the axes and groups of the layer's pool: of a grid ``(N, C)``, or ``(N, groups, C / groups)``."""
    samples = () if pooling.samples == "each" else (0,)
    groups = options.get(pooling.channels, 1 if pooling.channels == "all" else None)
    assert groups is None or isinstance(groups, int)
    if groups is None:
        return samples, None
    return (*samples, 1 if groups == 1 else 2), None if groups == 1 else groups


@each_of(SPECS)
def test_the_layer_pools_what_is_said(spec: str) -> None:
    """Its ``pool``, by which everything is computed; the control has none."""
    asked = subject(spec, MAPS)
    pool: Pool | None = getattr(make_norm(spec, MAPS[1]), "pool", None)
    pooling = explanation(asked).pooling
    if pooling is None:
        assert pool is None
        return
    assert pool is not None
    assert (pool.axes, pool.groups) == layers_pool(pooling, asked.options)
    assert pool.at_each_position == (pooling.positions == "each")


def test_the_group_of_the_registry_pools_what_is_said() -> None:
    """With as many groups as it has by itself, which the shapes here have no channels for."""
    entry = NORMS["group"]
    assert entry.explanation.pooling is not None
    pool = make_norm("group", 16).pool
    assert isinstance(pool, WithinGroups)
    assert (pool.axes, pool.groups) == layers_pool(entry.explanation.pooling, entry.options)


@pytest.mark.slow_but_one
@each_in_all_shapes
def test_a_value_moves_the_outputs_of_its_letter_and_no_others(spec: str, shape: tuple[int, ...]) -> None:
    """In training, for every value of the input."""
    layer, x = layer_and_input(spec, shape)
    assert outputs_moved(layer, x).equal(alike(pool_numbers(subject(spec, shape))))


@each_in_all_shapes
def test_values_per_statistic_are_those_of_a_letter(spec: str, shape: tuple[int, ...]) -> None:
    """As many as a value of the input moves outputs of the layer; of the control there is no statistic."""
    samples, channels, *positions = shape
    counted = values_per_statistic(spec, samples=samples, channels=channels, positions=math.prod(positions))
    if spec == "none":
        assert counted is None
        return
    layer, x = layer_and_input(spec, shape)
    moved = x.clone()
    moved.view(-1)[0] += 0.5
    assert counted == int(((output(layer, moved) - output(layer, x)).abs() > 1e-9).sum())


@pytest.mark.parametrize(
    ("norm", "sizes", "values"),
    [
        ("batch", (2, 64, 1), 2),
        ("ghost", (32, 64, 1), 8),
        ("ghost:size=8", (9, 64, 16), 64),
        ("ghost:size=8", (3, 64, 16), 48),
        ("batch", (2, 32, 64), 128),
        ("group", (2, 64, 1), 8),
        ("group:groups=4", (32, 64, 16), 256),
        ("instance", (2, 32, 64), 64),
        ("layer", (2, 32, 64), 2048),
        ("batch-renorm", (2, 64, 1), 2),
        ("frn", (2, 32, 64), 64),
        ("evonorm-s0", (2, 64, 1), 8),
        ("switchable", (2, 32, 64), None),
        ("torch.nn:BatchNorm2d", (2, 32, 64), None),
    ],
)
def test_values_per_statistic_of_known_cases(norm: str, sizes: tuple[int, int, int], values: int | None) -> None:
    """By the sizes of a place: samples, channels, positions."""
    samples, channels, positions = sizes
    assert values_per_statistic(norm, samples=samples, channels=channels, positions=positions) == values


@pytest.mark.slow_but_one
@each_of(SPECS)
def test_what_is_said_of_inference_holds(spec: str) -> None:
    """With running statistics an output depends on its own value alone; without, on its pool, as in training."""
    layer, x = layer_and_input(spec, MAPS)
    layer(x)
    layer.eval()
    asked = subject(spec, MAPS)
    said = [line.text for line in explanation(asked).inference if line.holds(asked.options)]
    assert len(said) == 1
    is_tracked = said[0].startswith("running_mean and running_var")
    assert is_tracked == any(each.name == "running_mean" for each in held(asked))
    assert outputs_moved(layer, x).equal(alike(torch.arange(x.numel()) if is_tracked else pool_numbers(asked)))


WITH_PARTS = [spec for spec in EVERY if NORMS.entry(NORMS.parse(spec)).explanation.parts]


@each_of(WITH_PARTS)
def test_a_value_moves_what_shares_a_statistic_with_it(spec: str) -> None:
    """In training, also over another value where there are two kinds; but where an activation hides it."""
    layer, x = layer_and_input(spec, MAPS)
    asked = subject(spec, MAPS)
    shared = torch.stack([alike(pool_numbers(asked, pools)) for pools in asked.parts.values()]).any(0)
    reached = (shared.double() @ shared.double()) > 0
    moved = outputs_moved(layer, x)
    assert not (moved & ~reached).any()
    if not contains_activation(layer):
        assert not (shared & ~moved).any()
    assert moved.any(0).float().mean() > 0.4


@each_of(EVERY)
def test_inference_is_training_where_that_is_said(spec: str) -> None:
    """After a step of it; not so where running statistics are kept."""
    layer, x = layer_and_input(spec, MAPS)
    before = output(layer, x)
    layer(x)
    asked = subject(spec, MAPS)
    said = [line.text for line in explanation(asked).inference if line.holds(asked.options)]
    assert said
    is_same = torch.allclose(output(layer.eval(), x), before)
    assert is_same or not said[0].startswith("As in training")
    assert not is_same or not any(each.name == "running_mean" for each in held(asked))


@each_of(EVERY)
def test_parameters_and_state_are_the_layers(spec: str) -> None:
    """By name, shape, and the value at which they start, where that is a number."""
    layer = make_norm(spec, MAPS[1])
    asked = subject(spec, MAPS)
    described = {each.name: each for each in held(asked)}
    learned = {name for name, each in described.items() if each.learned}
    real = dict(layer.named_parameters()) | dict(layer.named_buffers())
    assert described.keys() == real.keys()
    assert learned == dict(layer.named_parameters()).keys()
    for name, tensor in real.items():
        assert tensor_shape(asked, described[name]) == tuple(tensor.shape)
        does = described[name].does
        start = re.search(r"starts at (-?\d+(?:\.\d+)?)$", does)
        if spec in SPECS:
            assert start is not None
        if start is not None:
            torch.testing.assert_close(tensor, torch.full_like(tensor, float(start[1])))
        else:
            assert "starts" in does or "there for" in does


@pytest.mark.parametrize("name", NORMS)
def test_the_options_are_the_layers(name: str) -> None:
    """All that it takes but its size and place, with its own defaults."""
    parameters = inspect.signature(load(NORMS[name].target)).parameters  # type: ignore[arg-type]
    takes = {
        key: parameter.default
        for key, parameter in parameters.items()
        if key not in ("num_features", "device", "dtype")
    }
    assert NORMS[name].explanation.options == takes
    assert set(NORMS[name].options) <= set(takes)


@pytest.mark.parametrize("name", NORMS)
def test_the_choices_are_the_layers(name: str) -> None:
    """Of every option that is a word."""
    target: Any = load(NORMS[name].target)
    hints = get_type_hints(target.__init__ if inspect.isclass(target) else target)
    words = {key: get_args(hint) for key, hint in hints.items() if get_origin(hint) is Literal}
    assert NORMS[name].explanation.choices == {
        key: words[key] for key in words if key in NORMS[name].explanation.options
    }


@each_of(EVERY)
def test_whether_a_mean_is_subtracted(spec: str) -> None:
    """Then it does not matter by how much all values are shifted; only then does one value say nothing."""
    layer, x = layer_and_input(spec, MAPS)
    is_centered = torch.allclose(output(layer, x + 1), output(layer, x), rtol=1e-4, atol=1e-6)
    assert explanation(subject(spec, MAPS)).centered == is_centered
    if spec in SPECS:
        assert is_centered == getattr(layer, "centered", False)


@each_of(EVERY)
def test_what_is_said_of_masks_holds(spec: str) -> None:
    """What does not count comes out as zero and moves nothing; the control ignores masks."""
    layer, x = layer_and_input(spec, MAPS)
    mask = torch.tensor([[[True, True], [True, False]], [[True, False], [True, True]]])
    left_out = ~mask.unsqueeze(1).expand(x.shape)
    y = output(layer, x, mask)
    if explanation(subject(spec, MAPS)).normalized == "x":
        assert y.equal(x)
        return
    assert not y[left_out].any()
    assert output(layer, x.where(~left_out, 99.0), mask).equal(y)


@pytest.mark.parametrize(
    "name", [name for name in ONE_POOL if not name.startswith(("group", "none"))] + ["group:groups=2"]
)
def test_what_is_kept_for_backward(name: str) -> None:
    """The input, the weight, and as many numbers per pool as it says."""
    layer, x = layer_and_input(name, MAPS)
    asked = subject(name, MAPS)
    kept: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        layer(x.requires_grad_())
    said = next(line.text for line in explanation(asked).cost if line.text.startswith("Kept for backward"))
    per_pool = 2 if "2 x {pools}" in said else 1
    weight = [MAPS[1]] * len([each for each in held(asked) if each.name == "weight"])
    assert sorted(kept) == sorted([math.prod(MAPS), *weight, *[asked.pools.count] * per_pool])
