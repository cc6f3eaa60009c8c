"""The real Fashion-MNIST, where its archives are at hand: beside the checkout, or where NORMZOO_TEST_DATA says."""

import os
import shutil
from pathlib import Path

import pytest

from normzoo.data import load_dataset

PLACES = [
    Path(os.environ.get("NORMZOO_TEST_DATA", "")),
    Path(__file__).resolve().parents[3] / "shared" / "data",
]
FOLDER = next((place for place in PLACES if (place / "FashionMNIST" / "raw").is_dir()), None)


@pytest.mark.slow
@pytest.mark.skipif(FOLDER is None, reason="no FashionMNIST/raw in the folder that NORMZOO_TEST_DATA names")
def test_the_real_archives_pass_torchvisions_checksums_and_are_read_whole(tmp_path: Path) -> None:
    assert FOLDER is not None
    raw = Path("FashionMNIST", "raw")
    (tmp_path / raw).mkdir(parents=True)
    for archive in (FOLDER / raw).glob("*.gz"):
        shutil.copyfile(archive, tmp_path / raw / archive.name)
    dataset = load_dataset("fashion-mnist", root=tmp_path)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (54_000, 6_000, 10_000)
    assert dataset.shape == (1, 28, 28)
    assert dataset.validation.targets.bincount().tolist() == [600] * 10
    assert dataset.test.targets.bincount().tolist() == [1000] * 10
    assert dataset.train.inputs.double().mean().item() == pytest.approx(0, abs=1e-5)
    assert dataset.train.inputs.double().var().item() == pytest.approx(1, abs=1e-5)
    assert load_dataset("fashion-mnist", root=tmp_path).checksum == dataset.checksum
