from collections.abc import Iterator

import pytest
import torch

from normzoo.layers import backend
from normzoo.registry.backends import Backend

from .cases import ONE_OF_EACH, Case
from .formulas import ONE_OF_EACH_FORMULA, FormulaCase


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark cases beyond one of each class slow, and all where they are compiled."""
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        case = parameters.get("case")
        if isinstance(case, Case):
            is_one_more = case.pools is not None and case not in ONE_OF_EACH
        elif isinstance(case, FormulaCase):
            is_one_more = case not in ONE_OF_EACH_FORMULA
        else:
            continue
        if is_one_more or "compiled" in parameters.values():
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def on_backend(name: Backend) -> Iterator[None]:
    """Run the test on the backend that it is parametrized with."""
    with backend(name):
        yield


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    """Every test draws the same random numbers each time it runs."""
    torch.manual_seed(0)
