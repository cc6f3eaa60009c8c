from collections.abc import Iterator

import pytest
import torch

from normzoo.layers import backend
from normzoo.registry.backends import Backend


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    """On inputs this small, threads only wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=["eager", "compiled"])
def each_backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Run the test on each backend."""
    name: Backend = request.param
    with backend(name):
        yield name


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    """Every test draws the same random numbers each time it runs."""
    torch.manual_seed(0)
