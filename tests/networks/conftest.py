import pytest
import torch

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


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    """Every test draws the same random numbers each time it runs."""
    torch.manual_seed(0)
