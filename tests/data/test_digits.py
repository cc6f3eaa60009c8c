"""The embedded dataset: fixed, stratified, without a network."""

import pytest
import torch

from normzoo.data import Dataset, load_dataset


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


def test_it_has_1797_images_8x8_split_about_60_20_20(digits: Dataset) -> None:
    assert (len(digits.train), len(digits.validation), len(digits.test)) == (1078, 359, 360)
    assert digits.shape == (1, 8, 8)
    assert digits.outputs == 10


def test_every_split_has_every_class_in_proportion(digits: Dataset) -> None:
    for split in (digits.train, digits.validation, digits.test):
        shares = torch.bincount(split.targets, minlength=10) / len(split)
        torch.testing.assert_close(shares, torch.full((10,), 0.1), atol=0.01, rtol=0)


def test_no_image_is_in_two_splits(digits: Dataset) -> None:
    splits = (digits.train, digits.validation, digits.test)
    rows = torch.cat([split.inputs.flatten(1) for split in splits])
    assert len(torch.unique(rows, dim=0)) == 1797


def test_the_split_is_pinned(digits: Dataset) -> None:
    """A change here changes the key of every stored run on the digits."""
    assert digits.checksum == "9c3cc3ee288e9bad"
