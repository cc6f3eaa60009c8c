"""Has each norm the mathematical properties of what it pools?"""

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from .cases import NORMS, Case, on_each_backend
from .references import pool_values, randomized

every_norm = on_each_backend(NORMS)
centered_norms = on_each_backend([case for case in NORMS if case.centered])
uncentered_norms = on_each_backend([case for case in NORMS if not case.centered])
nearly = partial(assert_close, rtol=1e-4, atol=1e-4)  # eps against the variance of the inputs below

pytestmark = pytest.mark.usefixtures("on_backend")


def wide_input(case: Case) -> Tensor:
    """Draw an input so wide that eps hardly counts."""
    return 100 * case.input()


def one_per_pool(case: Case) -> Tensor:
    """Draw a positive number for each pool, in the shape of the input."""
    assert case.pools is not None
    pools = case.pools(case.shape)
    return (0.5 + torch.rand(int(pools.max()) + 1, dtype=torch.float64))[pools]


@centered_norms
def test_pools_have_mean_zero_and_variance_one(case: Case) -> None:
    """The values that share a statistic come out with mean 0 and variance 1."""
    layer = case.ours(torch.float64)
    for values in pool_values(case, layer(wide_input(case))):
        assert_close(values.mean().item(), 0.0, rtol=0, atol=1e-9)
        nearly(values.var(correction=int(layer.unbiased)).item(), 1.0)


@uncentered_norms
def test_pools_have_mean_square_one(case: Case) -> None:
    """The values that share a root mean square come out with mean square 1, and keep their signs."""
    x = wide_input(case)
    y = case.ours(torch.float64)(x)
    for values in pool_values(case, y):
        nearly(values.square().mean().item(), 1.0)
    assert torch.equal(y.sign(), x.sign())


@centered_norms
def test_shift_of_a_pool_does_not_matter(case: Case) -> None:
    """A number added to all values of a pool changes nothing."""
    layer, x = randomized(case.ours(torch.float64)), wide_input(case)
    assert_close(layer(x + 1000 * one_per_pool(case)), layer(x), rtol=1e-9, atol=1e-9)


@uncentered_norms
def test_shift_matters_without_centering(case: Case) -> None:
    """The norms that keep the mean do not forget a shift."""
    layer, x = case.ours(torch.float64), wide_input(case)
    assert (layer(x + 1000 * one_per_pool(case)) - layer(x)).abs().max() > 0.1


@every_norm
def test_scale_of_a_pool_does_not_matter(case: Case) -> None:
    """A positive factor on all values of a pool changes nothing."""
    layer, x = randomized(case.ours(torch.float64)), wide_input(case)
    nearly(layer(x * one_per_pool(case)), layer(x))


@every_norm
def test_other_samples_do_not_matter_unless_pooled(case: Case) -> None:
    """A sample's output depends on the other samples exactly where statistics are over samples."""
    layer = randomized(case.ours(torch.float64))
    x = case.input()
    other = torch.cat([x[:1], 3 * case.input()[1:]])
    difference = (layer(x)[0] - layer(other)[0]).abs().max()
    assert (difference > 1e-3) if case.couples_samples else (difference < 1e-12)


@every_norm
def test_samples_in_evaluation_are_independent(case: Case) -> None:
    """In evaluation no norm looks at other samples, except batch norm without running statistics."""
    layer = randomized(case.ours(torch.float64)).eval()
    x = case.input()
    other = torch.cat([x[:1], 3 * case.input()[1:]])
    difference = (layer(x)[0] - layer(other)[0]).abs().max()
    assert (difference > 1e-3) if case.couples_samples and not case.tracked else (difference < 1e-12)


@every_norm
def test_order_of_samples_does_not_matter(case: Case) -> None:
    """Permuted samples come out permuted, and leave the same running statistics; parts of a batch are in its order."""
    if case.splits_batches:
        return
    layer, permuted = case.ours(torch.float64), case.ours(torch.float64)
    x, order = case.input(), torch.randperm(case.shape[0])
    assert_close(permuted(x[order]), layer(x)[order], rtol=1e-9, atol=1e-9)
    assert_close(permuted.state_dict(), layer.state_dict(), rtol=1e-9, atol=1e-9)


@every_norm
def test_normalizing_twice_is_normalizing_once(case: Case) -> None:
    """What is normalized already passes unchanged."""
    once = case.ours(torch.float64)(wide_input(case))
    assert_close(case.ours(torch.float64)(once), once, rtol=2e-3, atol=2e-3)
