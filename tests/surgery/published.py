"""Published networks, of which quick tests ask few."""

import pytest
from networks.architectures import ARCHITECTURES

QUICK = ("resnet", "densenet")

each_architecture = pytest.mark.parametrize(
    "architecture",
    [pytest.param(case, id=case.id, marks=[] if case.id in QUICK else [pytest.mark.slow]) for case in ARCHITECTURES],
)
each_library = pytest.mark.parametrize("ours", [False, True], ids=["torch", "ours"])
