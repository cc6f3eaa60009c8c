from collections.abc import Iterator

import pytest
import torch

from normzoo.layers import backend
from normzoo.registry.backends import Backend

from .cases import ONE_OF_EACH, Case


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark cases beyond one of each class slow, and all where they are compiled."""
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        case = parameters.get("case")
        if not isinstance(case, Case):
            continue
        is_one_more = case.pools is not None and case not in ONE_OF_EACH
        if is_one_more or "compiled" in parameters.values():
            item.add_marker(pytest.mark.slow)


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
