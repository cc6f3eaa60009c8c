"""Published networks, as they are and with our norms, of which quick tests ask few."""

import pytest
from networks.architectures import ARCHITECTURES, OF_EACH_KIND

QUICK = ("resnet", "densenet")

each_published = pytest.mark.parametrize(
    ("architecture", "ours"),
    [
        pytest.param(
            case,
            ours,
            id=f"{case.id}-{'ours' if ours else 'torch'}",
            marks=() if case.id in QUICK else pytest.mark.slow,
        )
        for ours, cases in ((False, ARCHITECTURES), (True, OF_EACH_KIND))
        for case in cases
    ],
)
"""All with the norms that they have, which ours derive from; with ours one for each kind."""
