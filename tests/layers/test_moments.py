"""Are moments put together exactly, and are pools the averaging operators that the layers take them for?"""

from functools import partial, reduce
from math import prod

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from normzoo.layers._kernels.moments import Moments, average, block_moments, merge, pool_moments
from normzoo.layers._pooled import OverChannels, OverNothing, OverSamples, Pool, WithinGroups

from .cases import Pools, per_channel, per_group, per_sample, per_sample_and_channel

SHAPES = [(4, 6), (3, 6, 5), (3, 6, 4, 5)]
POOLS: list[tuple[Pool, Pools]] = [
    (OverNothing(), per_sample_and_channel),
    (OverSamples(), per_channel),
    (OverChannels(), per_sample),
    (WithinGroups(1), per_sample),
    (WithinGroups(3), per_group(3)),
    (WithinGroups(6), per_sample_and_channel),
]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{len(shape)}D")
every_pool = pytest.mark.parametrize(
    ("pool", "pools"), POOLS, ids=lambda value: str(value) if hasattr(value, "axes") else ""
)
close = partial(assert_close, rtol=1e-10, atol=1e-10)


def random(*shape: int) -> Tensor:
    """Draw float64 values around 100, where E[x^2] - E[x]^2 would lose digits."""
    return 100 + torch.randn(*shape, dtype=torch.float64)


def moments_of(values: Tensor) -> Moments:
    """Return the moments of the values along dimension 0, by their definition."""
    if not len(values):
        return Moments(torch.zeros(values.shape[1:]).double(), values.sum(0), values.sum(0))
    count = torch.full(values.shape[1:], float(len(values)), dtype=values.dtype)
    return Moments(count, values.mean(0), (values - values.mean(0)).square().sum(0))


@pytest.mark.parametrize("sizes", [(3, 4), (1, 1), (0, 5), (5, 0), (0, 0), (1, 200)], ids=str)
def test_merge_is_the_moments_of_the_union(sizes: tuple[int, int]) -> None:
    """Merged moments are those of the concatenation, whichever side is empty or small."""
    one, other = (random(size, 3) for size in sizes)
    close(merge(moments_of(one), moments_of(other)), moments_of(torch.cat([one, other])))


def test_merge_is_associative_and_commutative() -> None:
    """The order in which parts are merged does not matter."""
    parts = [moments_of(random(size, 3)) for size in (2, 1, 7, 30)]
    left = reduce(merge, parts)
    right = reduce(lambda a, b: merge(b, a), reversed(parts))
    close(left, right)
    close(left, merge(merge(parts[3], parts[1]), merge(parts[2], parts[0])))


def test_merge_takes_plain_counts() -> None:
    """Counts may be numbers, where all elements hold equally many values."""
    one, other = random(3, 2), random(5, 2)
    parts = [Moments(int(part.count[0]), part.mean, part.m2) for part in map(moments_of, (one, other))]  # type: ignore[index]
    whole = merge(*parts)
    assert whole.count == 8.0
    close(whole[1:], moments_of(torch.cat([one, other]))[1:])


def test_merge_far_from_zero_in_single_precision() -> None:
    """The variance survives a mean of 1e4 in float32."""
    values = 1e4 + torch.randn(64, 3)
    whole = reduce(merge, [moments_of(values[start : start + 16]) for start in range(0, 64, 16)])
    assert_close(whole.m2 / whole.count, values.double().var(0, correction=0), rtol=1e-2, atol=0, check_dtype=False)


def cells(x: Tensor, pool: Pool | None = None) -> Tensor:
    """See a tensor ``(N, C, *)`` as samples, channels as the pool lays them out, and positions."""
    return x.reshape(x.shape[0], *(x.shape[1:2] if pool is None else split(pool, x.shape[1])), -1)


