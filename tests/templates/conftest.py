"""What all tests of the templates share."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    """Every test draws the same random numbers each time it runs."""
    torch.manual_seed(0)
