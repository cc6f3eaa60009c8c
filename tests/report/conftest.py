"""What all tests of the report floor share."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def quick_collections() -> Iterator[None]:
    """Keep what is already loaded out of garbage collections, as statsmodels makes one at every correction."""
    gc.freeze()
    yield
    gc.unfreeze()
