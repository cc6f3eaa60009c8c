from collections.abc import Iterator

import pytest

from normzoo.layers import backend
from normzoo.registry.backends import Backend

from .cases import ONE_OF_EACH, TRACKED, Case
from .formulas import ONE_OF_EACH_FORMULA, FormulaCase

TRACKED_LAYERS = {case.layer for case in TRACKED}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow: cases beyond one of each class, evaluation where it is what training is, and what is compiled."""
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        case = parameters.get("case")
        if isinstance(case, Case):
            is_one_more = case.pools is not None and case not in ONE_OF_EACH
            is_another_in_evaluation = case.layer in TRACKED_LAYERS
        elif isinstance(case, FormulaCase):
            is_one_more = case not in ONE_OF_EACH_FORMULA
            is_another_in_evaluation = case.evaluation is not None
        else:
            continue
        is_the_same_again = parameters.get("training") is False and not is_another_in_evaluation
        if is_one_more or is_the_same_again or "compiled" in parameters.values():
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def on_backend(name: Backend) -> Iterator[None]:
    """Run the test on the backend that it is parametrized with."""
    with backend(name):
        yield