def split(pool: Pool, channels: int) -> tuple[int, ...]:
    """Return the dimensions in which a pool has its channels."""
    return (channels,) if pool.groups is None else (pool.groups, channels // pool.groups)


@every_shape
def test_block_moments_are_over_positions(shape: tuple[int, ...]) -> None:
    """Every sample and channel has the moments of its positions."""
    x = random(*shape)
    count, mean, m2 = block_moments(cells(x), 2)
    expected = moments_of(cells(x).movedim(-1, 0))
    close((mean.squeeze(-1), m2.expand_as(mean).squeeze(-1)), expected[1:])
    assert count == expected.count.flatten()[0]  # type: ignore[union-attr]


@every_shape
def test_masked_block_moments_are_over_valid_positions(shape: tuple[int, ...]) -> None:
    """Under a mask every sample and channel has the moments of its valid positions, NaN elsewhere or not."""
    x, mask = random(*shape), torch.rand(shape[0], 1, *shape[2:]) < 0.5
    mask[0] = False
    count, mean, m2 = block_moments(cells(x.masked_fill(~mask, float("nan"))), 2, mask.reshape(shape[0], 1, -1))
    assert isinstance(count, Tensor)
    for n in range(shape[0]):
        for c in range(shape[1]):
            expected = moments_of(x[n, c][mask[n, 0]])
            got = (count.expand_as(mean)[n, c, 0], mean[n, c, 0], m2.expand_as(mean)[n, c, 0])
            close(got, tuple(expected))


def pooled(x: Tensor, pool: Pool, mask: Tensor | None) -> list[Tensor]:
    """Return count, mean and variance of the pools, spread over the grid of samples and channels."""
    if mask is not None:
        mask = mask.reshape(x.shape[0], *(1 for _ in split(pool, x.shape[1])), -1)
    count, mean, var = pool_moments(block_moments(cells(x, pool), 1 + len(split(pool, x.shape[1])), mask), pool.axes)
    assert mean is not None
    grid = (x.shape[0], *split(pool, x.shape[1]), 1)
    return [torch.as_tensor(t, dtype=x.dtype).expand(grid).reshape(x.shape[:2]) for t in (count, mean, var)]


@pytest.mark.slow_but_one
@every_pool
@every_shape
@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
def test_pooled_moments_are_over_all_values_of_a_pool(
    shape: tuple[int, ...], pool: Pool, pools: Pools, masked: bool
) -> None:
    """Pooled mean and variance are those of all values that the pool's cells hold, however unequal their counts."""
    x = random(*shape)
    mask = (torch.rand(shape[0], 1, *shape[2:]) < 0.5) if masked else torch.ones(shape[0], 1, *shape[2:]) > 0
    if masked:
        mask[0] = False
    numbers, valid = pools(shape), mask.expand(shape)
    statistics = pooled(x, pool, mask if masked else None)
    for number in set(numbers.flatten().tolist()):
        members = (numbers == number).flatten(2).any(-1) if x.ndim > 2 else numbers == number
        values = x[(numbers == number) & valid]
        expected = [
            float(len(values)),
            values.mean() if len(values) else 0.0,
            values.var(correction=0) if len(values) else 0.0,
        ]
        for got, wanted in zip(statistics, expected, strict=True):
            close(got[members], torch.as_tensor(wanted, dtype=x.dtype).expand_as(got[members]))


@every_pool
def test_pools_are_averaging_projections(pool: Pool, pools: Pools) -> None:
    """A pool averages its cells, once and for all, and is its own adjoint."""
    grid = (4, *split(pool, 6))
    a, b = torch.randn(grid, dtype=torch.float64), torch.randn(grid, dtype=torch.float64)
    averaged = average(a, pool.axes).expand(grid)
    numbers = pools((4, 6)).reshape(grid)
    for number in set(numbers.flatten().tolist()):
        close(averaged[numbers == number], a[numbers == number].mean().expand_as(averaged[numbers == number]))
        assert int((numbers == number).sum()) == prod(grid[axis] for axis in pool.axes)
    close(average(averaged, pool.axes).expand(grid), averaged)
    close((averaged * b).sum(), (a * average(b, pool.axes).expand(grid)).sum())
