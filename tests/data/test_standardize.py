"""The statistics per channel: exact, stable, and in bounded memory."""

import numpy as np
import pytest
import torch

from normzoo.data import _standardize
from normzoo.data._arrays import Array
from normzoo.data._standardize import channel_statistics, standardize


@pytest.fixture(params=[1, 1000, 1 << 22], ids=["one sample a block", "ragged blocks", "one block"])
def block_values(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(_standardize, "_BLOCK_VALUES", request.param)
    return int(request.param)


@pytest.mark.usefixtures("block_values")
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float32", "float64", ">f4"])
def test_mean_and_deviation_are_numpys_however_the_samples_are_cut_into_blocks(dtype: str) -> None:
    images = np.random.default_rng(0).integers(0, 200, (37, 7, 5, 3)).astype(dtype)
    mean, std = channel_statistics(images)
    np.testing.assert_allclose(mean, images.astype(np.float64).mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, images.astype(np.float64).std((0, 1, 2)), rtol=1e-12)


@pytest.mark.usefixtures("block_values")
def test_standardizing_subtracts_and_divides_per_channel() -> None:
    images = np.random.default_rng(0).random((37, 7, 5, 3))
    statistics = channel_statistics(images)
    expected = np.moveaxis((images - statistics.mean) / statistics.std, -1, 1)
    standardized = standardize(images, statistics)
    assert standardized.dtype == torch.float32
    np.testing.assert_allclose(standardized.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_a_small_deviation_on_a_large_mean_does_not_cancel() -> None:
    images = 1e8 + np.random.default_rng(0).standard_normal((500, 4, 4, 1))
    assert channel_statistics(images).std == pytest.approx(images.std(), rel=1e-6)


def constant_channel(value: float) -> Array:
    images = np.random.default_rng(0).random((30, 7, 5, 2))
    images[..., 1] = value
    return images


@pytest.mark.usefixtures("block_values")
@pytest.mark.parametrize("value", [0.0, 0.1, -1e30])
def test_a_constant_channel_becomes_exactly_zero_and_leaves_the_others_alone(value: float) -> None:
    images = constant_channel(value)
    standardized = standardize(images, channel_statistics(images))
    assert (standardized[:, 1] == 0).all()
    assert standardized[:, 0].std(correction=0) == pytest.approx(1)


def test_a_channel_constant_in_training_alone_is_only_centred_elsewhere() -> None:
    statistics = channel_statistics(constant_channel(5.0))
    assert (standardize(np.full((1, 7, 5, 2), 7.0), statistics)[0, 1] == 2).all()
