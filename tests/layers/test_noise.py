"""Is noisy batch norm batch norm with noise, in training alone?"""

import pytest
import torch
from torch.testing import assert_close

from normzoo.layers import BatchNorm, NoisyBatchNorm


def test_it_is_batch_norm_and_noise() -> None:
    """Its moments are others at each step, for each channel; the running statistics are those of batch norm."""
    noisy, norm = NoisyBatchNorm(20).double(), BatchNorm(20).double()
    x = 3 + 2 * torch.randn(200, 20, 4, 4, dtype=torch.float64)
    first, second = noisy(x), noisy(x)
    for y in (first, second):
        means, spreads = y.mean((0, 2, 3)), y.std((0, 2, 3))
        assert 0.2 < means.abs().max() < 0.55
        assert 1.1 < spreads.max() < 1.3
    assert (first - second).mean((0, 2, 3)).abs().max() > 0.2
    for _ in range(2):
        norm(x)
    assert_close(dict(noisy.norm.named_buffers()), dict(norm.named_buffers()))
    assert_close(noisy.eval()(x), norm.eval()(x))


def test_what_is_masked_stays_zero() -> None:
    """Noise is added to what counts alone."""
    mask = torch.rand(8, 5) < 0.7
    y = NoisyBatchNorm(3)(torch.randn(8, 3, 5), mask)
    assert torch.equal(y != 0, mask.unsqueeze(1).expand_as(y))


def test_the_strength_is_that_of_the_noise() -> None:
    """Half of it moves half as far; a negative one is refused."""
    x = torch.randn(100, 8)
    moved = []
    for strength in (0.5, 1.0):
        torch.manual_seed(3)
        moved.append(NoisyBatchNorm(8, strength)(x) - BatchNorm(8)(x))
    assert_close(2 * moved[0], moved[1])
    with pytest.raises(ValueError, match=r"^Noise: strength must be at least 0, got -1; use 0 for no noise$"):
        NoisyBatchNorm(8, -1)
