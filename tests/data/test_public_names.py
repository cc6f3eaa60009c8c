"""What ``normzoo.data`` exports, and what importing it costs."""

import subprocess
import sys

import pytest

import normzoo.data
from normzoo.registry import DATASETS, load


def test_every_public_name_is_exported() -> None:
    assert sorted(normzoo.data.__all__) == normzoo.data.__all__
    assert all(hasattr(normzoo.data, name) for name in normzoo.data.__all__)


def test_every_registered_dataset_of_ours_has_a_loader() -> None:
    assert all(callable(load(entry.target)) for entry in DATASETS.values())


@pytest.mark.slow
def test_importing_the_package_and_its_loaders_imports_neither_torchvision_nor_scikit_learn() -> None:
    code = (
        "import sys, normzoo.data\n"
        "from normzoo.registry import DATASETS, load\n"
        "for entry in DATASETS.values(): load(entry.target)\n"
        "print(sorted({'torch', 'torchvision', 'sklearn'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "['torch']"
