import pytest

from .architectures import Architecture

QUICK = ("resnet", "vit")
"""Those of which quick tests ask: one of batch norms, and one of layer norms."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the other architectures slow."""
    for item in items:
        architecture = item.callspec.params.get("architecture") if hasattr(item, "callspec") else None
        if isinstance(architecture, Architecture) and architecture.id not in QUICK:
            item.add_marker(pytest.mark.slow)
