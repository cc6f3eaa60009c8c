"""What all tests of the templates share."""

from pathlib import Path

import pytest

from normzoo.registry import NORMS

QUICK = ("batch", "layer")
"""Of our norms, those of which quick tests ask: one that pools samples, and one that does not."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the other norms slow."""
    for item in items:
        if hasattr(item, "callspec") and item.path.parent == Path(__file__).parent:
            given = {item.callspec.params.get(name) for name in ("norm", "spec", "name")}
            asked = {each.partition(":")[0] for each in given if isinstance(each, str)}
            if asked & NORMS.keys() - {*QUICK}:
                item.add_marker(pytest.mark.slow)
