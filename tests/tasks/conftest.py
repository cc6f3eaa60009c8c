"""What the tests of the tasks share."""

import numpy as np
import pytest


@pytest.fixture(params=range(4))
def random(request: pytest.FixtureRequest) -> np.random.Generator:
    """Other random numbers each time a test is asked again."""
    return np.random.default_rng(request.param)
